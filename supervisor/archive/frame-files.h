#pragma once
/*
 * The files that frames are being placed into. Workers take frames in any order,
 * so several may write to one file at once; it is opened by the first of its
 * extents and closed when the last is in, or when others need the room.
 */
#include "archive/checkpoint.h"
#include "archive/manifest.h"
#include "archive/output.h"

typedef struct FrameFiles FrameFiles;

/* A file that a worker holds. */
typedef struct FrameFile {
        OutputFile *file;
        uint64_t index;
        struct FrameSlot *slot; /* NULL: nobody else will need it */
} FrameFile;

/* @output must have been opened with resume: a file may be opened again. */
int frame_files_new(const Manifest *m, const Checkpoint *done, Output *output, FrameFiles **ret);
FrameFiles *frame_files_free(FrameFiles *t); /* returns NULL; nothing may be held */
DEFINE_CLEANUP(FrameFiles *, frame_files_free)

/* 0, OUTPUT_E_IGNORED: nothing is held; errors of output_file_open(). A worker holds one at a time. */
int frame_files_get(FrameFiles *t, uint64_t file, FrameFile *ret, Fault *reterr);

/* @done: one more extent of it is in; the last one closes it. Always lets go. */
int frame_files_put(FrameFiles *t, FrameFile *held, bool done, Fault *reterr);

/* One more extent of @file is in, written while it was held earlier, or not to be written at all. */
int frame_files_done(FrameFiles *t, uint64_t file, Fault *reterr);

/* Closes what is open. Nothing may be held. */
int frame_files_close(FrameFiles *t, Fault *reterr);
