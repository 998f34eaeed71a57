#pragma once
/*
 * The compression of an archive taken off, as a stream: one layer, chosen by
 * name. Concatenated frames are one stream; anything else behind a frame is an
 * error.
 */
#include "archive/manifest.h"

#define DECODER_WINDOW_LOG 27 /* of zstd: 128 MiB, what `zstd -d` takes without being asked to */

typedef struct Decoder Decoder;

/*
 * The next compressed bytes, valid until the next call; *ret_size 0: there are no more,
 * it is not called again. 0 or -errno, which decoder_read() forwards.
 */
typedef int (*DecoderSource)(void *userdata, const uint8_t **ret, size_t *ret_size, Fault *reterr);

/* @window_log_max: 0 is DECODER_WINDOW_LOG. */
int decoder_new(ArchiveCodec codec, unsigned window_log_max, DecoderSource source, void *userdata,
                Decoder **ret, Fault *reterr);
Decoder *decoder_free(Decoder *d); /* returns NULL */
DEFINE_CLEANUP(Decoder *, decoder_free)

/*
 * Fills @data; less than @room only at the end, which is where it should be then.
 * -EBADMSG: damaged, cut off or with something behind it, and at which offset.
 */
int decoder_read(Decoder *d, uint8_t *data, size_t room, size_t *ret_size, Fault *reterr);

/* Compressed bytes that were used. The reading thread only. */
uint64_t decoder_consumed(const Decoder *d);

/* What the first bytes of an archive say; _ARCHIVE_CODEC_MAX: no archive that is known. */
ArchiveCodec decoder_codec_of_bytes(const uint8_t *data, size_t size);
