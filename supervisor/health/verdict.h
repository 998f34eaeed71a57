#pragma once
/*
 * Is the node doing its job? One verdict with its reason in words, from what
 * the unit, the node's RPC and other people's endpoints tell. Pure: the clock
 * is a parameter, nothing is logged; the memory between polls is a plain struct.
 *
 * Unknown is unknown: a height that could not be read is never 0, and a single
 * poll that fails among three changes nothing.
 */
#include "chain/sample.h"
#include "health/facts.h"
#include "health/reference.h"

/* Names are shown and stored: append only. */
typedef enum Verdict {
        VERDICT_UNKNOWN,
        VERDICT_STARTING,
        VERDICT_SYNCING,
        VERDICT_HEALTHY,
        VERDICT_LOCAL_STALL,
        VERDICT_NOT_SIGNING,
        VERDICT_FORKED,
        VERDICT_DOWN,
        VERDICT_CRASH_LOOPING,
        VERDICT_HELD,
        _VERDICT_MAX,
} Verdict;

const char *verdict_to_string(Verdict verdict); /* "local-stall" */
bool verdict_is_good(Verdict verdict);          /* starting, syncing, healthy: nothing for a person to do */

/* From the node's configuration; microseconds. */
typedef struct VerdictRules {
        uint64_t stall_after;
        uint64_t start_timeout; /* probation.start_timeout: how long the RPC may stay silent after a start */
        const char *chain_id;   /* NULL: not checked */
} VerdictRules;

#define VERDICT_POLLS    32 /* heads remembered, for the rate of syncing */
#define VERDICT_RESTARTS 8  /* automatic restarts remembered */

typedef struct VerdictHead {
        uint64_t at;
        int64_t height;
} VerdictHead;

/* Made by verdict_memory_init(), fed by the two note functions, read by verdict_judge() alone. */
typedef struct VerdictMemory {
        bool have_facts;
        UnitFacts facts;
        uint64_t process_since;  /* when the process that we watch became active */
        uint64_t watching_since; /* the first note */

        VerdictHead heads[VERDICT_POLLS]; /* ring of known heads */
        unsigned n_heads;                 /* ever noted, of this process */
        int64_t head;                     /* the highest of them that later ones did not belie */
        unsigned lower_polls;             /* in a row that told a lower head than that */
        uint64_t head_since;              /* when that was first seen */
        bool moved;                       /* the head grew while we watched */
        uint64_t answered_at;             /* when the RPC last answered, of this process; 0: never */
        unsigned n_polls;                 /* of this process */
        unsigned failures;                /* bit 0: the newest poll failed, bit 1: the one before ... */
        unsigned unsigned_polls;          /* in a row that told that we did not sign */
        bool seen_signing;                /* at any time, of any process of this node */
        int64_t signed_height;            /* the highest seen */

        uint64_t restarts[VERDICT_RESTARTS]; /* when NRestarts was seen to grow; ring */
        unsigned n_restarts;

        uint64_t forked_at; /* compared_at of the comparison that first differed; 0: none */
        unsigned forked;    /* comparisons in a row that differed */

        Verdict verdict; /* the last one judged */
} VerdictMemory;

void verdict_memory_init(VerdictMemory *memory);

/* A change of the unit. A new process begins a new history of heads. */
void verdict_note_facts(VerdictMemory *memory, const UnitFacts *facts, uint64_t now);

/* A poll that ended, failed ones too. Once each. */
void verdict_note_sample(VerdictMemory *memory, const ChainSample *sample);

/*
 * @sample: the newest one, NULL before the first. @now monotonic, @now_realtime
 * in microseconds since 1970. *ret_reason is owned, NULL if memory ran out.
 */
Verdict verdict_judge(VerdictMemory *memory, const VerdictRules *rules, const ChainSample *sample,
                      const ReferenceView *references, size_t n_references, uint64_t now,
                      uint64_t now_realtime, char **ret_reason);
