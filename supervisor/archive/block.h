#pragma once
/*
 * Large buffers of decoded bytes, shared by those who read them: a fixed number,
 * page-aligned, each with room for a page before its first byte.
 */
#include <stddef.h>
#include <stdint.h>
#include "util/cleanup.h"

#define BLOCK_SIZE     ((size_t) 2 << 20)
#define BLOCK_HEADROOM ((size_t) 4096)

typedef struct BlockPool BlockPool;

typedef struct Block {
        BlockPool *pool;
        struct Block *next;
        unsigned refs;   /* the pool's lock guards it */
        uint8_t *data;   /* BLOCK_SIZE bytes, and BLOCK_HEADROOM before them */
        size_t size;     /* of what is in it */
        uint64_t offset; /* of its first byte in the decoded stream */
} Block;

int block_pool_new(size_t n, BlockPool **ret);

/* Every block is back, or nobody uses them any more. NULL is fine. Returns NULL. */
BlockPool *block_pool_free(BlockPool *pool);
DEFINE_CLEANUP(BlockPool *, block_pool_free)

/* Waits for one. 0, or -ECANCELED. */
int block_pool_take(BlockPool *pool, Block **ret);
void block_pool_cancel(BlockPool *pool);

Block *block_ref(Block *b);
Block *block_unref(Block *b); /* NULL is fine; returns NULL */
