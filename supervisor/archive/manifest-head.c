/*
 * The text head, read and written by one table of its keys, so that both agree
 * on their order. A head has exactly one form: what is parsed and formatted
 * again is the same text, and that is checked, so no two readers can differ on
 * what was signed.
 */
#include "archive/manifest-layout.h"
#include "util/hex.h"
#include "util/text.h"

#include <inttypes.h>
#include <stddef.h>
#include <time.h>

#define MAGIC       "muster-snapshot"
#define VERSION     "1"
#define TIME_LATEST ((uint64_t) 253402300799) /* 9999-12-31T23:59:59Z */
#define SHOWN_MAX   60

typedef enum Kind {
        KIND_VERSION,
        KIND_MODE,
        KIND_TEXT, /* optional, as are heights and times that are not said */
        KIND_HEIGHT,
        KIND_TIME,
        KIND_EXPIRY,
        KIND_CODEC,
        KIND_NUMBER,
        KIND_DIGEST,
} Kind;

static const struct {
        const char *key;
        Kind kind;
        size_t field;
        bool framed; /* only there */
} keys[] = {
        { MAGIC, KIND_VERSION, 0, false },
        { "mode", KIND_MODE, offsetof(ManifestLayout, head.mode), false },
        { "family", KIND_TEXT, offsetof(ManifestLayout, head.family), false },
        { "chain", KIND_TEXT, offsetof(ManifestLayout, head.chain), false },
        { "height", KIND_HEIGHT, offsetof(ManifestLayout, head.height), false },
        { "block-hash", KIND_TEXT, offsetof(ManifestLayout, head.block_hash), false },
        { "software", KIND_TEXT, offsetof(ManifestLayout, head.software), false },
        { "created", KIND_TIME, offsetof(ManifestLayout, head.created), false },
        { "expires", KIND_EXPIRY, offsetof(ManifestLayout, head.expires), false },
        { "codec", KIND_CODEC, offsetof(ManifestLayout, head.codec), false },
        { "archive-size", KIND_NUMBER, offsetof(ManifestLayout, head.archive_size), false },
        { "archive-sha256", KIND_DIGEST, offsetof(ManifestLayout, head.archive_sha256), false },
        { "plain-size", KIND_NUMBER, offsetof(ManifestLayout, head.plain_size), false },
        { "files", KIND_NUMBER, offsetof(ManifestLayout, head.n_files), false },
        { "parts", KIND_NUMBER, offsetof(ManifestLayout, n_parts), false },
        { "extents", KIND_NUMBER, offsetof(ManifestLayout, n_extents), true },
        { "names-size", KIND_NUMBER, offsetof(ManifestLayout, names_size), true },
};

static const char *const modes[_MANIFEST_MODE_MAX] = {
        [MANIFEST_CHUNKED] = "chunked",
        [MANIFEST_FRAMED] = "framed",
};

static const char *const codecs[_ARCHIVE_CODEC_MAX] = {
        [ARCHIVE_TAR] = "tar",         [ARCHIVE_TAR_ZSTD] = "tar.zst", [ARCHIVE_TAR_LZ4] = "tar.lz4",
        [ARCHIVE_TAR_GZIP] = "tar.gz", [ARCHIVE_TAR_XZ] = "tar.xz",
};

const char *archive_codec_to_string(ArchiveCodec codec) {
        return codecs[codec];
}

ArchiveCodec archive_codec_from_string(const char *name) {
        for (ArchiveCodec c = 0; c < _ARCHIVE_CODEC_MAX; c++)
                if (str_eq(name, codecs[c]))
                        return c;
        return _ARCHIVE_CODEC_MAX;
}

void manifest_head_done(ManifestHead *head) {
        free(head->family);
        free(head->chain);
        free(head->block_hash);
        free(head->software);
        head->family = head->chain = head->block_hash = head->software = NULL;
}

static const char *text_fault(const char *value) {
        size_t n = strlen(value);

        if (n == 0)
                return "is empty";
        if (n > MANIFEST_TEXT_MAX)
                return "is too long";
        if (value[0] == ' ' || value[n - 1] == ' ')
                return "has a blank at its end";
        for (; *value; value++)
                if ((unsigned char) *value < 0x20 || *value == 0x7f)
                        return "has a control character";
        return NULL;
}

