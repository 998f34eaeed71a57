/*
 * The layout. Numbers of the tables are little-endian, records are packed.
 *
 *     muster-snapshot: 1
 *     mode: framed                      or chunked
 *     family: TEXT                      these five only if they were said
 *     chain: TEXT
 *     height: NUMBER
 *     block-hash: TEXT
 *     software: TEXT
 *     created: 2026-11-22T14:05:09Z
 *     expires: 2027-11-22T14:05:09Z     only if it does
 *     codec: tar.zst                    framed is always that
 *     archive-size: NUMBER
 *     archive-sha256: 64 DIGITS
 *     plain-size: NUMBER                of all regular files; chunked: 0 where not known
 *     files: NUMBER                     with directories; chunked: 0 where not known
 *     parts: NUMBER
 *     extents: NUMBER                   this and the next one: framed only
 *     names-size: NUMBER
 *     (empty line)
 *     parts, chunked:   u64 offset, u32 length, 32 bytes digest
 *     parts, framed:    u64 offset, u32 length, u32 plain length, 32 bytes digest,
 *                       u64 first extent, u32 number of extents
 *     extents:          u32 file, u64 offset, u32 length, u32 offset in the frame, 32 bytes digest
 *     files:            u32 offset of the name, u16 mode, u8 kind (0 file, 1 directory), u8 zero,
 *                       u64 size, u64 mtime, u32 nanoseconds
 *     names:            each with a NUL
 *     (here ends what is signed)
 *     -----BEGIN SSH SIGNATURE----- ... -----END SSH SIGNATURE-----     any number
 *
 * There is one order for everything, so one pass without further memory proves
 * what manifest.h promises: names ascend by components, so none comes twice and
 * a directory stands before all that is below it; parts are adjacent in the
 * archive; extents go through the files in order and through each file without
 * a gap, so that every byte of every file comes exactly once.
 *
 * The mapping is the file: who may not trust its owner to leave it alone copies
 * it into a memfd first.
 */
#include "archive/manifest.h"
#include "archive/manifest-layout.h"
#include "archive/path.h"
#include "util/hex.h"
#include "util/text.h"

#include <inttypes.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct Manifest {
        ManifestLayout layout;
        const uint8_t *map, *parts, *extents, *files, *names;
        size_t map_size, body_size;
        char digest[SHA256_HEX_SIZE];
};

const char *manifest_path_fault(const char *path) {
        unsigned depth = 0;
        size_t n;

        if (strlen(path) >= MANIFEST_PATH_MAX)
                return "is too long";
        if (strncmp(path, ".muster-", strlen(".muster-")) == 0)
                return "is a name that muster needs itself";
        for (const char *p = path;; p += n + 1) {
                n = strcspn(p, "/");
                if (n == 0)
                        return path[0] == '/' ? "is absolute" : "has an empty component";
                if (++depth > PATH_DEPTH_MAX)
                        return "is too deep";
                if (n > NAME_MAX)
                        return "has a component that is too long";
                if ((n == 1 && p[0] == '.') || (n == 2 && memcmp(p, "..", 2) == 0))
                        return "has a component '.' or '..'";
                for (size_t i = 0; i < n; i++)
                        if ((unsigned char) p[i] < 0x20 || p[i] == 0x7f)
                                return "has a control character";
                if (!p[n])
                        return NULL;
        }
}

int manifest_path_compare(const char *a, const char *b) {
        unsigned char x, y;

        for (; *a && *a == *b; a++)
                b++;
        /* No byte of a clean path is below '/' as 1 but the end. */
        x = *a == '/' ? 1 : (unsigned char) *a;
        y = *b == '/' ? 1 : (unsigned char) *b;
        return x < y ? -1 : x > y;
}

const ManifestHead *manifest_head(const Manifest *m) {
        return &m->layout.head;
}

size_t manifest_n_parts(const Manifest *m) {
        return m->layout.n_parts;
}

size_t manifest_n_extents(const Manifest *m) {
        return m->layout.n_extents;
}

size_t manifest_n_files(const Manifest *m) {
        return m->layout.head.mode == MANIFEST_FRAMED ? m->layout.head.n_files : 0;
}

void manifest_part(const Manifest *m, size_t i, ManifestPart *ret) {
        bool framed = m->layout.head.mode == MANIFEST_FRAMED;
        const uint8_t *p = m->parts + i * (framed ? LAYOUT_FRAME : LAYOUT_CHUNK);

        *ret = (ManifestPart){ .offset = layout_get64(p), .length = layout_get32(p + 8) };
        memcpy(ret->sha256, p + (framed ? 16 : 12), sizeof ret->sha256);
        if (framed) {
                ret->plain_length = layout_get32(p + 12);
                ret->first_extent = layout_get64(p + 48);
                ret->n_extents = layout_get32(p + 56);
        }
}

