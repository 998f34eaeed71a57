#pragma once
/*
 * Bytes as lower-case hexadecimal digits, the form of every digest in our files.
 */
#include <stddef.h>

/* @ret has room for 2 * @size + 1 bytes. Returns it. */
char *hex_encode(const void *data, size_t size, char *ret);

/* Exactly 2 * @size digits, lower case only; -EBADMSG for anything else, NULL too. */
int hex_decode(const char *text, void *ret, size_t size);
