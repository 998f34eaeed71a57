/*
 * The order of the questions is the policy: what systemd says comes before what
 * the RPC says, silence before content, content that condemns before content
 * that is good. Each verdict's reason carries the figures that led to it.
 */
#include "health/verdict.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdarg.h>

/* Three automatic restarts within ten minutes: not an accident any more. */
#define LOOP_RESTARTS 3
#define LOOP_WINDOW   (600 * USEC_PER_SEC)

/* A process that lived this long, its head advancing, has left the loop. */
#define LOOP_LEFT_AFTER (60 * USEC_PER_SEC)

/* Two of the newest three polls must fail before silence counts. */
#define FAILURE_WINDOW      0x7u
#define FAILURES_THAT_COUNT 2

/* Blocks without our signature, in a row, after we were seen signing; and if we never were: a signer may
 * wait before it begins. */
#define UNSIGNED_BLOCKS          3
#define UNSIGNED_BLOCKS_AT_FIRST 30

/* A head that so many polls in a row do not know was a lie, or the chain was set back. */
#define LOWER_POLLS 3

/* So far behind the references a node is catching up, whatever it says of itself. */
#define BEHIND_BLOCKS 20

/* ... if its head moves at all: within this share of stall_after. Else it is about to stall. */
#define CATCHING_UP_SHARE 4

/* Less is only who was asked first. */
#define LAG_WORTH_TELLING 5

/* A fork is believed when two comparisons in a row show it. */
#define FORK_COMPARISONS 2

static const char *const verdict_names[_VERDICT_MAX] = {
        [VERDICT_UNKNOWN] = "unknown",
        [VERDICT_STARTING] = "starting",
        [VERDICT_SYNCING] = "syncing",
        [VERDICT_HEALTHY] = "healthy",
        [VERDICT_LOCAL_STALL] = "local-stall",
        [VERDICT_NOT_SIGNING] = "not-signing",
        [VERDICT_FORKED] = "forked",
        [VERDICT_DOWN] = "down",
        [VERDICT_CRASH_LOOPING] = "crash-looping",
        [VERDICT_HELD] = "held",
};

typedef struct Judge {
        VerdictMemory *memory;
        const VerdictRules *rules;
        const ChainSample *sample;
        const ReferenceView *references;
        size_t n_references;
        uint64_t now, now_realtime;
        char *reason;
} Judge;

const char *verdict_to_string(Verdict verdict) {
        return verdict_names[verdict];
}

bool verdict_is_good(Verdict verdict) {
        return verdict == VERDICT_STARTING || verdict == VERDICT_SYNCING || verdict == VERDICT_HEALTHY;
}

void verdict_memory_init(VerdictMemory *memory) {
        *memory = (VerdictMemory){ .head = CHAIN_UNKNOWN, .signed_height = CHAIN_UNKNOWN };
}

static uint64_t since(uint64_t now, uint64_t then) {
        return now > then ? now - then : 0;
}

/* How long since, in whole seconds: "41s". */
static char *elapsed(char buffer[static DURATION_TEXT_MAX], uint64_t now, uint64_t then) {
        uint64_t usec = since(now, then);

        if (usec < USEC_PER_SEC) {
                strcpy(buffer, "0s");
                return buffer;
        }
        return format_duration(buffer, usec / USEC_PER_SEC * USEC_PER_SEC);
}

static void forget_process(VerdictMemory *m, uint64_t process_since) {
        m->process_since = process_since;
        m->n_heads = 0;
        m->head = CHAIN_UNKNOWN;
        m->lower_polls = 0;
        m->head_since = 0;
        m->moved = false;
        m->answered_at = 0;
        m->n_polls = 0;
        m->failures = 0;
        m->unsigned_polls = 0;
        m->forked_at = 0;
        m->forked = 0;
}

static void note_restarts(VerdictMemory *m, const UnitFacts *facts, uint64_t now) {
        uint64_t grown;

        if (!m->have_facts)
                return; /* restarts before we watched: nobody knows when */
        if (facts->n_restarts < m->facts.n_restarts) {
                m->n_restarts = 0; /* started by hand */
                return;
        }
        grown = facts->n_restarts - m->facts.n_restarts;
        for (uint64_t i = 0; i < grown && i < VERDICT_RESTARTS; i++)
                m->restarts[m->n_restarts++ % VERDICT_RESTARTS] = now;
}

