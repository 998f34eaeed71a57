#pragma once
/*
 * A node's releases: laid out beside the others, complete or not there.
 *
 *     releases/.partial-VERSION/   archive, archive.state, tree/    while it is made
 *     releases/.source-VERSION     what it was made of: digests, size, source
 *     releases/.discard-VERSION    on its way out
 *     releases/VERSION/            appears by rename, fsynced, with its MANIFEST
 *
 * Only one process may work on a releases directory: it is locked meanwhile.
 */
#include "http/fetch.h"
#include "upgrade/manifest.h"
#include "upgrade/stage-order.h"

typedef struct ReleaseResult {
        char manifest[65]; /* SHA-256 of the MANIFEST file */
        uint64_t size;     /* of the archive */
        uint64_t received; /* bytes that crossed the network or were copied by this call */
        char *source;      /* display form; owned */
        char **signed_by;  /* owned; empty when no signatures were needed */
        bool already;      /* it was there, complete and of the same content */
} ReleaseResult;

void release_result_done(ReleaseResult *result);

/*
 * Fetches, verifies, unpacks, writes `arguments`, `environment` and MANIFEST,
 * fsyncs, renames. Shows progress by worker_progress(). @limits: zeros are
 * defaults; max_size comes from the order. Killed at any instant it goes on
 * from there when called again. A failure leaves releases/VERSION as it was.
 *
 * -EBUSY: another process works here. -EEXIST: VERSION is there with other
 * content. -EREMOTEIO: no source gave it. -EBADMSG: archive, signatures or a
 * staged release are not as they should be. -ENOSPC. The fault says what.
 */
int release_stage(int releases_dirfd, const StageOrder *order, const FetchLimits *limits, ReleaseResult *ret,
                  Fault *reterr);

/*
 * Removes releases/VERSION and what is left of attempts at it; one that is not
 * there is success. -EBUSY for the one that `current` or `previous`, beside
 * the releases directory, links to: the fault says which.
 */
int release_discard(int releases_dirfd, const char *version, Fault *reterr);
