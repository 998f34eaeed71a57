#pragma once
/*
 * What a hook says, kept within a bound: the end of it, or the beginning. Its
 * bytes are anybody's; what is handed out is valid UTF-8.
 */
#include <stdbool.h>
#include <stddef.h>

typedef struct HookOutput {
        size_t max;
        bool keep_last; /* beyond @max the oldest bytes go, else the newest */
        bool dropped;   /* there was more than @max */
        char *data;
        size_t size;
} HookOutput;

void hook_output_done(HookOutput *output);

/*
 * Takes what one read() gives and copies it to @echo_fd unless that is -1.
 * >0 bytes taken, 0 end of file, -EAGAIN nothing there, -errno.
 */
int hook_output_read(HookOutput *output, int fd, int echo_fd);

/* The text; bytes that are no UTF-8, and NUL, become '?'. NULL without memory. */
char *hook_output_text(const HookOutput *output);

/* The last line that is not blank, at most 200 bytes, control characters as '?'; "" if there is none. */
char *hook_output_last_line(const char *text);
