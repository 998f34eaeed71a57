#pragma once
/*
 * One regular file of a known size, written past the page cache where the file
 * system lets us. Several threads may write to it.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DIRECT_SIZE_MIN ((uint64_t) 64 << 10)

typedef struct DirectFile {
        int fd; /* owned */
        uint64_t size;
        bool begun_direct; /* never changes */
        bool direct, padded;
        uint32_t memory, block; /* alignments */
        uint32_t page;
        pthread_rwlock_t lock; /* written: a block is read, changed and written back */
} DirectFile;

/* Takes over @fd, opened O_RDWR, and sets its size. 0 or -errno, then @fd is closed. */
int direct_open(DirectFile *f, int fd, uint64_t size, bool buffered);

/* 0, -EFBIG beyond the size, or -errno. */
int direct_write(DirectFile *f, const void *data, size_t size, uint64_t offset);

/* Sets the exact size again. Before direct_close(). 0 or -errno. */
int direct_trim(DirectFile *f);

void direct_close(DirectFile *f);
