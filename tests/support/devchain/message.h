#pragma once
/*
 * What nodes tell each other: one JSON object a line, "t" says which.
 *
 *   hello     chain (genesis hash), id, address, moniker, version, h
 *   status    h (head), r (round of the block after it)
 *   proposal  h, r, vr (round of its polka or -1), block
 *   vote      h, r, s (2 prevote, 3 precommit), i (validator), hash
 *   get       from, n
 *   blocks    blocks
 *
 * A block is block.h's line without its newline. Makers return a line with a
 * newline to be freed, NULL if out of memory.
 */
#include <jansson.h>

#include "consensus.h"
#include "key.h"

#define MESSAGE_BLOCKS_MAX 200

typedef enum MessageKind {
        MESSAGE_HELLO,
        MESSAGE_STATUS,
        MESSAGE_PROPOSAL,
        MESSAGE_VOTE,
        MESSAGE_GET,
        MESSAGE_BLOCKS,
        _MESSAGE_MAX,
} MessageKind;

typedef struct Message {
        MessageKind kind;
        uint64_t height; /* hello, status, proposal; get: from */
        uint32_t round;  /* status */
        uint64_t count;  /* get */
        Proposal proposal;
        Vote vote;
        json_t *blocks; /* array of strings; freed by message_done() */
        char chain[SHA256_HEX], id[KEY_ADDRESS_HEX], address[KEY_ADDRESS_HEX], moniker[64], version[64];
} Message;

/* 0, -EINVAL for what is no message, -ENOMEM. On 0 the caller calls message_done(). */
int message_parse(const char *line, size_t len, Message *ret);
void message_done(Message *m);

char *message_hello(const char *chain, const char *id, const char *address, const char *moniker,
                    const char *version, uint64_t height);
char *message_status(uint64_t height, uint32_t round);
char *message_proposal(uint64_t height, const Proposal *p);
char *message_vote(const Vote *v);
char *message_get(uint64_t from, uint64_t count);

/* Takes @blocks, an array of block lines. */
char *message_blocks(json_t *blocks);
/* A block as a JSON string. */
json_t *message_block(const Block *b);