void verdict_note_facts(VerdictMemory *m, const UnitFacts *facts, uint64_t now) {
        uint64_t active_since = facts->active_since_monotonic ?: m->process_since ?: now;

        if (!m->watching_since)
                m->watching_since = now;
        note_restarts(m, facts, now);
        if (unit_facts_running(facts) && active_since != m->process_since)
                forget_process(m, active_since);
        m->facts = *facts;
        m->have_facts = true;
}

static void note_head(VerdictMemory *m, const ChainSample *sample) {
        if (sample->height < 0)
                return;
        m->heads[m->n_heads++ % VERDICT_POLLS] = (VerdictHead){ sample->at_monotonic, sample->height };
        if (sample->height < m->head && ++m->lower_polls >= LOWER_POLLS) {
                m->head = sample->height;
                m->head_since = sample->at_monotonic;
                m->lower_polls = 0;
        }
        if (sample->height >= m->head)
                m->lower_polls = 0;
        if (sample->height <= m->head)
                return;
        m->moved = m->head != CHAIN_UNKNOWN;
        m->head = sample->height;
        m->head_since = sample->at_monotonic;
        if (sample->signing == TRI_NO)
                m->unsigned_polls++;
}

void verdict_note_sample(VerdictMemory *m, const ChainSample *sample) {
        if (!m->watching_since)
                m->watching_since = sample->at_monotonic;
        if (sample->at_monotonic < m->process_since)
                return; /* the process before this one answered */
        m->n_polls++;
        m->failures = m->failures << 1 | !sample->answered;
        if (!sample->answered)
                return;
        m->answered_at = sample->at_monotonic;
        note_head(m, sample);
        if (sample->signed_height > m->signed_height)
                m->signed_height = sample->signed_height;
        if (sample->signing == TRI_YES) {
                m->seen_signing = true;
                m->unsigned_polls = 0;
        }
}

static Verdict say(Judge *j, Verdict verdict, const char *format, ...) _printf_(3, 4);
static Verdict say(Judge *j, Verdict verdict, const char *format, ...) {
        char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        free(j->reason);
        j->reason = text;
        return verdict;
}

static unsigned recent_restarts(const VerdictMemory *m, uint64_t now) {
        unsigned n = m->n_restarts < VERDICT_RESTARTS ? m->n_restarts : VERDICT_RESTARTS, count = 0;

        for (unsigned i = 0; i < n; i++)
                count += since(now, m->restarts[i]) <= LOOP_WINDOW;
        return count;
}

static bool is_looping(const Judge *j) {
        const VerdictMemory *m = j->memory;

        if (!unit_facts_running(&m->facts) && m->facts.result == UNIT_RESULT_START_LIMIT_HIT)
                return true;
        if (recent_restarts(m, j->now) < LOOP_RESTARTS)
                return false;
        return !(unit_facts_running(&m->facts) && m->moved &&
                 since(j->now, m->process_since) >= LOOP_LEFT_AFTER);
}

static Verdict judge_looping(Judge *j) {
        const UnitFacts *facts = &j->memory->facts;
        char end[UNIT_TEXT_MAX];

        unit_facts_end(end, facts);
        /* The limit hides behind the result of the last end, mostly. */
        if (facts->result == UNIT_RESULT_START_LIMIT_HIT ||
            (facts->active == UNIT_ACTIVE_FAILED && facts->exit_status != LAUNCH_REFUSED_STATUS))
                return say(j, VERDICT_CRASH_LOOPING,
                           "systemd gave up starting it: it failed too often in too short a time (last end: "
                           "%s); mend the cause, then systemctl reset-failed and systemctl start",
                           end);
        return say(j, VERDICT_CRASH_LOOPING,
                   "systemd restarted it %u times within 10min, %" PRIu64 " in all; last end: %s",
                   recent_restarts(j->memory, j->now), facts->n_restarts, end);
}

/* Without a permit nothing starts it, so a loop is over too. */
static bool is_held(const UnitFacts *facts) {
        return !facts->permit &&
               (facts->active == UNIT_ACTIVE_INACTIVE || facts->active == UNIT_ACTIVE_FAILED);
}

