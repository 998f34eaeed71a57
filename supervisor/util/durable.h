#pragma once
/*
 * Durable changes of small files: after success the change survives a power
 * cut; after failure or a cut readers see the old or the new, never a mix and
 * never nothing. All names are relative to an open directory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes @name by temporary, fsync, rename, fsync of the directory. A failure leaves no temporary. */
int durable_write(int dirfd, const char *name, const void *data, size_t size, mode_t mode);

/* Removes @name and fsyncs the directory. A name that is not there is success. */
int durable_unlink(int dirfd, const char *name);

/*
 * Makes @name a symlink to @target by rename over what was there; never absent in
 * between. A power cut may undo it until the caller has synced the directory.
 */
int replace_symlink(int dirfd, const char *target, const char *name);

/*
 * Reads a whole small file; -EFBIG beyond @max bytes. NUL-terminated; *ret_size
 * (may be NULL) leaves the NUL out.
 */
int read_small_file(int dirfd, const char *name, size_t max, char **ret, size_t *ret_size);

/* readlink() into a fresh string. */
int read_symlink(int dirfd, const char *name, char **ret);

/* Writes all of @data or returns -errno. */
int write_all(int fd, const void *data, size_t size);