static int parse_time(const char *value, uint64_t *ret) {
        struct tm tm = { 0 };
        const char *end;
        time_t t;

        if (strlen(value) != strlen("YYYY-MM-DDThh:mm:ssZ"))
                return -EINVAL;
        end = strptime(value, "%Y-%m-%dT%H:%M:%SZ", &tm);
        t = end && !*end ? timegm(&tm) : -1;
        if (t < 1)
                return -EINVAL;
        *ret = (uint64_t) t;
        return 0;
}

/* NULL, or what was expected. */
static const char *parse_value(Kind kind, const char *value, void *field) {
        uint8_t digest[32];
        uint64_t number;
        int r;

        switch (kind) {
        case KIND_VERSION:
                return str_eq(value, VERSION) ? NULL
                                              : "version " VERSION ": a newer muster-restore may know it";
        case KIND_MODE:
                for (ManifestMode m = 0; m < _MANIFEST_MODE_MAX; m++)
                        if (str_eq(value, modes[m])) {
                                *(ManifestMode *) field = m;
                                return NULL;
                        }
                return "chunked or framed";
        case KIND_TEXT:
                if (text_fault(value))
                        return "a text of at most 256 printable bytes";
                r = str_replace(field, value);
                return r < 0 ? "memory" : NULL;
        case KIND_HEIGHT:
                if (parse_u64(value, &number) < 0 || number > INT64_MAX)
                        return "a block height";
                *(int64_t *) field = (int64_t) number;
                return NULL;
        case KIND_TIME:
        case KIND_EXPIRY:
                return parse_time(value, field) < 0 ? "a time as 2026-11-22T14:05:09Z" : NULL;
        case KIND_CODEC:
                *(ArchiveCodec *) field = archive_codec_from_string(value);
                return *(ArchiveCodec *) field == _ARCHIVE_CODEC_MAX
                               ? "tar, tar.zst, tar.lz4, tar.gz or tar.xz"
                               : NULL;
        case KIND_NUMBER:
                return parse_u64(value, field) < 0 || *(uint64_t *) field > INT64_MAX ? "a number" : NULL;
        case KIND_DIGEST:
                if (hex_decode(value, digest, sizeof digest) < 0)
                        return "64 hexadecimal digits, lower case";
                memcpy(field, value, SHA256_HEX_SIZE);
                return NULL;
        default:
                return "nothing";
        }
}

static bool is_optional(Kind kind) {
        return kind == KIND_TEXT || kind == KIND_HEIGHT || kind == KIND_EXPIRY;
}

/* The start of a line, fit for a terminal. */
static const char *shown(const char *line, size_t length, char buffer[static SHOWN_MAX + 4]) {
        size_t n = length < SHOWN_MAX ? length : SHOWN_MAX;

        for (size_t i = 0; i < n; i++)
                buffer[i] =
                        (unsigned char) line[i] < 0x20 || (unsigned char) line[i] >= 0x7f ? '?' : line[i];
        strcpy(buffer + n, length > n ? "..." : "");
        return buffer;
}

/* Owned: the value of the line at @text if it is @key's; NULL else, and @ret_length of what is there. */
static char *take_line(const char *text, size_t left, const char *key, size_t *ret_length) {
        const char *end = memchr(text, '\n', left);
        size_t length = end ? (size_t) (end - text) : left, n = strlen(key);

        *ret_length = length;
        if (!end || length < n + 2 || memcmp(text, key, n) != 0 || memcmp(text + n, ": ", 2) != 0 ||
            memchr(text, 0, length))
                return NULL;
        return strndup(text + n + 2, length - n - 2);
}

static int parse_lines(const char *text, size_t size, ManifestLayout *l, Fault *reterr) {
        const char *p = text, *expected;
        char buffer[SHOWN_MAX + 4];
        size_t left = size < MANIFEST_HEAD_MAX ? size : MANIFEST_HEAD_MAX, length;
        unsigned line = 1;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                cleanup_free_ char *value = NULL;

                if (keys[i].framed && l->head.mode != MANIFEST_FRAMED)
                        continue;
                value = take_line(p, left, keys[i].key, &length);
                if (!value && is_optional(keys[i].kind))
                        continue;
                if (!value && i == 0)
                        return fault_set(reterr, -EBADMSG,
                                         "it is no snapshot manifest: it begins with '%s', expected '" MAGIC
                                         ": " VERSION "'",
                                         shown(p, length, buffer));
                if (!value)
                        return fault_set(reterr, -EBADMSG, "line %u is '%s', expected '%s: ...'", line,
                                         shown(p, length, buffer), keys[i].key);
                expected = parse_value(keys[i].kind, value, (char *) l + keys[i].field);
                if (expected)
                        return fault_set(reterr, -EBADMSG, "line %u is '%s', expected %s", line,
                                         shown(p, length, buffer), expected);
                p += length + 1;
                left -= length + 1;
                line++;
        }
        if (left == 0 || *p != '\n') {
                const char *end = memchr(p, '\n', left);

                length = end ? (size_t) (end - p) : left;
                return fault_set(reterr, -EBADMSG, "line %u is '%s', expected an empty line", line,
                                 shown(p, length, buffer));
        }
        l->head_size = (size_t) (p - text) + 1;
        return 0;
}

