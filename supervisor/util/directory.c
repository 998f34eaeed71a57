/*
 * openat2() would open beneath a directory in one call, but RestrictSUIDSGID=
 * of our units makes it answer ENOSYS.
 */
#include "util/directory.h"
#include "util/text.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

int directory_list(int dirfd, DIR **ret) {
        cleanup_fd_ int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir;

        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        TAKE_FD(fd);
        *ret = dir;
        return 0;
}

int directory_next(DIR *dir, struct dirent **ret) {
        do {
                errno = 0;
                *ret = readdir(dir);
        } while (*ret && (str_eq((*ret)->d_name, ".") || str_eq((*ret)->d_name, "..")));
        return *ret ? 0 : -errno;
}

static bool is_link(int dirfd, const char *name) {
        struct stat st;

        return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISLNK(st.st_mode);
}

int open_beneath(int dirfd, const char *path, int flags) {
        cleanup_fd_ int dir = -1;
        char name[NAME_MAX + 1];

        for (;;) {
                size_t n = strcspn(path, "/");
                int at = dir < 0 ? dirfd : dir, fd;

                if (n == 0 || n > NAME_MAX || (n == 2 && memcmp(path, "..", 2) == 0))
                        return -EINVAL;
                snprintf(name, sizeof name, "%.*s", (int) n, path);
                fd = openat(at, name,
                            (path[n] ? O_PATH | O_DIRECTORY : flags | O_NOCTTY) | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        return errno == ENOTDIR && is_link(at, name) ? -ELOOP : -errno;
                if (!path[n])
                        return fd;
                cleanup_closep(&dir);
                dir = fd;
                path += n + 1;
        }
}
