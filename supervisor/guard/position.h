#pragma once
/*
 * A signing position: where a validator last signed. It only ever moves
 * forward inside one signing domain (chain id, plus a hard-fork slot where one
 * was agreed): two signatures at one position are a double sign.
 */
#include <stdbool.h>
#include <stdint.h>
#include "util/fault.h"

typedef struct SigningPosition {
        int64_t height; /* CHAIN_UNKNOWN (-1): there is none */
        int64_t round;
        int64_t step;
} SigningPosition;

#define SIGNING_POSITION_NONE ((SigningPosition){ .height = -1, .round = -1, .step = -1 })

/* <0, 0, >0 by height, then round, then step; "none" is below everything. */
int signing_position_compare(const SigningPosition *a, const SigningPosition *b);

/* "height 120 round 0 step 3", "nothing signed" */
#define SIGNING_POSITION_TEXT_MAX 96
char *signing_position_format(char buffer[static SIGNING_POSITION_TEXT_MAX],
                              const SigningPosition *position);

/*
 * The high-water mark: /var/lib/muster/nodes/NAME/highwater, written by musterd,
 * world-readable, text:
 *     muster-highwater/1
 *     domain: CHAIN-ID
 *     height: N
 *     round: N
 *     step: N
 * A domain that nobody configured is "-". It matches every other one: that can
 * only make a comparison stricter.
 */
typedef struct Highwater {
        char *domain; /* NULL: none was configured */
        SigningPosition position;
} Highwater;

#define HIGHWATER_NAME "highwater"

void highwater_done(Highwater *mark);
#define cleanup_highwater_ cleanup_(highwater_done)

/* -ENOENT: there is none yet; -EBADMSG with file and line. *ret untouched on failure. */
int highwater_read(int node_dirfd, Highwater *ret, Fault *reterr);

/*
 * Durably raises the mark to @position if that is higher; another domain than the
 * one on disk is refused with -EXDEV. *ret_raised (may be NULL) tells if it wrote.
 * @domain NULL or "": not configured; the domain on disk stays.
 */
int highwater_raise(int node_dirfd, const char *domain, const SigningPosition *position, bool *ret_raised,
                    Fault *reterr);

/* The same for a mark of another name: the node's own state/guard/last. */
int highwater_read_at(int dirfd, const char *name, Highwater *ret, Fault *reterr);
int highwater_raise_at(int dirfd, const char *name, const char *domain, const SigningPosition *position,
                       bool *ret_raised, Fault *reterr);

/* Replaces the mark whatever it says: only for a domain that another mark already confirms. */
int highwater_replace_at(int dirfd, const char *name, const char *domain, const SigningPosition *position,
                         Fault *reterr);

/* Equal, or one of them not configured (NULL or ""). */
bool signing_domain_matches(const char *a, const char *b);
