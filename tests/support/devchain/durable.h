#pragma once
/*
 * Small files that must survive a power cut. All return 0 or -errno.
 */
#include <stddef.h>
#include <sys/types.h>

#define DURABLE_FILE_MAX (64 * 1024)

/* Replaces @path: temporary, fsync, rename, fsync of the directory. A reader sees old or new. */
int durable_write(const char *path, mode_t mode, const char *text);

/* Appends one line in one write(2), not synced. */
int durable_append(const char *path, const char *line);

/* The whole file and a NUL, to be freed. -EFBIG above DURABLE_FILE_MAX. */
int durable_read(const char *path, char **ret_text);

/* mkdir -p, mode 0755. */
int durable_mkdir(const char *path);
