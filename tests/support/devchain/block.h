#pragma once
/*
 * A block, its hash and its one text form, which is used on disk and between
 * peers alike. Pure: no I/O, clock or allocation.
 *
 * The hash covers everything up to and including @parent, so equal chains have
 * equal hashes. @seen, @seen_round and @local are one node's own notes.
 */
#include <stdbool.h>
#include <stdint.h>

#include "sha256.h"

#define BLOCK_LINE           245 /* bytes of the text form, newline included; every block has the same length */
#define BLOCK_VALIDATORS_MAX 64 /* one bit each in a signer mask */
#define BLOCK_CHAIN_ID_MAX   64

typedef struct Block {
        uint64_t height;
        uint64_t time_ms; /* the proposer's wall clock; always above the parent's */
        uint32_t proposer;
        uint32_t round;       /* round in which it was first proposed */
        uint64_t last_commit; /* bit i: validator i's signature on the parent is included */
        uint64_t app;         /* state transition rule; 0 unless the binary forks */
        char parent[SHA256_HEX];
        char hash[SHA256_HEX];

        uint64_t seen;       /* signatures on this block when it became final here */
        uint32_t seen_round; /* round in which it became final */
        bool local;          /* made by our own rule against the quorum's: never served to peers */
} Block;

/* The block before the first: height 0, fixed by chain id and number of validators. */
void block_genesis(Block *ret, const char *chain_id, uint32_t n_validators);

/* Sets @b->hash from the rest. */
void block_seal(Block *b, const char *chain_id);

/* Whether @b->hash is what the rest of it says. */
bool block_verify(const Block *b, const char *chain_id);

/* Writes exactly BLOCK_LINE bytes and a NUL. */
void block_format(const Block *b, char ret_line[BLOCK_LINE + 1]);

/* False if @line is not what block_format() would write (the newline may be missing); @ret untouched then.
 */
bool block_parse(const char *line, Block *ret);

unsigned block_signers(uint64_t mask);
