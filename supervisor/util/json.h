#pragma once
/*
 * Jansson, with the fault text that this project wants and scope-bound references.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "util/fault.h"

#define cleanup_json_ cleanup_(json_decrefp) /* json_decrefp() is Jansson's own */

/*
 * Parses one JSON document of at most 1 MiB from dirfd/name. -errno; -EBADMSG
 * with line and column in the fault, or because it is larger.
 */
int json_read_file(int dirfd, const char *name, json_t **ret, Fault *reterr);

/* Compact, newline-terminated, durable, by rename. */
int json_write_file(int dirfd, const char *name, const json_t *object, mode_t mode);

/* Member of an object as a string (borrowed), or NULL if absent or of another type. */
const char *json_str(const json_t *object, const char *key);

/* Member as an unsigned integer; -ENOENT absent, -EBADMSG of another type or negative. */
int json_u64(const json_t *object, const char *key, uint64_t *ret);

bool json_bool(const json_t *object, const char *key);

/* New reference: a string, in which what is no UTF-8 became '?'; JSON's null for NULL. NULL without memory.
 */
json_t *json_text(const char *text);

/* Sets json_text(), or nothing when @value is NULL. 0 or -ENOMEM. */
int json_put_str(json_t *object, const char *key, const char *value);
int json_put_bool(json_t *object, const char *key, bool value);

/* -ERANGE beyond INT64_MAX, which JSON's readers do not carry: infinity is json_usec()'s. */
int json_put_u64(json_t *object, const char *key, uint64_t value);

/* New reference: a duration in microseconds; null for infinity (UINT64_MAX, and what is beyond INT64_MAX).
 */
json_t *json_usec(uint64_t usec);

/* Member as json_usec() writes it; -ENOENT absent, -EBADMSG anything but null or a number that is not
 * negative. */
int json_read_usec(const json_t *object, const char *key, uint64_t *ret);

/* Strings of an array member as an owned strv, empty if absent. -EBADMSG if not all are strings. */
int json_strv(const json_t *object, const char *key, char ***ret);
int json_put_strv(json_t *object, const char *key, char *const *v);
