/*
 * Everything is read and judged first, and recorded only when the answer is
 * yes: a refused start changes nothing. A crash between the two records leaves
 * marks that are at most too low by what was seen in this very start, and the
 * state file still says that itself.
 */
#include "guard/check.h"
#include "guard/match.h"
#include "guard/spares.h"
#include "util/durable.h"
#include "util/text.h"
#include "muster-build.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ACCEPT_KEYS MUSTER_LIBEXECDIR "/muster-restore accept-keys"

#define STATE_FILE_MAX (1024 * 1024)
#define LAST_NAME      "last"

bool guard_is_remote(const GuardSubject *s) {
        return str_eq(s->signer, "remote");
}

int guard_open(const GuardSubject *s, bool make, int *ret_fd, Fault *reterr) {
        int fd;

        if (make && mkdirat(s->state_dirfd, GUARD_DIR, 0700) >= 0) {
                if (fsync(s->state_dirfd) < 0)
                        return fault_errno(reterr, -errno, "Failed to make 'state/%s' durable", GUARD_DIR);
        } else if (make && errno != EEXIST)
                return fault_errno(reterr, -errno, "Failed to make 'state/%s'", GUARD_DIR);
        fd = openat(s->state_dirfd, GUARD_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && (errno != ENOENT || make))
                return fault_errno(reterr, -errno, "Failed to open 'state/%s'", GUARD_DIR);
        *ret_fd = fd;
        return 0;
}

/* -1 in *ret_fd when there is no data directory yet. */
static int open_data(const GuardSubject *s, int *ret_fd, Fault *reterr) {
        int fd = open(s->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 && errno != ENOENT)
                return fault_errno(reterr, -errno, "Failed to open the data directory '%s'", s->data);
        *ret_fd = fd;
        return 0;
}

/* The one file that holds the position. -ENOENT if there is none. */
static int find_state_file(const GuardSubject *s, int data_fd, char **ret, Fault *reterr) {
        const char *const patterns[] = { s->state_files[0], NULL };
        cleanup_strv_ char **paths = NULL;
        int r;

        r = match_files(data_fd, patterns, &paths, reterr);
        if (r < 0)
                return r;
        if (strv_length(paths) == 0)
                return fault_set(reterr, -ENOENT, "The signing state '%s/%s' is missing", s->data,
                                 s->state_files[0]);
        if (strv_length(paths) > 1)
                return fault_set(reterr, -EBADMSG,
                                 "'%s/%s' names %zu files ('%s', '%s'): expected one signing state", s->data,
                                 s->state_files[0], strv_length(paths), paths[0], paths[1]);
        *ret = TAKE_PTR(paths[0]);
        return 0;
}

int guard_position(const GuardSubject *s, SigningPosition *ret, Fault *reterr) {
        cleanup_free_ char *path = NULL, *text = NULL;
        cleanup_fd_ int data_fd = -1;
        SigningPosition position = SIGNING_POSITION_NONE;
        size_t size;
        int r;

        if (!s->parse_position || !s->state_files || !s->state_files[0])
                return fault_set(reterr, -ENOENT, "This chain has no signing-state file");
        r = open_data(s, &data_fd, reterr);
        if (r < 0)
                return r;
        if (data_fd < 0)
                return fault_set(reterr, -ENOENT, "The data directory '%s' is missing", s->data);
        r = find_state_file(s, data_fd, &path, reterr);
        if (r < 0)
                return r;
        r = read_small_file(data_fd, path, STATE_FILE_MAX, &text, &size);
        if (r < 0)
                return fault_errno(reterr, r == -ENOENT ? -EIO : r,
                                   "Failed to read the signing state '%s/%s'", s->data, path);
        if (strlen(text) != size)
                return fault_set(reterr, -EBADMSG, "The signing state '%s/%s' has a NUL byte at offset %zu",
                                 s->data, path, strlen(text));
        r = s->parse_position(text, &position, reterr);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return fault_prefix(reterr, -EBADMSG, "The signing state '%s/%s' is damaged", s->data, path);
        *ret = position;
        return 0;
}

/* 0 with *ret.position "none" when there is no such mark. */
static int read_mark(int dirfd, const char *name, Highwater *ret, Fault *reterr) {
        cleanup_fault_ Fault fault = { 0 };
        int r;

        *ret = (Highwater){ .position = SIGNING_POSITION_NONE };
        if (dirfd < 0)
                return 0;
        r = highwater_read_at(dirfd, name, ret, &fault);
        if (r == -ENOENT)
                return 0;
        if (r == -EBADMSG)
                return fault_set(reterr, GUARD_E_REFUSED,
                                 "%s: restore it from a backup of this host; without it "
                                 "nobody can tell what was signed",
                                 fault_text(&fault, r));
        return r < 0 ? fault_set(reterr, r, "%s", fault_text(&fault, r)) : 0;
}

