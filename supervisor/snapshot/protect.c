/*
 * A crash leaves @incoming with some files carried and some not, each one old
 * or new as a whole; the exchange comes after, and running again carries all.
 */
#include "snapshot/protect.h"
#include "crypto/sha256.h"
#include "guard/match.h"
#include "snapshot/clone.h"
#include "util/directory.h"
#include "util/text.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#define TEMPORARY ".#muster-carried"

int protect_patterns(const char *const *key_files, const char *const *state_files, char *const *operators,
                     char ***ret) {
        cleanup_strv_ char **all = calloc(1, sizeof *all);

        if (!all || strv_extend(&all, key_files) < 0 || strv_extend(&all, state_files) < 0 ||
            strv_extend(&all, (const char *const *) operators) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(all);
        return 0;
}

/*
 * Descriptor of the directory that holds @path, made below @dirfd where it is
 * missing, with the modes of the same directory below @like_dirfd.
 */
static int open_parent(int dirfd, int like_dirfd, const char *path, const char **ret_name, Fault *reterr) {
        cleanup_free_ char *prefix = strdup(path);
        cleanup_fd_ int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char *rest = path, *slash;

        if (!prefix)
                return -ENOMEM;
        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to open the directory above '%s'", path);
        while ((slash = strchr(rest, '/'))) {
                size_t end = (size_t) (slash - path), begin = (size_t) (rest - path);
                struct stat like;
                int below, r;

                prefix[end] = 0;
                if (fstatat(like_dirfd, prefix, &like, 0) < 0)
                        return fault_errno(reterr, -errno, "Failed to look at '%s'", prefix);
                if (mkdirat(fd, prefix + begin, 0700) >= 0)
                        r = fchmodat(fd, prefix + begin, like.st_mode & 01777, 0) < 0 ? -errno : 0;
                else
                        r = errno == EEXIST ? 0 : -errno;
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to make the directory '%s'", prefix);
                if (fsync(fd) < 0)
                        return fault_errno(reterr, -errno, "Failed to make the directory '%s' durable",
                                           prefix);
                below = openat(fd, prefix + begin, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (below < 0)
                        return fault_errno(reterr, -errno, "Failed to open the directory '%s'", prefix);
                close(fd);
                fd = below;
                prefix[end] = '/';
                rest = slash + 1;
        }
        *ret_name = rest;
        return TAKE_FD(fd);
}

/* Two descriptors at their start. */
static int compare(int a, int b, const char *path, Fault *reterr) {
        char x[SHA256_HEX_SIZE], y[SHA256_HEX_SIZE];
        int r;

        if (lseek(a, 0, SEEK_SET) < 0 || lseek(b, 0, SEEK_SET) < 0)
                return -errno;
        r = sha256_fd_hex(a, x, NULL);
        if (r >= 0)
                r = sha256_fd_hex(b, y, NULL);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to compare the copies of '%s'", path);
        if (!str_eq(x, y))
                return fault_set(reterr, -EIO,
                                 "The copy of the protected file '%s' differs from it: is the node "
                                 "still running, or the disk failing?",
                                 path);
        return 0;
}

/* A link on the way: right if both trees end at the same file, which is then outside of both. */
static int check_link(const ProtectCarry *c, const char *path, Fault *reterr) {
        struct stat a, b;

        if (fstatat(c->live_dirfd, path, &a, 0) >= 0 && fstatat(c->incoming_dirfd, path, &b, 0) >= 0 &&
            a.st_dev == b.st_dev && a.st_ino == b.st_ino)
                return 0;
        return fault_set(
                reterr, -ELOOP,
                "The protected file '%s' is reached by a link that means another file in the tree to be "
                "exchanged: put the file itself there, or a link to outside of the data directory",
                path);
}

/*
 * A link that the incoming tree has not, as it is, where it then means the same file: outside of both.
 * @path may go on below the link.
 */
static int carry_link(const ProtectCarry *c, const char *path, Fault *reterr) {
        cleanup_free_ char *link = strdup(path);
        cleanup_fd_ int parent = -1;
        char target[PATH_MAX];
        const char *name;
        ssize_t n = -1;
        size_t end;
        int r;

        if (!link)
                return -ENOMEM;
        for (end = strcspn(path, "/"); n < 0; end += 1 + strcspn(path + end + 1, "/")) {
                link[end] = 0;
                n = readlinkat(c->live_dirfd, link, target, sizeof target - 1);
                if (n >= 0 || !path[end])
                        break;
                link[end] = '/';
        }
        if (n < 0 || faccessat(c->incoming_dirfd, link, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return check_link(c, path, reterr);
        target[n] = 0;
        parent = open_parent(c->incoming_dirfd, c->live_dirfd, link, &name, reterr);
        if (parent < 0)
                return parent;
        if (symlinkat(target, parent, name) < 0)
                return fault_errno(reterr, -errno, "Failed to make the link '%s'", link);
        r = check_link(c, path, reterr);
        if (r < 0)
                (void) unlinkat(parent, name, 0);
        else if (fsync(parent) < 0)
                r = fault_errno(reterr, -errno, "Failed to make the link '%s' durable", link);
        return r;
}

static int replace_file(int in, int parent, const char *name, const char *path, Fault *reterr) {
        cleanup_fd_ int out = -1;
        struct stat st;
        int r;

        if (unlinkat(parent, TEMPORARY, 0) < 0 && errno != ENOENT)
                return fault_errno(reterr, -errno, "Failed to remove an old '%s'", TEMPORARY);
        out = openat(parent, TEMPORARY, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (out < 0 || fstat(in, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to make the copy of '%s'", path);
        r = tree_copy_file(in, out, path, reterr);
        if (r >= 0)
                r = compare(in, out, path, reterr);
        if (r >= 0) {
                const struct timespec times[2] = { st.st_atim, st.st_mtim };

                (void) futimens(out, times);
                if (fchmod(out, st.st_mode & 01777) < 0 || fsync(out) < 0 ||
                    renameat(parent, TEMPORARY, parent, name) < 0 || fsync(parent) < 0)
                        r = fault_errno(reterr, -errno, "Failed to write the copy of '%s'", path);
        }
        if (r < 0)
                (void) unlinkat(parent, TEMPORARY, 0);
        return r;
}

static int carry_file(const ProtectCarry *c, const char *path, Fault *reterr) {
        cleanup_fd_ int in = -1, parent = -1, written = -1;
        const char *name;
        int r;

        in = open_beneath(c->live_dirfd, path, O_RDONLY | O_NONBLOCK);
        if (in == -ELOOP)
                return carry_link(c, path, reterr);
        if (in < 0)
                return fault_errno(reterr, in, "Failed to open the protected file '%s'", path);
        parent = open_parent(c->incoming_dirfd, c->live_dirfd, path, &name, reterr);
        if (parent < 0)
                return parent;
        r = replace_file(in, parent, name, path, reterr);
        if (r < 0)
                return r;
        written = open_beneath(c->incoming_dirfd, path, O_RDONLY | O_NONBLOCK);
        if (written < 0)
                return fault_errno(reterr, written, "Failed to read back the copy of '%s'", path);
        return compare(in, written, path, reterr);
}

static int set_aside(const ProtectCarry *c, const char *path, Fault *reterr) {
        cleanup_fd_ int from = -1, to = -1, aside = -1;
        const char *name;

        if (mkdirat(c->state_dirfd, c->aside, 0700) < 0 && errno != EEXIST)
                return fault_errno(reterr, -errno, "Failed to make 'state/%s'", c->aside);
        aside = openat(c->state_dirfd, c->aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (aside < 0 || fsync(c->state_dirfd) < 0)
                return fault_errno(reterr, -errno, "Failed to open 'state/%s'", c->aside);
        to = open_parent(aside, c->incoming_dirfd, path, &name, reterr);
        if (to < 0)
                return to;
        from = open_parent(c->incoming_dirfd, c->incoming_dirfd, path, &name, reterr);
        if (from < 0)
                return from;
        if (renameat2(from, name, to, name, RENAME_NOREPLACE) < 0)
                return fault_errno(reterr, -errno, "Failed to move '%s' to 'state/%s'", path, c->aside);
        if (fsync(to) < 0 || fsync(from) < 0)
                return fault_errno(reterr, -errno, "Failed to make the move of '%s' durable", path);
        return 0;
}

/* Already right, one of ours, or in a tree of ours that lies inside of this one. */
static bool is_left(const ProtectCarry *c, const char *path) {
        return str_eq(path, c->keep) || str_ends(path, TEMPORARY) || str_starts(path, TREE_MARKER_PREFIX);
}

int protect_carry(const ProtectCarry *c, ProtectReport *ret, Fault *reterr) {
        cleanup_strv_ char **live = NULL, **incoming = NULL;
        const char *const *patterns = (const char *const *) c->patterns;
        ProtectReport report = { 0 };
        int r;

        r = match_files(c->live_dirfd, patterns, &live, reterr);
        if (r >= 0)
                r = match_files(c->incoming_dirfd, patterns, &incoming, reterr);
        if (r < 0)
                return r;
        STRV_FOREACH (path, live) {
                if (is_left(c, *path))
                        continue;
                r = carry_file(c, *path, reterr);
                if (r < 0)
                        return r;
                report.carried++;
        }
        STRV_FOREACH (path, incoming) {
                if (is_left(c, *path) || strv_contains(live, *path))
                        continue;
                r = set_aside(c, *path, reterr);
                if (r < 0)
                        return r;
                report.set_aside++;
        }
        *ret = report;
        return 0;
}
