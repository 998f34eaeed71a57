#include "clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ms(clockid_t id) {
        struct timespec ts;

        clock_gettime(id, &ts);
        return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

uint64_t clock_mono_ms(void) {
        return read_ms(CLOCK_MONOTONIC);
}

uint64_t clock_real_ms(void) {
        return read_ms(CLOCK_REALTIME);
}

void clock_format(uint64_t real_ms, char ret_text[CLOCK_TEXT_MAX]) {
        time_t sec = (time_t) (real_ms / 1000);
        struct tm tm;
        char day[21];

        gmtime_r(&sec, &tm);
        strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(ret_text, CLOCK_TEXT_MAX, "%s.%03uZ", day, (unsigned) (real_ms % 1000));
}
