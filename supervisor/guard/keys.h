#pragma once
/*
 * The key files of a node and their digests: state/guard/keys, one
 * "SHA256 PATH" a line, PATH relative to the data directory, in order of first
 * sight. A real node silently makes a new key where one is missing; these
 * lines are how that is seen before it starts. Digests only, never a key.
 */
#include <stddef.h>
#include "crypto/sha256.h"
#include "util/fault.h"

#define KEYS_NAME "keys" /* every key seen */

typedef struct KeyFile {
        char digest[SHA256_HEX_SIZE];
        char *path;
} KeyFile;

typedef struct KeyFiles {
        KeyFile *files;
        size_t n;
} KeyFiles;

void key_files_done(KeyFiles *keys);
#define cleanup_key_files_ cleanup_(key_files_done)

/* Borrowed, or NULL. */
const KeyFile *key_files_find(const KeyFiles *keys, const char *path);

/* 0 or -ENOMEM. */
int key_files_add(KeyFiles *keys, const char *digest, const char *path);

/* What was recorded. No file: none yet, 0. -EBADMSG with the line. *ret must be empty, and is on failure. */
int key_files_read(int guard_dirfd, const char *name, KeyFiles *ret, Fault *reterr);
int key_files_write(int guard_dirfd, const char *name, const KeyFiles *keys, Fault *reterr);

/* Digest of one file; -ENOENT without a fault when it is not there. */
int key_file_digest(int data_dirfd, const char *path, char ret[static SHA256_HEX_SIZE], Fault *reterr);

/* What is there now below @data_dirfd: hashes every file that @patterns name. */
int key_files_scan(int data_dirfd, const char *const *patterns, KeyFiles *ret, Fault *reterr);
