#pragma once
/*
 * The network thread of a range fetch: all mirrors and all connections, who is
 * asked for what, and who is given up.
 */
#include <pthread.h>
#include "http/transfer.h"

#define MIRRORS_MAX 64 /* a bit each */

typedef struct Mirrors {
        const RangesOptions *options; /* with defaults */
        Parts *parts;
        Mirror *mirrors;
        size_t n_mirrors;
        Transfer *transfers; /* per_mirror for each, in the order of the mirrors */
        size_t n_transfers;
        CURLM *multi;
        Pace pace;
        pthread_t thread;
        bool running; /* the thread is to be joined */
        bool laid_out;
        bool idle;                 /* a connection found nothing to do */
        size_t turn;               /* who is let through first */
        uint64_t now, paused_usec; /* @paused_usec: since when; 0: not paused */

        /* For others, under parts->mutex. */
        RangesStats stats;
        char **troubles; /* of each mirror; NULL: none */
        uint64_t gone;   /* a bit for each that was given up */
        struct {
                uint64_t usec, received;
        } samples[16]; /* of the last seconds, a ring */
        size_t n_samples;
} Mirrors;

/* @options and @parts outlive it. The thread ends by itself after parts_fail(). */
int mirrors_start(Mirrors *ms, const RangesOptions *options, Parts *parts, Fault *reterr);
void mirrors_wake(void *mirrors);

/* Joins the thread, which must have been told to end by parts_fail(), and frees. */
void mirrors_stop(Mirrors *ms);
