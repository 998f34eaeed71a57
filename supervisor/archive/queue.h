#pragma once
/*
 * A bounded queue of pointers between threads.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define QUEUE_E_END 1
#define QUEUE_MAX   64

typedef struct Queue {
        pthread_mutex_t lock;
        pthread_cond_t taken, given;
        void *items[QUEUE_MAX];
        size_t first, n, max;
        bool ended, cancelled;
} Queue;

/* @max at most QUEUE_MAX. 0 or -errno. */
int queue_init(Queue *q, size_t max);
void queue_done(Queue *q);

/* Waits for room. 0, or -ECANCELED: @item stays the caller's. */
int queue_put(Queue *q, void *item);

/* Nothing more will be put. */
void queue_end(Queue *q);

/* Waits for an item. 0, QUEUE_E_END or -ECANCELED. */
int queue_take(Queue *q, void **ret);

/* Everybody gets -ECANCELED from now on. */
void queue_cancel(Queue *q);

/* What a cancelled queue still holds, one by one; NULL: nothing. Without waiting. */
void *queue_left(Queue *q);
