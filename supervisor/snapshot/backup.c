/*
 * `backup-JOB` appears by one rename of a synced tree, so it is complete or
 * absent. What a crash of a restore leaves is at the top of exchange.c.
 */
#include "snapshot/backup.h"
#include "snapshot/exchange.h"
#include "snapshot/marker.h"
#include "util/name.h"
#include "util/text.h"
#include "util/tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#define COMPLETE TREE_MARKER_PREFIX "complete"
#define EXCHANGE TREE_MARKER_PREFIX "exchange-"

typedef struct Names {
        char *backup, *partial, *old, *aside, *marker;
} Names;

static void names_done(Names *n) {
        free(n->backup);
        free(n->partial);
        free(n->old);
        free(n->aside);
        free(n->marker);
}

static char *make_name(const char *before, const char *job, const char *after) {
        char *name;

        return asprintf(&name, "%s%s%s", before, job, after) < 0 ? NULL : name;
}

static int names_init(Names *n, const char *job, Fault *reterr) {
        int r;

        r = name_check(job, "upgrade job id", reterr);
        if (r < 0)
                return r;
        *n = (Names){ .backup = make_name("backup-", job, ""),
                      .partial = make_name("backup-", job, ".partial"),
                      .old = make_name("backup-", job, ".old"),
                      .aside = make_name("set-aside-", job, ""),
                      .marker = make_name(EXCHANGE, job, "") };
        return n->backup && n->partial && n->old && n->aside && n->marker ? 0 : -ENOMEM;
}

