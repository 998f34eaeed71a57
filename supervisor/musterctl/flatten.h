#pragma once
/*
 * A JSON object as key=value lines: nested members joined by '.', array members
 * of objects numbered, arrays of plain values joined by blanks, null empty.
 */
#include <stdio.h>
#include "util/json.h"

/* @key NULL or "": no prefix. Values keep to one line: control characters become '?'. 0 or -ENOMEM. */
int flatten(const json_t *value, const char *key,
            void (*put)(const char *key, const char *value, void *userdata), void *userdata);