static Verdict judge_held(Judge *j) {
        char end[UNIT_TEXT_MAX];

        return say(j, VERDICT_HELD,
                   "there is no permit, so systemd refuses to start the unit (last end: %s)",
                   unit_facts_end(end, &j->memory->facts));
}

/* There is no process that could answer. */
static Verdict judge_stopped(Judge *j) {
        const UnitFacts *facts = &j->memory->facts;
        char end[UNIT_TEXT_MAX];

        unit_facts_end(end, facts);
        if (facts->active == UNIT_ACTIVE_DEACTIVATING && facts->result > UNIT_RESULT_SUCCESS)
                return say(j, VERDICT_DOWN, "the process ended (%s)", end);
        if (facts->active == UNIT_ACTIVE_DEACTIVATING)
                return say(j, VERDICT_DOWN, "the unit is stopping");
        if (facts->active == UNIT_ACTIVE_ACTIVATING && facts->sub != UNIT_SUB_AUTO_RESTART)
                return say(j, VERDICT_STARTING, "the unit is starting");
        if (facts->active == UNIT_ACTIVE_ACTIVATING)
                return say(j, VERDICT_DOWN, "the process ended (%s); systemd will start it again", end);
        if (facts->stopped_by_operator)
                return say(j, VERDICT_DOWN, "the unit was stopped by an operator");
        if (facts->active == UNIT_ACTIVE_FAILED)
                return say(j, VERDICT_DOWN, "the unit failed (%s)", end);
        return say(j, VERDICT_DOWN, "the unit is not running (%s, last end: %s)",
                   unit_active_to_string(facts->active), end);
}

static const char *sample_error(const Judge *j) {
        return j->sample && j->sample->error ? j->sample->error : "no answer";
}

/* Silent so far, or again. */
static Verdict judge_silent(Judge *j) {
        const VerdictMemory *m = j->memory;
        char silent[DURATION_TEXT_MAX], allowed[DURATION_TEXT_MAX];
        bool in_time = since(j->now, m->process_since) <= j->rules->start_timeout;

        format_duration(allowed, j->rules->start_timeout);
        if (m->answered_at && __builtin_popcount(m->failures & FAILURE_WINDOW) < FAILURES_THAT_COUNT)
                return say(j, m->verdict, "one poll failed (%s), the one before was answered: head %" PRId64,
                           sample_error(j), m->head);
        elapsed(silent, j->now, m->answered_at ?: m->process_since);
        if (m->n_polls == 0)
                return say(j, in_time ? VERDICT_STARTING : VERDICT_UNKNOWN,
                           "the RPC has not been asked yet");
        if (in_time && !m->moved) /* once its head has grown its start is over */
                return say(j, VERDICT_STARTING,
                           "the RPC has not answered for %s, %s after a start are allowed: %s", silent,
                           allowed, sample_error(j));
        return say(j, VERDICT_UNKNOWN, "the unit runs, but the RPC has not answered for %s: %s", silent,
                   sample_error(j));
}

static bool judge_fork(Judge *j, Verdict *ret) {
        ReferenceVote vote = reference_vote(j->references, j->n_references);
        VerdictMemory *m = j->memory;

        if (vote.agreement != AGREEMENT_DIFFERENT || vote.at < m->process_since) {
                m->forked = 0;
                m->forked_at = 0;
                return false;
        }
        if (vote.at > m->forked_at) {
                m->forked_at = vote.at;
                m->forked++;
        }
        if (m->forked < FORK_COMPARISONS)
                return false;
        *ret = say(j, VERDICT_FORKED,
                   "at height %" PRId64 " our hash is %.18s, but %zu of %zu references have %.18s",
                   vote.height, vote.our_hash, vote.different, vote.asked, vote.their_hash);
        return true;
}

/* Blocks a second over the remembered heads; 0 if it cannot be told. */
static double sync_rate(const VerdictMemory *m) {
        unsigned n = m->n_heads < VERDICT_POLLS ? m->n_heads : VERDICT_POLLS;
        const VerdictHead *oldest, *newest;

        if (n < 2)
                return 0;
        newest = &m->heads[(m->n_heads - 1) % VERDICT_POLLS];
        oldest = &m->heads[(m->n_heads - n) % VERDICT_POLLS];
        if (newest->at <= oldest->at || newest->height <= oldest->height)
                return 0;
        return (double) (newest->height - oldest->height) * USEC_PER_SEC /
               (double) (newest->at - oldest->at);
}

