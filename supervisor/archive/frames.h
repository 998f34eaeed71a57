#pragma once
/*
 * Mode B: a framed snapshot. Several workers each take a frame, verify, decode
 * and place it, in any order; what is done is kept in a checkpoint, so a
 * restore that was killed goes on from there.
 */
#include "archive/fetch.h"
#include "archive/manifest.h"
#include "archive/output.h"
#include "http/ranges.h"

typedef struct FramesOptions {
        const Manifest *manifest;  /* framed and trusted */
        RangesOptions mirrors;     /* sources and limits; size, parts, order and window are set here */
        int into_fd;               /* for the checkpoint; where @output writes */
        Output *output;            /* opened with resume */
        const char *prefix;        /* as @output's; for the seed's names */
        int seed_fd;               /* -1: none */
        unsigned workers;          /* 0: 3; 16 at most */
        uint64_t checkpoint_bytes; /* plain bytes after which one is written; 0: 256 MiB. Or after 10 s */
        FetchControl *control;     /* may be NULL; notices come from any thread */
} FramesOptions;

typedef struct FramesReport {
        bool resumed;      /* a checkpoint was there and had frames */
        uint64_t received; /* over the network */
        uint64_t rejected; /* thrown away: their digest was wrong */
        uint64_t seeded;   /* plain bytes that the seed had */
        uint64_t placed;   /* plain bytes that this run wrote, those of the seed too */
} FramesReport;

/*
 * 0: all is written and closed, output_finish() is the caller's. Errors as
 * fetch_snapshot(); what is done by then is in the checkpoint. @ret is set on failure too.
 */
int frames_unpack(const FramesOptions *options, FramesReport *ret, Fault *reterr);
