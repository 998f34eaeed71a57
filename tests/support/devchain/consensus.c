/*
 * Every input ends in advance(), which does what the votes allow. A commit
 * replaces all state below it, so each caller returns right after advance().
 *
 * Order that must hold: lock durable, then signing state durable, then the vote
 * leaves (ops->save_lock, ops->sign, ops->send_vote).
 */
#include "consensus.h"

#include <string.h>

#define ROUND_MIN_MS     400
#define ROUND_MAX_MS     2000
#define ROUND_GROWTH_MAX 4

uint32_t consensus_quorum(uint32_t n) {
        return n * 2 / 3 + 1;
}

static uint64_t height_of(const Consensus *c) {
        return c->head.height + 1;
}

static uint32_t proposer_of(const Consensus *c, uint32_t round) {
        return (uint32_t) ((height_of(c) + round) % c->n);
}

/* A round after the first grows by half, so that slow machines meet in the end. */
static uint64_t round_length(const Consensus *c, uint32_t round) {
        uint64_t base = c->block_time;

        if (base < ROUND_MIN_MS)
                base = ROUND_MIN_MS;
        if (base > ROUND_MAX_MS)
                base = ROUND_MAX_MS;
        return base + base / 2 * (round < ROUND_GROWTH_MAX ? round : ROUND_GROWTH_MAX);
}

static void enter_round(Consensus *c, uint32_t round, uint64_t now_ms) {
        c->round = round;
        c->step = CONSENSUS_PROPOSE;
        c->has_proposal = false;
        c->deadline = (now_ms > c->due ? now_ms : c->due) + round_length(c, round);
        c->ops->round_entered(height_of(c), round, c->userdata);
}

void consensus_begin(Consensus *c, const Block *head, uint64_t due_ms, uint64_t now_ms) {
        c->head = *head;
        c->locked_round = c->valid_round = -1;
        c->due = due_ms;
        enter_round(c, 0, now_ms);
}

void consensus_restore_lock(Consensus *c, uint32_t round, const Block *b) {
        c->locked = c->valid = *b;
        c->locked_round = c->valid_round = round;
}

static Vote *vote_of(Consensus *c, SignStep step, uint32_t validator) {
        return &c->votes[step == SIGN_PRECOMMIT][validator];
}

/* Mask of those who voted for @hash in @round of this height. */
static uint64_t tally(Consensus *c, SignStep step, uint32_t round, const char *hash) {
        uint64_t mask = 0;

        for (uint32_t i = 0; i < c->n; i++) {
                const Vote *v = vote_of(c, step, i);

                if (v->height == height_of(c) && v->round == round && strcmp(v->hash, hash) == 0)
                        mask |= UINT64_C(1) << i;
        }
        return mask;
}

static void cast(Consensus *c, SignStep step, const char *hash) {
        Vote v = {
                .height = height_of(c), .round = c->round, .step = step, .validator = (uint32_t) c->self
        };

        if (c->self < 0)
                return;
        if (!c->ops->sign((SignPosition){ v.height, v.round, step }, hash, c->userdata))
                return;
        strcpy(v.hash, hash);
        *vote_of(c, step, v.validator) = v;
        c->ops->send_vote(&v, c->userdata);
}

static void prevote(Consensus *c) {
        const Proposal *p = &c->proposal;
        bool free_to = c->locked_round < 0 || strcmp(c->locked.hash, p->block.hash) == 0 ||
                       p->valid_round >= c->locked_round;

        c->step = CONSENSUS_PREVOTED;
        if (free_to && c->ops->acceptable(&p->block, c->userdata))
                cast(c, SIGN_PREVOTE, p->block.hash);
}

static void precommit(Consensus *c) {
        const Block *b = &c->proposal.block;

        c->step = CONSENSUS_PRECOMMITTED;
        c->locked = c->valid = *b;
        c->locked_round = c->valid_round = c->round;
        if (c->self < 0 || c->ops->save_lock(c->round, b, c->userdata))
                cast(c, SIGN_PRECOMMIT, b->hash);
}