static Verdict judge_syncing(Judge *j, int64_t target) {
        const VerdictMemory *m = j->memory;
        double rate = sync_rate(m),
               left = rate > 0 && target > m->head ? (double) (target - m->head) / rate : 0;
        char text[DURATION_TEXT_MAX];

        elapsed(text, j->now, m->head_since);
        if (m->head == CHAIN_UNKNOWN)
                return say(j, VERDICT_SYNCING, "catching up; no block yet");
        if (m->n_heads < 2)
                return say(j, VERDICT_SYNCING, "catching up; head %" PRId64, m->head);
        if (rate <= 0)
                return say(j, VERDICT_SYNCING, "catching up; head %" PRId64 " has not moved for %s", m->head,
                           text);
        if (target <= m->head)
                return say(j, VERDICT_SYNCING, "catching up; head %" PRId64 ", %.1f blocks/s", m->head,
                           rate);
        if (left < 365.0 * 86400)
                format_duration(text, (uint64_t) left * USEC_PER_SEC);
        else
                snprintf(text, sizeof text, "more than a year");
        return say(j, VERDICT_SYNCING,
                   "catching up; head %" PRId64 " of %" PRId64 ", %.1f blocks/s, about %s left", m->head,
                   target, rate, text);
}

static bool is_syncing(const Judge *j, int64_t *ret_target) {
        int64_t theirs = reference_head(j->references, j->n_references);
        const VerdictMemory *m = j->memory;

        *ret_target = j->sample->target > theirs ? j->sample->target : theirs;
        if (j->sample->syncing == TRI_YES)
                return true;
        return theirs > m->head + BEHIND_BLOCKS && m->moved &&
               since(j->now, m->head_since) <= j->rules->stall_after / CATCHING_UP_SHARE;
}

/* Whether any reference went on while we did not. */
static bool others_advance(const Judge *j) {
        const VerdictMemory *m = j->memory;

        for (size_t i = 0; i < j->n_references; i++) {
                const ReferenceView *reference = &j->references[i];

                if (!reference->sample->answered)
                        continue;
                if (reference->sample->height > m->head + 1 ||
                    (reference->sample->height > m->head && reference->advanced_at > m->head_since))
                        return true;
        }
        return false;
}

static Verdict judge_stall(Judge *j) {
        const VerdictMemory *m = j->memory;
        char still[DURATION_TEXT_MAX], heads[REFERENCE_TEXT_MAX];

        elapsed(still, j->now, m->head_since);
        reference_heads(heads, j->references, j->n_references);
        if (j->n_references == 0)
                return say(j, VERDICT_LOCAL_STALL,
                           "head %" PRId64
                           " has not moved for %s; no references are configured, so this cannot be "
                           "told from a halt of the network",
                           m->head, still);
        if (others_advance(j))
                return say(j, VERDICT_LOCAL_STALL, "head %" PRId64 " has not moved for %s; references: %s",
                           m->head, still, heads);
        if (reference_head(j->references, j->n_references) == CHAIN_UNKNOWN)
                return say(j, VERDICT_UNKNOWN,
                           "head %" PRId64
                           " has not moved for %s and no reference answers: a stall of this node "
                           "cannot be told from a halt of the network",
                           m->head, still);
        return say(j, VERDICT_UNKNOWN,
                   "head %" PRId64
                   " has not moved for %s, and no reference is further (%s): the network may have "
                   "halted, a restart would not help",
                   m->head, still, heads);
}

/* We began to watch a node that runs for long: its newest block's time tells whether it advances. */
static bool head_is_fresh(const Judge *j) {
        int64_t now = (int64_t) (j->now_realtime / USEC_PER_SEC);

        return j->sample->head_time >= 0 &&
               now - j->sample->head_time <= (int64_t) (j->rules->stall_after / USEC_PER_SEC) &&
               since(j->now, j->memory->process_since) > j->rules->start_timeout;
}