static int refuse_domain(const GuardSubject *s, const char *where, const char *domain, Fault *reterr) {
        return fault_set(
                reterr, GUARD_E_REFUSED,
                "The signing mark '%s' is of chain '%s', but this node is configured for '%s': correct "
                "chain_id, or, if the chain was really restarted under a new id, hold the node and move "
                "that file away",
                where, domain, s->domain);
}

int guard_mark(const GuardSubject *s, SigningPosition *ret, Fault *reterr) {
        cleanup_highwater_ Highwater high = { 0 }, last = { 0 };
        cleanup_fd_ int guard_fd = -1;
        int r;

        r = guard_open(s, false, &guard_fd, reterr);
        if (r < 0)
                return r;
        r = read_mark(s->node_dirfd, HIGHWATER_NAME, &high, reterr);
        if (r == 0)
                r = read_mark(guard_fd, LAST_NAME, &last, reterr);
        if (r != 0)
                return r;
        if (!signing_domain_matches(high.domain, s->domain))
                return refuse_domain(s, HIGHWATER_NAME, high.domain, reterr);
        /* A `last` of the domain before is history once musterd's own mark names the new one. */
        if (!signing_domain_matches(last.domain, s->domain)) {
                if (!high.domain)
                        return refuse_domain(s, "state/" GUARD_DIR "/" LAST_NAME, last.domain, reterr);
                last.position = SIGNING_POSITION_NONE;
        }
        *ret = signing_position_compare(&high.position, &last.position) >= 0 ? high.position : last.position;
        return 0;
}

/* Also what a changed pattern does not name any more must still be there. */
static int check_key(const GuardSubject *s, int data_fd, const KeyFile *known, Fault *reterr) {
        char digest[SHA256_HEX_SIZE];
        int r;

        r = data_fd < 0 ? -ENOENT : key_file_digest(data_fd, known->path, digest, reterr);
        if (r == -ENOENT)
                return fault_set(
                        reterr, GUARD_E_REFUSED,
                        "The key '%s/%s' is missing; the node would make a new one and be another node: "
                        "put it back, or, if it went on purpose, run 'sudo " ACCEPT_KEYS " %s' while the "
                        "node is stopped",
                        s->data, known->path, s->node);
        if (r < 0)
                return r;
        if (!str_eq(digest, known->digest))
                return fault_set(
                        reterr, GUARD_E_REFUSED,
                        "The key '%s/%s' changed since the last start (SHA-256 %.12s..., it was %.12s...): "
                        "put the old one back, or, if it was changed on purpose, run 'sudo " ACCEPT_KEYS
                        " %s' while the node is stopped",
                        s->data, known->path, digest, known->digest, s->node);
        return 0;
}

static int scan_keys(const GuardSubject *s, int data_fd, KeyFiles *ret, Fault *reterr) {
        return data_fd < 0 ? 0 : key_files_scan(data_fd, s->key_files, ret, reterr);
}

/* Compares, then adds to @record what is new. *ret_new: something was. */
static int check_keys(const GuardSubject *s, int data_fd, KeyFiles *record, bool *ret_new, Fault *reterr) {
        cleanup_key_files_ KeyFiles now = { 0 };
        cleanup_fd_ int guard_fd = -1;
        int r;

        r = guard_open(s, false, &guard_fd, reterr);
        if (r >= 0 && guard_fd >= 0)
                r = key_files_read(guard_fd, KEYS_NAME, record, reterr);
        if (r >= 0)
                r = scan_keys(s, data_fd, &now, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < record->n; i++) {
                r = check_key(s, data_fd, &record->files[i], reterr);
                if (r != 0)
                        return r;
        }
        *ret_new = false;
        for (size_t i = 0; i < now.n; i++) {
                if (key_files_find(record, now.files[i].path))
                        continue;
                r = key_files_add(record, now.files[i].digest, now.files[i].path);
                if (r < 0)
                        return r;
                *ret_new = true;
        }
        return 0;
}

/* A node that cannot sign here, for want of a key, may start with any state; what a spare signs is no mark.
 */
