/*
 * Invariants. `backup-JOB` appears by one rename of a synced tree, so it is
 * complete or absent. The exchange is one renameat2(RENAME_EXCHANGE); where the
 * file system has none, three renames through `backup-JOB.old`, whose names
 * tell how far they got:
 *
 *     data (live), backup-JOB with marker              not begun
 *     backup-JOB.old (live), backup-JOB with marker    go on; no data: nothing can start
 *     backup-JOB.old, data with marker                 one rename left
 *     backup-JOB, data with marker                     exchanged
 */
#include "snapshot/backup.h"
#include "util/durable.h"
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

/* Whether the directory @name of the state directory holds @file. A missing directory holds nothing. */
static int holds(const Backup *b, const char *name, const char *file) {
        cleanup_fd_ int fd =
                openat(b->subject->state_dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        return exists(fd, file);
}

static int is_complete(const Backup *b, const char *name) {
        cleanup_fd_ int fd =
                openat(b->subject->state_dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        cleanup_free_ char *job = NULL;
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        r = read_small_file(fd, COMPLETE, 4096, &job, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        job[strcspn(job, "\n")] = 0;
        return str_eq(job, b->job);
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
        size_t length = strlen(state);
        const char *name = data + length + 1;
        struct statx sx;

        if (!str_starts(data, state) || data[length] != '/' || !name_is_valid(name) ||
            str_eq(name, "guard") || str_starts(name, "backup-") || str_starts(name, "set-aside-"))
                return fault_set(
                        reterr, -EXDEV,
                        "The data directory '%s' is not directly below '%s', so a backup cannot be "
                        "exchanged with it: mount the big disk at '%s', or use backup = hook or none",
                        data, state, state);
        if (statx(state_dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx) < 0) {
                if (errno != ENOENT)
                        return fault_errno(reterr, -errno, "Failed to look at '%s'", data);
                *ret = name; /* the exchange by three renames may have been interrupted */
                return 0;
        }
        if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return fault_set(
                        reterr, -EBUSY,
                        "The data directory '%s' is a mount point, so a backup cannot be exchanged with "
                        "it: mount the disk at '%s' instead, or use backup = hook or none",
                        data, state);
        if (!S_ISDIR(sx.stx_mode))
                return fault_set(reterr, -ENOTDIR,
                                 "'%s' is not a directory but a %s: expected the data itself", data,
                                 S_ISLNK(sx.stx_mode) ? "link" : "file");
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
        cleanup_free_ char *text = make_name("", b->job, "\n");
        cleanup_fd_ int from = -1, to = -1;
        int r;

        if (!text)
                return -ENOMEM;
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
        r = durable_write(to, COMPLETE, text, strlen(text), 0644);
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
        r = holds(b, b->data_name, n.marker);
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

/* The signing position of one of the trees; see guard_position(). */
static int tree_position(const Backup *b, const char *name, SigningPosition *ret, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        GuardSubject subject = *b->subject;

        if (asprintf(&path, "%s/%s", b->state, name) < 0)
                return -ENOMEM;
        subject.data = path;
        *ret = SIGNING_POSITION_NONE;
        return guard_position(&subject, ret, reterr);
}

/*
 * Live is where the node signed last, so it is carried, unless a bad binary
 * lost or damaged it and the backup's is at the marks. *ret: keep the backup's.
 */
static int choose_position(const Backup *b, const Names *n, bool *ret_keep, Fault *reterr) {
        char there[SIGNING_POSITION_TEXT_MAX], had[SIGNING_POSITION_TEXT_MAX];
        SigningPosition live, incoming, mark = SIGNING_POSITION_NONE;
        cleanup_fault_ Fault fault = { 0 };
        int l, i, r;

        *ret_keep = false;
        if (!b->subject->parse_position || str_eq(b->subject->signer, "remote"))
                return 0;
        l = tree_position(b, b->data_name, &live, &fault);
        if (l < 0 && l != -ENOENT && l != -EBADMSG)
                return fault_set(reterr, l, "%s", fault_text(&fault, l));
        i = tree_position(b, n->backup, &incoming, NULL);
        if (i < 0 && i != -ENOENT && i != -EBADMSG)
                return fault_errno(reterr, i, "Failed to read the signing state of '%s/%s'", b->state,
                                   n->backup);
        if (l >= 0 && (i < 0 || signing_position_compare(&live, &incoming) >= 0))
                return 0;
        r = guard_mark(b->subject, &mark, reterr);
        if (r != 0)
                return r;
        if (i >= 0 && signing_position_compare(&incoming, &mark) >= 0) {
                *ret_keep = true;
                return 0;
        }
        if (l == -ENOENT && i == -ENOENT)
                return 0; /* it was missing before, and the next start asks the marks */
        return fault_set(
                reterr, GUARD_E_REFUSED,
                "%s; the backup's says %s, and this node has signed up to %s: nothing was exchanged; put "
                "the newest signing state back and roll back again",
                l < 0 ? fault_text(&fault, l) : "The live signing state is older than the backup's",
                i < 0 ? "nothing that can be read" : signing_position_format(there, &incoming),
                signing_position_format(had, &mark));
}

static int carry(const Backup *b, const Names *n, RestoreReport *report, Fault *reterr) {
        cleanup_strv_ char **patterns = NULL;
        cleanup_fd_ int live = -1, incoming = -1;
        ProtectReport carried;
        int r;

        r = protect_patterns(b->subject->key_files, b->subject->state_files, b->protect, &patterns);
        if (r >= 0)
                r = choose_position(b, n, &report->kept_incoming, reterr);
        if (r != 0)
                return r;
        live = open_tree(b, b->data_name, reterr);
        if (live < 0)
                return live;
        incoming = open_tree(b, n->backup, reterr);
        if (incoming < 0)
                return incoming;
        r = protect_carry(
                &(ProtectCarry){ .live_dirfd = live,
                                 .incoming_dirfd = incoming,
                                 .state_dirfd = b->subject->state_dirfd,
                                 .aside = n->aside,
                                 .patterns = patterns,
                                 .keep = report->kept_incoming ? b->subject->state_files[0] : NULL },
                &carried, reterr);
        if (r < 0)
                return r;
        report->carried = carried.carried;
        report->set_aside = carried.set_aside;
        if (syncfs(incoming) < 0)
                return fault_errno(reterr, -errno, "Failed to write '%s/%s' to disk", b->state, n->backup);
        r = durable_write(incoming, n->marker, "", 0, 0644);
        return r < 0 ? fault_errno(reterr, r, "Failed to mark '%s/%s' for the exchange", b->state, n->backup)
                     : 0;
}

/* From where the three renames stopped: see the top. */
static int finish_renames(const Backup *b, const Names *n, Fault *reterr) {
        int fd = b->subject->state_dirfd, r = 0;

        if (exists(fd, b->data_name) == 0)
                r = move(b, n->backup, b->data_name, RENAME_NOREPLACE, reterr);
        return r < 0 ? r : move(b, n->old, n->backup, RENAME_NOREPLACE, reterr);
}

static int exchange(const Backup *b, const Names *n, Fault *reterr) {
        int fd = b->subject->state_dirfd, r;

        if (renameat2(fd, n->backup, fd, b->data_name, RENAME_EXCHANGE) >= 0)
                return fsync(fd) < 0 ? fault_errno(reterr, -errno,
                                                   "Failed to make the exchange in '%s' durable", b->state)
                                     : 0;
        if (errno == EBUSY || errno == EXDEV)
                return fault_set(
                        reterr, -errno,
                        "'%s/%s' is a mount point or a subvolume of its own and cannot be exchanged: mount "
                        "the disk at '%s' instead, or use backup = hook or none",
                        b->state, b->data_name, b->state);
        if (errno != EINVAL && errno != ENOSYS)
                return fault_errno(reterr, -errno, "Failed to exchange '%s/%s' with '%s'", b->state,
                                   b->data_name, n->backup);
        r = move(b, b->data_name, n->old, RENAME_NOREPLACE, reterr);
        return r < 0 ? r : finish_renames(b, n, reterr);
}

typedef enum Phase { PHASE_NOT_BEGUN, PHASE_BETWEEN, PHASE_EXCHANGED } Phase;

static int find_phase(const Backup *b, const Names *n, Phase *ret, Fault *reterr) {
        int data = exists(b->subject->state_dirfd, b->data_name),
            old = exists(b->subject->state_dirfd, n->old);
        int in_data = holds(b, b->data_name, n->marker), in_backup = holds(b, n->backup, n->marker);

        if (data < 0 || old < 0 || in_data < 0 || in_backup < 0)
                return fault_errno(reterr,
                                   data < 0      ? data
                                   : old < 0     ? old
                                   : in_data < 0 ? in_data
                                                 : in_backup,
                                   "Failed to look at '%s'", b->state);
        if (in_data && !in_backup)
                *ret = old ? PHASE_BETWEEN : PHASE_EXCHANGED;
        else if (!data && old && in_backup)
                *ret = PHASE_BETWEEN;
        else if (data && !old && !in_data)
                *ret = PHASE_NOT_BEGUN;
        else
                return fault_set(
                        reterr, -EUCLEAN,
                        "'%s' is in no state that a restore leaves behind ('%s' %s, '%s' %s, marker '%s' in "
                        "%s): somebody changed it by hand; move the right tree to '%s' and the other one "
                        "away",
                        b->state, b->data_name, data ? "there" : "missing", n->old,
                        old ? "there" : "missing", n->marker,
                        in_data     ? "both trees"
                        : in_backup ? "the backup"
                                    : "neither tree",
                        b->data_name);
        return 0;
}

/* What is live now against what was live before, which lies in backup-JOB. */
static int assert_forward(const Backup *b, const Names *n, RestoreReport *report, Fault *reterr) {
        char now[SIGNING_POSITION_TEXT_MAX], before[SIGNING_POSITION_TEXT_MAX];
        SigningPosition out;
        cleanup_fault_ Fault fault = { 0 };
        int r;

        r = tree_position(b, b->data_name, &report->position, &fault);
        if (r < 0 && r != -ENOENT && r != -EBADMSG)
                return fault_set(reterr, r, "%s", fault_text(&fault, r));
        if (str_eq(b->subject->signer, "remote") || tree_position(b, n->backup, &out, NULL) < 0 ||
            signing_position_compare(&report->position, &out) >= 0)
                return 0;
        return fault_set(
                reterr, GUARD_E_REFUSED,
                "After the exchange the signing state says %s, before it said %s: do not start this node; "
                "copy the signing state from '%s/%s' to '%s/%s'",
                signing_position_format(now, &report->position), signing_position_format(before, &out),
                b->state, n->backup, b->state, b->data_name);
}

int backup_restore(const Backup *b, RestoreReport *ret, Fault *reterr) {
        RestoreReport report = { .position = SIGNING_POSITION_NONE };
        cleanup_(names_done) Names n = { 0 };
        Phase phase = PHASE_NOT_BEGUN;
        int r;

        r = names_init(&n, b->job, reterr);
        if (r >= 0)
                r = find_phase(b, &n, &phase, reterr);
        if (r < 0)
                return r;
        if (phase == PHASE_NOT_BEGUN) {
                r = is_complete(b, n.backup);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to look at the backup '%s/%s'", b->state,
                                           n.backup);
                if (r == 0)
                        return fault_set(reterr, -ENOENT,
                                         "There is no complete backup '%s/%s': the data stays as it is",
                                         b->state, n.backup);
                r = carry(b, &n, &report, reterr);
                if (r == 0)
                        r = exchange(b, &n, reterr);
        } else {
                report.already = true;
                r = phase == PHASE_BETWEEN ? finish_renames(b, &n, reterr) : 0;
                if (r == 0 && fsync(b->subject->state_dirfd) < 0)
                        r = fault_errno(reterr, -errno, "Failed to make the exchange in '%s' durable",
                                        b->state);
        }
        if (r == 0)
                r = assert_forward(b, &n, &report, reterr);
        if (r == 0)
                *ret = report;
        return r;
}

int backup_discard(const Backup *b, Fault *reterr) {
        cleanup_(names_done) Names n = { 0 };
        cleanup_fd_ int data = -1;
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
        data = openat(b->subject->state_dirfd, b->data_name,
                      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (data < 0)
                return errno == ENOENT ? 0
                                       : fault_errno(reterr, -errno, "Failed to open '%s/%s'", b->state,
                                                     b->data_name);
        r = is_complete(b, b->data_name);
        if (r > 0)
                r = durable_unlink(data, COMPLETE);
        if (r >= 0)
                r = durable_unlink(data, n.marker);
        return r < 0 ? fault_errno(reterr, r, "Failed to remove the markers in '%s/%s'", b->state,
                                   b->data_name)
                     : 0;
}
