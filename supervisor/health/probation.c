/*
 * Why probation is strict about time: a node that is silent may be warming up
 * (a doppelganger wait, a cache, a migration), so silence alone fails only
 * after start_timeout; a node that shows that it is on another chain or dies
 * fails in the same instant.
 */
#include "health/probation.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdarg.h>

typedef struct Step {
        Probation *p;
        const ProbationConfig *config;
        const ChainSample *sample; /* NULL: none of this process yet */
        const UnitFacts *facts;
        const ReferenceView *references;
        size_t n_references;
        uint64_t now;
        char *reason;
} Step;

void probation_init(Probation *probation, uint64_t now) {
        *probation = (Probation){
                .height = CHAIN_UNKNOWN,
                .first_height = CHAIN_UNKNOWN,
                .started_at = now,
        };
}

static ProbationOutcome say(Step *s, ProbationOutcome outcome, const char *format, ...) _printf_(3, 4);
static ProbationOutcome say(Step *s, ProbationOutcome outcome, const char *format, ...) {
        char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        free(s->reason);
        s->reason = text;
        return outcome;
}

static uint64_t since(uint64_t now, uint64_t then) {
        return now > then ? now - then : 0;
}

static char *seconds(char buffer[static DURATION_TEXT_MAX], uint64_t usec) {
        if (usec == 0) {
                strcpy(buffer, "0s");
                return buffer;
        }
        return format_duration(buffer, usec < 10 * USEC_PER_SEC ? usec : usec / USEC_PER_SEC * USEC_PER_SEC);
}

/*
 * Automatic restarts since the start. The first one counts as soon as it is due;
 * later ones when systemd counts them, which it may do before it leaves auto-restart.
 */
static uint64_t restarts(const Step *s) {
        uint64_t n = s->facts->n_restarts, baseline = s->p->n_restarts;

        n = n >= baseline ? n - baseline : n; /* a start by hand begins to count anew */
        return n ?: s->facts->sub == UNIT_SUB_AUTO_RESTART;
}

/* The time that an operator keeps the unit stopped is taken out of all that was measured. */
static ProbationOutcome step_stopped_by_operator(Step *s, uint64_t passed) {
        Probation *p = s->p;

        p->started_at += passed;
        p->good_since = 0;
        p->silent_since = 0;
        p->answered = false;
        p->was_active = false;
        return say(s, PROBATION_WAIT,
                   "an operator stopped the unit; probation goes on when it is started again");
}

static bool unit_fails(Step *s) {
        const UnitFacts *facts = s->facts;
        char end[UNIT_TEXT_MAX];

        unit_facts_end(end, facts);
        if (facts->job && (facts->active == UNIT_ACTIVE_FAILED || facts->active == UNIT_ACTIVE_INACTIVE))
                return false; /* between the halves of a restart */
        if (facts->active == UNIT_ACTIVE_FAILED)
                say(s, PROBATION_FAIL, "the unit failed (%s)", end);
        else if (restarts(s) > s->config->max_restarts)
                say(s, PROBATION_FAIL,
                    "the process ended (%s): %" PRIu64 " automatic restart%s, %" PRIu64 " forgiven", end,
                    restarts(s), restarts(s) == 1 ? "" : "s", s->config->max_restarts);
        else if (s->p->was_active && facts->active == UNIT_ACTIVE_INACTIVE)
                say(s, PROBATION_FAIL, "the process ended by itself (%s)", end);
        else
                return false;
        return true;
}

static bool chain_fails(Step *s, const ReferenceVote *vote) {
        const ChainSample *sample = s->sample;

        if (sample && sample->chain_id && s->p->chain_id && !str_eq(sample->chain_id, s->p->chain_id)) {
                say(s, PROBATION_FAIL, "the node is on chain %s, expected %s", sample->chain_id,
                    s->p->chain_id);
                return true;
        }
        if (vote->agreement == AGREEMENT_DIFFERENT && vote->at >= s->p->started_at) {
                say(s, PROBATION_FAIL,
                    "at height %" PRId64 " our hash is %.18s, but %zu of %zu references have %.18s",
                    vote->height, vote->our_hash, vote->different, vote->asked, vote->their_hash);
                return true;
        }
        return false;
}

