/*
 * Invariants. The way there has the marker `.muster-restored-JOB`, the way back
 * `.muster-back-JOB`. Each is in the live tree exactly when that way is done (or
 * interrupted before its last rename, see exchange.c), and the way back has
 * begun when its marker is in either tree. So after any crash the trees alone
 * tell what belongs to whom:
 *
 *     neither in DATA            incoming is this job's if its .muster-restore says so
 *     .muster-restored in DATA   old is this job's
 *     .muster-back in DATA       incoming is this job's, old is gone
 *
 * A tree is removed by way of a name of its own, so that half a tree never bears
 * one that is trusted; the markers go last.
 */
#include "snapshot/incoming.h"
#include "snapshot/children.h"
#include "snapshot/marker.h"
#include "util/directory.h"
#include "util/durable.h"
#include "util/name.h"
#include "util/text.h"
#include "util/tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#define RESTORE    TREE_MARKER_PREFIX "restore"
#define COMPLETE   TREE_MARKER_PREFIX "complete"
#define RESTORED   TREE_MARKER_PREFIX "restored-"
#define BACK       TREE_MARKER_PREFIX "back-"
#define OLD_INSIDE TREE_MARKER_PREFIX "old"

typedef struct Names {
        char *incoming, *old, *restored, *back, *aside;
} Names;

static void names_done(Names *n) {
        free(n->incoming);
        free(n->old);
        free(n->restored);
        free(n->back);
        free(n->aside);
}

static char *join(const char *a, const char *b, const char *c) {
        char *name;

        return asprintf(&name, "%s%s%s", a, b, c) < 0 ? NULL : name;
}

char *incoming_name(const Incoming *in) {
        return in->inside ? join(in->data_name, "/", INCOMING_INSIDE) : strdup("incoming");
}

static int names_init(Names *n, const Incoming *in, Fault *reterr) {
        int r;

        r = name_check(in->job, "restore job id", reterr);
        if (r < 0)
                return r;
        *n = (Names){ .incoming = incoming_name(in),
                      .old = in->inside ? join(in->data_name, "/", OLD_INSIDE) : strdup("old"),
                      .restored = join(RESTORED, in->job, ""),
                      .back = join(BACK, in->job, ""),
                      .aside = join("set-aside-", in->job, "") };
        return n->incoming && n->old && n->restored && n->back && n->aside ? 0 : -ENOMEM;
}

static int state_fd(const Incoming *in) {
        return in->subject->state_dirfd;
}

static int cannot_look(const Incoming *in, int r, Fault *reterr) {
        return fault_errno(reterr, r, "Failed to look at the trees in '%s'", in->state);
}

