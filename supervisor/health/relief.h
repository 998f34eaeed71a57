#pragma once
/*
 * Whether a restore that is downloading should stand still because its node, which
 * was well before, is not any more. Pure: the clock is a parameter.
 */
#include "health/verdict.h"

/* A sick node must be restored too: no pause is longer, and work stands between two. */
#define RELIEF_PAUSE_MAX_USEC ((uint64_t) 60 * 1000000)
#define RELIEF_WORK_MIN_USEC  ((uint64_t) 15 * 1000000)

typedef struct Relief {
        bool paused;
        uint64_t since;    /* of the pause; monotonic */
        uint64_t earliest; /* of the next pause */
} Relief;                  /* zeros: it works */

/* Whether @verdict tells anything about how the node was when the restore began. */
bool relief_can_tell(Verdict verdict);

/*
 * Whether to stand still from @now_usec (monotonic) on. @was_healthy: the verdict when the
 * restore began; a broken node is why one restores, and it is never waited for.
 */
bool relief_gate(Relief *relief, bool was_healthy, Verdict verdict, uint64_t now_usec);