/* The votes of a final block become its commit; a precommit of any round counts, the block must be known. */
static bool try_commit(Consensus *c) {
        const Block *known[] = { c->has_proposal ? &c->proposal.block : NULL,
                                 c->valid_round >= 0 ? &c->valid : NULL };

        for (uint32_t i = 0; i < c->n; i++) {
                const Vote *v = vote_of(c, SIGN_PRECOMMIT, i);
                uint64_t mask;

                if (v->height != height_of(c))
                        continue;
                mask = tally(c, SIGN_PRECOMMIT, v->round, v->hash);
                if (block_signers(mask) < consensus_quorum(c->n))
                        continue;
                for (int k = 0; k < 2; k++) {
                        if (!known[k] || strcmp(known[k]->hash, v->hash) != 0)
                                continue;
                        Block final = *known[k];

                        final.seen = mask;
                        final.seen_round = v->round;
                        c->ops->commit(&final, c->userdata);
                        return true;
                }
        }
        return false;
}

static void advance(Consensus *c) {
        if (c->has_proposal) {
                const char *hash = c->proposal.block.hash;

                if (c->step == CONSENSUS_PROPOSE)
                        prevote(c);
                if (c->step == CONSENSUS_PREVOTED &&
                    block_signers(tally(c, SIGN_PREVOTE, c->round, hash)) >= consensus_quorum(c->n) &&
                    c->ops->acceptable(&c->proposal.block, c->userdata))
                        precommit(c);
        }
        try_commit(c);
}

static void propose(Consensus *c) {
        Proposal p = { .round = c->round, .valid_round = c->valid_round };
        uint64_t last_commit = c->head.height == 0 ? 0 : c->head.seen;

        if (c->valid_round >= 0)
                p.block = c->valid;
        else
                c->ops->make_block(c->round, last_commit, &p.block, c->userdata);

        if (!c->ops->sign((SignPosition){ height_of(c), c->round, SIGN_PROPOSAL }, p.block.hash,
                          c->userdata)) {
                c->step = CONSENSUS_PREVOTED; /* this round is spent */
                return;
        }
        c->proposal = p;
        c->has_proposal = true;
        c->ops->send_proposal(height_of(c), &p, c->userdata);
        advance(c);
}

void consensus_tick(Consensus *c, uint64_t now_ms) {
        if (now_ms >= c->deadline)
                enter_round(c, c->round + 1, now_ms);
        if (c->step == CONSENSUS_PROPOSE && !c->has_proposal && now_ms >= c->due && c->self >= 0 &&
            proposer_of(c, c->round) == (uint32_t) c->self)
                propose(c);
}

uint64_t consensus_wakeup(const Consensus *c) {
        bool ours = c->step == CONSENSUS_PROPOSE && !c->has_proposal && c->self >= 0 &&
                    proposer_of(c, c->round) == (uint32_t) c->self;

        return ours && c->due < c->deadline ? c->due : c->deadline;
}

void consensus_on_round(Consensus *c, uint64_t height, uint32_t round, uint64_t now_ms) {
        if (height == height_of(c) && round > c->round)
                enter_round(c, round, now_ms);
}

bool consensus_on_proposal(Consensus *c, uint64_t height, const Proposal *p, uint64_t now_ms) {
        if (height != height_of(c) || p->block.height != height || p->round < c->round)
                return false;
        consensus_on_round(c, height, p->round, now_ms);
        if (c->has_proposal)
                return false;
        c->proposal = *p;
        c->has_proposal = true;
        advance(c);
        return true;
}

/* Precommits that come after the quorum's still count as signatures on the head. */
static bool late_vote(Consensus *c, const Vote *v) {
        uint64_t bit = UINT64_C(1) << v->validator;

        if (v->step != SIGN_PRECOMMIT || v->round != c->head.seen_round ||
            strcmp(v->hash, c->head.hash) != 0 || c->head.seen & bit)
                return false;
        c->head.seen |= bit;
        return true;
}

bool consensus_on_vote(Consensus *c, const Vote *v, uint64_t now_ms) {
        Vote *known;

        if (v->validator >= c->n || (v->step != SIGN_PREVOTE && v->step != SIGN_PRECOMMIT))
                return false;
        if (v->height == c->head.height)
                return late_vote(c, v);
        if (v->height != height_of(c))
                return false;

        known = vote_of(c, v->step, v->validator);
        if (known->height == v->height && known->round == v->round) {
                if (strcmp(known->hash, v->hash) != 0)
                        c->ops->double_sign(v, known->hash, c->userdata);
                return false;
        }
        if (known->height == v->height && known->round > v->round)
                return false;
        *known = *v;
        consensus_on_round(c, v->height, v->round, now_ms);
        advance(c);
        return true;
}
