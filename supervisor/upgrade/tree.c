/*
 * fsync a file and not syncfs(): the node that runs beside us may have
 * gigabytes of dirty pages on this disk, and waiting for them would stall it.
 */
#include "upgrade/tree.h"
#include "upgrade/manifest.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

typedef int (*TreeVisit)(int dirfd, const char *name, Fault *reterr);

/* Calls @visit for every name in the directory. */
static int for_each_name(int dirfd, TreeVisit visit, Fault *reterr) {
        cleanup_closedir_ DIR *dir = NULL;
        cleanup_fd_ int fd = -1;

        fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to list a directory");
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        TAKE_FD(fd);
        for (;;) {
                struct dirent *d;
                int r;

                errno = 0;
                d = readdir(dir);
                if (!d)
                        return errno ? fault_errno(reterr, -errno, "Failed to list a directory") : 0;
                if (str_eq(d->d_name, ".") || str_eq(d->d_name, ".."))
                        continue;
                r = visit(dirfd, d->d_name, reterr);
                if (r < 0)
                        return r;
        }
}

int tree_remove(int dirfd, const char *name, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        int r;

        if (unlinkat(dirfd, name, 0) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR)
                return fault_errno(reterr, -errno, "Failed to remove '%s'", name);
        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s'", name);
        r = for_each_name(fd, tree_remove, reterr);
        if (r < 0)
                return r;
        if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
                return fault_errno(reterr, -errno, "Failed to remove '%s'", name);
        return 0;
}

static int fsync_name(int dirfd, const char *name, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        struct stat st;

        fd = release_open(dirfd, name, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
                return fault_errno(reterr, fd, "Failed to open '%s'", name);
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return tree_fsync(fd, reterr);
        return fsync(fd) < 0 ? fault_errno(reterr, -errno, "Failed to fsync '%s'", name) : 0;
}

int tree_fsync(int dirfd, Fault *reterr) {
        int r;

        r = for_each_name(dirfd, fsync_name, reterr);
        if (r < 0)
                return r;
        return fsync(dirfd) < 0 ? fault_errno(reterr, -errno, "Failed to fsync a directory") : 0;
}
