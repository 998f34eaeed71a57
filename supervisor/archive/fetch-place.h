#pragma once
/*
 * The directory of a fetch: whether it may be used, what says that it is
 * incomplete, and how it becomes complete or empty again.
 *
 * Names that begin with ".muster-", and "lost+found", are nobody's data.
 */
#include <stdbool.h>
#include "util/fault.h"

/*
 * Makes @dirfd ours, by a lock that lasts as long as the descriptor and by
 * FETCH_PARTIAL in it, durable before anything else is written. @digest is the
 * manifest's of a framed snapshot, NULL for a stream; @prefix as in
 * FetchOptions. *ret_continues: there is a partial of just this, to go on with;
 * one of a stream was removed. 0; FETCH_SNAPSHOT_E_REFUSED: it holds something
 * else; -EBUSY: another process is at work on it; -errno.
 */
int place_claim(int dirfd, const char *name, const char *digest, const char *prefix, bool *ret_continues,
                Fault *reterr);

/* It is complete and durable; now it says so, durably. */
int place_complete(int dirfd, Fault *reterr);

/* Removes what was written, FETCH_PARTIAL last. */
int place_clear(int dirfd, Fault *reterr);
