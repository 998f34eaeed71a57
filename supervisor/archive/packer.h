#pragma once
/*
 * Frames of a snapshot: tar bytes go in, compressed frames come out in order, into
 * a file and into a manifest. Compression and digests run in threads; memory is
 * bounded by their number.
 */
#include "archive/manifest.h"
#include "archive/steer.h"

#define PACKER_TARGET ((size_t) 1 << 20) /* tar bytes of a frame of small files */
#define PACKER_CUT    ((size_t) 4 << 20) /* bytes of a large file in one frame */

typedef struct Packer Packer;

typedef struct PackerOptions {
        int fd; /* of the archive; nothing is in it */
        int level;
        unsigned threads; /* 0: one a CPU */
        ManifestBuilder *builder;
        Steer *steer;
} PackerOptions;

int packer_new(const PackerOptions *options, Packer **ret, Fault *reterr);
Packer *packer_free(Packer *p); /* returns NULL; what is under way is thrown away */
DEFINE_CLEANUP(Packer *, packer_free)

/* Tar bytes in the frame that is being filled. */
size_t packer_fill(const Packer *p);

/*
 * Where the next @size bytes of the frame belong, for the caller to fill; at most
 * PACKER_CUT and a header together. Waits for a frame to become free.
 */
int packer_room(Packer *p, size_t size, uint8_t **ret, Fault *reterr);

/* The last @length bytes of which packer_room() gave are @file's from @offset on; pads them to a block. */
int packer_extent(Packer *p, uint64_t file, uint64_t offset, uint32_t length, Fault *reterr);

/* Ends the frame, if anything is in it. */
int packer_flush(Packer *p, Fault *reterr);

/* Ends the archive, waits for all and tells size and digest of it. */
int packer_finish(Packer *p, uint64_t *ret_size, char ret_sha256[static SHA256_HEX_SIZE], Fault *reterr);
