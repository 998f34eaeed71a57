/*
 * The text form has a fixed width: block H sits at byte (H-1)*BLOCK_LINE of the
 * store, so nothing is kept in memory and a torn tail is seen by its length.
 */
#include "block.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void block_genesis(Block *ret, const char *chain_id, uint32_t n_validators) {
        Block b = { .proposer = n_validators };

        memset(b.parent, '0', SHA256_HEX - 1);
        block_seal(&b, chain_id);
        *ret = b;
}

void block_seal(Block *b, const char *chain_id) {
        char text[512];
        int n;

        n = snprintf(text, sizeof(text),
                     "devchain|%.*s|%" PRIu64 "|%" PRIu64 "|%u|%u|%" PRIx64 "|%" PRIx64 "|%s",
                     BLOCK_CHAIN_ID_MAX, chain_id, b->height, b->time_ms, b->proposer, b->round,
                     b->last_commit, b->app, b->parent);
        sha256_hex(text, (size_t) n, b->hash);
}

bool block_verify(const Block *b, const char *chain_id) {
        Block copy = *b;

        block_seal(&copy, chain_id);
        return strcmp(copy.hash, b->hash) == 0;
}

void block_format(const Block *b, char ret_line[BLOCK_LINE + 1]) {
        snprintf(ret_line, BLOCK_LINE + 1,
                 "%020" PRIu64 " %015" PRIu64 " %02u %010u %016" PRIx64 " %016" PRIx64
                 " %64.64s %64.64s %016" PRIx64 " %010u %c\n",
                 b->height, b->time_ms, b->proposer, b->round, b->last_commit, b->app, b->parent, b->hash,
                 b->seen, b->seen_round, b->local ? 'l' : 'q');
}

bool block_parse(const char *line, Block *ret) {
        char again[BLOCK_LINE + 1], kind;
        Block b = {};

        if (sscanf(line,
                   "%20" SCNu64 " %15" SCNu64 " %2u %10u %16" SCNx64 " %16" SCNx64 " %64s %64s %16" SCNx64
                   " %10u %c",
                   &b.height, &b.time_ms, &b.proposer, &b.round, &b.last_commit, &b.app, b.parent, b.hash,
                   &b.seen, &b.seen_round, &kind) != 11)
                return false;
        b.local = kind == 'l';

        block_format(&b, again);
        if (strncmp(again, line, BLOCK_LINE - 1) != 0)
                return false;

        *ret = b;
        return true;
}

unsigned block_signers(uint64_t mask) {
        return (unsigned) __builtin_popcountll(mask);
}
