#pragma once
/*
 * The guard: may this node start here, now, without the danger of signing
 * twice? Used by the launcher before every start and by the worker's verb
 * `guard`. It reads the node's own files, so it runs as the node's user.
 *
 * Marks: the high-water mark (musterd's) and state/guard/last (ours).
 * A position below either, a missing or damaged state file where a mark
 * exists, a missing or changed key, a signing key where none may be: refused.
 */
#include "guard/keys.h"
#include "guard/position.h"

#define GUARD_E_REFUSED 1
#define GUARD_DIR       "guard" /* below state/ */

/* Whom it is about. All borrowed. The four file members are the chain family's. */
typedef struct GuardSubject {
        const char *node;
        const char *data;   /* absolute */
        const char *domain; /* NULL or "": not configured */
        const char *role;   /* as in the configuration; anything but "active" must not sign */
        const char *signer; /* "remote": position and consensus key are the signer's */
        int node_dirfd;     /* holds `highwater` */
        int state_dirfd;    /* holds guard/, owned by the node's user */
        bool starting;      /* the launcher, right before the start: only then a keyless start is noted */

        const char *const *key_files;
        const char *const *consensus_key_files;
        const char *const *state_files;
        int (*parse_position)(const char *text, SigningPosition *ret, Fault *reterr);
} GuardSubject;

typedef struct GuardReport {
        SigningPosition position; /* none: nothing signed, or this chain has no such file */
        size_t n_keys;
        bool at_signer; /* the position is guarded at the remote signer, not here */
} GuardReport;

/*
 * 0: may start; what was seen is recorded durably in state/guard. GUARD_E_REFUSED:
 * must not, the fault says why and what to do, nothing was written. -errno: could
 * not tell, which a caller treats as a refusal too.
 */
int guard_check(const GuardSubject *subject, GuardReport *ret, Fault *reterr);

/* The position that the state file tells. -ENOENT: no such file; -EBADMSG: not to be understood. */
int guard_position(const GuardSubject *subject, SigningPosition *ret, Fault *reterr);

/*
 * The higher of both marks, "none" where there is none. GUARD_E_REFUSED if a mark
 * is of another chain or damaged.
 */
int guard_mark(const GuardSubject *subject, SigningPosition *ret, Fault *reterr);

/* After a stop: raises state/guard/last. *ret_position "none" where there is nothing to record. */
int guard_record_stop(const GuardSubject *subject, SigningPosition *ret_position, Fault *reterr);

/* The operator says that the keys that are there now are right: the record is replaced. */
int guard_accept_keys(const GuardSubject *subject, KeyFiles *ret_before, KeyFiles *ret_now, Fault *reterr);

/* Position and consensus key are a remote signer's. */
bool guard_is_remote(const GuardSubject *subject);

/* state/guard. *ret_fd is -1 when there is none yet and @make is false. */
int guard_open(const GuardSubject *subject, bool make, int *ret_fd, Fault *reterr);
