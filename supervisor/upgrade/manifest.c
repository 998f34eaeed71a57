/*
 * The tree is walked by directory descriptors, never by joined paths, each
 * component opened with O_NOFOLLOW: what a release could contain after
 * unpacking is decided here a second time, because the launcher trusts this
 * file with what it executes.
 *
 * MANIFEST is written last and by rename: a tree without one is unfinished.
 */
#include "upgrade/manifest.h"
#include "crypto/sha256.h"
#include "util/directory.h"
#include "util/durable.h"
#include "util/name.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER      "muster-manifest/1\n"
#define VERSION_KEY "version: "

int release_open(int release_dirfd, const char *path, int flags) {
        return release_path_is_valid(path) ? open_beneath(release_dirfd, path, flags) : -EINVAL;
}

bool release_path_is_valid(const char *path) {
        size_t components = 0;
        const char *p = path;

        if (!path || !*path || strlen(path) > RELEASE_PATH_MAX)
                return false;
        for (const char *c = path; *c; c++)
                if ((unsigned char) *c < 0x20 || *c == 0x7f)
                        return false;
        for (;;) {
                size_t n = strcspn(p, "/");

                if (n == 0 || n > NAME_MAX || (n == 1 && p[0] == '.') || (n == 2 && memcmp(p, "..", 2) == 0))
                        return false;
                if (++components > RELEASE_DEPTH_MAX)
                        return false;
                if (!p[n])
                        return true;
                p += n + 1;
        }
}

ReleaseManifest *release_manifest_free(ReleaseManifest *manifest) {
        if (!manifest)
                return NULL;
        for (size_t i = 0; i < manifest->n_entries; i++)
                free(manifest->entries[i].path);
        free(manifest->entries);
        free(manifest->version);
        free(manifest);
        return NULL;
}

static int entry_compare(const void *a, const void *b) {
        return strcmp(((const ReleaseEntry *) a)->path, ((const ReleaseEntry *) b)->path);
}

const ReleaseEntry *release_manifest_find(const ReleaseManifest *manifest, const char *path) {
        ReleaseEntry key = { .path = (char *) path };

        if (manifest->n_entries == 0)
                return NULL;
        return bsearch(&key, manifest->entries, manifest->n_entries, sizeof key, entry_compare);
}

/* Takes ownership of @path also on failure. */
static int manifest_add(ReleaseManifest *m, char *path, mode_t mode, uint64_t size, const char *digest) {
        ReleaseEntry *e;

        if ((m->n_entries & (m->n_entries - 1)) == 0) { /* grow at the powers of two */
                ReleaseEntry *larger =
                        reallocarray(m->entries, m->n_entries ? m->n_entries * 2 : 1, sizeof *larger);

                if (!larger) {
                        free(path);
                        return -ENOMEM;
                }
                m->entries = larger;
        }
        e = &m->entries[m->n_entries++];
        *e = (ReleaseEntry){ .path = path, .mode = mode, .size = size };
        if (digest)
                memcpy(e->digest, digest, sizeof e->digest);
        return 0;
}

static int walk_directory(int dirfd, const char *prefix, ReleaseManifest *m, Fault *reterr);

/* One name of a directory: recurses, or adds a file without its digest. */
static int walk_name(int dirfd, const char *prefix, const char *name, ReleaseManifest *m, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        cleanup_fd_ int fd = -1;
        struct stat st;

        if (asprintf(&path, "%s%s%s", prefix, *prefix ? "/" : "", name) < 0)
                return -ENOMEM;
        if (str_eq(path, MANIFEST_NAME)) {
                if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return fault_errno(reterr, -errno, "Failed to look at '%s'", path);
                if (S_ISREG(st.st_mode))
                        return 0;
                return fault_set(reterr, -EINVAL, "'%s' is not a regular file", path);
        }
        if (!release_path_is_valid(path))
                return fault_set(
                        reterr, -EINVAL,
                        "a release must not contain '%s': expected at most %d bytes, %d levels and no "
                        "control characters",
                        path, RELEASE_PATH_MAX, RELEASE_DEPTH_MAX);
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '%s'", path);
        if (S_ISREG(st.st_mode))
                return manifest_add(m, TAKE_PTR(path), st.st_mode & 07777, (uint64_t) st.st_size, NULL);
        if (!S_ISDIR(st.st_mode))
                return fault_set(reterr, -EINVAL,
                                 "'%s' is a %s: a release has only regular files and directories", path,
                                 S_ISLNK(st.st_mode) ? "symbolic link" : "special file");
        fd = release_open(dirfd, name, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fault_errno(reterr, fd, "Failed to open '%s'", path);
        return walk_directory(fd, path, m, reterr);
}

static int walk_directory(int dirfd, const char *prefix, ReleaseManifest *m, Fault *reterr) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r;

        r = directory_list(dirfd, &dir);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to open '%s'", *prefix ? prefix : ".");
        while ((r = directory_next(dir, &entry)) >= 0 && entry) {
                r = walk_name(dirfd, prefix, entry->d_name, m, reterr);
                if (r < 0)
                        return r;
        }
        return r < 0 ? fault_errno(reterr, r, "Failed to list '%s'", *prefix ? prefix : ".") : 0;
}

