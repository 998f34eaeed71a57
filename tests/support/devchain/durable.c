#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"

static int write_all(int fd, const char *text, size_t len) {
        while (len > 0) {
                ssize_t n = write(fd, text, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                len -= (size_t) n;
        }
        return 0;
}

static int sync_parent(const char *path) {
        char dir[PATH_MAX];
        cleanup_fd_ int fd = -1;
        char *slash;

        snprintf(dir, sizeof(dir), "%s", path);
        slash = strrchr(dir, '/');
        if (slash)
                *slash = '\0';
        fd = open(slash ? (*dir ? dir : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

int durable_write(const char *path, mode_t mode, const char *text) {
        char tmp[PATH_MAX];
        cleanup_fd_ int fd = -1;
        int r;

        if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int) sizeof(tmp))
                return -ENAMETOOLONG;
        fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text, strlen(text));
        if (r < 0)
                return r;
        if (fsync(fd) < 0 || rename(tmp, path) < 0)
                return -errno;
        return sync_parent(path);
}

int durable_append(const char *path, const char *line) {
        cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        if (fd < 0)
                return -errno;
        return write_all(fd, line, strlen(line));
}

int durable_read(const char *path, char **ret_text) {
        cleanup_free_ char *text = NULL;
        cleanup_fd_ int fd = -1;
        size_t len = 0;

        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        text = malloc(DURABLE_FILE_MAX + 1);
        if (!text)
                return -ENOMEM;
        for (;;) {
                ssize_t n = read(fd, text + len, DURABLE_FILE_MAX + 1 - len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                len += (size_t) n;
                if (len > DURABLE_FILE_MAX)
                        return -EFBIG;
        }
        text[len] = '\0';
        *ret_text = TAKE_PTR(text);
        return 0;
}

int durable_mkdir(const char *path) {
        char part[PATH_MAX];

        if (snprintf(part, sizeof(part), "%s", path) >= (int) sizeof(part))
                return -ENAMETOOLONG;
        for (char *p = part + 1; *p; p++) {
                if (*p != '/')
                        continue;
                *p = '\0';
                if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
                        return -errno;
                *p = '/';
        }
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
                return -errno;
        return 0;
}
