#pragma once
/*
 * Which frames of a snapshot are done, durably: what a killed restore goes on from.
 *
 * On disk (FETCH_PROGRESS): "muster-progress-1\n", the digest of the manifest
 * (64 hex digits, newline), the number of frames (decimal, newline), a bit a frame
 * (least significant first), and the SHA-256 of all that as 64 hex digits. A file
 * that is not exactly this, or of another manifest, tells nothing: begin again.
 */
#include <stdbool.h>
#include <stddef.h>
#include "util/fault.h"

typedef struct Checkpoint Checkpoint;

/* Nothing is done. @digest: 64 hex digits. 0 or -ENOMEM. */
int checkpoint_new(const char *digest, size_t n_frames, Checkpoint **ret);
Checkpoint *checkpoint_free(Checkpoint *c); /* returns NULL */
DEFINE_CLEANUP(Checkpoint *, checkpoint_free)

/*
 * Takes up what is in @dirfd. 0; -ENOENT: there is nothing; -EBADMSG: it is damaged or of
 * another manifest, and how; -errno. Nothing is marked then.
 */
int checkpoint_read(Checkpoint *c, int dirfd, Fault *reterr);

/* Any thread. Marked is what was written, and closed where that was the last of a file. */
void checkpoint_mark(Checkpoint *c, size_t frame);
bool checkpoint_has(const Checkpoint *c, size_t frame);
size_t checkpoint_count(const Checkpoint *c);

/*
 * Any thread, one at a time. Takes the bits, then syncfs(@dirfd), then writes them by
 * rename: what it says is durable.
 */
int checkpoint_save(const Checkpoint *c, int dirfd, Fault *reterr);
