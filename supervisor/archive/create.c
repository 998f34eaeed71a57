/*
 * One walk in the order of manifests; each entry goes into the tar, and what a
 * reader needs to place it alone into the manifest. A file is written with the
 * size that it had when it was opened: what came later is not read, what is
 * missing is zeros, and both are told, since such a snapshot is not consistent.
 * Holes are read as zeros.
 *
 * What is protected is left out by name, as patterns say, and by inode: a key
 * that has a second name, or a link that leads to it, is found under neither.
 */
#include "archive/create.h"
#include "archive/manifest-layout.h"
#include "archive/packer.h"
#include "archive/path.h"
#include "archive/publish.h"
#include "archive/tar-head.h"
#include "archive/walk.h"
#include "crypto/ssh-private-key.h"
#include "guard/match.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <time.h>

#define LEVEL_DEFAULT 3
#define TOLD_MAX      20 /* files that changed, by name */

typedef struct Inode {
        dev_t dev;
        ino_t ino;
} Inode;

typedef struct Create {
        const CreateOptions *options;
        Steer steer;
        ManifestBuilder *builder;
        Packer *packer;
        Inode *protected;
        size_t n_protected;
        Inode output;
        uint64_t n_files, n_changed;
        struct timespec start; /* by the clock of file times */
        CreateReport *report;
} Create;

static void create_done(Create *c) {
        packer_free(c->packer);
        manifest_builder_free(c->builder);
        free(c->protected);
}

