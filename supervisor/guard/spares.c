/*
 * A crash between the start and the record of its spares, or a record that is
 * lost, makes a spare look like somebody's signing key: refused, never allowed.
 */
#include "guard/spares.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define KEYLESS_NAME "keyless"

void spares_done(Spares *spares) {
        key_files_done(&spares->keys);
}

bool guard_must_not_sign(const GuardSubject *s) {
        return s->consensus_key_files && s->consensus_key_files[0] &&
               (guard_is_remote(s) || !str_eq(s->role, "active"));
}

static int refuse_consensus_key(const GuardSubject *s, const char *path, Fault *reterr) {
        if (guard_is_remote(s))
                return fault_set(
                        reterr, GUARD_E_REFUSED,
                        "signer = remote, but the signing key '%s/%s' is here too: move it away, or set "
                        "signer = local and stop the remote signer",
                        s->data, path);
        return fault_set(
                reterr, GUARD_E_REFUSED,
                "A %s must not hold the signing key '%s/%s': move it away, or set role = active on exactly "
                "one host",
                s->role, s->data, path);
}

/* When the last start without a consensus key was; UINT64_MAX: never, or nobody can tell. */
static uint64_t keyless_since(int guard_fd) {
        cleanup_free_ char *text = NULL;
        uint64_t since;

        if (guard_fd < 0 || read_small_file(guard_fd, KEYLESS_NAME, 64, &text, NULL) < 0)
                return UINT64_MAX;
        text[strcspn(text, "\n")] = 0;
        return parse_u64(text, &since) < 0 ? UINT64_MAX : since;
}

static bool in_window(const struct timespec *t, uint64_t since) {
        uint64_t usec = (uint64_t) t->tv_sec * USEC_PER_SEC + (uint64_t) t->tv_nsec / 1000;

        usec += 10 *
                USEC_PER_MSEC; /* a file's time is of the kernel's coarse clock, up to one tick behind */
        return t->tv_sec >= 0 && usec >= since && usec - since < SPARE_WINDOW;
}

/* A copy that keeps the old mtime has a new ctime, one that comes later has both. */
static bool is_newborn(int data_fd, const char *path, uint64_t since) {
        struct stat st;

        return since != UINT64_MAX && fstatat(data_fd, path, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
               S_ISREG(st.st_mode) && in_window(&st.st_mtim, since) && in_window(&st.st_ctim, since);
}

int spares_check(const GuardSubject *s, int data_fd, Spares *spares, Fault *reterr) {
        cleanup_key_files_ KeyFiles known = { 0 };
        cleanup_fd_ int guard_fd = -1;
        uint64_t since;
        int r;

        if (!guard_must_not_sign(s))
                return 0;
        spares->applies = true;
        r = guard_open(s, false, &guard_fd, reterr);
        if (r >= 0 && guard_fd >= 0)
                r = key_files_read(guard_fd, SPARES_NAME, &known, reterr);
        if (r >= 0 && data_fd >= 0)
                r = key_files_scan(data_fd, s->consensus_key_files, &spares->keys, reterr);
        if (r < 0)
                return r;
        since = keyless_since(guard_fd);
        for (size_t i = 0; i < spares->keys.n; i++) {
                const KeyFile *key = &spares->keys.files[i], *before = key_files_find(&known, key->path);

                if (before && str_eq(before->digest, key->digest))
                        continue;
                if (!is_newborn(data_fd, key->path, since))
                        return refuse_consensus_key(s, key->path, reterr);
                spares->news = true;
        }
        return 0;
}

int spares_record(const GuardSubject *s, const Spares *spares, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        cleanup_fd_ int guard_fd = -1;
        int n, r;

        if (!spares->applies || (spares->keys.n > 0 ? !spares->news : !s->starting))
                return 0;
        r = guard_open(s, true, &guard_fd, reterr);
        if (r < 0)
                return r;
        if (spares->news)
                return key_files_write(guard_fd, SPARES_NAME, &spares->keys, reterr);
        n = asprintf(&text, "%" PRIu64 "\n", now_realtime_usec());
        if (n < 0)
                return -ENOMEM;
        r = durable_write(guard_fd, KEYLESS_NAME, text, (size_t) n, 0600);
        return r < 0 ? fault_errno(reterr, r, "Failed to write 'state/%s/%s'", GUARD_DIR, KEYLESS_NAME) : 0;
}
