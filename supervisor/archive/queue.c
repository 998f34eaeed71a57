#include "archive/queue.h"

#include <errno.h>
#include <string.h>

int queue_init(Queue *q, size_t max) {
        memset(q, 0, sizeof *q);
        q->max = max < QUEUE_MAX ? max : QUEUE_MAX;
        if (pthread_mutex_init(&q->lock, NULL) != 0)
                return -ENOMEM;
        if (pthread_cond_init(&q->taken, NULL) != 0) {
                pthread_mutex_destroy(&q->lock);
                return -ENOMEM;
        }
        if (pthread_cond_init(&q->given, NULL) != 0) {
                pthread_cond_destroy(&q->taken);
                pthread_mutex_destroy(&q->lock);
                return -ENOMEM;
        }
        return 0;
}

void queue_done(Queue *q) {
        pthread_cond_destroy(&q->given);
        pthread_cond_destroy(&q->taken);
        pthread_mutex_destroy(&q->lock);
}

int queue_put(Queue *q, void *item) {
        int r = 0;

        pthread_mutex_lock(&q->lock);
        while (q->n == q->max && !q->cancelled)
                pthread_cond_wait(&q->taken, &q->lock);
        if (q->cancelled)
                r = -ECANCELED;
        else {
                q->items[(q->first + q->n++) % QUEUE_MAX] = item;
                pthread_cond_signal(&q->given);
        }
        pthread_mutex_unlock(&q->lock);
        return r;
}

static void *take(Queue *q) {
        void *item = q->items[q->first];

        q->first = (q->first + 1) % QUEUE_MAX;
        q->n--;
        return item;
}

int queue_take(Queue *q, void **ret) {
        int r = 0;

        pthread_mutex_lock(&q->lock);
        while (q->n == 0 && !q->ended && !q->cancelled)
                pthread_cond_wait(&q->given, &q->lock);
        if (q->cancelled)
                r = -ECANCELED;
        else if (q->n == 0)
                r = QUEUE_E_END;
        else {
                *ret = take(q);
                pthread_cond_signal(&q->taken);
        }
        pthread_mutex_unlock(&q->lock);
        return r;
}

void queue_end(Queue *q) {
        pthread_mutex_lock(&q->lock);
        q->ended = true;
        pthread_cond_broadcast(&q->given);
        pthread_mutex_unlock(&q->lock);
}

void queue_cancel(Queue *q) {
        pthread_mutex_lock(&q->lock);
        q->cancelled = true;
        pthread_cond_broadcast(&q->given);
        pthread_cond_broadcast(&q->taken);
        pthread_mutex_unlock(&q->lock);
}

void *queue_left(Queue *q) {
        void *item;

        pthread_mutex_lock(&q->lock);
        item = q->n > 0 ? take(q) : NULL;
        pthread_mutex_unlock(&q->lock);
        return item;
}
