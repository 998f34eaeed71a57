/*
 * Invariants. The live data is whole at any crash, or there is nothing by its
 * name, or the journal of the children is there. The marker is durable in the
 * incoming tree before the first rename and goes with it, so it tells which side
 * is which. TEMP is OUT, or INCOMING.old where OUT is INCOMING:
 *
 *     LIVE, INCOMING with or without the marker    not begun; protected files may be carried
 *     TEMP (was live), INCOMING with marker        by renames: go on; no LIVE: nothing can start
 *     TEMP, LIVE with marker, OUT is INCOMING      by renames: one is left
 *     INCOMING (was live), LIVE with marker        at once: done, or OUT is to be its name
 *     LIVE with marker, OUT                        done; OUT may have been removed since
 *
 * By the children the marker is written into LIVE when all is in its place and
 * durable, and then the journal is removed: the journal means go on, else the
 * marker means done. See children.c for what lies in between.
 */
#include "snapshot/exchange.h"
#include "snapshot/children.h"
#include "snapshot/marker.h"
#include "util/directory.h"
#include "util/name.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

static const char *const way_names[_EXCHANGE_WAY_MAX] = {
        [EXCHANGE_AT_ONCE] = "exchange",
        [EXCHANGE_RENAMES] = "renames",
        [EXCHANGE_CHILDREN] = "children",
};

const char *exchange_way_to_string(ExchangeWay way) {
        return way_names[way];
}

