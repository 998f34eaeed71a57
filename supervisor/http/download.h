#pragma once
/*
 * A file of known SHA-256 from any of several sources (http/fetch.h), brought
 * into a directory and continued there after whatever interrupted it. Blocks:
 * for workers only.
 *
 * Sources are tried in order, at most @rounds times each. What one began the
 * next one continues. Complete bytes of a wrong digest are thrown away; the
 * source is then tried once from the beginning if others had a part in them,
 * else it is not asked again.
 *
 * On disk: NAME, the bytes so far, and NAME.state, JSON of the wanted digest,
 * the size and the ETag that pins them. Both may be deleted at any time.
 */
#include <stdint.h>
#include "http/fetch.h"

#define DOWNLOAD_SIZE_MAX ((uint64_t) 4 << 30)

typedef struct DownloadProgress {
        bool verifying;                      /* hashing what came */
        uint64_t done, total, bytes_per_sec; /* total 0: unknown */
        const char *source;                  /* as source_display() */
        size_t mirror, n_mirrors;            /* from 1 */
} DownloadProgress;

typedef struct DownloadOptions {
        char *const *sources;
        const char *sha256;  /* 64 lower-case hex digits */
        FetchLimits limits;  /* zeros: 4 GiB, 1 KiB/s for 15 s, 10 s to connect */
        unsigned rounds;     /* 0: 2 */
        uint64_t pause_usec; /* between rounds; 0: 2 s */
        void (*progress)(const DownloadProgress *progress, void *userdata); /* may be NULL */
        void *userdata;
} DownloadOptions;

typedef struct DownloadResult {
        char *source; /* owned: the source that completed it, as given in the options */
        uint64_t size, received;
} DownloadResult;

void download_result_done(DownloadResult *result);

/*
 * 0: @dirfd/@name has the wanted digest. -EREMOTEIO: no source gave it; the
 * fault lists every source with every different reason. -ENOSPC: the same, and
 * for one of them there was no room; it may be lying, so the others are asked
 * first. -EINVAL and others: ours. What came so far stays for the next call,
 * except after a wrong digest or when it took all the room.
 */
int download(int dirfd, const char *name, const DownloadOptions *options, DownloadResult *ret,
             Fault *reterr);

/*
 * A whole small file into memory, at most limits.max_size bytes (not 0).
 * FETCH_E_* as fetch(); -errno. *ret is owned and NUL-terminated.
 */
int download_small(const char *source, const FetchLimits *limits, char **ret, size_t *ret_size,
                   Fault *reterr);
