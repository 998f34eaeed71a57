/*
 * The manifest of an archive that somebody else's program has made: digests of its
 * chunks, so that a reader can verify each before it is decoded, from any mirror.
 */
#include "archive/create.h"
#include "archive/publish.h"
#include "archive/steer.h"
#include "archive/stream.h"
#include "crypto/ssh-private-key.h"
#include "util/hex.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

#define CHUNK       ((uint32_t) 4 << 20)
#define CHUNK_SMALL ((uint32_t) 1 << 20)
#define SMALL       ((uint64_t) 256 << 20) /* archives below get small chunks */

DEFINE_CLEANUP(Sha256 *, sha256_free)

static int read_chunk(int fd, uint8_t *data, size_t size) {
        for (size_t n = 0; n < size;) {
                ssize_t got = read(fd, data + n, size - n);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return got < 0 ? -errno : -EIO;
                n += (size_t) got;
        }
        return 0;
}

/* Digests of the chunks into @builder, and that of the whole. */
static int read_all(int fd, uint64_t size, ManifestBuilder *builder, Steer *s,
                    char ret[static SHA256_HEX_SIZE], Fault *reterr) {
        const uint32_t chunk = size < SMALL ? CHUNK_SMALL : CHUNK;
        cleanup_free_ uint8_t *data = malloc(chunk);
        cleanup_(sha256_freep) Sha256 *whole = NULL;
        int r;

        r = data ? sha256_new(&whole) : -ENOMEM;
        s->progress.total = size;
        for (uint64_t at = 0; r >= 0 && at < size; at += chunk) {
                ManifestPart part = { .offset = at,
                                      .length = size - at < chunk ? (uint32_t) (size - at) : chunk };
                char hex[SHA256_HEX_SIZE];

                r = read_chunk(fd, data, part.length);
                if (r < 0)
                        return fault_errno(reterr, r, "it cannot be read at %ju", (uintmax_t) at);
                r = sha256_update(whole, data, part.length);
                if (r >= 0)
                        r = sha256_buffer_hex(data, part.length, hex);
                if (r >= 0)
                        r = hex_decode(hex, part.sha256, sizeof part.sha256);
                if (r >= 0)
                        r = manifest_builder_part(builder, &part);
                s->progress.done = at + part.length;
                if (r >= 0)
                        r = steer(s, reterr);
        }
        return r < 0 ? r : sha256_final_hex(whole, ret);
}

static bool is_same(const struct stat *a, const struct stat *b) {
        return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
               a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int describe(const CreateOptions *o, const char *path, const SshPrivateKey *key, Publish *manifest,
                    CreateReport *report, Fault *reterr) {
        cleanup_(manifest_builder_freep) ManifestBuilder *builder = NULL;
        cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        Steer s = { .control = o->control, .progress = { .step = "create" } };
        ManifestHead head = *o->about;
        struct stat before, after;
        int r;

        if (fd < 0 || fstat(fd, &before) < 0)
                return fault_errno(reterr, -errno, "it cannot be opened");
        if (!S_ISREG(before.st_mode) || before.st_size == 0)
                return fault_set(reterr, -EINVAL, "it is empty or no regular file");
        head.codec = stream_codec_of_name(path);
        if (head.codec == _ARCHIVE_CODEC_MAX)
                return fault_set(
                        reterr, -EINVAL,
                        "its name tells no format: expected .tar, .tar.zst, .tar.lz4, .tar.gz or .tar.xz");
        r = publish_begin(manifest, o->output_fd, o->prefix, MANIFEST_SUFFIX, reterr);
        if (r >= 0)
                r = manifest_builder_new(MANIFEST_CHUNKED, &builder);
        if (r >= 0)
                r = read_all(fd, (uint64_t) before.st_size, builder, &s, report->archive_sha256, reterr);
        if (r < 0)
                return r;
        if (fstat(fd, &after) < 0 || !is_same(&before, &after))
                return fault_set(reterr, -EBUSY, "it changed while it was read");
        head.archive_size = report->archive_size = (uint64_t) before.st_size;
        head.n_files = head.plain_size = 0;
        memcpy(head.archive_sha256, report->archive_sha256, sizeof head.archive_sha256);
        r = publish_manifest(manifest, builder, &head, key, report, reterr);
        if (r >= 0)
                r = steer_now(&s, reterr);
        return r < 0 ? r : publish_all((Publish *const[]){ manifest }, 1, reterr);
}

int create_manifest(const CreateOptions *options, const char *path, CreateReport *ret, Fault *reterr) {
        cleanup_(ssh_private_key_freep) SshPrivateKey *key = NULL;
        cleanup_(publish_done) Publish manifest = PUBLISH_NONE;
        CreateReport report = { 0 };
        int r = 0;

        if (options->key)
                r = ssh_private_key_read(AT_FDCWD, options->key, MANIFEST_NAMESPACE, &key, reterr);
        if (r >= 0)
                r = describe(options, path, key, &manifest, &report, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "Failed to make the manifest of '%s'", path);
        *ret = report;
        return 0;
}
