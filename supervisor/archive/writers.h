#pragma once
/*
 * Threads that write files of which the parts come in from one reader.
 */
#include "archive/block.h"
#include "archive/output.h"

typedef struct Writers Writers;
typedef struct WrittenFile WrittenFile;

/* The first failure of any thread; afterwards nothing more is written. */
typedef void (*WritersFailed)(void *userdata, int r, Fault *fault);

int writers_new(unsigned threads, WritersFailed failed, void *userdata, Writers **ret);

/* Nothing more is written; who waits gets -ECANCELED. */
void writers_cancel(Writers *w);

/* Waits for all that was given. Every file has been ended. 0 or -ECANCELED. */
int writers_finish(Writers *w);

/* Ends the threads. Blocks go back, files of which parts are left stay with their output. Returns NULL. */
Writers *writers_free(Writers *w);
DEFINE_CLEANUP(Writers *, writers_free)

/* Takes over @file. */
int writers_begin(Writers *w, OutputFile *file, WrittenFile **ret);

/* @data: inside of @block, of which a reference is taken; NULL: it is copied. 0, -ENOMEM, -ECANCELED. */
int writers_write(Writers *w, WrittenFile *f, Block *block, const void *data, size_t size, uint64_t offset);

/* It is complete: closed after its last part. @f is gone. */
void writers_end(Writers *w, WrittenFile *f);

/* Bytes that were written. Any thread. */
uint64_t writers_written(Writers *w);
