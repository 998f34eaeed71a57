#pragma once
/*
 * SHA-256 by OpenSSL. Lengths are 64-bit throughout.
 */
#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX_SIZE 65 /* 64 lower-case hex digits and NUL */

typedef struct Sha256 Sha256;

int sha256_new(Sha256 **ret);
int sha256_update(Sha256 *h, const void *data, size_t size);
int sha256_final_hex(Sha256 *h, char ret[static SHA256_HEX_SIZE]); /* then only sha256_free() */
Sha256 *sha256_free(Sha256 *h);                                    /* returns NULL */

int sha256_buffer_hex(const void *data, size_t size, char ret[static SHA256_HEX_SIZE]);

/* From the current offset to the end; *ret_size may be NULL. */
int sha256_fd_hex(int fd, char ret[static SHA256_HEX_SIZE], uint64_t *ret_size);
