#pragma once
/*
 * The trees of a restore job (JOB), beside the live data DATA:
 *
 *     state/incoming   a snapshot that arrives, or after the way back the one that was bad
 *     state/old        what was live, until the job is over
 *
 * or, where DATA is a mount point, DATA/.muster-incoming and DATA/.muster-old.
 * `.muster-restore` in the incoming tree holds JOB from the beginning on, so
 * nothing of another's is ever taken or removed; `.muster-complete` holds it when
 * the tree is whole and durable. What becomes live keeps the former until drop.
 */
#include "snapshot/exchange.h"

#define INCOMING_INSIDE ".muster-incoming" /* below a data directory that is a mount point */

typedef struct Incoming {
        const char *job;
        const char *data_name; /* and @inside: see exchange_place() */
        bool inside;
        const char *state; /* absolute; for texts and the guard */
        const GuardSubject *subject;
        char *const *protect; /* the operator's patterns */
} Incoming;

/* Where the incoming tree is, relative to the state directory; owned, NULL: out of memory. */
char *incoming_name(const Incoming *in);

/*
 * What must be there before a worker that may not write to DATA can fill it: makes
 * DATA/.muster-incoming, empty, where it has to be inside. Idempotent.
 */
int incoming_prepare(const Incoming *in, Fault *reterr);

/*
 * Opens the tree for the snapshot: this job's to be continued, or a fresh one;
 * another job's is removed first. *ret_complete: nothing is left to do. -EEXIST:
 * it is no restore job's; -EBUSY: another job's restore is not over.
 */
int incoming_open(const Incoming *in, int *ret_fd, bool *ret_complete, Fault *reterr);

/* The tree is whole and durable. @note (may be NULL) is one line for incoming_note(). */
int incoming_complete(const Incoming *in, int fd, const char *note, Fault *reterr);

/* What incoming_complete() was told; owned, NULL: nothing, or it cannot be read. */
char *incoming_note(int fd);

/* DATA <-> incoming; see exchange_run(). -ENOENT: it is not complete; -EALREADY: the job went back. */
int incoming_exchange(const Incoming *in, ExchangeReport *ret, Fault *reterr);

/*
 * The way back: what was live is live again, the snapshot is `incoming`, not
 * complete. An interrupted way there is finished first. A job that never
 * exchanged: *ret_never, success.
 */
int incoming_exchange_back(const Incoming *in, ExchangeReport *ret, bool *ret_never, Fault *reterr);

/* Removes what of this job is not live, then its markers. Idempotent. -EBUSY: an exchange is half done. */
int incoming_drop(const Incoming *in, Fault *reterr);
