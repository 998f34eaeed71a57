/*
 * Nothing here is atomic: a crash leaves part of a clone. The callers
 * (backup.c, rehearse.c) work on names that nobody else trusts.
 */
#include "snapshot/clone.h"
#include "util/directory.h"
#include "util/text.h"
#include "util/tree.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define COPY_STEP ((size_t) 64 * 1024 * 1024)

typedef struct Walk {
        const TreeClone *how; /* NULL: only measure */
        TreeStats stats;
        Fault *reterr;
} Walk;

static int walk_directory(Walk *w, int from, int to, const char *path, unsigned depth);

static int failed(const Walk *w, int r, const char *verb, const char *path) {
        return fault_errno(w->reterr, r, "Failed to %s '%s'", verb, path);
}

static void advance(Walk *w, const struct statx *sx, bool regular) {
        w->stats.files++;
        if (regular) {
                w->stats.bytes += sx->stx_size;
                w->stats.allocated += sx->stx_blocks * 512;
        }
        if (w->how && w->how->progress)
                w->how->progress(&w->stats, w->how->userdata);
}

/* A wrong time harms nothing that was durable: failures are ignored. */
static void set_times(int fd, const struct statx *sx) {
        (void) futimens(fd, (const struct timespec[2]){
                                    { .tv_sec = sx->stx_atime.tv_sec, .tv_nsec = sx->stx_atime.tv_nsec },
                                    { .tv_sec = sx->stx_mtime.tv_sec, .tv_nsec = sx->stx_mtime.tv_nsec },
                            });
}

static int copy_by_hand(int from, int to, off_t at, off_t end) {
        const size_t room = 1024 * 1024;
        cleanup_free_ char *buffer = malloc(room);

        if (!buffer)
                return -ENOMEM;
        while (at < end) {
                size_t want = (size_t) (end - at) < room ? (size_t) (end - at) : room;
                ssize_t n = pread(from, buffer, want, at), done = 0;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0; /* shorter than it was: a live file */
                while (done < n) {
                        ssize_t k = pwrite(to, buffer + done, (size_t) (n - done), at + done);

                        if (k < 0 && errno != EINTR)
                                return -errno;
                        done += k > 0 ? k : 0;
                }
                at += n;
        }
        return 0;
}