void manifest_extent(const Manifest *m, size_t i, ManifestExtent *ret) {
        const uint8_t *p = m->extents + i * LAYOUT_EXTENT;

        *ret = (ManifestExtent){ .file = layout_get32(p),
                                 .offset = layout_get64(p + 4),
                                 .length = layout_get32(p + 12),
                                 .frame_offset = layout_get32(p + 16) };
        memcpy(ret->sha256, p + 20, sizeof ret->sha256);
}

void manifest_file(const Manifest *m, size_t i, ManifestFile *ret) {
        const uint8_t *p = m->files + i * LAYOUT_FILE;

        *ret = (ManifestFile){ .path = (const char *) m->names + layout_get32(p),
                               .mode = layout_get16(p + 4),
                               .directory = p[6] == 1,
                               .size = layout_get64(p + 8),
                               .mtime_sec = (int64_t) layout_get64(p + 16),
                               .mtime_nsec = layout_get32(p + 24) };
}

void manifest_body(const Manifest *m, const void **ret, size_t *ret_size) {
        *ret = m->map;
        *ret_size = m->body_size;
}

const char *manifest_digest(const Manifest *m) {
        return m->digest;
}

void manifest_signatures(const Manifest *m, const char **ret, size_t *ret_size) {
        *ret = (const char *) m->map + m->body_size;
        *ret_size = m->map_size - m->body_size;
}

/* @path's directory was listed before: as the entry right before it, or around that. */
static bool directory_is_listed(const char *path, const ManifestFile *before) {
        const char *slash = strrchr(path, '/');
        size_t n = slash ? (size_t) (slash - path) : 0;

        if (!slash)
                return true;
        if (!before->path || strncmp(before->path, path, n) != 0)
                return false;
        return before->path[n] == '/' || (!before->path[n] && before->directory);
}

static int check_name(const Manifest *m, size_t i, uint64_t at, const ManifestFile *before, Fault *reterr) {
        uint64_t size = m->layout.names_size;
        const char *path = (const char *) m->names + at, *why;

        if (layout_get32(m->files + i * LAYOUT_FILE) != at || at >= size)
                return fault_set(reterr, -EBADMSG, "file %zu: its name is at %" PRIu32 ", expected %" PRIu64,
                                 i, layout_get32(m->files + i * LAYOUT_FILE), at);
        if (!memchr(path, 0, size - at))
                return fault_set(reterr, -EBADMSG, "file %zu: its name has no end", i);
        why = manifest_path_fault(path);
        if (why)
                return fault_set(reterr, -EBADMSG, "file %zu: its name %s", i, why);
        if (before->path && manifest_path_compare(before->path, path) >= 0)
                return fault_set(reterr, -EBADMSG, "file %zu, '%s', comes twice or out of order, after '%s'",
                                 i, path, before->path);
        if (!directory_is_listed(path, before))
                return fault_set(reterr, -EBADMSG, "file %zu, '%s': its directory is not listed before it",
                                 i, path);
        return 0;
}

static int check_files(const Manifest *m, Fault *reterr) {
        ManifestFile f = { 0 }, before = { 0 };
        uint64_t at = 0, plain = 0;
        int r;

        for (size_t i = 0; i < manifest_n_files(m); i++, before = f) {
                const uint8_t *p = m->files + i * LAYOUT_FILE;

                r = check_name(m, i, at, &before, reterr);
                if (r < 0)
                        return r;
                manifest_file(m, i, &f);
                at += strlen(f.path) + 1;
                if (p[6] > 1 || p[7] != 0 || f.mode > 0777)
                        return fault_set(
                                reterr, -EBADMSG,
                                "file '%s' has kind %u, mode %o and zero %u, expected a file (0) or "
                                "directory (1), at most 777 and 0",
                                f.path, p[6], (unsigned) f.mode, p[7]);
                if (f.mtime_sec < 0 || f.mtime_nsec >= 1000000000)
                        return fault_set(reterr, -EBADMSG, "file '%s' has no time since 1970", f.path);
                if (f.directory && f.size > 0)
                        return fault_set(reterr, -EBADMSG, "directory '%s' has a size", f.path);
                if (f.size > INT64_MAX || __builtin_add_overflow(plain, f.size, &plain))
                        return fault_set(reterr, -EBADMSG, "file '%s' is too large: %" PRIu64, f.path,
                                         f.size);
        }
        if (at != m->layout.names_size)
                return fault_set(reterr, -EBADMSG, "names take %" PRIu64 " bytes, names-size is %" PRIu64,
                                 at, m->layout.names_size);
        if (m->layout.head.mode == MANIFEST_FRAMED && plain != m->layout.head.plain_size)
                return fault_set(reterr, -EBADMSG, "files take %" PRIu64 " bytes, plain-size is %" PRIu64,
                                 plain, m->layout.head.plain_size);
        return 0;
}

