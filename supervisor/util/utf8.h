#pragma once
/*
 * Text that others made (file names, answers of mirrors) may hold any bytes;
 * JSON and D-Bus carry UTF-8 only.
 */
#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of the character at @s, which has @left bytes; 0 if that is none (RFC
 * 3629). No byte behind the first wrong one is read, so @left may be SIZE_MAX
 * where a NUL ends the text.
 */
size_t utf8_length(const char *s, size_t left);

/* The same, and the code point; *ret is untouched when it returns 0. */
size_t utf8_decode(const char *s, size_t left, uint32_t *ret);

/* A copy in which every byte that is no UTF-8 is '?'. NULL without memory. */
char *utf8_clean(const char *s);
