#pragma once
/*
 * Text that others made (file names, answers of mirrors) may hold any bytes;
 * JSON and D-Bus carry UTF-8 only.
 */
#include <stddef.h>

/* Bytes of the character at @s, which has @left bytes; 0 if that is none (RFC 3629). */
size_t utf8_length(const char *s, size_t left);

/* A copy in which every byte that is no UTF-8 is '?'. NULL without memory. */
char *utf8_clean(const char *s);