/* How far the extents have come through the files. */
typedef struct Coverage {
        size_t file;
        uint64_t offset;
        ManifestFile current; /* if file is one */
} Coverage;

static void coverage_enter(const Manifest *m, Coverage *c) {
        for (; c->file < manifest_n_files(m); c->file++) {
                manifest_file(m, c->file, &c->current);
                if (c->offset < c->current.size)
                        return;
                c->offset = 0;
        }
}

static int check_extent(const Manifest *m, const ManifestPart *part, size_t i, Coverage *c, uint64_t *from,
                        Fault *reterr) {
        ManifestExtent e;

        manifest_extent(m, i, &e);
        if (c->file >= manifest_n_files(m))
                return fault_set(reterr, -EBADMSG, "extent %zu: every file is complete before it", i);
        if (e.file != c->file || e.offset != c->offset)
                return fault_set(reterr, -EBADMSG,
                                 "extent %zu is of file %" PRIu64 " at %" PRIu64
                                 ", expected file %zu at %" PRIu64,
                                 i, e.file, e.offset, c->file, c->offset);
        if (e.length == 0 || e.length > c->current.size - e.offset)
                return fault_set(reterr, -EBADMSG,
                                 "extent %zu has %" PRIu32 " bytes, '%s' has %" PRIu64 " there", i, e.length,
                                 c->current.path, c->current.size - e.offset);
        if (e.offset % MANIFEST_EXTENT_ALIGN != 0 || e.frame_offset % 512 != 0)
                return fault_set(reterr, -EBADMSG,
                                 "extent %zu is at %" PRIu64 ", in its frame at %" PRIu32
                                 ", expected multiples of %d and 512",
                                 i, e.offset, e.frame_offset, MANIFEST_EXTENT_ALIGN);
        if (e.frame_offset < *from || (uint64_t) e.frame_offset + e.length > part->plain_length)
                return fault_set(reterr, -EBADMSG,
                                 "extent %zu: bytes %" PRIu32 " to %" PRIu64 " of a frame of which %" PRIu64
                                 " to %" PRIu32 " are left",
                                 i, e.frame_offset, (uint64_t) e.frame_offset + e.length, *from,
                                 part->plain_length);
        *from = (uint64_t) e.frame_offset + e.length;
        c->offset += e.length;
        coverage_enter(m, c);
        return 0;
}

static int check_frame(const Manifest *m, size_t i, const ManifestPart *p, uint64_t *extents, Coverage *c,
                       Fault *reterr) {
        uint64_t from = 0;
        int r;

        if (p->plain_length == 0 || p->plain_length > MANIFEST_PART_MAX)
                return fault_set(reterr, -EBADMSG,
                                 "part %zu has %" PRIu32 " plain bytes, expected 1 to %" PRIu32, i,
                                 p->plain_length, MANIFEST_PART_MAX);
        if (p->first_extent != *extents || p->n_extents > m->layout.n_extents - *extents)
                return fault_set(reterr, -EBADMSG,
                                 "part %zu has extents %" PRIu64 " and %" PRIu32 " more, expected %" PRIu64
                                 " and as many as there are",
                                 i, p->first_extent, p->n_extents, *extents);
        for (uint32_t n = 0; n < p->n_extents; n++) {
                r = check_extent(m, p, *extents + n, c, &from, reterr);
                if (r < 0)
                        return r;
        }
        *extents += p->n_extents;
        return 0;
}

