#pragma once
/*
 * Parts of one large file, from all of its mirrors at once: one thread with
 * libcurl's multi interface fills buffers, the callers take them, verify and
 * use them. For workers only: taking blocks.
 *
 * A source is an http:// or https:// URL, a file:// URL or an absolute path. One
 * that ends in ".aa", ".part-aa", ".00", ".000" or ".001" is the first of split
 * parts: the following ones are found by asking for them until one is absent,
 * and all together are the file.
 *
 * Every answer is held to its request: 206 with exactly the range and total
 * asked for (200 only where the whole file is one part), the same ETag (or
 * Last-Modified) for as long as this lasts (If-Range), no compression, no proxy
 * or credentials from the environment, at most FETCH_REDIRECTS redirects and
 * none from https to http, HTTP/1.1. A mirror that breaks one of these, or fails
 * too often, is given up; one that is slow gets less to do, and what it holds at
 * the end is asked of a faster one too.
 *
 * Bytes are not trusted: who takes them verifies them and says so.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/fault.h"

#define RANGES_E_END 1 /* every part was released */

typedef struct Ranges Ranges;

/* One part, filled. Borrowed from ranges_take() until released or rejected. */
typedef struct RangePart {
        size_t index; /* in order of offset */
        uint64_t offset;
        uint32_t length;
        uint8_t *data; /* @length bytes; the buffer is page-aligned */
        size_t mirror; /* of RangesOptions.sources */
} RangePart;

typedef struct RangesOptions {
        char *const *sources; /* NULL-terminated; at least one */

        uint64_t size; /* of the whole file; 0: unknown, the mirrors tell and must agree */
        /*
         * Which parts: ascending, not overlapping, each at most @part_max long. NULL: the
         * whole file in parts of @part_max; @n_parts is then ignored. Called from any thread.
         */
        void (*part)(size_t i, uint64_t *ret_offset, uint32_t *ret_length, void *userdata);
        size_t n_parts;
        void *userdata;
        uint32_t part_max;

        bool in_order;        /* ranges_take() gives them in order; else the first that is there */
        uint64_t window;      /* bytes of buffers at most, those that are taken included; 0: 64 MiB */
        unsigned per_mirror;  /* connections to one mirror; 0: 4 */
        unsigned per_request; /* adjacent parts that one request asks for at most; 0: 4 */
        uint64_t limit_rate;  /* bytes a second over all; 0: none */
        uint64_t low_speed;   /* bytes a second, below which ... ; 0: 1 KiB/s */
        unsigned low_sec;     /* ... for so long a connection is given up; 0: 15 */
        unsigned connect_sec; /* 0: 10 */
        unsigned retries;     /* failures in a row that a mirror is forgiven; 0: 3 */
        const char *ca_file;  /* NULL: the system's */

        /* While ranges_open() waits, asked five times a second by the caller's thread; may be NULL. */
        bool (*cancelled)(void *userdata);
        void *cancelled_userdata;
} RangesOptions;

typedef struct RangesStats {
        uint64_t received;                         /* body bytes that came, wasted ones included */
        uint64_t rejected;                         /* bytes that were thrown away by ranges_reject() */
        uint64_t bytes_per_sec;                    /* over the last seconds */
        size_t mirrors, mirrors_left, connections; /* connections: now busy */
} RangesStats;

/*
 * Asks the mirrors until one tells size and identity, then starts the thread.
 * 0; -EREMOTEIO: none is any good, and the fault has one line a mirror with its
 * reason (passwords, queries and fragments left out); -EINVAL: an option; -ECANCELED.
 */
int ranges_open(const RangesOptions *options, Ranges **ret, Fault *reterr);

uint64_t ranges_size(const Ranges *r); /* of the whole file */
size_t ranges_n_parts(const Ranges *r);

/*
 * Blocks for the next part. Any thread, several at once unless in_order. 0;
 * RANGES_E_END; -EREMOTEIO as ranges_open(), as soon as no mirror is left that
 * could bring what is missing; -ECANCELED after ranges_cancel(). An error is
 * given to every caller from then on.
 */
int ranges_take(Ranges *r, RangePart **ret, Fault *reterr);

/* The part was used; its buffer goes back. */
void ranges_release(Ranges *r, RangePart *part);

/* Its bytes are wrong: they are thrown away, its mirror is penalised, another one is asked first. */
void ranges_reject(Ranges *r, RangePart *part);

/* While paused nothing new is asked for and what is under way is not read. Any thread. */
void ranges_pause(Ranges *r, bool pause);

/* Everybody who takes gets -ECANCELED. Any thread; not async-signal-safe. */
void ranges_cancel(Ranges *r);

void ranges_stats(Ranges *r, RangesStats *ret);

/* "https://host/path" of one source, for messages; borrowed. */
const char *ranges_mirror_name(const Ranges *r, size_t mirror);

/* What went wrong with it so far, its reasons joined by "; ", the last one why it was given up. Owned; NULL:
 * nothing. */
char *ranges_mirror_trouble(Ranges *r, size_t mirror);

/* Whether it was given up. */
bool ranges_mirror_is_gone(Ranges *r, size_t mirror);

/* After all takers have ended. NULL is fine. Returns NULL. */
Ranges *ranges_free(Ranges *r);
DEFINE_CLEANUP(Ranges *, ranges_free)