/* When the process that must answer began. */
static uint64_t process_since(const Step *s) {
        return s->facts->active_since_monotonic > s->p->started_at ? s->facts->active_since_monotonic
                                                                   : s->p->started_at;
}

/* One poll that fails is forgiven, the second in a row ends the time of being good. */
static void note_silence(Step *s) {
        Probation *p = s->p;

        if (!s->sample || s->sample->at_monotonic == p->silent_at)
                return;
        p->silent_at = s->sample->at_monotonic;
        if (p->answered && !p->silent_since)
                p->silent_since = s->now;
        if (++p->silent_polls >= 2)
                p->good_since = 0;
}

static ProbationOutcome step_silent(Step *s) {
        uint64_t from = s->p->silent_since > process_since(s) ? s->p->silent_since : process_since(s);
        const char *error = s->sample && s->sample->error ? s->sample->error : "not polled yet";
        char silent[DURATION_TEXT_MAX], allowed[DURATION_TEXT_MAX];

        seconds(silent, since(s->now, from));
        seconds(allowed, s->config->start_timeout);
        if (since(s->now, from) > s->config->start_timeout)
                return say(s, PROBATION_FAIL, "the RPC has not answered for %s, %s were allowed: %s", silent,
                           allowed, error);
        return say(s, PROBATION_WAIT, "the RPC has not answered for %s, %s are allowed: %s", silent, allowed,
                   error);
}

/*
 * The head that the new release began with; CHAIN_UNKNOWN as long as none is known.
 * The old release went on between the last poll of it and its stop: a new one that
 * stands still where that one ended must not pass by those blocks.
 */
static int64_t old_head(const Step *s) {
        return s->p->height > s->p->first_height ? s->p->height : s->p->first_height;
}

/* What the head must reach; CHAIN_UNKNOWN as long as it cannot be told. */
static int64_t goal(const Step *s) {
        int64_t from = old_head(s), to;

        if (from == CHAIN_UNKNOWN || __builtin_add_overflow(from, s->config->min_blocks, &to))
                return CHAIN_UNKNOWN;
        return to;
}

static bool head_is_missing(Step *s) {
        const char *what = s->p->height >= s->p->first_height ? "old head" : "first head seen";

        if (s->sample->height == CHAIN_UNKNOWN)
                say(s, PROBATION_WAIT, "the head is not known%s%s", s->sample->error ? ": " : "",
                    s->sample->error ?: "");
        else if (goal(s) == CHAIN_UNKNOWN || s->sample->height < goal(s))
                say(s, PROBATION_WAIT,
                    "head %" PRId64 ", waiting for %" PRId64 " (%s %" PRId64 " + %" PRIu64 ")",
                    s->sample->height, goal(s), what, old_head(s), s->config->min_blocks);
        else
                return false;
        return true;
}

static bool peers_are_missing(Step *s) {
        if (s->config->min_peers < 0 || s->sample->peers >= s->config->min_peers)
                return false;
        if (s->sample->peers == CHAIN_UNKNOWN)
                say(s, PROBATION_WAIT, "the number of peers is not known, waiting for %" PRId64,
                    s->config->min_peers);
        else
                say(s, PROBATION_WAIT, "%" PRId64 " peers, waiting for %" PRId64, s->sample->peers,
                    s->config->min_peers);
        return true;
}

/*
 * A chain that shows only who proposed tells it of few blocks: what was seen once
 * counts until a poll says that we did not sign.
 */
static bool signing_is_missing(Step *s) {
        const ChainSample *sample = s->sample;

        if (!s->config->require_signing || !s->p->was_signing)
                return false;
        if (sample->signing == TRI_YES &&
            (sample->signed_height == CHAIN_UNKNOWN || sample->signed_height > old_head(s)))
                s->p->signed_again = true;
        if (s->p->signed_again && sample->signing != TRI_NO)
                return false;
        if (sample->signing == TRI_YES)
                say(s, PROBATION_WAIT,
                    "our newest signature is of height %" PRId64 ", waiting for one beyond %" PRId64,
                    sample->signed_height, old_head(s));
        else
                say(s, PROBATION_WAIT, "it signed before; waiting for a signature of ours");
        return true;
}