static Verdict judge_good(Judge *j) {
        const ChainSample *s = j->sample;
        int64_t behind = reference_head(j->references, j->n_references) - j->memory->head;
        char peers[48] = "", lag[48] = "";

        if (s->peers == 0)
                snprintf(peers, sizeof peers, ", no peers");
        else if (s->peers > 0)
                snprintf(peers, sizeof peers, ", %" PRId64 " peer%s", s->peers, s->peers == 1 ? "" : "s");
        if (behind > LAG_WORTH_TELLING)
                snprintf(lag, sizeof lag, ", %" PRId64 " behind the references", behind);
        return say(j, VERDICT_HEALTHY, "head %" PRId64 "%s%s%s", j->memory->head, lag, peers,
                   s->signing == TRI_YES     ? ", signing"
                   : s->in_council == TRI_NO ? ", not in the council"
                                             : "");
}

/* The head does not move: since when, and is that too long? */
static bool judge_still(Judge *j, Verdict *ret) {
        const VerdictMemory *m = j->memory;
        uint64_t still = since(j->now, m->head_since), age = since(j->now, m->process_since);
        char text[DURATION_TEXT_MAX];

        if (!m->moved && age <= j->rules->start_timeout) {
                *ret = say(j, VERDICT_STARTING, "head %" PRId64 " has not advanced yet, %s after the start",
                           m->head, elapsed(text, j->now, m->process_since));
                return true;
        }
        if (still > j->rules->stall_after) {
                *ret = judge_stall(j);
                return true;
        }
        if (!m->moved && !head_is_fresh(j)) {
                *ret = say(j, VERDICT_UNKNOWN,
                           "head %" PRId64 " has not advanced since muster began to watch", m->head);
                return true;
        }
        return false;
}

static Verdict judge_answer(Judge *j) {
        const VerdictMemory *m = j->memory;
        int64_t target;
        Verdict verdict;

        if (j->rules->chain_id && j->sample->chain_id && !str_eq(j->rules->chain_id, j->sample->chain_id))
                return say(j, VERDICT_UNKNOWN,
                           "the RPC answers for chain %s, expected %s: wrong address or wrong genesis",
                           j->sample->chain_id, j->rules->chain_id);
        if (judge_fork(j, &verdict))
                return verdict;
        if (is_syncing(j, &target))
                return judge_syncing(j, target);
        if (j->sample->height == CHAIN_UNKNOWN) {
                if (since(j->now, m->process_since) <= j->rules->start_timeout)
                        return say(j, VERDICT_STARTING, "the RPC answers, there is no block yet");
                return say(j, VERDICT_UNKNOWN, "the RPC answers, but tells no height%s%s",
                           j->sample->error ? ": " : "", j->sample->error ?: "");
        }
        if (judge_still(j, &verdict))
                return verdict;
        if (j->sample->in_council == TRI_YES &&
            m->unsigned_polls >= (m->seen_signing ? UNSIGNED_BLOCKS : UNSIGNED_BLOCKS_AT_FIRST)) {
                if (m->signed_height >= 0)
                        return say(j, VERDICT_NOT_SIGNING,
                                   "head %" PRId64 " advances, but our last signature is of height %" PRId64,
                                   m->head, m->signed_height);
                return say(j, VERDICT_NOT_SIGNING,
                           "head %" PRId64 " advances, but our signature is missing from %u blocks", m->head,
                           m->unsigned_polls);
        }
        return judge_good(j);
}

static Verdict judge(Judge *j) {
        const VerdictMemory *m = j->memory;

        if (!m->have_facts || m->facts.active == UNIT_ACTIVE_UNKNOWN)
                return say(j, VERDICT_UNKNOWN, "systemd has not told the state of the unit yet");
        if (is_held(&m->facts))
                return judge_held(j);
        if (is_looping(j))
                return judge_looping(j);
        if (!unit_facts_running(&m->facts))
                return judge_stopped(j);
        if (m->n_polls == 0 || (m->failures & 1) || !j->sample || !j->sample->answered)
                return judge_silent(j);
        return judge_answer(j);
}

Verdict verdict_judge(VerdictMemory *memory, const VerdictRules *rules, const ChainSample *sample,
                      const ReferenceView *references, size_t n_references, uint64_t now,
                      uint64_t now_realtime, char **ret_reason) {
        Judge j = {
                .memory = memory,
                .rules = rules,
                .sample = sample,
                .references = references,
                .n_references = n_references,
                .now = now,
                .now_realtime = now_realtime,
        };

        memory->verdict = judge(&j);
        *ret_reason = j.reason;
        return memory->verdict;
}
