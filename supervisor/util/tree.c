/*
 * fsync a file and not syncfs(): the node that runs beside us may have
 * gigabytes of dirty pages on this disk, and waiting for them would stall it.
 *
 * Removal is not atomic: a crash leaves part of the tree, under a name that
 * nobody trusts.
 */
#include "util/tree.h"
#include "util/directory.h"

#include <fcntl.h>
#include <sys/stat.h>

static int remove_below(int dirfd, const char *path, unsigned depth, Fault *reterr);

static int remove_entry(int parent, const char *name, const char *path, unsigned depth, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        struct statx sx;
        int r;

        if (unlinkat(parent, name, 0) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return fault_errno(reterr, -errno, "Failed to remove '%s'", path);
        if (depth > TREE_DEPTH_MAX)
                return fault_set(reterr, -ELOOP, "'%s' is deeper than %d directories", path, TREE_DEPTH_MAX);
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) >= 0)
                fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to open the directory '%s' to remove it", path);
        if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '%s'", path);
        if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return fault_set(reterr, -EBUSY, "'%s' is a mount point: unmount it", path);
        if ((sx.stx_mode & 0700) != 0700) /* a read-only one of ours; the removal tells if this did not do */
                (void) fchmod(fd, 0700);
        r = remove_below(fd, path, depth, reterr);
        if (r < 0)
                return r;
        return unlinkat(parent, name, AT_REMOVEDIR) < 0
                       ? fault_errno(reterr, -errno, "Failed to remove '%s'", path)
                       : 0;
}

static int remove_below(int dirfd, const char *path, unsigned depth, Fault *reterr) {
        cleanup_closedir_ DIR *dir = NULL;
        int r;

        r = directory_list(dirfd, &dir);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the directory '%s'", path);
        for (;;) {
                cleanup_free_ char *below = NULL;
                struct dirent *entry;

                r = directory_next(dir, &entry);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to read the directory '%s'", path);
                if (!entry)
                        return 0;
                if (asprintf(&below, "%s/%s", path, entry->d_name) < 0)
                        return -ENOMEM;
                r = remove_entry(dirfd, entry->d_name, below, depth + 1, reterr);
                if (r < 0)
                        return r;
        }
}

int tree_remove(int dirfd, const char *name, Fault *reterr) {
        return remove_entry(dirfd, name, name, 0, reterr);
}

static int fsync_name(int dirfd, const char *name, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        struct stat st;

        fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s'", name);
        if (fstat(fd, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '%s'", name);
        if (S_ISDIR(st.st_mode))
                return tree_fsync(fd, reterr);
        return fsync(fd) < 0 ? fault_errno(reterr, -errno, "Failed to fsync '%s'", name) : 0;
}

int tree_fsync(int dirfd, Fault *reterr) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r;

        r = directory_list(dirfd, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) >= 0 && entry) {
                r = fsync_name(dirfd, entry->d_name, reterr);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return fault_errno(reterr, r, "Failed to list a directory");
        return fsync(dirfd) < 0 ? fault_errno(reterr, -errno, "Failed to fsync a directory") : 0;
}
