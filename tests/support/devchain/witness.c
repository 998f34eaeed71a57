#include "witness.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "durable.h"
#include "log.h"

static void __attribute__((format(printf, 3, 4)))
append(const Witness *w, const char *name, const char *format, ...) {
        char path[PATH_MAX], when[CLOCK_TEXT_MAX], text[512], line[600];
        va_list ap;
        int r;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        clock_format(clock_real_ms(), when);
        snprintf(line, sizeof(line), "%s %s\n", when, text);
        snprintf(path, sizeof(path), "%.4000s/%s", w->dir, name);

        r = durable_append(path, line);
        if (r < 0)
                log_warn("Failed to append to '%s': %s, ignoring", path, strerror(-r));
}

void witness_instance(const Witness *w, const char *what, uint64_t height, const char *reason) {
        append(w, "instances.log", "%s pid=%d version=%s height=%" PRIu64 "%s%s", what, getpid(), w->version,
               height, reason ? " reason=" : "", reason ?: "");
}

void witness_vote(const Witness *w, const char *address, uint64_t height, uint32_t round, uint32_t step,
                  const char *hash) {
        append(w, "votes.log", "pid=%d address=%s height=%" PRIu64 " round=%u step=%u hash=%s", getpid(),
               address, height, round, step, hash);
}

void witness_double_sign(const Witness *w, uint64_t height, uint32_t round, uint32_t step,
                         uint32_t validator, const char *hash, const char *other) {
        append(w, "evidence.log", "height=%" PRIu64 " round=%u step=%u validator=%u hash=%s hash=%s", height,
               round, step, validator, hash, other);
}
