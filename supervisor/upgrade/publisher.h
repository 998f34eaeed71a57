#pragma once
/*
 * k-of-n publisher signatures of a release: detached SSHSIG beside the
 * archive, as SOURCE.sig and SOURCE.sig.1 to SOURCE.sig.9, by keys of an
 * allowed_signers list (crypto/signers.h), for namespace release.v1@muster or
 * file.
 */
#include "crypto/sshsig.h"
#include "http/fetch.h"

typedef struct PublisherPolicy {
        const char *signers; /* allowed_signers text */
        uint64_t need;       /* distinct keys, at least 1 */
} PublisherPolicy;

/* Before anything is downloaded: -EBADMSG with the line, -EINVAL when @need can never be reached. */
int publisher_check_policy(const PublisherPolicy *policy, Fault *reterr);

/*
 * Asks @sources in order until enough distinct keys have signed the message of
 * @digests. 0: *ret_signed_by is an owned vector of their principals. -EBADMSG:
 * too few; the fault lists what was found and why it did not count.
 */
int publisher_verify(const PublisherPolicy *policy, char *const *sources, const FetchLimits *limits,
                     const SshSigDigests *digests, char ***ret_signed_by, Fault *reterr);
