/*
 * Landlock only allows. Hiding one directory therefore means to allow, at each
 * level above it, all that stands beside the way down. What appears there later
 * is hidden, too; links need no rule, since it is the target that counts.
 */
#include "restore/confine.h"
#include "util/text.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define ABI_MIN 2 /* before it no file may be moved from one directory to another */

/* What newer headers call LANDLOCK_ACCESS_FS_REFER and _TRUNCATE. */
#define ACCESS_REFER    (1ULL << 13)
#define ACCESS_TRUNCATE (1ULL << 14)

#define ACCESS_FILE                                                                                         \
        (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE)
#define ACCESS_DIRECTORY                                                                                    \
        (ACCESS_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |                        \
         LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |      \
         LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |        \
         LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | ACCESS_REFER)

typedef struct Rules {
        int fd;
        uint64_t truncate; /* ACCESS_TRUNCATE where the kernel knows it */
} Rules;

static int allow(const Rules *rules, int dirfd, const char *name) {
        cleanup_fd_ int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct landlock_path_beneath_attr beneath = { .parent_fd = fd };
        struct stat st;

        if (fd < 0)
                return errno == ENOENT || errno == EACCES ? 0 : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISLNK(st.st_mode))
                return 0;
        beneath.allowed_access = (S_ISDIR(st.st_mode) ? ACCESS_DIRECTORY : ACCESS_FILE) | rules->truncate;
        return syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0
                       ? -errno
                       : 0;
}

/* All of the directory @path but @except. One that may not be read shows nothing to whom it is hidden from.
 */
static int allow_beside(const Rules *rules, const char *path, const char *except) {
        cleanup_closedir_ DIR *dir = opendir(path);
        struct dirent *entry;

        if (!dir)
                return errno == EACCES ? 0 : -errno;
        while ((errno = 0, entry = readdir(dir))) {
                int r;

                if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") ||
                    str_eq(entry->d_name, except))
                        continue;
                r = allow(rules, dirfd(dir), entry->d_name);
                if (r < 0)
                        return r;
        }
        return -errno;
}

/* @way is absolute, without links; it is cut up. */
static int allow_all_but(const Rules *rules, char *way) {
        cleanup_free_ char *above = strdup("/");

        if (!above)
                return -ENOMEM;
        for (char *rest = way + strspn(way, "/"); *rest;) {
                size_t n = strcspn(rest, "/"), next = n + strspn(rest + n, "/");
                char *deeper;
                int r;

                rest[n] = 0;
                r = allow_beside(rules, above, rest);
                if (r < 0)
                        return r;
                if (asprintf(&deeper, "%s%s/", above, rest) < 0)
                        return -ENOMEM;
                free(above);
                above = deeper;
                rest += next;
        }
        return 0;
}

static int fill(const Rules *rules, const char *hidden, const char *const *visible) {
        cleanup_free_ char *way = realpath(hidden, NULL);
        cleanup_fd_ int dir = -1;
        int r = 0;

        if (!way)
                return -errno;
        dir = open(way, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return -errno;
        for (; r >= 0 && *visible; visible++)
                r = allow(rules, dir, *visible);
        return r < 0 ? r : allow_all_but(rules, way);
}

int confine_new(const char *hidden, const char *const *visible, Fault *reterr) {
        long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        struct landlock_ruleset_attr attr = { .handled_access_fs = ACCESS_DIRECTORY };
        cleanup_fd_ int fd = -1;
        Rules rules = { 0 };
        int r;

        if (abi < ABI_MIN)
                return fault_set(reterr, -EOPNOTSUPP, "This kernel has no Landlock, or too old a one");
        rules.truncate = abi >= 3 ? ACCESS_TRUNCATE : 0;
        attr.handled_access_fs |= rules.truncate;
        rules.fd = fd = (int) syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
        r = fd < 0 ? -errno : fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : fill(&rules, hidden, visible);
        return r < 0 ? fault_errno(reterr, r, "Failed to hide '%s'", hidden) : TAKE_FD(fd);
}

int confine_self(int ruleset_fd) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0)
                return -errno;
        return 0;
}
