#pragma once
/*
 * Which block comes next: Tendermint's algorithm (proposal, prevote, precommit,
 * locking on a polka) for crash faults. Pure: no I/O, clock or allocation; the
 * effects are ConsensusOps.
 *
 * What differs from the paper, and why it stays safe: nobody votes nil, a round
 * ends by the clock alone (safety never rests on time); a node joins the
 * highest round that it hears of at once, so that rounds do not drift apart.
 *
 * A block is final with precommits of more than 2/3 of N in one round.
 */
#include <stdbool.h>
#include <stdint.h>

#include "block.h"
#include "signer.h"

typedef struct Vote {
        uint64_t height;
        uint32_t round;
        SignStep step; /* SIGN_PREVOTE or SIGN_PRECOMMIT */
        uint32_t validator;
        char hash[SHA256_HEX];
} Vote;

typedef struct Proposal {
        uint32_t round;
        int64_t valid_round; /* round of the polka it had before; -1: a fresh block */
        Block block;
} Proposal;

typedef enum ConsensusStep {
        CONSENSUS_PROPOSE, /* waiting for the round's proposal */
        CONSENSUS_PREVOTED,
        CONSENSUS_PRECOMMITTED,
} ConsensusStep;

typedef struct ConsensusOps {
        /* Durably allow one signature; false: stay silent. */
        bool (*sign)(SignPosition to, const char *hash, void *userdata);
        /* Durably remember the lock; false: do not precommit. */
        bool (*save_lock)(uint32_t round, const Block *b, void *userdata);
        /* A fresh block on top of the head, with @last_commit as its parent's signatures. */
        void (*make_block)(uint32_t round, uint64_t last_commit, Block *ret, void *userdata);
        /* Whether our own rules would make the same of this block. */
        bool (*acceptable)(const Block *b, void *userdata);
        void (*send_proposal)(uint64_t height, const Proposal *p, void *userdata);
        void (*send_vote)(const Vote *v, void *userdata);
        void (*round_entered)(uint64_t height, uint32_t round, void *userdata);
        /* Final. Must end in consensus_begin() for the next height. */
        void (*commit)(const Block *b, void *userdata);
        void (*double_sign)(const Vote *v, const char *other_hash, void *userdata);
} ConsensusOps;

typedef struct Consensus {
        const ConsensusOps *ops;
        void *userdata;
        uint32_t n;          /* validators */
        int64_t self;        /* our index, -1: in no validator set, only follows */
        uint64_t block_time; /* ms */

        Block head; /* the parent; late signatures on it are added to head.seen */
        uint32_t round;
        ConsensusStep step;
        uint64_t due;      /* not before this is the next block proposed */
        uint64_t deadline; /* end of this round */

        bool has_proposal; /* of this round */
        Proposal proposal;
        Block locked, valid;
        int64_t locked_round, valid_round;   /* -1: none */
        Vote votes[2][BLOCK_VALIDATORS_MAX]; /* newest of each validator; height 0: none */
} Consensus;

/* Votes needed: more than 2/3 of @n. */
uint32_t consensus_quorum(uint32_t n);

/* On to the block after @head, due at @due_ms; the lock of an earlier run may follow by
 * consensus_restore_lock(). */
void consensus_begin(Consensus *c, const Block *head, uint64_t due_ms, uint64_t now_ms);
void consensus_restore_lock(Consensus *c, uint32_t round, const Block *b);

/* What time asks for: propose, give up the round. */
void consensus_tick(Consensus *c, uint64_t now_ms);
/* When consensus_tick() is wanted next. */
uint64_t consensus_wakeup(const Consensus *c);

/* From peers. True: it was news, pass it on. */
bool consensus_on_proposal(Consensus *c, uint64_t height, const Proposal *p, uint64_t now_ms);
bool consensus_on_vote(Consensus *c, const Vote *v, uint64_t now_ms);
void consensus_on_round(Consensus *c, uint64_t height, uint32_t round, uint64_t now_ms);
