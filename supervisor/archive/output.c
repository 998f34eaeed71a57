/*
 * Everything below the directory is reached component by component, through no
 * link, from descriptors that are kept for the last directories; a name that is
 * there already is an error unless this continues a partial restore. Nothing is
 * durable before output_finish(): a crash leaves a partial tree, which the
 * caller has marked as one.
 *
 * Room on the disk is counted for what open files have still to get, since a
 * sparse size takes no block until it is written.
 */
#include "archive/output.h"
#include "archive/direct.h"
#include "archive/parents.h"
#include "archive/path.h"
#include "guard/match.h"
#include "util/disk.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>

/* Of more directories mode and time are not put off to the end, the time is then that of the last change. */
#define DEFERRED_MAX 262144

#define OWN_PREFIX ".muster-"

typedef struct Deferred {
        char *path;
        mode_t mode;
        struct timespec mtime;
} Deferred;

struct OutputFile {
        Output *output;
        OutputFile *next, *previous;
        char *path;
        DirectFile file;
        uint64_t owed; /* bytes that may still take room; under the lock */
        mode_t mode;
        struct timespec mtime;
};

struct Output {
        int dirfd;
        char **protect;
        char *prefix; /* clean; NULL: none */
        OutputOptions options;
        bool casefold;
        uint64_t max_files; /* what the disk has, if the options do not tell */

        pthread_mutex_t lock;
        OutputStats stats;
        uint64_t owed;
        OutputFile *files;
        Parents parents;
        Deferred *deferred;
        size_t n_deferred;
};

static int on_made(const char *path, void *userdata, Fault *reterr);

/* ---- Life ---- */