static int check(const ManifestLayout *l, Fault *reterr) {
        const ManifestHead *h = &l->head;

        if (h->mode == MANIFEST_FRAMED && h->codec != ARCHIVE_TAR_ZSTD)
                return fault_set(reterr, -EBADMSG, "the codec is %s, expected tar.zst in a framed snapshot",
                                 codecs[h->codec]);
        if (h->archive_size == 0 || l->n_parts == 0)
                return fault_set(reterr, -EBADMSG, "the archive is empty");
        return 0;
}

int manifest_head_parse(const char *text, size_t size, ManifestLayout *ret, Fault *reterr) {
        ManifestLayout l = { .head.height = -1 };
        cleanup_free_ char *again = NULL;
        size_t again_size;
        int r;

        r = parse_lines(text, size, &l, reterr);
        if (r >= 0)
                r = check(&l, reterr);
        if (r >= 0)
                r = manifest_head_format(&l, &again, &again_size, reterr);
        if (r >= 0 && (again_size != l.head_size || memcmp(again, text, again_size) != 0))
                r = fault_set(reterr, -EBADMSG, "a number or time of the head is not in its one form");
        if (r < 0) {
                manifest_head_done(&l.head);
                return r;
        }
        *ret = l;
        return 0;
}

static int put_time(FILE *f, const char *key, uint64_t t, Fault *reterr) {
        time_t seconds = (time_t) t;
        char text[32];
        struct tm tm;

        if (t == 0 || t > TIME_LATEST || !gmtime_r(&seconds, &tm))
                return fault_set(reterr, -EINVAL, "'%s' is no time of the years 1970 to 9999", key);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        fprintf(f, "%s: %s\n", key, text);
        return 0;
}

static int put_value(FILE *f, size_t i, const void *field, Fault *reterr) {
        const char *key = keys[i].key, *text, *fault;

        switch (keys[i].kind) {
        case KIND_VERSION:
                fprintf(f, "%s: " VERSION "\n", key);
                return 0;
        case KIND_MODE:
                fprintf(f, "%s: %s\n", key, modes[*(const ManifestMode *) field]);
                return 0;
        case KIND_TEXT:
                text = *(char *const *) field;
                fault = text ? text_fault(text) : NULL;
                if (fault)
                        return fault_set(reterr, -EINVAL,
                                         "'%s' %s: expected a text of at most %d printable bytes", key,
                                         fault, MANIFEST_TEXT_MAX);
                if (text)
                        fprintf(f, "%s: %s\n", key, text);
                return 0;
        case KIND_HEIGHT:
                if (*(const int64_t *) field >= 0)
                        fprintf(f, "%s: %" PRId64 "\n", key, *(const int64_t *) field);
                return 0;
        case KIND_EXPIRY:
                return *(const uint64_t *) field > 0 ? put_time(f, key, *(const uint64_t *) field, reterr)
                                                     : 0;
        case KIND_TIME:
                return put_time(f, key, *(const uint64_t *) field, reterr);
        case KIND_CODEC:
                fprintf(f, "%s: %s\n", key, codecs[*(const ArchiveCodec *) field]);
                return 0;
        case KIND_NUMBER:
                fprintf(f, "%s: %" PRIu64 "\n", key, *(const uint64_t *) field);
                return 0;
        case KIND_DIGEST:
                fprintf(f, "%s: %s\n", key, (const char *) field);
                return 0;
        default:
                return -EINVAL;
        }
}

int manifest_head_format(const ManifestLayout *layout, char **ret, size_t *ret_size, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;
        int r = 0;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(keys); i++)
                if (!keys[i].framed || layout->head.mode == MANIFEST_FRAMED)
                        r = put_value(f, i, (const char *) layout + keys[i].field, reterr);
        fputc('\n', f);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}
