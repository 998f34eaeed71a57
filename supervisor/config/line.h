#pragma once
/*
 * Text that is safe to show, to pass as an argument and to put into JSON: one
 * line of UTF-8 without control characters.
 */
#include <stdbool.h>

bool text_is_line(const char *s);

/* Replaces every byte that does not belong into a line by '?'. */
void text_make_line(char *s);