static int exists(int dirfd, const char *name) {
        struct stat st;

        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

static int is_complete(const Backup *b, const char *name) {
        return marker_is(b->subject->state_dirfd, name, COMPLETE, b->job);
}

static int open_tree(const Backup *b, const char *name, Fault *reterr) {
        int fd = openat(b->subject->state_dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return fd >= 0 ? fd : fault_errno(reterr, -errno, "Failed to open '%s/%s'", b->state, name);
}

/* Renames below the state directory, durably. */
static int move(const Backup *b, const char *from, const char *to, unsigned flags, Fault *reterr) {
        int fd = b->subject->state_dirfd;

        if (renameat2(fd, from, fd, to, flags) < 0 || fsync(fd) < 0)
                return fault_errno(reterr, -errno, "Failed to rename '%s/%s' to '%s'", b->state, from, to);
        return 0;
}

int backup_data_name(const char *data, const char *state, int state_dirfd, const char **ret, Fault *reterr) {
        cleanup_fault_ Fault fault = { 0 };
        const char *name;
        bool inside;
        int r;

        r = exchange_place(data, state, state_dirfd, &name, &inside, &fault);
        if (r == -EXDEV)
                return fault_set(reterr, r, "%s, or use backup = hook or none", fault_text(&fault, r));
        if (r < 0)
                return fault_set(reterr, r, "%s", fault_text(&fault, r));
        if (inside)
                return fault_set(
                        reterr, -EBUSY,
                        "The data directory '%s' is a mount point, so a backup cannot be exchanged with "
                        "it: mount the disk at '%s' instead, or use backup = hook or none",
                        data, state);
        *ret = name;
        return 0;
}

/* By way of the partial name: half a tree never bears the name that is trusted. */
static int remove_backup(const Backup *b, const Names *n, Fault *reterr) {
        int fd = b->subject->state_dirfd, r;

        r = tree_remove(fd, n->partial, reterr);
        if (r < 0)
                return r;
        r = exists(fd, n->backup);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to look at '%s/%s'", b->state, n->backup);
        if (r > 0) {
                r = move(b, n->backup, n->partial, RENAME_NOREPLACE, reterr);
                if (r >= 0)
                        r = tree_remove(fd, n->partial, reterr);
        }
        if (r >= 0 && fsync(fd) < 0)
                r = fault_errno(reterr, -errno, "Failed to make the removal of '%s/%s' durable", b->state,
                                n->backup);
        return r;
}

static int fill_partial(const Backup *b, const Names *n, const TreeClone *how, TreeStats *ret,
                        Fault *reterr) {
        cleanup_fd_ int from = -1, to = -1;
        int r;

        if (mkdirat(b->subject->state_dirfd, n->partial, 0700) < 0)
                return fault_errno(reterr, -errno, "Failed to make '%s/%s'", b->state, n->partial);
        from = open_tree(b, b->data_name, reterr);
        if (from < 0)
                return from;
        to = open_tree(b, n->partial, reterr);
        if (to < 0)
                return to;
        r = tree_clone(from, to, how, ret, reterr);
        if (r < 0)
                return r;
        if (syncfs(to) < 0)
                return fault_errno(reterr, -errno, "Failed to write the backup '%s/%s' to disk", b->state,
                                   n->partial);
        r = marker_write(to, COMPLETE, b->job);
        return r < 0 ? fault_errno(reterr, r, "Failed to mark the backup '%s/%s' complete", b->state,
                                   n->partial)
                     : 0;
}

int backup_make(const Backup *b, const TreeClone *how, TreeStats *ret, Fault *reterr) {
        cleanup_(names_done) Names n = { 0 };
        int r;

        r = names_init(&n, b->job, reterr);
        if (r < 0)
                return r;
        r = marker_exists(b->subject->state_dirfd, b->data_name, n.marker);
        if (r == 0)
                r = exists(b->subject->state_dirfd, n.old) ? 1 : 0;
        if (r > 0)
                return fault_set(reterr, -EALREADY, "The backup of upgrade %s was already restored", b->job);
        if (r == 0)
                r = is_complete(b, n.backup);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to look at the backup '%s/%s'", b->state, n.backup);
        if (r > 0) {
                cleanup_fd_ int fd = open_tree(b, n.backup, reterr);

                if (fd < 0)
                        return fd;
                if (fsync(b->subject->state_dirfd) < 0) /* its worker may have died before its fsync */
                        return fault_errno(reterr, -errno, "Failed to make '%s/%s' durable", b->state,
                                           n.backup);
                return tree_measure(fd, ret, reterr);
        }
        r = remove_backup(b, &n, reterr);
        if (r >= 0)
                r = fill_partial(b, &n, how, ret, reterr);
        return r < 0 ? r : move(b, n.partial, n.backup, RENAME_NOREPLACE, reterr);
}

int backup_restore(const Backup *b, ExchangeReport *ret, Fault *reterr) {
        cleanup_(names_done) Names n = { 0 };
        ExchangePhase phase;
        Exchange x;
        int r;

        r = names_init(&n, b->job, reterr);
        if (r < 0)
                return r;
        x = (Exchange){ .live = b->data_name,
                        .incoming = n.backup,
                        .out = n.backup,
                        .marker = n.marker,
                        .aside = n.aside,
                        .what = "backup",
                        .again = "roll back",
                        .state = b->state,
                        .subject = b->subject,
                        .protect = b->protect };
        r = exchange_find(&x, &phase, reterr);
        if (r < 0)
                return r;
        if (phase == EXCHANGE_NOT_BEGUN) {
                r = is_complete(b, n.backup);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to look at the backup '%s/%s'", b->state,
                                           n.backup);
                if (r == 0)
                        return fault_set(reterr, -ENOENT,
                                         "There is no complete backup '%s/%s': the data stays as it is",
                                         b->state, n.backup);
        }
        return exchange_run(&x, ret, reterr);
}

int backup_discard(const Backup *b, Fault *reterr) {
        cleanup_(names_done) Names n = { 0 };
        int r;

        r = names_init(&n, b->job, reterr);
        if (r < 0)
                return r;
        if (exists(b->subject->state_dirfd, n.old) != 0)
                return fault_set(reterr, -EBUSY,
                                 "'%s/%s' is there: a restore was interrupted; run it again first", b->state,
                                 n.old);
        r = remove_backup(b, &n, reterr);
        if (r < 0)
                return r;
        r = is_complete(b, b->data_name);
        if (r > 0)
                r = marker_remove(b->subject->state_dirfd, b->data_name, COMPLETE);
        if (r >= 0)
                r = marker_remove(b->subject->state_dirfd, b->data_name, n.marker);
        return r < 0 ? fault_errno(reterr, r, "Failed to remove the markers in '%s/%s'", b->state,
                                   b->data_name)
                     : 0;
}