static int take_patterns(Output *o, char *const *patterns, Fault *reterr) {
        STRV_FOREACH (pattern, patterns) {
                cleanup_free_ char *clean = NULL;
                const char *why;
                int r;

                r = path_clean(*pattern, &clean, &why);
                if (r == -EBADMSG)
                        return fault_set(reterr, -EINVAL,
                                         "The pattern '%s' is %s: expected a path below the data directory",
                                         *pattern, why);
                if (r >= 0 && *clean)
                        r = strv_append(&o->protect, clean);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_prefix(Output *o, const char *prefix, Fault *reterr) {
        const char *why;
        int r;

        if (!prefix)
                return 0;
        r = path_clean(prefix, &o->prefix, &why);
        if (r == -EBADMSG)
                return fault_set(reterr, -EINVAL, "The prefix '%s' is %s: expected a path of the archive",
                                 prefix, why);
        if (r >= 0 && !*o->prefix)
                free(TAKE_PTR(o->prefix));
        return r;
}

static int look_at_directory(Output *o, Fault *reterr) {
        struct statvfs fs;
        struct stat st;
        int flags = 0;

        if (fstat(o->dirfd, &st) < 0 || fstatvfs(o->dirfd, &fs) < 0)
                return fault_errno(reterr, -errno, "Failed to look at the directory to unpack into");
        if (!S_ISDIR(st.st_mode))
                return fault_set(reterr, -ENOTDIR, "What is to be unpacked into is not a directory");
#ifdef FS_CASEFOLD_FL
        o->casefold = ioctl(o->dirfd, FS_IOC_GETFLAGS, &flags) >= 0 && (flags & FS_CASEFOLD_FL);
#endif
        o->max_files = o->options.max_files ?: fs.f_files == 0 ? UINT64_MAX : fs.f_favail;
        return 0;
}

int output_new(int dirfd, const OutputOptions *options, Output **ret, Fault *reterr) {
        cleanup_(output_freep) Output *o = calloc(1, sizeof *o);
        int r;

        if (!o)
                return -ENOMEM;
        o->dirfd = dirfd;
        o->options = *options;
        r = -pthread_mutex_init(&o->lock, NULL);
        if (r < 0) {
                free(TAKE_PTR(o));
                return r;
        }
        o->parents = (Parents){ .dirfd = dirfd, .made = on_made, .userdata = o };
        r = take_patterns(o, options->protect, reterr);
        if (r >= 0)
                r = take_prefix(o, options->prefix, reterr);
        if (r >= 0)
                r = look_at_directory(o, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

static OutputFile *file_free(OutputFile *f) {
        Output *o = f->output;

        pthread_mutex_lock(&o->lock);
        if (f->next)
                f->next->previous = f->previous;
        if (f->previous)
                f->previous->next = f->next;
        else if (o->files == f)
                o->files = f->next;
        o->owed -= f->owed;
        pthread_mutex_unlock(&o->lock);
        direct_close(&f->file);
        free(f->path);
        free(f);
        return NULL;
}

Output *output_free(Output *o) {
        if (!o)
                return NULL;
        while (o->files)
                file_free(o->files);
        parents_done(&o->parents);
        for (size_t i = 0; i < o->n_deferred; i++)
                free(o->deferred[i].path);
        free(o->deferred);
        strv_free(o->protect);
        free(o->prefix);
        pthread_mutex_destroy(&o->lock);
        free(o);
        return NULL;
}

/* ---- Names ---- */

static int ignore(Output *o, const char *path, const char *why) {
        pthread_mutex_lock(&o->lock);
        o->stats.ignored++;
        if (o->options.notice)
                o->options.notice(path, why, o->options.userdata);
        pthread_mutex_unlock(&o->lock);
        return OUTPUT_E_IGNORED;
}

/* What is left of @path, clean, below the prefix; NULL if it is outside. */
static const char *strip(const Output *o, const char *path) {
        size_t n = o->prefix ? strlen(o->prefix) : 0;

        if (n == 0)
                return path;
        if (!str_starts(path, o->prefix) || (path[n] && path[n] != '/'))
                return NULL;
        return path[n] ? path + n + 1 : path + n;
}

static const char *forbidden(const Output *o, const char *path, bool file) {
        if (file && !*path)
                return "a file without a name";
        if (strncasecmp(path, OWN_PREFIX, strlen(OWN_PREFIX)) == 0)
                return "a name that muster needs itself";
        for (const char *p = path; o->casefold && *p; p++)
                if ((unsigned char) *p >= 0x80)
                        return "a name beyond ASCII in a directory that folds case";
        return NULL;
}

/* 0 and the path to make, "" for the top; OUTPUT_E_IGNORED; -EBADMSG; -ENOMEM. */
static int judge(Output *o, const char *name, bool file, char **ret, Fault *reterr) {
        cleanup_free_ char *clean = NULL, *path = NULL;
        char buffer[PATH_SHOWN_MAX + 4];
        const char *why, *rest = NULL;
        int r;

        r = path_clean(name, &clean, &why);
        if (r == -ENOMEM)
                return r;
        if (r >= 0) {
                rest = strip(o, clean);
                if (!rest && !file && strip(&(Output){ .prefix = clean }, o->prefix))
                        return OUTPUT_E_IGNORED; /* the way to the prefix */
                if (!rest)
                        return ignore(o, clean, "outside of the prefix");
                why = forbidden(o, rest, file);
        }
        if (why)
                return fault_set(reterr, -EBADMSG,
                                 "Entry '%s' is %s: a snapshot has only files and directories below its own "
                                 "directory",
                                 path_shown(name, buffer), why);
        if (path_is_protected(rest, file, o->protect))
                return ignore(o, rest, "protected: the node's own is kept");
        path = strdup(rest);
        if (!path)
                return -ENOMEM;
        *ret = TAKE_PTR(path);
        return 0;
}

/* ---- Room ---- */

int output_room(int dirfd, uint64_t bytes, uint64_t files, Fault *reterr) {
        char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];
        struct statvfs fs;
        uint64_t room;
        int r;

        r = disk_room(dirfd, &room);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to ask for the room on the disk");
        if (bytes > room)
                return fault_set(reterr, -ENOSPC,
                                 "No space: %s needed, %s may be taken from the node's disk: %s are missing",
                                 format_size(a, bytes), format_size(b, room),
                                 format_size((char[SIZE_TEXT_MAX]){ 0 }, bytes - room));
        if (fstatvfs(dirfd, &fs) < 0)
                return -errno;
        if (fs.f_files > 0 && files > fs.f_favail)
                return fault_set(reterr, -ENOSPC,
                                 "No space: %" PRIu64
                                 " files and directories are to be made, the file system "
                                 "has inodes for %" PRIu64 " more",
                                 files, (uint64_t) fs.f_favail);
        return 0;
}

/* Under the lock. */
static int count_entry(Output *o, const char *path, Fault *reterr) {
        if (o->stats.files < o->max_files) {
                o->stats.files++;
                return 0;
        }
        if (o->options.max_files > 0)
                return fault_set(reterr, -EBADMSG,
                                 "The archive has more than the %" PRIu64
                                 " files and directories expected (at '%s')",
                                 o->max_files, path);
        return fault_set(reterr, -ENOSPC, "No space: the file system has no inode left for '%s'", path);
}

/* Under the lock. */
static int count_bytes(Output *o, const char *path, uint64_t size, uint64_t owed, Fault *reterr) {
        char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];
        uint64_t room;
        int r;

        if (o->options.max_bytes > 0 && size > o->options.max_bytes - o->stats.bytes)
                return fault_set(reterr, -EBADMSG,
                                 "The archive unpacks to more than the %s expected: '%s' has %s",
                                 format_size(a, o->options.max_bytes), path, format_size(b, size));
        r = disk_room(o->dirfd, &room);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to ask for the room on the disk");
        if (owed > room || o->owed > room - owed)
                return fault_set(reterr, -ENOSPC,
                                 "No space to unpack '%s': it has %s, %s may be taken from the node's disk",
                                 path, format_size(a, size),
                                 format_size(b, room > o->owed ? room - o->owed : 0));
        o->stats.bytes += size;
        o->owed += owed;
        return 0;
}

/* ---- Directories; all under the lock ---- */

static int on_made(const char *path, void *userdata, Fault *reterr) {
        return count_entry(userdata, path, reterr);
}

static struct timespec sane_time(int64_t sec, uint32_t nsec) {
        return (struct timespec){ .tv_sec = sec > 0 ? sec : 0, .tv_nsec = nsec < 1000000000 ? nsec : 0 };
}

static int set_mode_and_time(int fd, mode_t mode, struct timespec mtime) {
        const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, mtime };

        return fchmod(fd, mode) < 0 || futimens(fd, times) < 0 ? -errno : 0;
}

static int defer(Output *o, const char *path, mode_t mode, struct timespec mtime) {
        Deferred *d;

        if ((o->n_deferred & (o->n_deferred - 1)) == 0) { /* a power of two: full */
                d = reallocarray(o->deferred, o->n_deferred ? 2 * o->n_deferred : 1, sizeof *d);
                if (!d)
                        return -ENOMEM;
                o->deferred = d;
        }
        d = &o->deferred[o->n_deferred];
        *d = (Deferred){ .path = strdup(path), .mode = mode, .mtime = mtime };
        if (!d->path)
                return -ENOMEM;
        o->n_deferred++;
        return 0;
}

int output_directory(Output *o, const char *name, mode_t mode, int64_t mtime_sec, uint32_t mtime_nsec,
                     Fault *reterr) {
        const struct timespec mtime = sane_time(mtime_sec, mtime_nsec);
        cleanup_free_ char *path = NULL;
        int r;

        r = judge(o, name, false, &path, reterr);
        if (r != 0 || !*path)
                return r;
        mode = (mode & 0777) | 0700; /* what is made in it, and its removal, need that */
        pthread_mutex_lock(&o->lock);
        r = parents_enter(&o->parents, path, strlen(path), reterr);
        if (r >= 0)
                r = o->n_deferred < DEFERRED_MAX ? defer(o, path, mode, mtime)
                                                 : set_mode_and_time(r, mode, mtime);
        pthread_mutex_unlock(&o->lock);
        return r;
}

/* ---- Files ---- */

static int open_old(int parent, const char *name, const char *path, uint64_t *ret_blocks, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        struct stat st;

        /* One that was complete once has its own mode, which may forbid its owner to write. */
        if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISREG(st.st_mode) &&
            (st.st_mode & 0600) != 0600)
                (void) fchmodat(parent, name, 0600, 0);
        fd = openat(parent, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to continue the partial file '%s'", path);
        if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
                return fault_set(reterr, -EBADMSG,
                                 "'%s' is there already and is no file of a partial restore: it was changed "
                                 "meanwhile, remove the directory",
                                 path);
        *ret_blocks = (uint64_t) st.st_blocks * 512;
        return TAKE_FD(fd);
}

/* Under the lock. An fd. */
static int open_file(Output *o, const char *path, uint64_t *ret_blocks, Fault *reterr) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        int parent, fd, r;

        parent = parents_enter(&o->parents, path, slash ? (size_t) (slash - path) : 0, reterr);
        if (parent < 0)
                return parent;
        fd = openat(parent, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST && o->options.resume)
                fd = open_old(parent, name, path, ret_blocks, reterr);
        else if (fd < 0 && errno == EEXIST)
                return fault_set(reterr, -EBADMSG, "Entry '%s' comes twice, or its name is taken", path);
        else if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to make '%s'", path);
        if (fd < 0)
                return fd;
        r = count_entry(o, path, reterr);
        if (r < 0)
                close(fd);
        return r < 0 ? r : fd;
}

