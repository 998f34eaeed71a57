#include "util/directory.h"
#include "util/text.h"

#include <fcntl.h>

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