static int by_inode(const void *a, const void *b) {
        const Inode *x = a, *y = b;

        if (x->dev != y->dev)
                return x->dev < y->dev ? -1 : 1;
        return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static int find_protected(Create *c, Fault *reterr) {
        cleanup_strv_ char **paths = NULL;
        struct stat st;
        int r;

        r = match_files(c->options->from_fd, (const char *const *) c->options->protect, &paths, reterr);
        if (r < 0)
                return r;
        c->protected = calloc(strv_length(paths) + 1, sizeof *c->protected);
        if (!c->protected)
                return -ENOMEM;
        STRV_FOREACH (path, paths)
                if (fstatat(c->options->from_fd, *path, &st, 0) >= 0)
                        c->protected[c->n_protected++] = (Inode){ st.st_dev, st.st_ino };
        qsort(c->protected, c->n_protected, sizeof *c->protected, by_inode);
        return 0;
}

static bool is_protected(const Create *c, const WalkEntry *e) {
        const Inode inode = { e->st.st_dev, e->st.st_ino };

        return path_is_protected(e->path, true, c->options->protect) ||
               bsearch(&inode, c->protected, c->n_protected, sizeof inode, by_inode);
}

/* NULL if @e is to be packed; else why not. */
static const char *left_out(const Create *c, const WalkEntry *e) {
        if (str_starts(e->path, ".muster-"))
                return "it is muster's own";
        if (S_ISDIR(e->st.st_mode))
                return NULL;
        if (S_ISLNK(e->st.st_mode))
                return "it is a symbolic link";
        if (!S_ISREG(e->st.st_mode))
                return "it is neither a regular file nor a directory";
        return is_protected(c, e) ? "it is protected" : NULL;
}

static void changed(Create *c, const char *path, const char *how) {
        c->report->changed = true;
        if (++c->n_changed <= TOLD_MAX)
                steer_notice(&c->steer, "'%s' %s", path, how);
}

static bool is_after(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/*
 * File times may be finer than CLOCK_REALTIME_COARSE, or as coarse: the start is the later of that and the
 * newest file of before. One from the future (the clock was set back) is none of before.
 */
static void note_before(Create *c, const struct timespec *ctime) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        if (is_after(ctime, &c->start) && !is_after(ctime, &now))
                c->start = *ctime;
}

/* Before the work: how much there is, and whether all of it can be packed at all. */
static int count(const WalkEntry *e, void *userdata, Fault *reterr) {
        Create *c = userdata;
        char shown[PATH_SHOWN_MAX + 4];
        const char *why;
        int r;

        r = steer(&c->steer, reterr);
        if (r < 0)
                return r;
        note_before(c, &e->st.st_ctim);
        if (left_out(c, e))
                return WALK_SKIP;
        why = manifest_path_fault(e->path);
        if (why)
                return fault_set(reterr, -EINVAL,
                                 "The name '%s' %s: rename it, or protect it to leave it out",
                                 path_shown(e->path, shown), why);
        if (S_ISDIR(e->st.st_mode) && e->st.st_dev == c->output.dev && e->st.st_ino == c->output.ino)
                return fault_set(
                        reterr, -EINVAL,
                        "The output would become a part of itself: it is in '%s' of '%s', expected a "
                        "directory outside",
                        e->path, c->options->from);
        if (S_ISREG(e->st.st_mode))
                c->steer.progress.total += (uint64_t) e->st.st_size;
        return 0;
}

/* Header and @more bytes into the frame, a new one if the target is passed. Returns where those bytes
 * belong. */
static int put_head(Create *c, const char *path, const struct stat *st, size_t more, uint8_t **ret,
                    Fault *reterr) {
        bool directory = S_ISDIR(st->st_mode);
        const TarEntry entry = { .path = path,
                                 .directory = directory,
                                 .size = directory ? 0 : (uint64_t) st->st_size,
                                 .mode = st->st_mode & 0777,
                                 .mtime_sec = st->st_mtim.tv_sec };
        const ManifestFile file = { .path = path,
                                    .directory = directory,
                                    .size = entry.size,
                                    .mode = entry.mode,
                                    .mtime_sec = st->st_mtim.tv_sec < 0 ? 0 : st->st_mtim.tv_sec,
                                    .mtime_nsec =
                                            st->st_mtim.tv_sec < 0 ? 0 : (uint32_t) st->st_mtim.tv_nsec };
        uint8_t head[TAR_HEAD_MAX], *at;
        size_t size = tar_head_format(&entry, head);
        int r = 0;

        if (packer_fill(c->packer) + size + more + TAR_PADDING(more) > PACKER_TARGET)
                r = packer_flush(c->packer, reterr);
        if (r >= 0)
                r = packer_room(c->packer, size + more, &at, reterr);
        if (r >= 0)
                r = manifest_builder_file(c->builder, &file);
        if (r < 0)
                return r;
        memcpy(at, head, size);
        *ret = at + size;
        c->n_files++;
        return 0;
}

/* What is not there is zeros; false then. */
static int read_there(int fd, uint8_t *data, size_t size, uint64_t offset, bool *whole) {
        while (size > 0) {
                ssize_t n = pread(fd, data, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0) {
                        memset(data, 0, size);
                        *whole = false;
                        return 0;
                }
                data += n;
                offset += (uint64_t) n;
                size -= (size_t) n;
        }
        return 0;
}

static int pack_bytes(Create *c, int fd, const WalkEntry *e, const struct stat *st, bool *whole,
                      Fault *reterr) {
        uint64_t size = (uint64_t) st->st_size, index = c->n_files;
        size_t length = size < PACKER_CUT ? size : PACKER_CUT;
        uint8_t *data;
        int r;

        r = put_head(c, e->path, st, length, &data, reterr);
        for (uint64_t at = 0; r >= 0 && at < size;) {
                r = read_there(fd, data, length, at, whole);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to read '%s'", e->path);
                r = packer_extent(c->packer, index, at, (uint32_t) length, reterr);
                at += length;
                c->steer.progress.done += length;
                if (r >= 0)
                        r = steer(&c->steer, reterr);
                if (r < 0 || size < PACKER_TARGET)
                        return r;
                r = packer_flush(c->packer, reterr);
                length = size - at < PACKER_CUT ? size - at : PACKER_CUT;
                if (r >= 0 && length > 0)
                        r = packer_room(c->packer, length, &data, reterr);
        }
        return r;
}

static int pack_file(Create *c, const WalkEntry *e, Fault *reterr) {
        cleanup_fd_ int fd =
                openat(e->dirfd, e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        struct stat before, after;
        bool whole = true;
        int r;

        if (fd < 0 && (errno == ENOENT || errno == ELOOP)) {
                changed(c, e->path, "vanished before it could be read");
                return 0;
        }
        if (fd < 0 || fstat(fd, &before) < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s'", e->path);
        if (!S_ISREG(before.st_mode) || before.st_ino != e->st.st_ino || before.st_dev != e->st.st_dev) {
                changed(c, e->path, "was replaced before it could be read");
                if (!S_ISREG(before.st_mode) ||
                    is_protected(c, &(WalkEntry){ .path = e->path, .st = before }))
                        return 0;
        }
        (void) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        (void) posix_fadvise(fd, 0, 0, POSIX_FADV_NOREUSE);
        r = pack_bytes(c, fd, e, &before, &whole, reterr);
        if (r < 0)
                return r;
        if (fstat(fd, &after) < 0)
                return -errno;
        if (!whole || after.st_size != before.st_size || after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
            after.st_mtim.tv_nsec != before.st_mtim.tv_nsec ||
            after.st_ctim.tv_sec != before.st_ctim.tv_sec || after.st_ctim.tv_nsec != before.st_ctim.tv_nsec)
                changed(c, e->path,
                        whole ? "changed while it was read"
                              : "shrank while it was read and was filled up with zeros");
        return 0;
}

static int pack(const WalkEntry *e, void *userdata, Fault *reterr) {
        Create *c = userdata;
        char shown[PATH_SHOWN_MAX + 4];
        const char *why;
        uint8_t *end = NULL;

        if (e->st.st_mode == 0) {
                changed(c, e->path, "vanished before it could be read");
                return WALK_SKIP;
        }
        why = left_out(c, e);
        if (why) {
                c->report->left_out++;
                steer_notice(&c->steer, "'%s' is left out: %s", path_shown(e->path, shown), why);
                return WALK_SKIP;
        }
        why = manifest_path_fault(e->path);
        if (why)
                return fault_set(reterr, -EINVAL, "The name '%s' %s", path_shown(e->path, shown), why);
        return S_ISDIR(e->st.st_mode) ? put_head(c, e->path, &e->st, 0, &end, reterr)
                                      : pack_file(c, e, reterr);
}

/* After the work: what changed since it began did so before or after it was read itself, unseen by pack().
 */
static int look_again(const WalkEntry *e, void *userdata, Fault *reterr) {
        Create *c = userdata;
        int r;

        r = steer(&c->steer, reterr);
        if (r < 0)
                return r;
        if (c->report->changed || left_out(c, e))
                return WALK_SKIP;
        if (is_after(&e->st.st_ctim, &c->start))
                changed(c, e->path, "changed since the work began");
        return 0;
}

static int begin(Create *c, Publish *archive, Publish *manifest, Fault *reterr) {
        const CreateOptions *o = c->options;
        struct stat from, output;
        int r;

        if (fstat(o->from_fd, &from) < 0 || fstat(o->output_fd, &output) < 0)
                return -errno;
        c->output = (Inode){ output.st_dev, output.st_ino };
        if (from.st_dev == output.st_dev && from.st_ino == output.st_ino)
                return fault_set(
                        reterr, -EINVAL,
                        "The output would become a part of itself: expected a directory other than '%s'",
                        o->from);
        r = find_protected(c, reterr);
        if (r >= 0)
                r = walk_tree(o->from_fd, count, c, reterr);
        if (r >= 0)
                r = publish_begin(archive, o->output_fd, o->prefix, ".tar.zst", reterr);
        if (r >= 0)
                r = publish_begin(manifest, o->output_fd, o->prefix, MANIFEST_SUFFIX, reterr);
        if (r >= 0)
                r = manifest_builder_new(MANIFEST_FRAMED, &c->builder);
        if (r < 0)
                return r;
        return packer_new(&(PackerOptions){ .fd = archive->fd,
                                            .level = o->level != 0 ? o->level : LEVEL_DEFAULT,
                                            .threads = o->threads,
                                            .builder = c->builder,
                                            .steer = &c->steer },
                          &c->packer, reterr);
}

static int create(Create *c, const SshPrivateKey *key, Publish *archive, Publish *manifest, Fault *reterr) {
        ManifestHead head = *c->options->about;
        CreateReport *report = c->report;
        struct timespec coarse;
        int r;

        r = begin(c, archive, manifest, reterr);
        clock_gettime(CLOCK_REALTIME_COARSE, &coarse);
        note_before(c, &coarse);
        if (r >= 0)
                r = walk_tree(c->options->from_fd, pack, c, reterr);
        if (r >= 0)
                r = walk_tree(c->options->from_fd, look_again, c, reterr);
        if (r >= 0)
                r = packer_finish(c->packer, &report->archive_size, report->archive_sha256, reterr);
        if (r < 0)
                return r;
        head.codec = ARCHIVE_TAR_ZSTD;
        head.archive_size = report->archive_size;
        memcpy(head.archive_sha256, report->archive_sha256, sizeof head.archive_sha256);
        r = publish_manifest(manifest, c->builder, &head, key, report, reterr);
        if (r >= 0)
                r = steer_now(&c->steer, reterr);
        if (r >= 0)
                r = publish_all((Publish *const[]){ archive, manifest }, 2, reterr);
        if (r >= 0 && c->n_changed > TOLD_MAX)
                steer_notice(&c->steer, "%" PRIu64 " files changed in all", c->n_changed);
        return r;
}

int create_snapshot(const CreateOptions *options, CreateReport *ret, Fault *reterr) {
        cleanup_(ssh_private_key_freep) SshPrivateKey *key = NULL;
        cleanup_(publish_done) Publish archive = PUBLISH_NONE, manifest = PUBLISH_NONE;
        CreateReport report = { 0 };
        cleanup_(create_done)
                Create c = { .options = options,
                             .steer = { .control = options->control, .progress = { .step = "create" } },
                             .report = &report };
        int r = 0;

        if (options->key)
                r = ssh_private_key_read(AT_FDCWD, options->key, MANIFEST_NAMESPACE, &key, reterr);
        if (r >= 0)
                r = create(&c, key, &archive, &manifest, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "Failed to make a snapshot of '%s'", options->from);
        *ret = report;
        return 0;
}
