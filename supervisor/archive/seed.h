#pragma once
/*
 * A data directory that is there already, of which equal extents are taken
 * instead of downloaded. Name and size are never believed: every byte is hashed.
 * Where the file system can, an extent is shared with the seed first and hashed
 * where it now lies, because the seed may be of a node that runs and writes.
 */
#include "archive/frame-files.h"
#include "archive/manifest.h"

typedef struct Seed Seed;

/*
 * @dirfd: the seed; @into_fd: where @files are written; both stay the caller's.
 * @prefix as OutputOptions.prefix: the seed has the names that are written.
 */
int seed_new(int dirfd, int into_fd, const char *prefix, const Manifest *m, FrameFiles *files, Seed **ret);
Seed *seed_free(Seed *s); /* returns NULL */
DEFINE_CLEANUP(Seed *, seed_free)

#define SEED_E_OTHER 1 /* not all of the frame is in the seed as it must be */

/*
 * Places frame @i from the seed. @buffer has room for the frame's plain bytes and is
 * page-aligned. Any thread. 0; SEED_E_OTHER: it is to be downloaded, whatever was
 * written of it; errors of output_file_write().
 */
int seed_frame(Seed *s, size_t i, uint8_t *buffer, Fault *reterr);
