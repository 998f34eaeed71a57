#pragma once
/*
 * SHA-256 (FIPS 180-4), compact and slow enough: a block is 400 bytes.
 */
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_HEX  65 /* 64 digits and NUL */

void sha256(const void *data, size_t len, uint8_t ret_digest[SHA256_SIZE]);

/* The digest in lower-case hex. */
void sha256_hex(const void *data, size_t len, char ret_hex[SHA256_HEX]);

/* @len bytes as 2*@len hex digits and NUL into @ret_hex. */
void hex_encode(const uint8_t *data, size_t len, char *ret_hex);
