#pragma once
/*
 * What stands before a file's bytes in a tar: a ustar header and, where that has no
 * room, a pax one before it (POSIX.1-2017, pax "Interchange Format"). Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TAR_BLOCK    512
#define TAR_HEAD_MAX (16 * TAR_BLOCK)
#define TAR_END      (2 * TAR_BLOCK) /* zero bytes that end an archive */

/* Zero bytes behind @size bytes of a file. */
#define TAR_PADDING(size) ((size_t) (-(uint64_t) (size) & (TAR_BLOCK - 1)))

typedef struct TarEntry {
        const char *path; /* shorter than MANIFEST_PATH_MAX, without a final '/' */
        bool directory;
        uint64_t size; /* directories: 0 */
        mode_t mode;
        int64_t mtime_sec;
} TarEntry;

/* Owner and group are 0 without a name, so that equal trees give equal bytes. Returns the size, whole
 * blocks. */
size_t tar_head_format(const TarEntry *e, uint8_t ret[static TAR_HEAD_MAX]);
