#pragma once
/*
 * Consensus keys where no signing key may be: of a node that is not active, or
 * whose signer is remote.
 *
 * Some nodes (CometBFT) make such a key for themselves at every start without
 * one, whatever their role. This spare signs for nobody and is allowed: it is
 * told by a start without any key (state/guard/keyless holds when) and a file
 * that was written, and never touched again, within SPARE_WINDOW after that
 * start. Any other is somebody's signing key and refused.
 */
#include "guard/check.h"

#define SPARES_NAME  "spares" /* in state/guard: those that were told, as guard/keys.h writes them */
#define SPARE_WINDOW (10 * USEC_PER_SEC)

typedef struct Spares {
        bool applies;  /* guard_must_not_sign() */
        bool news;     /* `keys` has ones that are not recorded yet */
        KeyFiles keys; /* the consensus keys that are there, all of them spares */
} Spares;

void spares_done(Spares *spares);

/* No signing key may be here, and this chain's are known by name, so that it can be seen. */
bool guard_must_not_sign(const GuardSubject *subject);

/*
 * Looks at every consensus key below @data_fd (-1: no data yet). 0: none but
 * spares, or a subject that may sign. GUARD_E_REFUSED: the fault names the key.
 * Writes nothing. @spares must be empty and is to be freed in any case.
 */
int spares_check(const GuardSubject *subject, int data_fd, Spares *spares, Fault *reterr);

/* What the next start goes by: the spares, or that this start has no key. Durable. */
int spares_record(const GuardSubject *subject, const Spares *spares, Fault *reterr);
