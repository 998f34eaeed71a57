#pragma once
/*
 * Names that become file names, unit instances and object paths.
 * VERSION: [A-Za-z0-9][A-Za-z0-9._+-]*, at most 64. NAME: the same without
 * '+', which systemd does not allow in a unit name.
 */
#include <stdbool.h>
#include "util/fault.h"

#define NAME_MAX_LENGTH 64

bool name_is_valid(const char *name);
bool version_is_valid(const char *version);

/* 0, or -EINVAL with a text that says what is allowed. @what names the thing, e.g. "node name". */
int name_check(const char *name, const char *what, Fault *reterr);
int version_check(const char *version, const char *what, Fault *reterr);
