#pragma once
/*
 * An EVENT of the record as a line.
 */
#include "musterctl/screen.h"
#include "util/json.h"

/* A user's name, or "uid N". */
#define USER_TEXT_MAX 64
char *user_text(char buffer[static USER_TEXT_MAX], int64_t uid);

/* "armed → draining", "healthy → down", "act", "ALARM": what happened, in a word. Owned; NULL without
 * memory. */
char *event_what(const Screen *screen, const json_t *event);

/* The text, then in parentheses who asked, by what command, and why. Owned; NULL without memory. */
char *event_detail(const json_t *event);

Tone event_tone(const json_t *event);

/*
 * "2026-11-22 14:05:09  kcn1  armed → draining  text (root: reason)" in
 * @screen->width columns. The node's column is left out if @node_width is 0.
 */
void event_put(FILE *f, const Screen *screen, const json_t *event, unsigned node_width);

/* "14:05:09.123  armed → draining  text": for somebody who watches. Who asked is left out if it was
 * @own_command. */
void event_put_brief(FILE *f, const Screen *screen, const json_t *event, const char *own_command);
