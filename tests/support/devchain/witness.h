#pragma once
/*
 * What a test can swear by afterwards, one line an event, append-only:
 *
 *   instances.log   TIME start|stop|refused pid=P version=V height=H [reason=...]
 *   votes.log       TIME pid=P address=A height=H round=R step=S hash=HASH|<proposal hash>
 *   evidence.log    TIME height=H round=R step=S validator=I hash=A hash=B    (seen from a peer)
 *
 * A crash leaves a start without a stop. A refused line says that somebody
 * tried to start a second instance on the same data. The folder is the data
 * directory unless --witness names another (a data directory may be exchanged
 * by a restore). Failures are logged and ignored.
 */
#include <limits.h>
#include <stdint.h>

typedef struct Witness {
        char dir[PATH_MAX];
        const char *version;
} Witness;

void witness_instance(const Witness *w, const char *what, uint64_t height, const char *reason);
void witness_vote(const Witness *w, const char *address, uint64_t height, uint32_t round, uint32_t step,
                  const char *hash);
void witness_double_sign(const Witness *w, uint64_t height, uint32_t round, uint32_t step,
                         uint32_t validator, const char *hash, const char *other);
