#pragma once
/*
 * A snapshot, from its mirrors into a directory: what `muster-restore fetch` and
 * the worker of `musterctl restore` do.
 *
 * The directory must be empty or our own partial of the same snapshot. While it
 * is incomplete it holds `.muster-partial` (what is being restored, JSON) and, in
 * framed mode, `.muster-progress` (checkpoint.h). Both are gone, durably, when
 * the whole is there and durable: a directory without them is complete.
 */
#include <stdbool.h>
#include <stdint.h>
#include "util/fault.h"

#define FETCH_PARTIAL  ".muster-partial"
#define FETCH_PROGRESS ".muster-progress"

typedef struct FetchProgress {
        const char *step;     /* "manifest", "seed", "download", "sync" */
        uint64_t done, total; /* bytes of the archive that are verified and written; total 0: unknown */
        uint64_t received;    /* over the network */
        uint64_t plain;       /* bytes written */
        uint64_t bytes_per_sec;
        size_t mirrors, mirrors_left;
        bool paused;
        const char *why_paused;
} FetchProgress;

/* How the caller steers it. Called from one thread at a time, at least every 250 ms. */
typedef struct FetchControl {
        void (*progress)(const FetchProgress *progress, void *userdata); /* may be NULL */
        /* NULL: go on; else why it is to pause (borrowed until the next call). May be NULL. */
        const char *(*pause)(void *userdata);
        bool (*cancelled)(void *userdata);                /* may be NULL */
        void (*notice)(const char *text, void *userdata); /* one line for the operator; may be NULL */
        void *userdata;
} FetchControl;

typedef struct FetchOptions {
        char *const *sources;     /* mirrors of the archive: http/ranges.h */
        const char *manifest;     /* URL or path; NULL: the first source's name with MANIFEST_SUFFIX for
                                     ".tar*" is tried on each mirror, and none is no error */
        const char *sha256;       /* of the archive, or of the manifest's signed body; NULL: none */
        const char *signers;      /* text of an allowed_signers file; NULL: none */
        const char *signers_name; /* what it is called in messages */
        bool allow_unsigned;      /* neither signature nor digest is asked for */
        const char *chain;        /* a manifest that names another chain id is refused; NULL: not checked */
        const char *family;       /* likewise */
        int64_t max_age_sec;      /* not used when 0 */
        int into_fd;              /* the directory */
        const char *into;         /* its name in messages */
        char *const *protect;     /* patterns, all of them */
        const char *prefix;       /* stripped; "auto": the one top directory that holds everything, if the
                                     manifest shows one and it is not "data"-like of the family; NULL: none */
        const char *seed;         /* directory of which equal extents are taken; NULL: none */
        uint64_t limit_rate;
        const char *ca_file;
        unsigned connections; /* per mirror; 0: the default */
        FetchControl control;
} FetchOptions;

typedef struct FetchReport {
        bool framed, resumed;
        char *signed_by; /* owned; principals, ", "-separated; NULL: nobody who counts */
        char *chain;     /* owned; of the manifest */
        int64_t height;  /* -1 unknown */
        uint64_t archive_size, plain_size, files;
        uint64_t received, rejected, seeded; /* seeded: plain bytes that were not downloaded */
        uint64_t ignored;                    /* protected entries */
        uint64_t usec;
} FetchReport;

void fetch_report_done(FetchReport *report);

enum {
        _FETCH_SNAPSHOT_SUCCESS,
        FETCH_SNAPSHOT_E_REFUSED, /* no trusted signature, another chain, expired, occupied directory: exit 6
                                   */
};

/*
 * 0: complete and durable. FETCH_SNAPSHOT_E_REFUSED. -EREMOTEIO: no mirror gave it;
 * -EBADMSG: the snapshot is at fault; -ENOSPC: resumable; -ECANCELED: resumable;
 * -errno. What a failure leaves: in framed mode the partial, to be continued;
 * else nothing but the empty directory.
 */
int fetch_snapshot(const FetchOptions *options, FetchReport *ret, Fault *reterr);
