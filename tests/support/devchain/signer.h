#pragma once
/*
 * The signing state, data/priv_validator_state.json in CometBFT's shape: height
 * (a string), round, step (1 proposal, 2 prevote, 3 precommit). It is durable
 * before a signature leaves the process and never goes back: at or below it the
 * signer refuses.
 *
 * data/lock holds the block this validator is locked on (ROUND and the block's
 * line), durable before its precommit; CometBFT has its write-ahead log for
 * that. It makes a restart in mid-height safe and able to go on.
 *
 * A missing state file is silently begun at zero, a broken one is an error.
 */
#include <limits.h>
#include <stdbool.h>

#include "block.h"

enum {
        SIGNER_E_REFUSED = 1, /* at or below what was signed before */
};

typedef enum SignStep {
        SIGN_PROPOSAL = 1,
        SIGN_PREVOTE = 2,
        SIGN_PRECOMMIT = 3,
} SignStep;

typedef struct SignPosition {
        uint64_t height;
        uint32_t round;
        uint32_t step;
} SignPosition;

typedef struct Signer {
        char dir[PATH_MAX];
        SignPosition last;

        /* Fault eat-signing-state: what the file says instead of the truth. */
        bool eat, gone;
        uint64_t eat_back;
} Signer;

/* 0 or -errno, logged. */
int signer_load(Signer *s, const char *dir);

/* 0: the position is durable, sign. SIGNER_E_REFUSED (logged, do not sign) or -errno (logged, do not sign).
 */
int signer_advance(Signer *s, SignPosition to, const char *hash);

/* Writes the state file again as it stands (with what the fault makes of it). */
int signer_rewrite(const Signer *s);

/* The lock. Loading gives 0, or -ENOENT if there is none for @height. */
int signer_save_lock(const Signer *s, uint32_t round, const Block *b);
int signer_load_lock(const Signer *s, uint64_t height, uint32_t *ret_round, Block *ret);