static bool references_are_missing(Step *s, const ReferenceVote *vote) {
        if (!s->config->require_references)
                return false;
        if (vote->agreement == AGREEMENT_SAME && vote->at >= s->p->started_at && vote->height > old_head(s))
                return false;
        if (references_are_silent(s->references, s->n_references, s->p->started_at))
                return false;
        if (s->n_references == 0)
                say(s, PROBATION_WAIT, "probation wants references that agree, and none are configured");
        else if (vote->height == CHAIN_UNKNOWN || vote->at < s->p->started_at)
                say(s, PROBATION_WAIT, "waiting for a reference to compare the hash with");
        else if (vote->agreement == AGREEMENT_SAME)
                say(s, PROBATION_WAIT,
                    "the references agree at height %" PRId64 ", waiting for one beyond %" PRId64,
                    vote->height, old_head(s));
        else
                say(s, PROBATION_WAIT,
                    "%zu of %zu references have our hash at height %" PRId64 ": no majority", vote->same,
                    vote->asked, vote->height);
        return true;
}

static ProbationOutcome step_good(Step *s) {
        uint64_t good;
        char held[DURATION_TEXT_MAX], wanted[DURATION_TEXT_MAX];

        if (!s->p->good_since)
                s->p->good_since = s->now;
        good = since(s->now, s->p->good_since);
        seconds(held, good);
        seconds(wanted, s->config->duration);
        if (good < s->config->duration)
                return say(s, PROBATION_WAIT, "good for %s, waiting for %s: head %" PRId64, held, wanted,
                           s->sample->height);
        return say(s, PROBATION_PASS, "head %" PRId64 ", good for %s", s->sample->height, held);
}

static ProbationOutcome step_running(Step *s, const ReferenceVote *vote) {
        Probation *p = s->p;

        if (!s->sample || !s->sample->answered) {
                note_silence(s);
                return step_silent(s);
        }
        p->answered = true;
        p->silent_since = 0;
        p->silent_polls = 0;
        if (p->first_height == CHAIN_UNKNOWN)
                p->first_height = s->sample->height;
        if (head_is_missing(s) || peers_are_missing(s) || signing_is_missing(s) ||
            references_are_missing(s, vote)) {
                p->good_since = 0;
                return PROBATION_WAIT;
        }
        return step_good(s);
}

static ProbationOutcome step(Step *s) {
        ReferenceVote vote = reference_vote(s->references, s->n_references);
        uint64_t passed = since(s->now, s->p->stepped_at ?: s->now);
        ProbationOutcome outcome;
        char spent[DURATION_TEXT_MAX];
        char *missing;

        s->p->stepped_at = s->now;
        if (s->facts->stopped_by_operator && !unit_facts_running(s->facts))
                return step_stopped_by_operator(s, passed);
        if (unit_fails(s) || chain_fails(s, &vote))
                return PROBATION_FAIL;
        if (unit_facts_running(s->facts)) {
                s->p->was_active = true;
                outcome = step_running(s, &vote);
        } else {
                s->p->good_since = 0;
                outcome = say(s, PROBATION_WAIT, "the unit is %s", unit_active_to_string(s->facts->active));
        }
        if (outcome != PROBATION_WAIT || since(s->now, s->p->started_at) <= s->config->timeout)
                return outcome;
        missing = TAKE_PTR(s->reason);
        say(s, PROBATION_FAIL, "not good within %s: %s", seconds(spent, s->config->timeout), missing ?: "");
        free(missing);
        return PROBATION_FAIL;
}

ProbationOutcome probation_step(Probation *probation, const ProbationConfig *config,
                                const ChainSample *sample, const UnitFacts *facts,
                                const ReferenceView *references, size_t n_references, uint64_t now,
                                char **ret_reason) {
        bool of_this_process = sample && sample->at_monotonic >= probation->started_at &&
                               sample->at_monotonic >= facts->active_since_monotonic &&
                               sample->at_monotonic > 0;
        Step s = {
                .p = probation,
                .config = config,
                .sample = of_this_process ? sample : NULL,
                .facts = facts,
                .references = references,
                .n_references = n_references,
                .now = now,
        };
        ProbationOutcome outcome = step(&s);

        *ret_reason = s.reason;
        return outcome;
}
