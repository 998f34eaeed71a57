#pragma once
/*
 * The tar format, from decoded blocks to files: regular files and directories
 * only, the end where it should be.
 */
#include "archive/output.h"
#include "archive/queue.h"
#include "archive/writers.h"

typedef struct TarOptions {
        Queue *blocks; /* of Block, each with a reference; must hold all of the stream */
        Output *output;
        Writers *writers;
        uint64_t max_bytes;   /* of regular files, ignored ones too; 0: not known */
        uint64_t max_entries; /* 0: not known */
} TarOptions;

/*
 * 0: every entry was made or ignored, and handed to the writers. -EBADMSG: entry or offset,
 * what was found, what was expected; as output.h; -ECANCELED.
 */
int tar_unpack(const TarOptions *options, Fault *reterr);