static void adopt(Output *o, OutputFile *f) {
        f->next = o->files;
        if (f->next)
                f->next->previous = f;
        o->files = f;
}

int output_file_open(Output *o, const char *name, uint64_t size, mode_t mode, int64_t mtime_sec,
                     uint32_t mtime_nsec, OutputFile **ret, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        OutputFile *f;
        uint64_t blocks = 0;
        int fd = -1, r;

        r = judge(o, name, true, &path, reterr);
        if (r != 0)
                return r;
        f = calloc(1, sizeof *f);
        if (!f)
                return -ENOMEM;
        f->output = o;
        f->file.fd = -1;
        f->mode = mode & 0777;
        f->mtime = sane_time(mtime_sec, mtime_nsec);
        pthread_mutex_lock(&o->lock);
        fd = r = open_file(o, path, &blocks, reterr);
        if (r >= 0) {
                f->owed = blocks < size ? size - blocks : 0;
                r = count_bytes(o, path, size, f->owed, reterr);
                if (r < 0)
                        f->owed = 0;
        }
        f->path = TAKE_PTR(path);
        adopt(o, f);
        pthread_mutex_unlock(&o->lock);
        if (r >= 0) {
                r = direct_open(&f->file, TAKE_FD(fd), size, o->options.buffered);
                if (r < 0)
                        fault_errno(reterr, r, "Failed to give '%s' its size of %" PRIu64 " bytes", f->path,
                                    size);
        }
        if (r < 0) {
                cleanup_closep(&fd);
                file_free(f);
                return r;
        }
        *ret = f;
        return 0;
}

