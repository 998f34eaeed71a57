#pragma once
/*
 * What endpoints of other people say about the chain, and whether they agree
 * with our node. Pure.
 */
#include "chain/sample.h"

/* One reference endpoint, as the monitor sees it. All pointers are borrowed. */
typedef struct ReferenceView {
        const char *name;
        const char *provider;
        const ChainSample
                *sample;      /* the newest poll; never NULL; `answered` false when it failed or never was */
        uint64_t advanced_at; /* monotonic: when its head last grew while we watched; 0: not yet */
        int64_t compared_height; /* where the hashes below are from; CHAIN_UNKNOWN: nothing compared */
        const char *hash;        /* the reference's at that height; NULL: it did not tell */
        const char *our_hash;    /* our node's at that height; NULL: it did not tell */
        uint64_t compared_at;    /* monotonic */
} ReferenceView;

typedef enum Agreement {
        AGREEMENT_UNKNOWN,   /* nothing to compare, or no majority of one mind */
        AGREEMENT_SAME,      /* more than half of the references that tell a hash have ours */
        AGREEMENT_DIFFERENT, /* more than half share another hash, and they are of two providers at least */
} Agreement;

typedef struct ReferenceVote {
        Agreement agreement;
        int64_t height; /* where; CHAIN_UNKNOWN if nothing was compared */
        uint64_t at;    /* monotonic: when */
        size_t same, different, asked;
        const char *our_hash, *their_hash; /* borrowed; their_hash: the majority's, if it is another one */
} ReferenceVote;

/*
 * Counts the references whose newest comparison is of one height, the highest
 * that any of them has. References of one provider count once: one company
 * with five host names is one opinion.
 */
ReferenceVote reference_vote(const ReferenceView *references, size_t n);

/*
 * There are some, each was asked since @since (monotonic), and none answered or was compared since: their
 * outage, or that of the way to them, tells nothing of the node.
 */
bool references_are_silent(const ReferenceView *references, size_t n, uint64_t since);

/* The highest head among those that answered; CHAIN_UNKNOWN if none did. */
int64_t reference_head(const ReferenceView *references, size_t n);

/* "pocket 1267, ankr 1265" or "none answers" */
#define REFERENCE_TEXT_MAX 192
const char *reference_heads(char buffer[static REFERENCE_TEXT_MAX], const ReferenceView *references,
                            size_t n);
