#include "snapshot/marker.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

static int open_tree(int dirfd, const char *tree) {
        int fd = openat(dirfd, tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return fd >= 0 ? fd : -errno;
}

int marker_exists(int dirfd, const char *tree, const char *marker) {
        cleanup_fd_ int fd = open_tree(dirfd, tree);
        struct stat st;

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        if (fstatat(fd, marker, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

int marker_is(int dirfd, const char *tree, const char *marker, const char *job) {
        cleanup_fd_ int fd = open_tree(dirfd, tree);
        cleanup_free_ char *text = NULL;
        int r;

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        r = read_small_file(fd, marker, MARKER_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        text[strcspn(text, "\n")] = 0;
        return str_eq(text, job);
}

int marker_write(int tree_fd, const char *marker, const char *job) {
        cleanup_free_ char *line = NULL;

        if (asprintf(&line, "%s\n", job) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        return durable_write(tree_fd, marker, line, strlen(line), 0644);
}

int marker_remove(int dirfd, const char *tree, const char *marker) {
        cleanup_fd_ int fd = open_tree(dirfd, tree);

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        return durable_unlink(fd, marker);
}