static int check_parts(const Manifest *m, Fault *reterr) {
        const ManifestLayout *l = &m->layout;
        uint64_t at = 0, extents = 0;
        Coverage c = { 0 };
        ManifestPart p;
        int r;

        coverage_enter(m, &c);
        for (size_t i = 0; i < l->n_parts; i++) {
                manifest_part(m, i, &p);
                if (p.offset != at || p.length > l->head.archive_size - at)
                        return fault_set(reterr, -EBADMSG,
                                         "part %zu is at %" PRIu64 " with %" PRIu32
                                         " bytes, expected %" PRIu64 " of an archive of %" PRIu64,
                                         i, p.offset, p.length, at, l->head.archive_size);
                if (p.length == 0 || p.length > MANIFEST_PART_MAX)
                        return fault_set(reterr, -EBADMSG,
                                         "part %zu has %" PRIu32 " bytes, expected 1 to %" PRIu32, i,
                                         p.length, MANIFEST_PART_MAX);
                at += p.length;
                r = l->head.mode == MANIFEST_FRAMED ? check_frame(m, i, &p, &extents, &c, reterr) : 0;
                if (r < 0)
                        return r;
        }
        if (at != l->head.archive_size)
                return fault_set(reterr, -EBADMSG, "the parts end at %" PRIu64 ", archive-size is %" PRIu64,
                                 at, l->head.archive_size);
        if (extents != l->n_extents)
                return fault_set(reterr, -EBADMSG, "the parts have %" PRIu64 " extents, expected %" PRIu64,
                                 extents, l->n_extents);
        if (c.file < manifest_n_files(m))
                return fault_set(reterr, -EBADMSG, "file '%s' has no extent at %" PRIu64 " of %" PRIu64,
                                 c.current.path, c.offset, c.current.size);
        return 0;
}

/* Where the tables are; all of them together must be there. Counts are at most INT64_MAX each. */
static int place_tables(Manifest *m, Fault *reterr) {
        const ManifestLayout *l = &m->layout;
        bool framed = l->head.mode == MANIFEST_FRAMED;
        uint64_t limit = m->map_size, n_files = framed ? l->head.n_files : 0, parts, extents, files, need;

        if (l->n_parts > limit || l->n_extents > limit || n_files > limit || l->names_size > limit)
                return fault_set(reterr, -EBADMSG,
                                 "it is truncated: %zu bytes are too few for what its head tells",
                                 m->map_size);
        parts = l->n_parts * (framed ? LAYOUT_FRAME : LAYOUT_CHUNK);
        extents = l->n_extents * LAYOUT_EXTENT;
        files = n_files * LAYOUT_FILE;
        need = l->head_size + parts + extents + files + l->names_size;
        if (need > limit)
                return fault_set(reterr, -EBADMSG,
                                 "it is truncated: it has %zu bytes, its head tells %" PRIu64, m->map_size,
                                 need);
        m->parts = m->map + l->head_size;
        m->extents = m->parts + parts;
        m->files = m->extents + extents;
        m->names = m->files + files;
        m->body_size = need;
        return 0;
}

static int map_file(Manifest *m, int fd, Fault *reterr) {
        struct stat st;
        void *map;

        if (fstat(fd, &st) < 0)
                return fault_errno(reterr, -errno, "cannot look at it");
        if (!S_ISREG(st.st_mode))
                return fault_set(reterr, -EBADMSG, "it is not a regular file");
        if (st.st_size == 0)
                return fault_set(reterr, -EBADMSG, "it is empty");
        if ((uint64_t) st.st_size > MANIFEST_SIZE_MAX)
                return fault_set(reterr, -EBADMSG, "it has %jd bytes, expected at most %" PRIu64,
                                 (intmax_t) st.st_size, MANIFEST_SIZE_MAX);
        map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
                return fault_errno(reterr, -errno, "cannot map it");
        m->map = map;
        m->map_size = (size_t) st.st_size;
        return 0;
}

static int load(Manifest *m, int fd, Fault *reterr) {
        int r;

        r = map_file(m, fd, reterr);
        if (r >= 0)
                r = manifest_head_parse((const char *) m->map, m->map_size, &m->layout, reterr);
        if (r >= 0)
                r = place_tables(m, reterr);
        if (r >= 0)
                r = check_files(m, reterr);
        if (r >= 0)
                r = check_parts(m, reterr);
        return r < 0 ? r : sha256_buffer_hex(m->map, m->body_size, m->digest);
}

int manifest_open(int fd, const char *name, Manifest **ret, Fault *reterr) {
        cleanup_(manifest_freep) Manifest *m = calloc(1, sizeof *m);
        cleanup_fd_ int owned = fd;
        int r;

        if (!m)
                return -ENOMEM;
        r = load(m, owned, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "Failed to read the manifest '%s'", name);
        *ret = TAKE_PTR(m);
        return 0;
}

Manifest *manifest_free(Manifest *m) {
        if (m) {
                if (m->map)
                        munmap((void *) m->map, m->map_size);
                manifest_head_done(&m->layout.head);
                free(m);
        }
        return NULL;
}
