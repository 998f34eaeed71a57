#pragma once
/*
 * The kinds of values that keys have. Each function takes the text of one value
 * and returns 0, or -EINVAL with what was expected.
 */
#include <stdbool.h>
#include <stdint.h>
#include "util/fault.h"

int value_parse_bool(const char *value, bool *ret, Fault *reterr); /* true false yes no */

/* By name with or without SIG, or by number; only signals that ask a process to end, and never SIGKILL. */
int value_parse_signal(const char *value, int *ret, Fault *reterr);

/* A number of bytes or things: "4096", "64K", "2G" (powers of 1024), "infinity" (UINT64_MAX). */
int value_parse_size(const char *value, uint64_t *ret, Fault *reterr);

int value_check_path(const char *value, Fault *reterr);          /* absolute, no "..", "." or "//" */
int value_check_relative_path(const char *value, Fault *reterr); /* likewise, but below something */
int value_check_url(const char *value, Fault *reterr);           /* http(s)://host[:port][/path] */
int value_check_user(const char *value, Fault *reterr);          /* neither root nor one of muster's own */
int value_check_unit(const char *value, Fault *reterr);          /* NAME.service, none of muster's own */
int value_check_capability(const char *value, Fault *reterr); /* CAP_..., as linux/capability.h knows them */
int value_check_environment(const char *value, Fault *reterr); /* KEY=VALUE */
int value_check_pattern(const char *value, Fault *reterr);     /* glob below the data directory */
