#pragma once
/*
 * Probation: is the node that was just switched to another release as good as
 * the one before? Pure: fed with every poll and every change of the unit until
 * it passes or fails.
 *
 * The head must go min_blocks beyond where the old release stopped, peers and
 * signing must be back, the hashes must agree with the references, and all of
 * that must stay so for `duration`. Unknown is never 0 and never good.
 */
#include "chain/sample.h"
#include "config/node.h"
#include "health/facts.h"
#include "health/reference.h"

typedef enum ProbationOutcome { PROBATION_WAIT, PROBATION_PASS, PROBATION_FAIL } ProbationOutcome;

typedef struct Probation {
        /* The baseline, set before the first step. */
        int64_t height;   /* head when the old release was stopped; CHAIN_UNKNOWN: min_blocks from the first
                             one seen */
        bool was_signing; /* the old release signed */
        uint64_t n_restarts;  /* NRestarts when the new release was started */
        uint64_t started_at;  /* monotonic: when the new release was started; after a reboot: now */
        const char *chain_id; /* borrowed; NULL: not checked */

        /* How far it is; kept by probation_step(). */
        int64_t first_height; /* the first one seen of the new release */
        bool was_active;
        bool answered;         /* at least once */
        uint64_t silent_since; /* the first of the polls in a row that failed after one was answered; 0: none
                                  did */
        uint64_t silent_at;    /* at_monotonic of the newest poll that failed, to count each once */
        unsigned silent_polls; /* in a row */
        bool signed_again;     /* a signature of ours beyond the old head was seen */
        uint64_t good_since;   /* since when everything holds; 0: it does not */
        uint64_t stepped_at;   /* the last step, to leave out the time that the operator's stop took */
} Probation;

/* Everything unknown. @now: monotonic, of the start. */
void probation_init(Probation *probation, uint64_t now);

/*
 * One look. @sample: the newest poll of the new process, NULL before the first;
 * samples that are older than the process are ignored. *ret_reason: what is
 * still missing, or why it failed; owned, NULL if memory ran out.
 *
 * Fails at once: unit failed or gone, more restarts than forgiven, another chain
 * id, another hash than a majority of the references. Fails when `start_timeout`
 * passes in silence or `timeout` passes at all. References of which none answers
 * are no obstacle: a gateway's outage must not turn an upgrade around. Waits
 * while the operator keeps the unit stopped: that time does not count.
 */
ProbationOutcome probation_step(Probation *probation, const ProbationConfig *config,
                                const ChainSample *sample, const UnitFacts *facts,
                                const ReferenceView *references, size_t n_references, uint64_t now,
                                char **ret_reason);
