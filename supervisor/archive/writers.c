/*
 * A file is closed by whoever does its last part. After a failure what is queued
 * is dropped and files stay open until the output is freed: nobody closes what
 * another thread still writes to.
 */
#include "archive/writers.h"
#include "archive/queue.h"

#include <string.h>

#define QUEUED_MAX QUEUE_MAX

struct WrittenFile {
        OutputFile *file;
        WrittenFile *next, *previous; /* of those that are not closed */
        size_t pending;
        bool ended;
};

typedef struct Task {
        WrittenFile *file;
        Block *block; /* NULL: the bytes follow the task */
        const void *data;
        size_t size;
        uint64_t offset;
} Task;

struct Writers {
        Queue queue;
        pthread_mutex_t lock;
        pthread_cond_t idle;
        WrittenFile *files;
        size_t pending;
        uint64_t written;
        bool cancelled, failed;
        WritersFailed on_failed;
        void *userdata;
        size_t n_threads;
        pthread_t threads[];
};

static void fail(Writers *w, int r, Fault *fault) {
        bool first;

        pthread_mutex_lock(&w->lock);
        first = !w->failed && !w->cancelled;
        w->failed = true;
        pthread_mutex_unlock(&w->lock);
        if (first)
                w->on_failed(w->userdata, r, fault);
        writers_cancel(w);
}

/* Under the lock. */
static void forget_file(Writers *w, WrittenFile *f) {
        if (f->next)
                f->next->previous = f->previous;
        if (f->previous)
                f->previous->next = f->next;
        else
                w->files = f->next;
}

static void close_file(Writers *w, WrittenFile *f) {
        cleanup_fault_ Fault fault = { 0 };
        int r;

        r = output_file_close(f->file, &fault);
        free(f);
        if (r < 0)
                fail(w, r, &fault);
}

/* One part less. */
static void done(Writers *w, WrittenFile *f, size_t size) {
        bool last;

        pthread_mutex_lock(&w->lock);
        w->written += size;
        last = --f->pending == 0 && f->ended;
        if (last)
                forget_file(w, f);
        pthread_mutex_unlock(&w->lock);
        if (last)
                close_file(w, f);
        pthread_mutex_lock(&w->lock);
        if (--w->pending == 0)
                pthread_cond_broadcast(&w->idle);
        pthread_mutex_unlock(&w->lock);
}

static void *write_parts(void *userdata) {
        Writers *w = userdata;
        void *item;

        while (queue_take(&w->queue, &item) == 0) {
                cleanup_fault_ Fault fault = { 0 };
                Task *t = item;
                int r;

                r = output_file_write(t->file->file, t->data, t->size, t->offset, &fault);
                block_unref(t->block);
                if (r < 0)
                        fail(w, r == -EFBIG ? -EBADMSG : r, &fault);
                else
                        done(w, t->file, t->size);
                free(t);
                if (r < 0)
                        break;
        }
        return NULL;
}

int writers_new(unsigned threads, WritersFailed failed, void *userdata, Writers **ret) {
        cleanup_(writers_freep) Writers *w = calloc(1, sizeof *w + threads * sizeof(pthread_t));
        int r;

        if (!w)
                return -ENOMEM;
        r = queue_init(&w->queue, QUEUED_MAX);
        if (r < 0) {
                free(TAKE_PTR(w));
                return r;
        }
        pthread_mutex_init(&w->lock, NULL);
        pthread_cond_init(&w->idle, NULL);
        w->on_failed = failed;
        w->userdata = userdata;
        for (unsigned i = 0; i < threads; i++) {
                r = -pthread_create(&w->threads[i], NULL, write_parts, w);
                if (r < 0)
                        return r;
                w->n_threads++;
        }
        *ret = TAKE_PTR(w);
        return 0;
}

void writers_cancel(Writers *w) {
        pthread_mutex_lock(&w->lock);
        w->cancelled = true;
        pthread_cond_broadcast(&w->idle);
        pthread_mutex_unlock(&w->lock);
        queue_cancel(&w->queue);
}

int writers_finish(Writers *w) {
        int r;

        pthread_mutex_lock(&w->lock);
        while (w->pending > 0 && !w->cancelled)
                pthread_cond_wait(&w->idle, &w->lock);
        r = w->cancelled ? -ECANCELED : 0;
        pthread_mutex_unlock(&w->lock);
        return r;
}

Writers *writers_free(Writers *w) {
        Task *t;

        if (!w)
                return NULL;
        writers_cancel(w);
        for (size_t i = 0; i < w->n_threads; i++)
                pthread_join(w->threads[i], NULL);
        while ((t = queue_left(&w->queue))) {
                block_unref(t->block);
                free(t);
        }
        while (w->files) {
                WrittenFile *f = w->files;

                w->files = f->next;
                free(f);
        }
        pthread_cond_destroy(&w->idle);
        pthread_mutex_destroy(&w->lock);
        queue_done(&w->queue);
        free(w);
        return NULL;
}

int writers_begin(Writers *w, OutputFile *file, WrittenFile **ret) {
        WrittenFile *f = calloc(1, sizeof *f);

        if (!f)
                return -ENOMEM;
        f->file = file;
        pthread_mutex_lock(&w->lock);
        f->next = w->files;
        if (f->next)
                f->next->previous = f;
        w->files = f;
        pthread_mutex_unlock(&w->lock);
        *ret = f;
        return 0;
}

int writers_write(Writers *w, WrittenFile *f, Block *block, const void *data, size_t size, uint64_t offset) {
        Task *t = malloc(sizeof *t + (block ? 0 : size));
        int r;

        if (!t)
                return -ENOMEM;
        *t = (Task){ .file = f, .data = data, .size = size, .offset = offset };
        if (block)
                t->block = block_ref(block);
        else
                t->data = memcpy(t + 1, data, size);
        pthread_mutex_lock(&w->lock);
        w->pending++;
        f->pending++;
        pthread_mutex_unlock(&w->lock);
        r = queue_put(&w->queue, t);
        if (r < 0) { /* cancelled: what is pending does not count any more */
                block_unref(t->block);
                free(t);
        }
        return r;
}

void writers_end(Writers *w, WrittenFile *f) {
        bool last;

        pthread_mutex_lock(&w->lock);
        f->ended = true;
        last = f->pending == 0;
        if (last)
                forget_file(w, f);
        pthread_mutex_unlock(&w->lock);
        if (last)
                close_file(w, f);
}

uint64_t writers_written(Writers *w) {
        uint64_t n;

        pthread_mutex_lock(&w->lock);
        n = w->written;
        pthread_mutex_unlock(&w->lock);
        return n;
}
