/*
 * A frame comes from the seed as a whole or not at all: frames are small (4 MiB
 * at most of ours), and one that has to be downloaded brings all its bytes.
 *
 * Shared extents are read back from the output, not from the seed: between a
 * hash of the seed and the sharing the node could write. What was shared and is
 * wrong stays in the file until the download overwrites it; the frame is not
 * marked, so a crash does not make it right.
 */
#include "archive/seed.h"
#include "archive/path.h"
#include "crypto/sha256.h"
#include "util/directory.h"
#include "util/hex.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

#define DIRECT_MIN   (64 * 1024)
#define DIRECT_ALIGN ((size_t) 4096)

struct Seed {
        int dirfd, into_fd;
        char *prefix; /* clean, with a slash at its end; NULL: none */
        const Manifest *manifest;
        FrameFiles *files;
        bool no_clone; /* atomic; this file system does not share */
};

int seed_new(int dirfd, int into_fd, const char *prefix, const Manifest *m, FrameFiles *files, Seed **ret) {
        cleanup_(seed_freep) Seed *s = calloc(1, sizeof *s);
        cleanup_free_ char *clean = NULL;
        const char *why;
        int r;

        if (!s)
                return -ENOMEM;
        s->dirfd = dirfd;
        s->into_fd = into_fd;
        s->manifest = m;
        s->files = files;
        r = prefix ? path_clean(prefix, &clean, &why) : 0;
        if (r < 0)
                return r;
        if (clean && *clean && asprintf(&s->prefix, "%s/", clean) < 0) {
                s->prefix = NULL;
                return -ENOMEM;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

Seed *seed_free(Seed *s) {
        if (s) {
                free(s->prefix);
                free(s);
        }
        return NULL;
}

/* Its path below both directories; NULL: it is outside of the prefix. */
static const char *path_of(const Seed *s, uint64_t index) {
        ManifestFile file;

        manifest_file(s->manifest, index, &file);
        if (!s->prefix)
                return file.path;
        return str_starts(file.path, s->prefix) ? file.path + strlen(s->prefix) : NULL;
}

/* A regular file that reaches to the end of @extent; < 0 if there is none. */
static int open_long_enough(int dirfd, const char *path, const ManifestExtent *extent) {
        cleanup_fd_ int fd = -1;
        struct stat st;

        fd = open_beneath(dirfd, path, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (uint64_t) st.st_size < extent->offset + extent->length)
                return -ENODATA;
        return TAKE_FD(fd);
}

static int read_range(int fd, uint8_t *data, size_t size, uint64_t offset) {
        while (size > 0) {
                ssize_t n = pread(fd, data, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                data += n;
                size -= (size_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}

/* The page cache is the node's: directly where that goes, else what was read is dropped. */
static int read_extent(int fd, const ManifestExtent *extent, uint8_t *data) {
        size_t direct = extent->length < DIRECT_MIN ? 0 : extent->length & ~(DIRECT_ALIGN - 1);
        int flags = fcntl(fd, F_GETFL), r;

        if (direct > 0 && (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0 ||
                           read_range(fd, data, direct, extent->offset) < 0))
                direct = 0;
        if (flags >= 0)
                (void) fcntl(fd, F_SETFL, flags);
        r = read_range(fd, data + direct, extent->length - direct, extent->offset + direct);
        if (extent->length >= DIRECT_MIN && direct == 0)
                (void) posix_fadvise(fd, (off_t) extent->offset, extent->length, POSIX_FADV_DONTNEED);
        return r;
}

static int is_right(const ManifestExtent *extent, const uint8_t *data) {
        char found[SHA256_HEX_SIZE], expected[SHA256_HEX_SIZE];
        int r = sha256_buffer_hex(data, extent->length, found);

        return r < 0 ? r : str_eq(found, hex_encode(extent->sha256, 32, expected)) ? 0 : SEED_E_OTHER;
}

/* 0: @extent of the file below @dirfd is right, and is in @data. */
static int read_right(const Seed *s, int dirfd, const ManifestExtent *extent, uint8_t *data) {
        const char *path = path_of(s, extent->file);
        cleanup_fd_ int fd = path ? open_long_enough(dirfd, path, extent) : -1;

        if (fd < 0 || read_extent(fd, extent, data) < 0)
                return SEED_E_OTHER;
        return is_right(extent, data);
}

/* 0: shared, not yet verified. SEED_E_OTHER: the seed has not got it. -EOPNOTSUPP: cannot be shared. */
static int share_extent(Seed *s, const ManifestExtent *extent, Fault *reterr) {
        const char *path = path_of(s, extent->file);
        cleanup_fd_ int fd = path ? open_long_enough(s->dirfd, path, extent) : -1;
        cleanup_fault_ Fault why = {};
        FrameFile held;
        int r, q;

        if (fd < 0)
                return SEED_E_OTHER;
        r = frame_files_get(s->files, extent->file, &held, reterr);
        if (r != 0)
                return r == OUTPUT_E_IGNORED ? SEED_E_OTHER : r;
        r = output_file_clone(held.file, fd, extent->offset, extent->length, extent->offset, &why);
        q = frame_files_put(s->files, &held, false, reterr);
        if (q < 0)
                return q;
        /* Whole blocks that cannot be shared tell of the file system; a file's last bytes of their own
         * length. */
        if (r < 0 && extent->length > 0 && extent->length % DIRECT_ALIGN == 0)
                __atomic_store_n(&s->no_clone, true, __ATOMIC_RELAXED);
        return r < 0 ? -EOPNOTSUPP : 0;
}

static int share_frame(Seed *s, const ManifestPart *part, uint8_t *buffer, Fault *reterr) {
        ManifestExtent extent;
        int r;

        for (size_t k = 0; k < part->n_extents; k++) {
                manifest_extent(s->manifest, part->first_extent + k, &extent);
                r = share_extent(s, &extent, reterr);
                if (r == 0)
                        r = read_right(s, s->into_fd, &extent, buffer);
                if (r != 0)
                        return r;
        }
        for (size_t k = 0; k < part->n_extents; k++) {
                manifest_extent(s->manifest, part->first_extent + k, &extent);
                r = frame_files_done(s->files, extent.file, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int copy_extent(Seed *s, const ManifestExtent *extent, const uint8_t *buffer, Fault *reterr) {
        FrameFile held;
        int r, q;

        r = frame_files_get(s->files, extent->file, &held, reterr);
        if (r == OUTPUT_E_IGNORED)
                return frame_files_done(s->files, extent->file, reterr);
        if (r < 0)
                return r;
        r = output_file_write(held.file, buffer + extent->frame_offset, extent->length, extent->offset,
                              reterr);
        q = frame_files_put(s->files, &held, r >= 0, r >= 0 ? reterr : NULL);
        return r < 0 ? r : q;
}

static int copy_frame(Seed *s, const ManifestPart *part, uint8_t *buffer, Fault *reterr) {
        ManifestExtent extent;
        int r;

        for (size_t k = 0; k < part->n_extents; k++) {
                manifest_extent(s->manifest, part->first_extent + k, &extent);
                r = read_right(s, s->dirfd, &extent, buffer + extent.frame_offset);
                if (r != 0)
                        return r;
        }
        for (size_t k = 0; k < part->n_extents; k++) {
                manifest_extent(s->manifest, part->first_extent + k, &extent);
                r = copy_extent(s, &extent, buffer, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

int seed_frame(Seed *s, size_t i, uint8_t *buffer, Fault *reterr) {
        ManifestPart part;
        int r = -EOPNOTSUPP;

        manifest_part(s->manifest, i, &part);
        if (!__atomic_load_n(&s->no_clone, __ATOMIC_RELAXED))
                r = share_frame(s, &part, buffer, reterr);
        if (r != -EOPNOTSUPP)
                return r;
        return copy_frame(s, &part, buffer, reterr);
}
