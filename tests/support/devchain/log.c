#include "log.h"

#include <stdarg.h>
#include <stdio.h>

#include "clock.h"

void log_line(const char *level, const char *format, ...) {
        char when[CLOCK_TEXT_MAX], text[1024];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);

        clock_format(clock_real_ms(), when);
        printf("%s %-5s %s\n", when, level, text);
        fflush(stdout); /* a crash fault must not swallow the line before it */
}
