#pragma once
/*
 * Mode A: any tar archive, unpacked in one go while it comes in (RESTORE.md "Two modes").
 *
 *     ranges -> verified parts, in order -> decoder thread -> tar -> writer threads
 *
 * With a manifest every part is verified before a byte of it is decoded; without
 * one the digest of the whole archive is known at the end only, so the caller
 * must throw the output away unless this returned 0.
 */
#include "archive/fetch.h"
#include "archive/manifest.h"
#include "archive/output.h"
#include "http/ranges.h"

typedef struct StreamOptions {
        Ranges *ranges; /* opened in_order over the whole archive; parts are the manifest's if there is one
                         */
        const Manifest *manifest; /* chunked or framed; NULL: none */
        const char *sha256; /* of the whole archive, 64 hex digits; NULL: not checked (a trusted manifest's
                               parts cover it all) */
        ArchiveCodec codec; /* _ARCHIVE_CODEC_MAX: the first bytes tell */
        Output *output;
        unsigned window_log_max; /* of zstd --long; 0: 27 (128 MiB) */
        FetchControl *control;   /* progress, pause and cancel; may be NULL */
} StreamOptions;

/*
 * 0: all is written (not finished: output_finish() is the caller's). -EBADMSG: the
 * archive is at fault: where, what, what was expected; -EREMOTEIO: the mirrors are;
 * -ENOSPC; -ECANCELED; -errno.
 */
int stream_unpack(const StreamOptions *options, Fault *reterr);

/* By the name's ending, of split parts too; _ARCHIVE_CODEC_MAX if it tells nothing. */
ArchiveCodec stream_codec_of_name(const char *name);
