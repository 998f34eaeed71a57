#include "archive/inspect.h"
#include "util/text.h"

#include <inttypes.h>
#include <time.h>

static const char *time_text(uint64_t seconds, char buffer[static 32]) {
        time_t t = (time_t) seconds;
        struct tm tm;

        if (!gmtime_r(&t, &tm) || strftime(buffer, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                strcpy(buffer, "-");
        return buffer;
}

static void line(FILE *f, const char *key, const char *value) {
        if (value)
                fprintf(f, "%13s: %s\n", key, value);
}

static void size_line(FILE *f, const char *key, uint64_t bytes) {
        char size[SIZE_TEXT_MAX];

        fprintf(f, "%13s: %s (%" PRIu64 " bytes)\n", key, format_size(size, bytes), bytes);
}

void inspect_text(const Manifest *m, FILE *f) {
        const ManifestHead *h = manifest_head(m);
        char text[32];

        line(f, "Mode",
             h->mode == MANIFEST_FRAMED ? "framed: every file can be verified and restored alone"
                                        : "chunked: the archive is verified while it is read");
        line(f, "Family", h->family);
        line(f, "Chain", h->chain);
        if (h->height >= 0)
                fprintf(f, "%13s: %" PRId64 "\n", "Height", h->height);
        line(f, "Block", h->block_hash);
        line(f, "Software", h->software);
        line(f, "Created", time_text(h->created, text));
        line(f, "Expires", h->expires > 0 ? time_text(h->expires, text) : "never");
        line(f, "Codec", archive_codec_to_string(h->codec));
        size_line(f, "Archive", h->archive_size);
        line(f, "SHA-256", h->archive_sha256);
        if (h->plain_size > 0 || h->mode == MANIFEST_FRAMED)
                size_line(f, "Unpacked", h->plain_size);
        if (h->n_files > 0 || h->mode == MANIFEST_FRAMED)
                fprintf(f, "%13s: %" PRIu64 "\n", "Files", h->n_files);
        fprintf(f, "%13s: %zu\n", "Parts", manifest_n_parts(m));
        line(f, "Digest", manifest_digest(m));
}

/* Hands @member over; false without memory. */
static bool put(json_t *object, const char *key, json_t *member) {
        return member && json_object_set_new(object, key, member) == 0;
}

json_t *inspect_json(const Manifest *m) {
        const ManifestHead *h = manifest_head(m);
        cleanup_json_ json_t *o = json_object();
        char text[32];

        if (!o || json_put_str(o, "mode", h->mode == MANIFEST_FRAMED ? "framed" : "chunked") < 0 ||
            json_put_str(o, "family", h->family) < 0 || json_put_str(o, "chain", h->chain) < 0 ||
            json_put_str(o, "block_hash", h->block_hash) < 0 ||
            json_put_str(o, "software", h->software) < 0 ||
            json_put_str(o, "created", time_text(h->created, text)) < 0 ||
            json_put_str(o, "codec", archive_codec_to_string(h->codec)) < 0 ||
            json_put_u64(o, "archive_size", h->archive_size) < 0 ||
            json_put_str(o, "archive_sha256", h->archive_sha256) < 0 ||
            json_put_u64(o, "plain_size", h->plain_size) < 0 || json_put_u64(o, "files", h->n_files) < 0 ||
            json_put_u64(o, "parts", manifest_n_parts(m)) < 0 ||
            json_put_u64(o, "extents", manifest_n_extents(m)) < 0 ||
            json_put_str(o, "manifest_digest", manifest_digest(m)) < 0)
                return NULL;
        if (h->height >= 0 && !put(o, "height", json_integer(h->height)))
                return NULL;
        if (h->expires > 0 && json_put_str(o, "expires", time_text(h->expires, text)) < 0)
                return NULL;
        return TAKE_PTR(o);
}

void inspect_files(const Manifest *m, FILE *f) {
        ManifestFile file;
        char text[32];

        for (size_t i = 0; i < manifest_n_files(m); i++) {
                manifest_file(m, i, &file);
                fprintf(f, "%04o %14" PRIu64 " %s %s%s\n", (unsigned) file.mode, file.size,
                        time_text((uint64_t) file.mtime_sec, text), file.path, file.directory ? "/" : "");
        }
}

json_t *inspect_files_json(const Manifest *m) {
        cleanup_json_ json_t *array = json_array();
        ManifestFile file;
        char mode[8];

        for (size_t i = 0; array && i < manifest_n_files(m); i++) {
                json_t *o = json_object();

                manifest_file(m, i, &file);
                snprintf(mode, sizeof mode, "%04o", (unsigned) file.mode & 07777);
                if (!o || json_array_append_new(array, o) != 0 || json_put_str(o, "path", file.path) < 0 ||
                    json_put_bool(o, "directory", file.directory) < 0 ||
                    json_put_u64(o, "size", file.size) < 0 || json_put_str(o, "mode", mode) < 0 ||
                    !put(o, "mtime", json_integer(file.mtime_sec)))
                        return NULL;
        }
        return TAKE_PTR(array);
}
