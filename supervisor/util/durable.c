/*
 * A crash between the steps here leaves at most a temporary ".#name.XXXXXX"
 * beside the target, which the next writer of the same name does not trip over.
 */
#include "util/durable.h"
#include "util/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

static int temporary_name(const char *name, char **ret) {
        unsigned long long salt;

        if (getrandom(&salt, sizeof salt, 0) != sizeof salt)
                return -EIO;
        return asprintf(ret, ".#%s.%016llx", name, salt) < 0 ? -ENOMEM : 0;
}

int write_all(int fd, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

int durable_write(int dirfd, const char *name, const void *data, size_t size, mode_t mode) {
        cleanup_free_ char *tmp = NULL;
        cleanup_fd_ int fd = -1;
        int r;

        r = temporary_name(name, &tmp);
        if (r < 0)
                return r;
        fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        r = write_all(fd, data, size);
        if (r >= 0 && fchmod(fd, mode) < 0)
                r = -errno;
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r >= 0 && renameat(dirfd, tmp, dirfd, name) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(dirfd, tmp, 0);
                return r;
        }
        return fsync(dirfd) < 0 ? -errno : 0;
}

int durable_unlink(int dirfd, const char *name) {
        if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
                return -errno;
        return fsync(dirfd) < 0 ? -errno : 0;
}

int replace_symlink(int dirfd, const char *target, const char *name) {
        cleanup_free_ char *tmp = NULL;
        int r;

        r = temporary_name(name, &tmp);
        if (r < 0)
                return r;
        if (symlinkat(target, dirfd, tmp) < 0)
                return -errno;
        if (renameat(dirfd, tmp, dirfd, name) < 0) {
                r = -errno;
                (void) unlinkat(dirfd, tmp, 0);
                return r;
        }
        return 0;
}

int read_small_file(int dirfd, const char *name, size_t max, char **ret, size_t *ret_size) {
        cleanup_fd_ int fd = -1;
        cleanup_free_ char *buffer = NULL;
        size_t size = 0, room = 4096;

        fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        buffer = malloc(room + 1);
        if (!buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t n = read(fd, buffer + size, room - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > max)
                        return -EFBIG;
                if (size == room) {
                        char *larger = realloc(buffer, room * 2 + 1);

                        if (!larger)
                                return -ENOMEM;
                        buffer = larger;
                        room *= 2;
                }
        }
        buffer[size] = 0;
        if (ret_size)
                *ret_size = size;
        *ret = TAKE_PTR(buffer);
        return 0;
}

int read_symlink(int dirfd, const char *name, char **ret) {
        char buffer[PATH_MAX];
        ssize_t n;
        char *target;

        n = readlinkat(dirfd, name, buffer, sizeof buffer - 1);
        if (n < 0)
                return -errno;
        if ((size_t) n >= sizeof buffer - 1)
                return -ENAMETOOLONG;
        target = strndup(buffer, (size_t) n);
        if (!target)
                return -ENOMEM;
        *ret = target;
        return 0;
}
