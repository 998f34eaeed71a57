#include "archive/block.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

#define STRIDE (BLOCK_HEADROOM + BLOCK_SIZE)

struct BlockPool {
        pthread_mutex_t lock;
        pthread_cond_t given;
        uint8_t *memory;
        size_t n;
        Block *spare; /* the last used one first: few are ever touched if few are needed */
        bool cancelled;
        Block blocks[];
};

int block_pool_new(size_t n, BlockPool **ret) {
        BlockPool *pool = calloc(1, sizeof *pool + n * sizeof(Block));
        void *memory;

        if (!pool)
                return -ENOMEM;
        memory = mmap(NULL, n * STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
                free(pool);
                return -ENOMEM;
        }
        pthread_mutex_init(&pool->lock, NULL);
        pthread_cond_init(&pool->given, NULL);
        pool->memory = memory;
        pool->n = n;
        for (size_t i = n; i > 0; i--) {
                Block *b = &pool->blocks[i - 1];

                b->pool = pool;
                b->data = pool->memory + (i - 1) * STRIDE + BLOCK_HEADROOM;
                b->next = pool->spare;
                pool->spare = b;
        }
        *ret = pool;
        return 0;
}

BlockPool *block_pool_free(BlockPool *pool) {
        if (pool) {
                munmap(pool->memory, pool->n * STRIDE);
                pthread_cond_destroy(&pool->given);
                pthread_mutex_destroy(&pool->lock);
                free(pool);
        }
        return NULL;
}

int block_pool_take(BlockPool *pool, Block **ret) {
        Block *b = NULL;

        pthread_mutex_lock(&pool->lock);
        while (!pool->spare && !pool->cancelled)
                pthread_cond_wait(&pool->given, &pool->lock);
        if (!pool->cancelled) {
                b = pool->spare;
                pool->spare = b->next;
                b->next = NULL;
                b->refs = 1;
                b->size = 0;
        }
        pthread_mutex_unlock(&pool->lock);
        if (!b)
                return -ECANCELED;
        *ret = b;
        return 0;
}

void block_pool_cancel(BlockPool *pool) {
        pthread_mutex_lock(&pool->lock);
        pool->cancelled = true;
        pthread_cond_broadcast(&pool->given);
        pthread_mutex_unlock(&pool->lock);
}

Block *block_ref(Block *b) {
        pthread_mutex_lock(&b->pool->lock);
        b->refs++;
        pthread_mutex_unlock(&b->pool->lock);
        return b;
}

Block *block_unref(Block *b) {
        BlockPool *pool;

        if (!b)
                return NULL;
        pool = b->pool;
        pthread_mutex_lock(&pool->lock);
        if (--b->refs == 0) {
                b->next = pool->spare;
                pool->spare = b;
                pthread_cond_signal(&pool->given);
        }
        pthread_mutex_unlock(&pool->lock);
        return NULL;
}
