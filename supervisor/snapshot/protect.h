#pragma once
/*
 * Protected files: keys, signing state and what the operator named. They
 * belong to the live node, never to a backup or snapshot, and are carried from
 * the live data into a tree that is about to take its place.
 */
#include <stdbool.h>
#include <stddef.h>
#include "util/fault.h"

typedef struct ProtectCarry {
        int live_dirfd;
        int incoming_dirfd;
        int state_dirfd;       /* where the set-aside directory is made */
        const char *aside;     /* its name */
        char *const *patterns; /* see guard/match.h */
        const char *keep;      /* a path of @incoming that stays as it is; may be NULL */
} ProtectCarry;

typedef struct ProtectReport {
        size_t carried;
        size_t set_aside;
} ProtectReport;

/* One owned strv of the three, in order. */
int protect_patterns(const char *const *key_files, const char *const *state_files, char *const *operators,
                     char ***ret);

/*
 * Makes @incoming hold exactly the protected files that @live holds: copied,
 * fsynced, compared byte by byte. What only @incoming holds (a key that was
 * moved away since) is moved to state/@aside, not deleted: it may be the only
 * copy. Idempotent. A protected link that @incoming has not is made there, as it
 * is. One that leads the two trees to different files is -ELOOP.
 */
int protect_carry(const ProtectCarry *carry, ProtectReport *ret, Fault *reterr);
