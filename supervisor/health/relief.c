/*
 * What a pause can mend is a node that does not keep up: disk and network are the
 * restore's then and not its own. One that is down or on another chain gains
 * nothing by it. A verdict that says nothing leaves things as they are.
 */
#include "health/relief.h"

bool relief_can_tell(Verdict verdict) {
        return verdict != VERDICT_UNKNOWN && verdict != VERDICT_STARTING;
}

static bool suffers(Verdict verdict) {
        return verdict == VERDICT_LOCAL_STALL || verdict == VERDICT_NOT_SIGNING ||
               verdict == VERDICT_SYNCING;
}

bool relief_gate(Relief *relief, bool was_healthy, Verdict verdict, uint64_t now_usec) {
        bool still = suffers(verdict) || !relief_can_tell(verdict);

        if (!relief->paused) {
                if (!was_healthy || !suffers(verdict) || now_usec < relief->earliest)
                        return false;
                relief->paused = true;
                relief->since = now_usec;
                return true;
        }
        if (still && now_usec - relief->since < RELIEF_PAUSE_MAX_USEC)
                return true;
        relief->paused = false;
        relief->earliest = now_usec + RELIEF_WORK_MIN_USEC;
        return false;
}
