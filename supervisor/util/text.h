#pragma once
/*
 * Strings: equality that reads, owned vectors, strict numbers, durations.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "util/cleanup.h"

static inline bool str_eq(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline bool str_starts(const char *s, const char *prefix) {
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix);

/* vasprintf() as a value: an owned text, NULL without memory. */
char *str_vformat(const char *format, va_list ap) _printf_(1, 0);

/* Replaces *field by a copy of @value (NULL clears). 0 or -ENOMEM, the old value kept. */
int str_replace(char **field, const char *value);

/* Decimal without sign, blank or leading zero; -EINVAL, -ERANGE. */
int parse_u64(const char *s, uint64_t *ret);

/* "0x1a" as Ethereum quantities; -EINVAL, -ERANGE. */
int parse_hex_quantity(const char *s, uint64_t *ret);

/* "90", "90s", "250ms", "15min", "1h 30min", "2d", "infinity" (UINT64_MAX); microseconds. -EINVAL, -ERANGE.
 */
int parse_duration(const char *s, uint64_t *ret_usec);

/* "1h 30min", "2.5s", "40ms"; static width at most 56 bytes with the NUL. Returns @buffer. */
#define DURATION_TEXT_MAX 56
char *format_duration(char buffer[static DURATION_TEXT_MAX], uint64_t usec);

/* "2026-11-22 14:05:09 UTC"; "-" for 0. */
#define TIMESTAMP_TEXT_MAX 32
char *format_timestamp(char buffer[static TIMESTAMP_TEXT_MAX], uint64_t realtime_usec);

/* "1.5 GiB" */
#define SIZE_TEXT_MAX 24
char *format_size(char buffer[static SIZE_TEXT_MAX], uint64_t bytes);

uint64_t now_realtime_usec(void);
uint64_t now_monotonic_usec(void);

/* NULL-terminated string vectors, owned. */
size_t strv_length(char *const *v);
bool strv_contains(char *const *v, const char *s);
int strv_append(char ***v, const char *s);
int strv_extend(char ***v, const char *const *more); /* by copies; @more may be NULL */
char **strv_free(char **v);                          /* returns NULL */
static inline void strv_freep(char ***v) {
        strv_free(*v);
}
#define cleanup_strv_      cleanup_(strv_freep)
#define STRV_FOREACH(s, v) for (char *const *s = (v); s && *s; s++)
