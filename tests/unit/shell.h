#pragma once
/*
 * A shell in the scratch directory, mostly for the real ssh-keygen. What it
 * prints is in the file "log" there.
 */
#include "tests/unit/scratch.h"
#include "util/text.h"

static inline int shell(const Scratch *s, const char *format, ...) _printf_(2, 3);

/* What system() returns. */
static inline int shell(const Scratch *s, const char *format, ...) {
        cleanup_free_ char *command = NULL, *whole = NULL;
        va_list ap;

        va_start(ap, format);
        assert_true(vasprintf(&command, format, ap) >= 0);
        va_end(ap);
        assert_true(asprintf(&whole, "cd %s && { %s; } >log 2>&1 </dev/null", s->path, command) >= 0);
        return system(whole);
}

#define assert_shell(s, ...)                                                                                \
        do {                                                                                                \
                if (shell(s, __VA_ARGS__) != 0)                                                             \
                        fail_msg(__VA_ARGS__);                                                              \
        } while (0)