/* What is there, sorted, without digests. */
static int manifest_walk(int release_dirfd, ReleaseManifest **ret, Fault *reterr) {
        cleanup_(release_manifest_freep) ReleaseManifest *m = calloc(1, sizeof *m);
        int r;

        if (!m)
                return -ENOMEM;
        r = walk_directory(release_dirfd, "", m, reterr);
        if (r < 0)
                return r;
        if (m->n_entries > 0)
                qsort(m->entries, m->n_entries, sizeof *m->entries, entry_compare);
        *ret = TAKE_PTR(m);
        return 0;
}

static int hash_file(int release_dirfd, const char *path, char digest[static SHA256_HEX_SIZE],
                     uint64_t *ret_size, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        int r;

        fd = release_open(release_dirfd, path, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
                return fault_errno(reterr, fd, "Failed to open '%s'", path);
        r = sha256_fd_hex(fd, digest, ret_size);
        return r < 0 ? fault_errno(reterr, r, "Failed to read '%s'", path) : 0;
}

static int manifest_format(const ReleaseManifest *m, char **ret, size_t *ret_size) {
        cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        fprintf(f, HEADER VERSION_KEY "%s\n", m->version);
        for (size_t i = 0; i < m->n_entries; i++) {
                const ReleaseEntry *e = &m->entries[i];

                fprintf(f, "%s %04o %" PRIu64 " %s\n", e->digest, (unsigned) e->mode, e->size, e->path);
        }
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

int release_manifest_create(int release_dirfd, const char *version, ReleaseManifest **ret, Fault *reterr) {
        cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
        cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = version_check(version, "version", reterr);
        if (r < 0)
                return r;
        r = manifest_walk(release_dirfd, &m, reterr);
        if (r < 0)
                return r;
        m->version = strdup(version);
        if (!m->version)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_entries; i++) {
                ReleaseEntry *e = &m->entries[i];

                r = hash_file(release_dirfd, e->path, e->digest, &e->size, reterr);
                if (r < 0)
                        return r;
        }
        r = manifest_format(m, &text, &size);
        if (r < 0)
                return r;
        if (size > MANIFEST_MAX)
                return fault_set(reterr, -EFBIG,
                                 "the MANIFEST of %zu files would be %zu bytes, at most %d are allowed",
                                 m->n_entries, size, MANIFEST_MAX);
        r = sha256_buffer_hex(text, size, m->digest);
        if (r < 0)
                return r;
        r = durable_write(release_dirfd, MANIFEST_NAME, text, size, 0644);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to write '%s'", MANIFEST_NAME);
        *ret = TAKE_PTR(m);
        return 0;
}

static int bad_line(Fault *reterr, size_t line, const char *expected) {
        return fault_set(reterr, -EBADMSG, "%s:%zu: expected %s", MANIFEST_NAME, line, expected);
}

/* "SHA256 MODE SIZE PATH" with the newline already cut. */
static int parse_entry(char *s, size_t line, ReleaseManifest *m, Fault *reterr) {
        char *mode, *size, *path, *copy;
        uint64_t bytes;

        if (strspn(s, "0123456789abcdef") != 64 || s[64] != ' ')
                return bad_line(reterr, line, "64 lower-case hex digits and a blank");
        mode = s + 65;
        if (strspn(mode, "01234567") != 4 || mode[4] != ' ')
                return bad_line(reterr, line, "a mode of 4 octal digits and a blank after the digest");
        size = mode + 5;
        path = strchr(size, ' ');
        if (!path)
                return bad_line(reterr, line, "a size, a blank and a path after the mode");
        s[64] = mode[4] = 0;
        *path++ = 0;
        if (parse_u64(size, &bytes) < 0)
                return bad_line(reterr, line, "the size as a decimal number");
        if (!release_path_is_valid(path) || str_eq(path, MANIFEST_NAME))
                return bad_line(reterr, line, "a relative path without '..' that is not MANIFEST itself");
        if (m->n_entries > 0 && strcmp(m->entries[m->n_entries - 1].path, path) >= 0)
                return bad_line(reterr, line, "paths in ascending order, each once");
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        return manifest_add(m, copy, (mode_t) strtoul(mode, NULL, 8), bytes, s);
}

static int parse_lines(char *text, ReleaseManifest *m, Fault *reterr) {
        size_t line = 1;
        char *next;
        int r;

        for (char *s = text; *s; s = next, line++) {
                char *end = strchr(s, '\n');

                if (!end)
                        return bad_line(reterr, line, "a newline at the end");
                *end = 0;
                next = end + 1;
                if (line == 1)
                        continue; /* the header, compared by the caller */
                if (line == 2) {
                        if (!str_starts(s, VERSION_KEY) || !version_is_valid(s + strlen(VERSION_KEY)))
                                return bad_line(reterr, line, "'" VERSION_KEY "VERSION'");
                        m->version = strdup(s + strlen(VERSION_KEY));
                        if (!m->version)
                                return -ENOMEM;
                        continue;
                }
                r = parse_entry(s, line, m, reterr);
                if (r < 0)
                        return r;
        }
        return m->version ? 0 : bad_line(reterr, 2, "'" VERSION_KEY "VERSION'");
}

int release_manifest_read(int release_dirfd, ReleaseManifest **ret, Fault *reterr) {
        cleanup_(release_manifest_freep) ReleaseManifest *m = calloc(1, sizeof *m);
        cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (!m)
                return -ENOMEM;
        r = read_small_file(release_dirfd, MANIFEST_NAME, MANIFEST_MAX, &text, &size);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read '%s'", MANIFEST_NAME);
        r = sha256_buffer_hex(text, size, m->digest);
        if (r < 0)
                return r;
        if (strlen(text) != size)
                return fault_set(reterr, -EBADMSG, "%s: a NUL byte at offset %zu, expected text",
                                 MANIFEST_NAME, strlen(text));
        if (!str_starts(text, HEADER))
                return bad_line(reterr, 1, "'muster-manifest/1'");
        r = parse_lines(text, m, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

static int verify_entry(const ReleaseEntry *want, const ReleaseEntry *is, int release_dirfd, Fault *reterr) {
        char digest[SHA256_HEX_SIZE];
        uint64_t size;
        int r;

        if (is->mode != want->mode)
                return fault_set(reterr, -EBADMSG, "'%s' has mode %04o, the MANIFEST says %04o", want->path,
                                 (unsigned) is->mode, (unsigned) want->mode);
        if (is->size != want->size)
                return fault_set(reterr, -EBADMSG, "'%s' has %" PRIu64 " bytes, the MANIFEST says %" PRIu64,
                                 want->path, is->size, want->size);
        r = hash_file(release_dirfd, want->path, digest, &size, reterr);
        if (r < 0)
                return r;
        if (size != want->size || !str_eq(digest, want->digest))
                return fault_set(reterr, -EBADMSG, "'%s' has SHA-256 %s, the MANIFEST says %s", want->path,
                                 digest, want->digest);
        return 0;
}

int release_manifest_verify(const ReleaseManifest *manifest, int release_dirfd, Fault *reterr) {
        cleanup_(release_manifest_freep) ReleaseManifest *found = NULL;
        size_t i;
        int r;

        r = manifest_walk(release_dirfd, &found, reterr);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        for (i = 0; i < manifest->n_entries && i < found->n_entries;
             i++) { /* both sorted: in step while equal */
                const ReleaseEntry *want = &manifest->entries[i], *is = &found->entries[i];
                int c = strcmp(want->path, is->path);

                if (c < 0)
                        return fault_set(reterr, -EBADMSG, "'%s' of the MANIFEST is missing", want->path);
                if (c > 0)
                        return fault_set(reterr, -EBADMSG, "'%s' is not in the MANIFEST", is->path);
                r = verify_entry(want, is, release_dirfd, reterr);
                if (r < 0)
                        return r;
        }
        if (i < manifest->n_entries)
                return fault_set(reterr, -EBADMSG, "'%s' of the MANIFEST is missing",
                                 manifest->entries[i].path);
        if (i < found->n_entries)
                return fault_set(reterr, -EBADMSG, "'%s' is not in the MANIFEST", found->entries[i].path);
        return 0;
}
