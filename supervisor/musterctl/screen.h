#pragma once
/*
 * What a stream can show, and text written to it so that it can do no harm:
 * what nodes and peers say of themselves is somebody else's bytes.
 */
#include <stdbool.h>
#include <stdio.h>
#include "musterctl/outcome.h"

typedef struct Screen {
        unsigned width; /* columns; 0: endless (a pipe) */
        unsigned rows;  /* 0: not a terminal */
        bool terminal;
        bool utf8;
        bool color;
} Screen;

/*
 * NO_COLOR, TERM=dumb, COLUMNS, LINES, the locale and the window's size;
 * @no_color is the operator's --no-color. Needs setlocale() before.
 */
void screen_detect(Screen *ret, int fd, bool no_color);

/* "" where there are no colours. */
const char *screen_on(const Screen *screen, Tone tone);
const char *screen_off(const Screen *screen);

const char *screen_dot(const Screen *screen);      /* "●" or "*" */
const char *screen_arrow(const Screen *screen);    /* "→" or "->" */
const char *screen_ellipsis(const Screen *screen); /* "…" or "..." */

/* Columns that text_put() takes without a limit. */
unsigned text_width(const Screen *screen, const char *text);

/*
 * Writes @text in at most @max columns (0: no limit), ended by an ellipsis if
 * cut; returns the columns written. Line breaks and tabs become blanks; other
 * control characters, text-direction marks, invalid UTF-8 and, without UTF-8,
 * everything beyond ASCII become '?'.
 */
unsigned text_put(FILE *f, const Screen *screen, const char *text, unsigned max);

/* The whole text, in lines of @width columns (0: one line) broken at blanks; each further line begins with
 * @indent blanks. */
void text_put_wrapped(FILE *f, const Screen *screen, const char *text, unsigned width, unsigned indent);

/* text_put() in @tone, padded by blanks to @width, on the left if @right. */
void text_put_padded(FILE *f, const Screen *screen, const char *text, Tone tone, unsigned width, bool right);