static int copy_range(int from, int to, off_t at, off_t end) {
        while (at < end) {
                loff_t in = at, out = at;
                size_t want = (size_t) (end - at) < COPY_STEP ? (size_t) (end - at) : COPY_STEP;
                ssize_t n = copy_file_range(from, &in, to, &out, want, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
                        return copy_by_hand(from, to, at, end);
                if (n < 0)
                        return -errno;
                if (n == 0) /* some file systems say 0 for what they cannot do */
                        return copy_by_hand(from, to, at, end);
                at += n;
        }
        return 0;
}

int tree_copy_file(int from, int to, const char *path, Fault *reterr) {
        off_t at = 0;
        struct stat st;
        int r;

        if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
                return fault_errno(reterr, -errno, "Failed to copy '%s'", path);
        while (at < st.st_size) {
                off_t data = lseek(from, at, SEEK_DATA), hole;

                if (data < 0 && errno == ENXIO) /* only a hole is left */
                        return 0;
                if (data < 0)
                        data = at;
                hole = lseek(from, data, SEEK_HOLE);
                if (hole < 0 || hole > st.st_size)
                        hole = st.st_size;
                r = copy_range(from, to, data, hole);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to copy '%s'", path);
                at = hole;
        }
        return 0;
}

static int fill_file(Walk *w, int in, int out, const char *path) {
        if (w->how->method == TREE_COPY)
                return tree_copy_file(in, out, path, w->reterr);
        if (ioctl(out, FICLONE, in) >= 0)
                return 0;
        if (errno == EXDEV)
                return fault_set(w->reterr, -EXDEV,
                                 "'%s' is on another file system than the backup: use backup = "
                                 "copy, hook or none",
                                 path);
        return failed(w, -errno, "reflink", path);
}

static int clone_file(Walk *w, int from, int to, const char *name, const char *path,
                      const struct statx *sx) {
        cleanup_fd_ int in = -1, out = -1;
        int r;

        in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
        if (in < 0 && errno == ENOENT) /* gone since it was looked at: see visit() */
                return 0;
        if (in < 0)
                return failed(w, -errno, "open", path);
        out = openat(to, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (out < 0)
                return failed(w, -errno, "make the copy of", path);
        r = fill_file(w, in, out, path);
        if (r < 0)
                return r;
        if (fchmod(out, sx->stx_mode & 01777) < 0)
                return failed(w, -errno, "set the mode of the copy of", path);
        set_times(out, sx);
        return 0;
}

static int clone_link(Walk *w, int from, int to, const char *name, const char *path) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(from, name, target, sizeof target - 1);

        if (n < 0)
                return failed(w, -errno, "read the link", path);
        target[n] = 0;
        if (symlinkat(target, to, name) < 0)
                return failed(w, -errno, "make the copy of the link", path);
        return 0;
}

static int visit_directory(Walk *w, int from, int to, const char *name, const char *path,
                           const struct statx *sx, unsigned depth) {
        cleanup_fd_ int below = -1, copy = -1;
        int r;

        if (depth >= TREE_DEPTH_MAX)
                return fault_set(w->reterr, -ELOOP, "'%s' is deeper than %d directories", path,
                                 TREE_DEPTH_MAX);
        below = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (below < 0)
                return failed(w, -errno, "open the directory", path);
        if (w->how) {
                if (mkdirat(to, name, 0700) < 0)
                        return failed(w, -errno, "make the copy of the directory", path);
                copy = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (copy < 0)
                        return failed(w, -errno, "open the copy of the directory", path);
        }
        r = walk_directory(w, below, copy, path, depth + 1);
        if (r < 0 || !w->how)
                return r;
        if (fchmod(copy, sx->stx_mode & 01777) < 0)
                return failed(w, -errno, "set the mode of the copy of", path);
        set_times(copy, sx);
        return 0;
}

static int visit(Walk *w, int from, int to, const char *name, const char *path, unsigned depth) {
        struct statx sx;
        int r = 0;

        if (w->how && strv_contains(w->how->exclude, path))
                return 0;
        if (statx(from, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx) < 0)
                /* Of a live node, files come and go: what went away is not part of the copy. */
                return errno == ENOENT ? 0 : failed(w, -errno, "look at", path);
        if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return fault_set(w->reterr, -EBUSY,
                                 "'%s' is a mount point inside the data directory: a backup "
                                 "would not hold together; use backup = hook or none",
                                 path);
        switch (sx.stx_mode & S_IFMT) {
        case S_IFDIR:
                r = visit_directory(w, from, to, name, path, &sx, depth);
                break;
        case S_IFREG:
                r = w->how ? clone_file(w, from, to, name, path, &sx) : 0;
                break;
        case S_IFLNK:
                r = w->how ? clone_link(w, from, to, name, path) : 0;
                break;
        default:
                w->stats.skipped++;
                return 0;
        }
        if (r >= 0)
                advance(w, &sx, S_ISREG(sx.stx_mode));
        return r;
}

static int walk_directory(Walk *w, int from, int to, const char *path, unsigned depth) {
        cleanup_closedir_ DIR *dir = NULL;
        int r;

        r = directory_list(from, &dir);
        if (r < 0)
                return failed(w, r, "read the directory", path);
        for (;;) {
                cleanup_free_ char *below = NULL;
                struct dirent *entry;

                r = directory_next(dir, &entry);
                if (r < 0)
                        return failed(w, r, "read the directory", path);
                if (!entry)
                        return 0;
                if (depth == 0 && str_starts(entry->d_name, TREE_MARKER_PREFIX))
                        continue;
                if (asprintf(&below, "%s%s%s", path, *path ? "/" : "", entry->d_name) < 0)
                        return -ENOMEM;
                r = visit(w, from, to, entry->d_name, below, depth);
                if (r < 0)
                        return r;
        }
}

int tree_measure(int dirfd, TreeStats *ret, Fault *reterr) {
        Walk w = { .reterr = reterr };
        int r;

        r = walk_directory(&w, dirfd, -1, "", 0);
        if (r >= 0)
                *ret = w.stats;
        return r;
}

int tree_clone(int from_dirfd, int to_dirfd, const TreeClone *how, TreeStats *ret, Fault *reterr) {
        Walk w = { .how = how, .reterr = reterr };
        struct statx sx;
        int r;

        if (statx(from_dirfd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx) < 0)
                return fault_errno(reterr, -errno, "Failed to look at the directory to copy");
        r = walk_directory(&w, from_dirfd, to_dirfd, "", 0);
        if (r < 0)
                return r;
        if (fchmod(to_dirfd, sx.stx_mode & 01777) < 0)
                return fault_errno(reterr, -errno, "Failed to set the mode of the copy");
        set_times(to_dirfd, &sx);
        if (ret)
                *ret = w.stats;
        return 0;
}

static const char *file_system_name(int dirfd) {
        struct statfs fs;

        if (fstatfs(dirfd, &fs) < 0)
                return "this file system";
        switch ((unsigned long) fs.f_type) {
        case EXT4_SUPER_MAGIC:
                return "ext4";
        case XFS_SUPER_MAGIC:
                return "this xfs (made without reflink=1)";
        case TMPFS_MAGIC:
                return "tmpfs";
        case OVERLAYFS_SUPER_MAGIC:
                return "overlayfs";
        default:
                return "this file system";
        }
}

int tree_reflink_works(int dirfd, Fault *reterr) {
        cleanup_fd_ int from = -1, to = -1;
        int r;

        from = openat(dirfd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        to = openat(dirfd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        if (from < 0 || to < 0)
                r = -errno;
        else if (write(from, "muster", 6) != 6)
                r = -EIO;
        else
                r = ioctl(to, FICLONE, from) < 0 ? -errno : 0;
        if (r >= 0)
                return 0;
        if (r == -EOPNOTSUPP || r == -ENOTTY || r == -EINVAL || r == -ENOSYS || r == -EXDEV)
                return fault_set(reterr, -EOPNOTSUPP, "%s has no reflink: use backup = copy, hook or none",
                                 file_system_name(dirfd));
        return fault_errno(reterr, r, "Failed to try a reflink");
}
