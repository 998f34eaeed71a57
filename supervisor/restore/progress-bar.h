#pragma once
/*
 * Progress of a long command on stderr: a bar that is drawn again on a terminal,
 * else a line every ten seconds.
 */
#include <stdbool.h>
#include <stdint.h>
#include "archive/fetch.h"

typedef struct ProgressBar {
        bool quiet, terminal, drawn; /* drawn: there is one to be wiped */
        uint64_t began, last;        /* monotonic */
        uint64_t began_done;         /* what was done when this began: resumed bytes have no rate */
        const char *step;
} ProgressBar;

/* @quiet: nothing is ever shown but what progress_bar_say() says. */
void progress_bar_init(ProgressBar *bar, bool quiet);

void progress_bar_show(ProgressBar *bar, const FetchProgress *progress);

/* A line of text, the bar out of its way. Also when quiet. */
void progress_bar_say(ProgressBar *bar, const char *text);

/* Wipes what is drawn. */
void progress_bar_end(ProgressBar *bar);

/* Pure: one line without its end into @buffer, as wide as @width at most. @usec: since it began. */
void progress_bar_format(char *buffer, size_t size, unsigned width, const FetchProgress *progress,
                         uint64_t began_done, uint64_t usec);
