#pragma once
/*
 * One attempt to bring what a file lacks from one source. Blocks: for workers
 * only. Which source is next, and whether the bytes are right, is decided by
 * http/download.h.
 *
 * A source is an http:// or https:// URL or an absolute path. No proxy and no
 * credentials come from the environment, no compression is asked for, at most
 * FETCH_REDIRECTS redirects are followed and none from https to http.
 */
#include <stdbool.h>
#include <stdint.h>
#include "util/fault.h"

#define FETCH_REDIRECTS 5

/*
 * Outcomes beside 0 (the source says that this was all) and -errno (our own disk or memory). -ENOSPC: there
 * is no room for what this source has, or says that it has.
 */
enum {
        _FETCH_E_SUCCESS,
        FETCH_E_FAILED,   /* dead, slow, cut off, refused: what came so far may be continued elsewhere */
        FETCH_E_ABSENT,   /* HTTP 404 or 410, no such file */
        FETCH_E_RANGE,    /* cannot continue after @offset here: only from 0 */
        FETCH_E_POISONED, /* too large or endless: what came is worthless */
};

typedef struct FetchLimits {
        uint64_t max_size;  /* bytes of the whole file */
        uint64_t low_speed; /* bytes a second, below which ... */
        unsigned low_sec;   /* ... for so many seconds the source is given up */
        unsigned connect_sec;
        const char *ca_file; /* NULL: the system's */
} FetchLimits;

typedef struct FetchTarget {
        int fd;            /* a regular file or memfd, open for writing */
        uint64_t offset;   /* bytes in it; advances, or goes back to 0 when the source starts over */
        uint64_t total;    /* bytes of the whole file as the source says; 0 unknown */
        uint64_t received; /* bytes that crossed the network or were copied, added up */
        char *etag; /* owned; in: pins a continuation to that content; out: what the source said, or NULL */
        bool restarted; /* out: all bytes in the file are from this attempt */

        /* Before the first byte is written; @etag and @total are set. < 0 ends the attempt with that. May be
         * NULL. */
        int (*began)(struct FetchTarget *target);
        void (*progress)(struct FetchTarget *target, uint64_t bytes_per_sec); /* may be NULL */
        bool (*cancelled)(
                struct FetchTarget *target); /* asked about once a second; -ECANCELED. May be NULL */
        void *userdata;
} FetchTarget;

/* Whether @source is of one of the forms above. */
bool source_is_valid(const char *source);

/* "https://host/path" without user, password, query and fragment: what may be shown and logged. Owned. */
int source_display(const char *source, char **ret);

/* @source with @suffix behind its path, before the query. Owned. */
int source_with_suffix(const char *source, const char *suffix, char **ret);

/* Continues after @offset, or begins when it is 0. The fault says why, without naming the source. */
int fetch(const char *source, const FetchLimits *limits, FetchTarget *target, Fault *reterr);