static int open_dir(const Incoming *in, const char *name, Fault *reterr) {
        int fd = openat(state_fd(in), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return fd >= 0 ? fd : fault_errno(reterr, -errno, "Failed to open '%s/%s'", in->state, name);
}

static int sync_parent(const Incoming *in, const char *name, Fault *reterr) {
        cleanup_fd_ int data = -1;
        int fd = state_fd(in);

        if (strchr(name, '/')) {
                data = open_dir(in, in->data_name, reterr);
                if (data < 0)
                        return data;
                fd = data;
        }
        return fsync(fd) < 0 ? fault_errno(reterr, -errno, "Failed to make '%s/%s' durable", in->state, name)
                             : 0;
}

static int make_dir(const Incoming *in, const char *name, Fault *reterr) {
        if (mkdirat(state_fd(in), name, 0700) >= 0)
                return sync_parent(in, name, reterr);
        if (errno == EEXIST)
                return 0;
        if (errno == EROFS && in->inside)
                return fault_set(reterr, -EROFS,
                                 "'%s/%s' is not there and cannot be made from here: it has to be prepared "
                                 "before the unit starts",
                                 in->state, name);
        return fault_errno(reterr, -errno, "Failed to make '%s/%s'", in->state, name);
}

/* By way of NAME.partial. Not there: success. */
static int remove_tree(const Incoming *in, const char *name, Fault *reterr) {
        cleanup_free_ char *partial = join(name, ".partial", "");
        int fd = state_fd(in), r;

        if (!partial)
                return -ENOMEM;
        r = tree_remove(fd, partial, reterr);
        if (r < 0)
                return r;
        if (renameat(fd, name, fd, partial) < 0) {
                if (errno != ENOENT)
                        return fault_errno(reterr, -errno, "Failed to rename '%s/%s' to '%s'", in->state,
                                           name, partial);
                return 0;
        }
        r = sync_parent(in, name, reterr);
        if (r >= 0)
                r = tree_remove(fd, partial, reterr);
        return r < 0 ? r : sync_parent(in, name, reterr);
}

static bool is_empty(const Incoming *in, const char *name) {
        cleanup_fd_ int fd = openat(state_fd(in), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;

        return fd >= 0 && directory_list(fd, &dir) >= 0 && directory_next(dir, &entry) >= 0 && !entry;
}

static bool is_childless(const Incoming *in, const char *name) {
        cleanup_fd_ int fd = openat(state_fd(in), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return fd >= 0 && children_any(fd) == 0;
}

/* This job's, by .muster-restore, or made a moment before that could be written. */
static int is_ours(const Incoming *in, const char *name) {
        int r = marker_is(state_fd(in), name, RESTORE, in->job);

        return r != 0 ? r : is_empty(in, name);
}

/* ---- Arriving ---- */

int incoming_prepare(const Incoming *in, Fault *reterr) {
        cleanup_(names_done) Names n = { 0 };
        int r;

        r = names_init(&n, in, reterr);
        return r < 0 || !in->inside ? r : make_dir(in, n.incoming, reterr);
}

/* A restore that is not over has its trees and its marker still; they are what it would go back to. */
static int check_others(const Incoming *in, const Names *n, Fault *reterr) {
        cleanup_fd_ int fd =
                openat(state_fd(in), in->data_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        struct stat st;
        int r;

        if (fd < 0 && errno == ENOENT)
                return 0;
        r = fd < 0 ? -errno : directory_list(fd, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) >= 0 && entry)
                if (str_starts(entry->d_name, RESTORED) || str_starts(entry->d_name, BACK))
                        return fault_set(reterr, -EBUSY,
                                         "The data '%s' is that of restore %s, which is not over",
                                         in->subject->data,
                                         strchr(entry->d_name + strlen(TREE_MARKER_PREFIX), '-') + 1);
        if (r < 0)
                return cannot_look(in, r, reterr);
        if (fstatat(state_fd(in), n->old, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                return fault_set(reterr, -EEXIST,
                                 "'%s/%s' is there, where the data of before is to be kept: look at it and "
                                 "move it away",
                                 in->state, n->old);
        return errno == ENOENT ? 0 : cannot_look(in, -errno, reterr);
}

/* The directory itself stays: whoever may write in it may perhaps not make it again. Its owner's marker goes
 * last. */
static int clear(const Incoming *in, const char *name, Fault *reterr) {
        cleanup_fd_ int fd = open_dir(in, name, reterr);
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r;

        if (fd < 0)
                return fd;
        r = directory_list(fd, &dir);
        if (r < 0)
                return cannot_look(in, r, reterr);
        while ((r = directory_next(dir, &entry)) >= 0 && entry) {
                if (str_eq(entry->d_name, RESTORE))
                        continue;
                r = tree_remove(fd, entry->d_name, reterr);
                if (r < 0)
                        return r;
        }
        if (r >= 0 && (fsync(fd) < 0 || (unlinkat(fd, RESTORE, 0) < 0 && errno != ENOENT) || fsync(fd) < 0))
                r = -errno;
        return r < 0 ? fault_errno(reterr, r, "Failed to clear '%s/%s'", in->state, name) : 0;
}

/* Removes the tree of a job that is over. */
static int make_free(const Incoming *in, const Names *n, Fault *reterr) {
        int r;

        if (faccessat(state_fd(in), n->incoming, F_OK, AT_SYMLINK_NOFOLLOW) < 0 || is_empty(in, n->incoming))
                return 0;
        r = marker_exists(state_fd(in), n->incoming, RESTORE);
        if (r < 0)
                return cannot_look(in, r, reterr);
        if (r == 0)
                return fault_set(
                        reterr, -EEXIST,
                        "'%s/%s' is there and no restore has made it: move it away, the snapshot is "
                        "to be unpacked there",
                        in->state, n->incoming);
        return in->inside ? clear(in, n->incoming, reterr) : remove_tree(in, n->incoming, reterr);
}

int incoming_open(const Incoming *in, int *ret_fd, bool *ret_complete, Fault *reterr) {
        cleanup_(names_done) Names n = { 0 };
        cleanup_fd_ int fd = -1;
        int r, complete;

        r = names_init(&n, in, reterr);
        if (r >= 0)
                r = check_others(in, &n, reterr);
        if (r < 0)
                return r;
        r = marker_is(state_fd(in), n.incoming, RESTORE, in->job);
        if (r < 0)
                return cannot_look(in, r, reterr);
        if (r == 0)
                r = make_free(in, &n, reterr);
        if (r >= 0)
                r = make_dir(in, n.incoming, reterr);
        if (r < 0)
                return r;
        fd = open_dir(in, n.incoming, reterr);
        if (fd < 0)
                return fd;
        complete = marker_is(state_fd(in), n.incoming, COMPLETE, in->job);
        if (complete < 0)
                return cannot_look(in, complete, reterr);
        r = marker_write(fd, RESTORE, in->job);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to write in '%s/%s'", in->state, n.incoming);
        *ret_complete = complete;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int incoming_complete(const Incoming *in, int fd, const char *note, Fault *reterr) {
        cleanup_free_ char *lines = join(in->job, note ? "\n" : "", note ?: "");
        int r = lines ? marker_write(fd, COMPLETE, lines) : -ENOMEM;

        return r < 0 ? fault_errno(reterr, r, "Failed to mark the snapshot in '%s' complete", in->state) : 0;
}

char *incoming_note(int fd) {
        cleanup_free_ char *text = NULL;
        char *note;

        if (read_small_file(fd, COMPLETE, MARKER_MAX, &text, NULL) < 0)
                return NULL;
        note = strchr(text, '\n');
        if (!note)
                return NULL;
        note++;
        note[strcspn(note, "\n")] = 0;
        return *note ? strdup(note) : NULL;
}

/* ---- Exchanging ---- */

static Exchange way_there(const Incoming *in, const Names *n) {
        return (Exchange){ .live = in->data_name,
                           .incoming = n->incoming,
                           .out = n->old,
                           .marker = n->restored,
                           .aside = n->aside,
                           .what = "snapshot",
                           .again = "restore",
                           .state = in->state,
                           .subject = in->subject,
                           .protect = in->protect };
}

static Exchange way_back(const Incoming *in, const Names *n) {
        Exchange x = way_there(in, n);

        x.incoming = n->old;
        x.out = n->incoming;
        x.marker = n->back;
        x.undoes = n->restored;
        x.what = "old data";
        x.again = "roll back";
        return x;
}

/* 1, 0, -errno */
static int back_has_begun(const Incoming *in, const Names *n) {
        int r = marker_exists(state_fd(in), in->data_name, n->back);

        return r != 0 ? r : marker_exists(state_fd(in), n->old, n->back);
}

int incoming_exchange(const Incoming *in, ExchangeReport *ret, Fault *reterr) {
        cleanup_(names_done) Names n = { 0 };
        ExchangePhase phase;
        Exchange x;
        int r;

        r = names_init(&n, in, reterr);
        if (r < 0)
                return r;
        r = back_has_begun(in, &n);
        if (r > 0)
                return fault_set(reterr, -EALREADY, "Restore %s has gone back already", in->job);
        if (r < 0)
                return cannot_look(in, r, reterr);
        x = way_there(in, &n);
        r = exchange_find(&x, &phase, reterr);
        if (r < 0)
                return r;
        if (phase == EXCHANGE_NOT_BEGUN) {
                r = marker_is(state_fd(in), n.incoming, COMPLETE, in->job);
                if (r > 0)
                        r = marker_is(state_fd(in), n.incoming, RESTORE, in->job);
                if (r < 0)
                        return cannot_look(in, r, reterr);
                if (r == 0)
                        return fault_set(reterr, -ENOENT,
                                         "There is no complete snapshot of restore %s in '%s/%s': the data "
                                         "stays as it is",
                                         in->job, in->state, n.incoming);
        }
        r = exchange_run(&x, ret, reterr);
        if (r != 0)
                return r;
        r = marker_remove(state_fd(in), in->inside ? n.incoming : in->data_name, COMPLETE);
        return r < 0 ? cannot_look(in, r, reterr) : 0;
}

/* Nothing to go back from; there may be something to go on with. */
static int finish_there(const Incoming *in, const Names *n, bool *ret_never, Fault *reterr) {
        Exchange x = way_there(in, n);
        ExchangeReport report;
        ExchangePhase phase;
        int r;

        r = exchange_find(&x, &phase, reterr);
        if (r < 0)
                return r;
        *ret_never = phase == EXCHANGE_NOT_BEGUN;
        /* Its guard does not matter here: what is live at the end is what was. */
        if (phase == EXCHANGE_BETWEEN)
                r = exchange_run(&x, &report, reterr);
        return r > 0 ? 0 : r;
}

int incoming_exchange_back(const Incoming *in, ExchangeReport *ret, bool *ret_never, Fault *reterr) {
        cleanup_(names_done) Names n = { 0 };
        bool never = false;
        Exchange x;
        int r;

        r = names_init(&n, in, reterr);
        if (r < 0)
                return r;
        r = back_has_begun(in, &n);
        if (r < 0)
                return cannot_look(in, r, reterr);
        if (r == 0)
                r = finish_there(in, &n, &never, reterr);
        else
                r = 0;
        if (r < 0)
                return r;
        if (never) {
                *ret = (ExchangeReport){ .already = true, .position = SIGNING_POSITION_NONE };
                *ret_never = true;
                return 0;
        }
        x = way_back(in, &n);
        r = exchange_run(&x, ret, reterr);
        if (r != 0)
                return r;
        *ret_never = false;
        r = marker_remove(state_fd(in), n.incoming, COMPLETE);
        return r < 0 ? cannot_look(in, r, reterr) : 0;
}

/* ---- Over ---- */

static int check_whole(const Incoming *in, const Names *n, bool back, Fault *reterr) {
        Exchange x = back ? way_back(in, n) : way_there(in, n);
        ExchangePhase phase;
        int r;

        r = exchange_find(&x, &phase, reterr);
        if (r < 0)
                return r;
        return phase == EXCHANGE_BETWEEN
                       ? fault_set(
                                 reterr, -EBUSY,
                                 "The exchange of '%s' is half done: it has to be run again before anything "
                                 "is removed",
                                 in->subject->data)
                       : 0;
}

static int drop_trees(const Incoming *in, const Names *n, bool restored, Fault *reterr) {
        cleanup_free_ char *in_partial = join(n->incoming, ".partial", ""),
                           *old_partial = join(n->old, ".partial", "");
        int r;

        if (!in_partial || !old_partial)
                return -ENOMEM;
        r = tree_remove(state_fd(in), in_partial, reterr);
        if (r >= 0)
                r = tree_remove(state_fd(in), old_partial, reterr);
        /* Inside, it is made before the exchange begins, and the way back leaves it: empty. */
        if (r >= 0 && (restored || (in->inside && is_childless(in, n->old))))
                r = remove_tree(in, n->old, reterr);
        if (r < 0)
                return r;
        r = is_ours(in, n->incoming);
        if (r < 0)
                return cannot_look(in, r, reterr);
        if (r > 0)
                r = remove_tree(in, n->incoming, reterr);
        /* A unit that may not make it there needs it at the next restore. */
        return r < 0 || !in->inside ? r : make_dir(in, n->incoming, reterr);
}

int incoming_drop(const Incoming *in, Fault *reterr) {
        const char *markers[] = { COMPLETE, RESTORE, NULL, NULL };
        cleanup_(names_done) Names n = { 0 };
        int r, restored, back, begun;

        r = names_init(&n, in, reterr);
        if (r < 0)
                return r;
        restored = marker_exists(state_fd(in), in->data_name, n.restored);
        back = marker_exists(state_fd(in), in->data_name, n.back);
        begun = back_has_begun(in, &n);
        if (restored < 0 || back < 0 || begun < 0)
                return cannot_look(in, restored < 0 ? restored : back < 0 ? back : begun, reterr);
        r = check_whole(in, &n, begun, reterr);
        if (r >= 0)
                r = drop_trees(in, &n, restored && !back, reterr);
        if (r < 0)
                return r;
        r = marker_is(state_fd(in), in->data_name, RESTORE, in->job);
        markers[2] = n.restored;
        markers[3] = n.back;
        for (size_t i = r > 0 ? 0 : 2; r >= 0 && i < ELEMENTSOF(markers); i++)
                r = marker_remove(state_fd(in), in->data_name, markers[i]);
        return r < 0 ? fault_errno(reterr, r, "Failed to remove the markers in '%s'", in->subject->data) : 0;
}