static int check_position(const GuardSubject *s, bool cannot_sign, SigningPosition *ret, Fault *reterr) {
        char here[SIGNING_POSITION_TEXT_MAX], there[SIGNING_POSITION_TEXT_MAX];
        SigningPosition mark = SIGNING_POSITION_NONE;
        cleanup_fault_ Fault fault = { 0 };
        int r;

        *ret = SIGNING_POSITION_NONE;
        r = guard_mark(s, &mark, reterr);
        if (r != 0 || !s->parse_position)
                return r;
        r = guard_position(s, ret, &fault);
        if (guard_is_remote(s) || cannot_sign)
                return 0;
        if (r == -ENOENT) {
                if (mark.height < 0)
                        return 0;
                return fault_set(
                        reterr, GUARD_E_REFUSED,
                        "%s, but this node has signed up to %s: restore it; a fresh one would sign those "
                        "heights again",
                        fault_text(&fault, r), signing_position_format(there, &mark));
        }
        if (r == -EBADMSG)
                return fault_set(
                        reterr, GUARD_E_REFUSED,
                        "%s: restore it; with it unreadable the node could sign twice (the last known "
                        "position is %s)",
                        fault_text(&fault, r), signing_position_format(there, &mark));
        if (r < 0)
                return fault_set(reterr, r, "%s", fault_text(&fault, r));
        if (signing_position_compare(ret, &mark) < 0)
                return fault_set(
                        reterr, GUARD_E_REFUSED,
                        "The signing state '%s/%s' went back: it says %s, but this node has signed up to "
                        "%s: restore the newest one; starting with this one could sign twice",
                        s->data, s->state_files[0], signing_position_format(here, ret),
                        signing_position_format(there, &mark));
        return 0;
}

/* The domain was agreed by guard_mark(): a `last` of an older one is replaced. */
static int raise_last(const GuardSubject *s, const SigningPosition *position, Fault *reterr) {
        cleanup_fd_ int guard_fd = -1;
        int r;

        if (position->height < 0)
                return 0;
        r = guard_open(s, true, &guard_fd, reterr);
        if (r < 0)
                return r;
        r = highwater_raise_at(guard_fd, LAST_NAME, s->domain, position, NULL, reterr);
        if (r == -EXDEV)
                r = highwater_replace_at(guard_fd, LAST_NAME, s->domain, position, reterr);
        return r;
}

static int record_keys(const GuardSubject *s, const KeyFiles *keys, Fault *reterr) {
        cleanup_fd_ int guard_fd = -1;
        int r;

        r = guard_open(s, true, &guard_fd, reterr);
        return r < 0 ? r : key_files_write(guard_fd, KEYS_NAME, keys, reterr);
}

int guard_check(const GuardSubject *s, GuardReport *ret, Fault *reterr) {
        cleanup_key_files_ KeyFiles keys = { 0 };
        cleanup_fd_ int data_fd = -1;
        SigningPosition position;
        cleanup_(spares_done) Spares spares = { 0 };
        bool new_keys = false;
        int r;

        r = open_data(s, &data_fd, reterr);
        if (r == 0)
                r = spares_check(s, data_fd, &spares, reterr);
        if (r == 0)
                r = check_keys(s, data_fd, &keys, &new_keys, reterr);
        if (r == 0)
                r = check_position(s, spares.applies, &position, reterr);
        if (r == 0 && new_keys)
                r = record_keys(s, &keys, reterr);
        if (r == 0 && !guard_is_remote(s) && !spares.applies)
                r = raise_last(s, &position, reterr);
        if (r == 0)
                r = spares_record(s, &spares, reterr);
        if (r != 0)
                return r;
        *ret = (GuardReport){ .position = position, .n_keys = keys.n, .at_signer = guard_is_remote(s) };
        return 0;
}

int guard_record_stop(const GuardSubject *s, SigningPosition *ret_position, Fault *reterr) {
        SigningPosition position = SIGNING_POSITION_NONE, mark;
        cleanup_fault_ Fault fault = { 0 };
        int r;

        r = guard_position(s, &position, &fault);
        if (r < 0 && r != -ENOENT)
                return fault_set(reterr, r, "%s", fault_text(&fault, r));
        if (r >= 0 && !guard_is_remote(s) && !guard_must_not_sign(s)) {
                r = guard_mark(s, &mark, reterr);
                if (r == 0)
                        r = raise_last(s, &position, reterr);
                if (r != 0)
                        return r;
        }
        *ret_position = position;
        return 0;
}

int guard_accept_keys(const GuardSubject *s, KeyFiles *ret_before, KeyFiles *ret_now, Fault *reterr) {
        cleanup_key_files_ KeyFiles before = { 0 }, now = { 0 };
        cleanup_fd_ int data_fd = -1, guard_fd = -1;
        cleanup_fault_ Fault damage = { 0 };
        int r;

        r = open_data(s, &data_fd, reterr);
        if (r >= 0)
                r = guard_open(s, true, &guard_fd, reterr);
        if (r < 0)
                return r;
        r = key_files_read(guard_fd, KEYS_NAME, &before, &damage);
        if (r < 0 && r != -EBADMSG) /* a damaged record is what this command repairs, too */
                return fault_set(reterr, r, "%s", fault_text(&damage, r));
        r = scan_keys(s, data_fd, &now, reterr);
        if (r >= 0)
                r = key_files_write(guard_fd, KEYS_NAME, &now, reterr);
        if (r < 0)
                return r;
        *ret_before = before;
        *ret_now = now;
        before = now = (KeyFiles){ 0 };
        return 0;
}