static void paid(OutputFile *f, uint64_t size) {
        Output *o = f->output;

        pthread_mutex_lock(&o->lock);
        if (size > f->owed)
                size = f->owed;
        f->owed -= size;
        o->owed -= size;
        pthread_mutex_unlock(&o->lock);
}

int output_file_write(OutputFile *f, const void *data, size_t size, uint64_t offset, Fault *reterr) {
        int r;

        r = direct_write(&f->file, data, size, offset);
        if (r == -EFBIG)
                return fault_set(reterr, r,
                                 "'%s' has data at %" PRIu64 " to %" PRIu64 ", but %" PRIu64 " bytes only",
                                 f->path, offset, offset + size, f->file.size);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to write '%s' at %" PRIu64, f->path, offset);
        paid(f, size);
        return 0;
}

int output_file_clone(OutputFile *f, int from_fd, uint64_t from_offset, uint64_t size, uint64_t offset,
                      Fault *reterr) {
        struct file_clone_range range = {
                .src_fd = from_fd, .src_offset = from_offset, .src_length = size, .dest_offset = offset
        };

        if (offset > f->file.size || size > f->file.size - offset)
                return fault_set(reterr, -EFBIG, "'%s' has %" PRIu64 " bytes only", f->path, f->file.size);
        if (size == 0)
                return 0;
        if (ioctl(f->file.fd, FICLONERANGE, &range) < 0) {
                if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EXDEV || errno == EINVAL ||
                    errno == ENOSYS || errno == EPERM || errno == ETXTBSY)
                        return -EOPNOTSUPP;
                return fault_errno(reterr, -errno, "Failed to share data with '%s'", f->path);
        }
        paid(f, size);
        return 0;
}

int output_file_close(OutputFile *f, Fault *reterr) {
        int r;

        r = direct_trim(&f->file);
        if (r >= 0)
                r = set_mode_and_time(f->file.fd, f->mode, f->mtime);
        if (r < 0)
                fault_errno(reterr, r, "Failed to set size, mode and time of '%s'", f->path);
        file_free(f);
        return r;
}

/* ---- The end ---- */

void output_stats(Output *o, OutputStats *ret) {
        pthread_mutex_lock(&o->lock);
        *ret = o->stats;
        pthread_mutex_unlock(&o->lock);
}

int output_finish(Output *o, Fault *reterr) {
        int r = 0;

        pthread_mutex_lock(&o->lock);
        for (size_t i = 0; i < o->n_deferred && r >= 0; i++) {
                const Deferred *d = &o->deferred[i];

                r = parents_enter(&o->parents, d->path, strlen(d->path), reterr);
                if (r < 0)
                        break;
                r = set_mode_and_time(r, d->mode, d->mtime);
                if (r < 0)
                        fault_errno(reterr, r, "Failed to set mode and time of the directory '%s'", d->path);
        }
        pthread_mutex_unlock(&o->lock);
        if (r >= 0 && syncfs(o->dirfd) < 0)
                r = fault_errno(reterr, -errno, "Failed to make the snapshot durable");
        return r;
}