static int exists(int dirfd, const char *name) {
        struct stat st;

        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

static int state_fd(const Exchange *x) {
        return x->subject->state_dirfd;
}

static bool by_children(const Exchange *x) {
        size_t n = strlen(x->live);

        return strncmp(x->incoming, x->live, n) == 0 && x->incoming[n] == '/';
}

static bool keeps_name(const Exchange *x) {
        return str_eq(x->out, x->incoming);
}

static char *temp_name(const Exchange *x) {
        char *name;

        if (!keeps_name(x))
                return strdup(x->out);
        return asprintf(&name, "%s.old", x->incoming) < 0 ? NULL : name;
}

static int open_tree(const Exchange *x, const char *name, Fault *reterr) {
        int fd = openat(state_fd(x), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return fd >= 0 ? fd : fault_errno(reterr, -errno, "Failed to open '%s/%s'", x->state, name);
}

/* To a name that is free, durably. File systems without an exchange may know no flags at all. */
static int move(const Exchange *x, const char *from, const char *to, Fault *reterr) {
        int fd = state_fd(x), r = 0;

        if (renameat2(fd, from, fd, to, RENAME_NOREPLACE) < 0)
                r = -errno;
        if (r == -EINVAL || r == -ENOSYS) {
                r = exists(fd, to);
                r = r > 0 ? -EEXIST : r;
                if (r == 0 && renameat(fd, from, fd, to) < 0)
                        r = -errno;
        }
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        return r < 0 ? fault_errno(reterr, r, "Failed to rename '%s/%s' to '%s'", x->state, from, to) : 0;
}

/* The signing position of one of the trees; see guard_position(). */
static int tree_position(const Exchange *x, const char *name, SigningPosition *ret, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        GuardSubject subject = *x->subject;

        *ret = SIGNING_POSITION_NONE;
        if (asprintf(&path, "%s/%s", x->state, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        subject.data = path;
        return guard_position(&subject, ret, reterr);
}

/*
 * Live is where the node signed last, so it is carried, unless a bad binary
 * lost or damaged it and the incoming one is at the marks. *ret: keep that.
 */
static int choose_position(const Exchange *x, bool *ret_keep, Fault *reterr) {
        char there[SIGNING_POSITION_TEXT_MAX], had[SIGNING_POSITION_TEXT_MAX];
        SigningPosition live, incoming, mark = SIGNING_POSITION_NONE;
        cleanup_fault_ Fault fault = { 0 };
        int l, i, r;

        *ret_keep = false;
        if (!x->subject->parse_position || str_eq(x->subject->signer, "remote"))
                return 0;
        l = tree_position(x, x->live, &live, &fault);
        if (l < 0 && l != -ENOENT && l != -EBADMSG)
                return fault_set(reterr, l, "%s", fault_text(&fault, l));
        i = tree_position(x, x->incoming, &incoming, NULL);
        if (i < 0 && i != -ENOENT && i != -EBADMSG)
                return fault_errno(reterr, i, "Failed to read the signing state of '%s/%s'", x->state,
                                   x->incoming);
        if (l >= 0 && (i < 0 || signing_position_compare(&live, &incoming) >= 0))
                return 0;
        r = guard_mark(x->subject, &mark, reterr);
        if (r != 0)
                return r;
        if (i >= 0 && signing_position_compare(&incoming, &mark) >= 0) {
                *ret_keep = true;
                return 0;
        }
        if (l == -ENOENT && i == -ENOENT)
                return 0; /* it was missing before, and the next start asks the marks */
        if (l >= 0)
                fault_set(&fault, l, "The live signing state is older than the %s's", x->what);
        return fault_set(
                reterr, GUARD_E_REFUSED,
                "%s; the %s's says %s, and this node has signed up to %s: nothing was exchanged; put "
                "the newest signing state back and %s again",
                fault_text(&fault, l), x->what,
                i < 0 ? "nothing that can be read" : signing_position_format(there, &incoming),
                signing_position_format(had, &mark), x->again);
}

static int carry(const Exchange *x, ExchangeReport *report, Fault *reterr) {
        cleanup_strv_ char **patterns = NULL;
        cleanup_fd_ int live = -1, incoming = -1;
        ProtectReport carried;
        int r;

        r = protect_patterns(x->subject->key_files, x->subject->state_files, x->protect, &patterns);
        if (r >= 0)
                r = choose_position(x, &report->kept_incoming, reterr);
        if (r != 0)
                return r;
        live = open_tree(x, x->live, reterr);
        if (live < 0)
                return live;
        incoming = open_tree(x, x->incoming, reterr);
        if (incoming < 0)
                return incoming;
        r = protect_carry(
                &(ProtectCarry){ .live_dirfd = live,
                                 .incoming_dirfd = incoming,
                                 .state_dirfd = state_fd(x),
                                 .aside = x->aside,
                                 .patterns = patterns,
                                 .keep = report->kept_incoming ? x->subject->state_files[0] : NULL },
                &carried, reterr);
        if (r < 0)
                return r;
        report->carried = carried.carried;
        report->set_aside = carried.set_aside;
        if (syncfs(incoming) < 0)
                return fault_errno(reterr, -errno, "Failed to write '%s/%s' to disk", x->state, x->incoming);
        r = marker_write(incoming, x->marker, "");
        return r < 0 ? fault_errno(reterr, r, "Failed to mark '%s/%s' for the exchange", x->state,
                                   x->incoming)
                     : 0;
}

/* ---- By names ---- */

/* From wherever it stopped: see the top. */
static int finish_names(const Exchange *x, Fault *reterr) {
        cleanup_free_ char *temp = temp_name(x);
        int fd = state_fd(x), r = 0;

        if (!temp)
                return -ENOMEM;
        if (exists(fd, x->live) == 0)
                r = move(x, x->incoming, x->live, reterr);
        if (r >= 0 && keeps_name(x) && exists(fd, temp) > 0)
                r = move(x, temp, x->incoming, reterr);
        if (r >= 0 && !keeps_name(x) && exists(fd, x->incoming) > 0)
                r = move(x, x->incoming, x->out, reterr);
        if (r >= 0 && fsync(fd) < 0) /* the one before may have died between rename and fsync */
                r = fault_errno(reterr, -errno, "Failed to make the exchange in '%s' durable", x->state);
        return r;
}

static int exchange_names(const Exchange *x, ExchangeReport *report, Fault *reterr) {
        cleanup_free_ char *temp = temp_name(x);
        int fd = state_fd(x), r;

        if (!temp)
                return -ENOMEM;
        if (renameat2(fd, x->incoming, fd, x->live, RENAME_EXCHANGE) >= 0) {
                report->way = EXCHANGE_AT_ONCE;
                return fsync(fd) < 0 ? fault_errno(reterr, -errno,
                                                   "Failed to make the exchange in '%s' durable", x->state)
                                     : finish_names(x, reterr);
        }
        if (errno == EBUSY || errno == EXDEV)
                return fault_set(
                        reterr, -errno,
                        "'%s/%s' is a mount point or on another file system than '%s' and cannot be "
                        "exchanged with it: mount the disk at '%s' instead",
                        x->state, x->live, x->incoming, x->state);
        if (errno != EINVAL && errno != ENOSYS)
                return fault_errno(reterr, -errno, "Failed to exchange '%s/%s' with '%s'", x->state, x->live,
                                   x->incoming);
        report->way = EXCHANGE_RENAMES;
        r = move(x, x->live, temp, reterr);
        return r < 0 ? r : finish_names(x, reterr);
}

static int find_names(const Exchange *x, ExchangePhase *ret, Fault *reterr) {
        cleanup_free_ char *temp_path = temp_name(x);
        int fd = state_fd(x), live, temp, incoming, in_live, in_incoming;

        if (!temp_path)
                return -ENOMEM;
        live = exists(fd, x->live);
        temp = exists(fd, temp_path);
        incoming = exists(fd, x->incoming);
        in_live = marker_exists(fd, x->live, x->marker);
        in_incoming = marker_exists(fd, x->incoming, x->marker);
        if (live < 0 || temp < 0 || incoming < 0 || in_live < 0 || in_incoming < 0)
                return fault_errno(reterr,
                                   live < 0       ? live
                                   : temp < 0     ? temp
                                   : incoming < 0 ? incoming
                                   : in_live < 0  ? in_live
                                                  : in_incoming,
                                   "Failed to look at '%s'", x->state);
        if (in_live && !in_incoming)
                *ret = (keeps_name(x) ? temp : incoming && !temp) ? EXCHANGE_BETWEEN : EXCHANGE_DONE;
        else if (!live && temp && in_incoming)
                *ret = EXCHANGE_BETWEEN;
        else if (!in_live && (keeps_name(x) ? live && !temp : live || !temp))
                *ret = EXCHANGE_NOT_BEGUN;
        else
                return fault_set(
                        reterr, -EUCLEAN,
                        "'%s' is in no state that a restore leaves behind ('%s' %s, '%s' %s, marker '%s' in "
                        "%s): somebody changed it by hand; move the right tree to '%s' and the other one "
                        "away",
                        x->state, x->live, live ? "there" : "missing", temp_path, temp ? "there" : "missing",
                        x->marker,
                        in_live && in_incoming ? "both trees"
                        : in_live              ? "the data"
                        : in_incoming          ? "the incoming tree"
                                               : "neither tree",
                        x->live);
        return 0;
}

/* ---- By the children ---- */

static void children_done(Children *c) {
        cleanup_closep(&c->live);
        cleanup_closep(&c->incoming);
        cleanup_closep(&c->out);
}

static int children_open(const Exchange *x, Children *c, Fault *reterr) {
        *c = (Children){ .state_dirfd = state_fd(x),
                         .journal = EXCHANGE_JOURNAL,
                         .id = x->marker,
                         .live = -1,
                         .incoming = -1,
                         .out = -1,
                         .live_path = x->subject->data };
        if (mkdirat(state_fd(x), x->out, 0700) < 0 && errno != EEXIST)
                return fault_errno(reterr, -errno, "Failed to make '%s/%s'", x->state, x->out);
        c->live = open_tree(x, x->live, reterr);
        if (c->live < 0)
                return c->live;
        c->incoming = open_tree(x, x->incoming, reterr);
        if (c->incoming < 0)
                return c->incoming;
        c->out = open_tree(x, x->out, reterr);
        return c->out < 0 ? c->out : 0;
}

static int exchange_children(const Exchange *x, bool planned, Fault *reterr) {
        cleanup_(children_done) Children c = { .live = -1, .incoming = -1, .out = -1 };
        int r;

        r = children_open(x, &c, reterr);
        if (r >= 0 && !planned)
                r = children_plan(&c, reterr);
        if (r >= 0)
                r = children_move(&c, reterr);
        if (r < 0)
                return r;
        r = marker_write(c.live, x->marker, "");
        if (r >= 0 && x->undoes)
                r = marker_remove(state_fd(x), x->live, x->undoes);
        if (r >= 0)
                r = marker_remove(state_fd(x), ".", EXCHANGE_JOURNAL);
        return r < 0 ? fault_errno(reterr, r, "Failed to note that '%s' is exchanged", x->subject->data) : 0;
}

static int find_children(const Exchange *x, ExchangePhase *ret, Fault *reterr) {
        int planned = children_planned(state_fd(x), EXCHANGE_JOURNAL, x->marker, reterr), done;

        if (planned < 0)
                return planned;
        done = marker_exists(state_fd(x), x->live, x->marker);
        if (done < 0)
                return fault_errno(reterr, done, "Failed to look at '%s'", x->subject->data);
        *ret = planned ? EXCHANGE_BETWEEN : done ? EXCHANGE_DONE : EXCHANGE_NOT_BEGUN;
        return 0;
}

/* ---- Both ---- */

int exchange_find(const Exchange *x, ExchangePhase *ret, Fault *reterr) {
        return by_children(x) ? find_children(x, ret, reterr) : find_names(x, ret, reterr);
}

/* A node that has no data yet has nothing to go out, but the steps stay the same. */
static int make_live(const Exchange *x, Fault *reterr) {
        if (mkdirat(state_fd(x), x->live, 0700) < 0)
                return errno == EEXIST
                               ? 0
                               : fault_errno(reterr, -errno, "Failed to make '%s/%s'", x->state, x->live);
        return fsync(state_fd(x)) < 0
                       ? fault_errno(reterr, -errno, "Failed to make '%s/%s' durable", x->state, x->live)
                       : 0;
}

/* In the way of the tree that goes out. By the children OUT may be there, empty. */
static int check_out(const Exchange *x, Fault *reterr) {
        int r;

        if (keeps_name(x))
                return 0;
        if (by_children(x)) {
                cleanup_fd_ int fd =
                        openat(state_fd(x), x->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

                if (fd < 0)
                        r = errno == ENOENT ? 0 : -errno;
                else
                        r = children_any(fd);
        } else
                r = exists(state_fd(x), x->out);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to look at '%s/%s'", x->state, x->out);
        return r == 0 ? 0
                      : fault_set(reterr, -EEXIST,
                                  "'%s/%s' is there, where the data of before is to be kept: nothing was "
                                  "exchanged; look at it and move it away",
                                  x->state, x->out);
}

/* What is live now against what was live before. */
static int assert_forward(const Exchange *x, ExchangeReport *report, Fault *reterr) {
        char now[SIGNING_POSITION_TEXT_MAX], before[SIGNING_POSITION_TEXT_MAX];
        cleanup_fault_ Fault fault = { 0 };
        SigningPosition out;
        int r;

        r = tree_position(x, x->live, &report->position, &fault);
        if (r < 0 && r != -ENOENT && r != -EBADMSG)
                return fault_set(reterr, r, "%s", fault_text(&fault, r));
        if (str_eq(x->subject->signer, "remote") || tree_position(x, x->out, &out, NULL) < 0 ||
            signing_position_compare(&report->position, &out) >= 0)
                return 0;
        return fault_set(
                reterr, GUARD_E_REFUSED,
                "After the exchange the signing state says %s, before it said %s: do not start this node; "
                "copy the signing state from '%s/%s' to '%s/%s'",
                signing_position_format(now, &report->position), signing_position_format(before, &out),
                x->state, x->out, x->state, x->live);
}

static int begin(const Exchange *x, ExchangeReport *report, Fault *reterr) {
        int r = exchange_is_half_done(state_fd(x), x->live);

        if (r > 0)
                return fault_set(reterr, -EBUSY,
                                 "'%s/%s' is half exchanged with another snapshot or backup: nothing was "
                                 "exchanged; that one has to be finished first",
                                 x->state, x->live);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to look for an interrupted exchange in '%s'",
                                   x->state);
        r = check_out(x, reterr);
        if (r >= 0)
                r = make_live(x, reterr);
        if (r >= 0)
                r = carry(x, report, reterr);
        if (r != 0)
                return r;
        return by_children(x) ? exchange_children(x, false, reterr) : exchange_names(x, report, reterr);
}

int exchange_run(const Exchange *x, ExchangeReport *ret, Fault *reterr) {
        ExchangeReport report = { .position = SIGNING_POSITION_NONE,
                                  .way = by_children(x) ? EXCHANGE_CHILDREN : EXCHANGE_AT_ONCE };
        ExchangePhase phase = EXCHANGE_NOT_BEGUN;
        int r;

        r = exchange_find(x, &phase, reterr);
        if (r < 0)
                return r;
        report.already = phase != EXCHANGE_NOT_BEGUN;
        if (phase == EXCHANGE_NOT_BEGUN)
                r = begin(x, &report, reterr);
        else if (phase == EXCHANGE_BETWEEN)
                r = by_children(x) ? exchange_children(x, true, reterr) : finish_names(x, reterr);
        else if (fsync(state_fd(x)) < 0) /* the one before may have died between rename and fsync */
                r = fault_errno(reterr, -errno, "Failed to make the exchange in '%s' durable", x->state);
        if (r == 0)
                r = assert_forward(x, &report, reterr);
        if (r == 0)
                *ret = report;
        return r;
}

static bool is_reserved(const char *name) {
        static const char *const reserved[] = { "guard",     "incoming",  "old",
                                                "rehearsal", "snapshots", EXCHANGE_JOURNAL };

        for (size_t i = 0; i < ELEMENTSOF(reserved); i++)
                if (str_eq(name, reserved[i]))
                        return true;
        return str_starts(name, "backup-") || str_starts(name, "set-aside-");
}

int exchange_place(const char *data, const char *state, int state_dirfd, const char **ret_name,
                   bool *ret_inside, Fault *reterr) {
        size_t length = strlen(state);
        const char *name = data + length + 1;
        struct statx sx;

        if (!str_starts(data, state) || data[length] != '/' || !name_is_valid(name) || is_reserved(name))
                return fault_set(reterr, -EXDEV,
                                 "The data directory '%s' is not directly below '%s', so nothing can be "
                                 "exchanged with it: mount the big disk at '%s'",
                                 data, state, state);
        if (statx(state_dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx) < 0) {
                if (errno != ENOENT)
                        return fault_errno(reterr, -errno, "Failed to look at '%s'", data);
                *ret_inside = false; /* an exchange by renames may have been interrupted, or there is no data
                                        yet */
                *ret_name = name;
                return 0;
        }
        if (!S_ISDIR(sx.stx_mode))
                return fault_set(reterr, -ENOTDIR,
                                 "'%s' is not a directory but a %s: expected the data itself", data,
                                 S_ISLNK(sx.stx_mode) ? "link" : "file");
        *ret_inside = sx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
        *ret_name = name;
        return 0;
}

int exchange_is_half_done(int state_dirfd, const char *data_name) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r;

        r = exists(state_dirfd, EXCHANGE_JOURNAL);
        if (r != 0)
                return r;
        r = exists(state_dirfd, data_name);
        if (r != 0)
                return r < 0 ? r : 0;
        r = directory_list(state_dirfd, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) >= 0 && entry)
                if (str_eq(entry->d_name, "old") ||
                    (str_starts(entry->d_name, "backup-") && str_ends(entry->d_name, ".old")))
                        return 1;
        return r < 0 ? r : 0;
}
