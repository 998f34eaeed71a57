#pragma once
/*
 * The plain bytes of a file that may be compressed with gzip, zstd or xz (by
 * its first bytes), exactly one layer of it. By libarchive's filters.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/fault.h"

typedef struct Plain Plain;

/* Reads @fd from its beginning; @max bounds the plain bytes. @fd stays the caller's. */
int plain_open(int fd, uint64_t max, Plain **ret, Fault *reterr);

/* The next block, borrowed until the next call; 0 at the end. -EFBIG beyond the bound, -EBADMSG damaged. */
ssize_t plain_read(Plain *p, const void **ret, Fault *reterr);

/* At the end: 0, or -EBADMSG if the file has bytes that belong to no plain byte. */
int plain_finish(Plain *p, Fault *reterr);

uint64_t plain_consumed(const Plain *p);   /* bytes of the file */
uint64_t plain_after_data(const Plain *p); /* offset behind the last byte so far that was not zero */

Plain *plain_free(Plain *p); /* returns NULL */
DEFINE_CLEANUP(Plain *, plain_free)
