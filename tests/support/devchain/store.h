#pragma once
/*
 * The data directory: lock, data version, chain. Layout:
 *
 *   DIR/LOCK                      flock(2), holds the pid of the owner
 *   DIR/data-version              a number; written last at the first start
 *   DIR/config/...                keys, key.h
 *   DIR/data/priv_validator_state.json, DIR/data/lock     signer.h
 *   DIR/data/blocks               one line of BLOCK_LINE bytes a block, from height 1
 *
 * Functions return 0 or -errno, and log the operator's text themselves.
 */
#include <limits.h>
#include <stdbool.h>

#include "block.h"

enum {
        STORE_E_NONE = 1, /* no such height */
};

typedef struct Store {
        char dir[PATH_MAX];
        char chain_id[BLOCK_CHAIN_ID_MAX + 1];
        int lock_fd;
        int blocks_fd;
        bool first; /* the directory held no data when it was claimed */
        Block genesis;
        Block head; /* genesis while there is none */
} Store;

#define STORE_INIT                                                                                          \
        { .lock_fd = -1, .blocks_fd = -1 }

/* Makes the directories and takes the lock. -EWOULDBLOCK: another instance holds it. */
int store_claim(Store *s, const char *dir);

/* Refuses data newer than @data_version (-EPROTO), notes older or none. Call after store_claim(). */
int store_check_version(Store *s, unsigned data_version, bool *ret_migrate);

/* Writes data-version: the last step of a first start and of a migration. */
int store_seal_version(Store *s, unsigned data_version);

/* Opens the chain, drops a torn tail, finds the head. -EBADMSG: another chain's data. */
int store_open(Store *s, const char *chain_id, uint32_t n_validators);

/* Appends the block after the head. Not durable before store_sync(). */
int store_append(Store *s, const Block *b);
int store_sync(Store *s);

/* Block @height (0 is genesis). 0, STORE_E_NONE or -errno. */
int store_read(const Store *s, uint64_t height, Block *ret);

void store_done(Store *s);
