#pragma once
/*
 * What one poll of a node (or of a reference endpoint) told. Every field that
 * could not be read stays unknown: CHAIN_UNKNOWN, NULL or TRI_UNKNOWN, never 0.
 */
#include <stdbool.h>
#include <stdint.h>
#include "util/cleanup.h"

#define CHAIN_UNKNOWN (-1)

typedef enum Tristate { TRI_UNKNOWN = -1, TRI_NO = 0, TRI_YES = 1 } Tristate;

/* What a poll asks for. The head is always asked for. */
typedef enum ChainWant {
        CHAIN_WANT_STATE = 1 << 0,    /* syncing, peers */
        CHAIN_WANT_DUTY = 1 << 1,     /* council, signing */
        CHAIN_WANT_CHAIN_ID = 1 << 2, /* does not change while the process lives, as the next two */
        CHAIN_WANT_VERSION = 1 << 3,
        CHAIN_WANT_ADDRESS = 1 << 4,
        CHAIN_WANT_FIXED = CHAIN_WANT_CHAIN_ID | CHAIN_WANT_VERSION | CHAIN_WANT_ADDRESS,
        CHAIN_WANT_ALL = CHAIN_WANT_STATE | CHAIN_WANT_DUTY | CHAIN_WANT_FIXED,
} ChainWant;

typedef struct ChainSample {
        uint64_t at_monotonic; /* when the poll ended, microseconds */
        bool answered;         /* at least the head could be asked and the answer was well-formed */
        char *error;           /* the first error of this poll, in words, with the endpoint; NULL if none */
        int64_t height;        /* head */
        int64_t head_time;     /* seconds since 1970, as the chain says */
        char *head_hash;       /* as the chain writes it */
        int64_t target;        /* where syncing wants to get to */
        Tristate syncing;
        int64_t peers;
        char *client_version; /* what the running node says of itself */
        char *chain_id;
        char *validator;            /* our address, where the node tells */
        char *proposer;             /* who proposed the newest block that tells */
        Tristate in_council;        /* are we a validator of the current set */
        Tristate signing;           /* did we sign the newest block that tells */
        int64_t signed_height;      /* the highest height that the chain shows we signed */
        int64_t blocks_to_proposal; /* until our next proposal slot, where the chain tells */
        bool unsettled;             /* the node said that it does not know a fixed fact yet: ask again */

        /* How the sample is being filled; of no meaning to who reads it. */
        unsigned want;             /* ChainWant bits; set before the first request */
        unsigned cursor;           /* the family's place in its sequence of requests */
        unsigned dialect;          /* the family's: which spelling of its method names the node knows */
        int64_t head_transactions; /* in the newest block */
} ChainSample;

void chain_sample_init(ChainSample *sample); /* everything unknown, everything wanted */
void chain_sample_done(ChainSample *sample);
#define cleanup_sample_ cleanup_(chain_sample_done)

/*
 * Takes over what does not change while the node's process lives (the fields of
 * CHAIN_WANT_FIXED) from an earlier sample of the same process, so that they need
 * not be wanted again. 0 or -ENOMEM.
 */
int chain_sample_carry(ChainSample *sample, const ChainSample *earlier);

/* Moves @from into @to, whose content is freed; @from is then unknown. */
void chain_sample_move(ChainSample *to, ChainSample *from);
