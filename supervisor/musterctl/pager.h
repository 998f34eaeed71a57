#pragma once
/*
 * Shows text a screen at a time, if it is longer than the screen.
 */
#include <stddef.h>

/* Writes @text to stdout, through $PAGER or less on a terminal that is too short for it. 0 or -errno. */
int page_text(const char *text, size_t size);
