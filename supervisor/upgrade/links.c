/*
 * Each change is one rename or unlink with an fsync of its directory: after a
 * power cut the old or the new is there. The order between them is the
 * upgrade's: the permit goes before `current` changes.
 */
#include "upgrade/links.h"
#include "crypto/sha256.h"
#include "upgrade/manifest.h"
#include "util/directory.h"
#include "util/durable.h"
#include "util/name.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

#define RELEASES "releases/"

int release_link_read(int node_dirfd, const char *link, char **ret, Fault *reterr) {
        cleanup_free_ char *target = NULL;
        char *version;
        int r;

        r = read_symlink(node_dirfd, link, &target);
        if (r == -ENOENT) {
                *ret = NULL;
                return 0;
        }
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the link '%s'", link);
        if (!str_starts(target, RELEASES) || !version_is_valid(target + strlen(RELEASES)))
                return fault_set(reterr, -EBADMSG, "The link '%s' names '%s', expected 'releases/VERSION'",
                                 link, target);
        version = strdup(target + strlen(RELEASES));
        if (!version)
                return -ENOMEM;
        *ret = version;
        return 0;
}

static int link_fault(int r, const char *link, const char *version, Fault *reterr) {
        return r < 0 ? fault_errno(reterr, r, "Failed to point '%s' to '%s'", link, version ?: "nothing")
                     : 0;
}

int release_link_put(int node_dirfd, const char *link, const char *version, Fault *reterr) {
        cleanup_free_ char *now = NULL, *target = NULL;
        int r;

        r = release_link_read(node_dirfd, link, &now, NULL);
        if (r >= 0 && str_eq(now, version))
                return 0;
        if (!version)
                r = unlinkat(node_dirfd, link, 0) < 0 && errno != ENOENT ? -errno : 0;
        else if (asprintf(&target, RELEASES "%s", version) < 0)
                r = -ENOMEM;
        else
                r = replace_symlink(node_dirfd, target, link);
        return link_fault(r, link, version, reterr);
}

int release_link_write(int node_dirfd, const char *link, const char *version, Fault *reterr) {
        int r;

        r = release_link_put(node_dirfd, link, version, reterr);
        if (r < 0)
                return r;
        /* Also if it was so: by a musterd that may have died before its fsync. */
        return link_fault(fsync(node_dirfd) < 0 ? -errno : 0, link, version, reterr);
}

static bool is_digest(const char *text) {
        return strspn(text, "0123456789abcdef") == 64 &&
               (text[64] == 0 || (text[64] == '\n' && text[65] == 0));
}

int release_accepted_digest(int node_dirfd, const char *version, char ret[static 65], Fault *reterr) {
        cleanup_free_ char *path = NULL, *text = NULL;
        int r;

        if (asprintf(&path, "staged/%s", version) < 0)
                return -ENOMEM;
        r = read_small_file(node_dirfd, path, 256, &text, NULL);
        if (r == -ENOENT)
                return fault_set(reterr, r, "Version '%s' is not staged", version);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read '%s'", path);
        if (!is_digest(text))
                return fault_set(reterr, -EBADMSG, "'%s' does not hold a SHA-256: stage version '%s' again",
                                 path, version);
        memcpy(ret, text, 64);
        ret[64] = 0;
        return 0;
}

int release_manifest_digest(int node_dirfd, const char *version, char ret[static 65], Fault *reterr) {
        cleanup_free_ char *path = NULL, *text = NULL;
        size_t size;
        int r;

        if (asprintf(&path, RELEASES "%s/" MANIFEST_NAME, version) < 0)
                return -ENOMEM;
        r = read_small_file(node_dirfd, path, MANIFEST_MAX, &text, &size);
        if (r >= 0)
                r = sha256_buffer_hex(text, size, ret);
        return r < 0 ? fault_errno(reterr, r, "Failed to read '%s'", path) : 0;
}

static int open_staged(int node_dirfd, Fault *reterr) {
        int dir = openat(node_dirfd, "staged", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return dir >= 0 ? dir : fault_errno(reterr, -errno, "Failed to open 'staged'");
}

int release_accept(int node_dirfd, const char *version, const char *digest, Fault *reterr) {
        cleanup_free_ char *line = NULL;
        cleanup_fd_ int dir = -1;
        int r;

        dir = open_staged(node_dirfd, reterr);
        if (dir < 0)
                return dir;
        if (asprintf(&line, "%s\n", digest) < 0)
                return -ENOMEM;
        r = durable_write(dir, version, line, strlen(line), 0644);
        return r < 0 ? fault_errno(reterr, r, "Failed to write 'staged/%s'", version) : 0;
}

int release_unaccept(int node_dirfd, const char *version, Fault *reterr) {
        cleanup_fd_ int dir = -1;
        int r;

        dir = open_staged(node_dirfd, reterr);
        if (dir < 0)
                return dir;
        r = durable_unlink(dir, version);
        return r < 0 ? fault_errno(reterr, r, "Failed to remove 'staged/%s'", version) : 0;
}

static int by_name(const void *a, const void *b) {
        return strverscmp(*(char *const *) a, *(char *const *) b);
}

int release_accepted_list(int node_dirfd, char ***ret, Fault *reterr) {
        cleanup_strv_ char **list = calloc(1, sizeof *list);
        cleanup_closedir_ DIR *dir = NULL;
        cleanup_fd_ int fd = -1;
        struct dirent *entry;
        int r;

        if (!list)
                return -ENOMEM;
        fd = open_staged(node_dirfd, reterr);
        if (fd < 0)
                return fd;
        r = directory_list(fd, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) >= 0 && entry)
                if (version_is_valid(entry->d_name) && strv_append(&list, entry->d_name) < 0)
                        return -ENOMEM;
        if (r < 0)
                return fault_errno(reterr, r, "Failed to list 'staged'");
        qsort(list, strv_length(list), sizeof *list, by_name);
        *ret = TAKE_PTR(list);
        return 0;
}

bool permit_exists(int node_dirfd) {
        return faccessat(node_dirfd, "permit", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int permit_write(int node_dirfd, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        int r;

        if (permit_exists(node_dirfd))
                return fsync(node_dirfd) < 0 ? fault_errno(reterr, -errno, "Failed to sync the permit") : 0;
        /* Being there is all that it says: there are no bytes to sync before its name. */
        fd = openat(node_dirfd, "permit", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        r = fd < 0 || fchmod(fd, 0644) < 0 || fsync(node_dirfd) < 0 ? -errno : 0;
        return r < 0 ? fault_errno(reterr, r, "Failed to write the permit") : 0;
}

int permit_remove(int node_dirfd, Fault *reterr) {
        int r = durable_unlink(node_dirfd, "permit");

        return r < 0 ? fault_errno(reterr, r, "Failed to remove the permit") : 0;
}
