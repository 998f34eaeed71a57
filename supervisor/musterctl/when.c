/*
 * A wrong reading of a time starts an upgrade at the wrong hour: everything
 * that is not exactly one of the forms is refused, and what was understood is
 * shown with its zone before it counts.
 */
#include "musterctl/when.h"

#include <ctype.h>
#include <time.h>

#include "util/text.h"

#define FORMS "\"2026-11-22 14:00\" (local time), \"2026-11-22T14:00:00Z\" or \"+10min\""

/* @n digits; -1 if they are not all digits. */
static int digits(const char **s, unsigned n) {
        int value = 0;

        for (; n > 0; n--, (*s)++) {
                if (!isdigit((unsigned char) **s))
                        return -1;
                value = value * 10 + (**s - '0');
        }
        return value;
}

static bool take(const char **s, const char *any) {
        if (!**s || !strchr(any, **s))
                return false;
        (*s)++;
        return true;
}

/* "YYYY-MM-DD?HH:MM[:SS]"; advances *s. */
static bool parse_civil(const char **s, struct tm *ret) {
        struct tm tm = { .tm_isdst = -1 };

        tm.tm_year = digits(s, 4) - 1900;
        if (tm.tm_year < 70 || !take(s, "-"))
                return false;
        tm.tm_mon = digits(s, 2) - 1;
        if (!take(s, "-"))
                return false;
        tm.tm_mday = digits(s, 2);
        if (!take(s, " Tt"))
                return false;
        tm.tm_hour = digits(s, 2);
        if (!take(s, ":"))
                return false;
        tm.tm_min = digits(s, 2);
        if (take(s, ":"))
                tm.tm_sec = digits(s, 2);
        if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 ||
            tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 59)
                return false;
        *ret = tm;
        return true;
}

/* "", "Z" or "+HH:MM". Whether it was a zone, and its offset in seconds. */
static bool parse_zone(const char *s, bool *ret_zoned, int *ret_offset) {
        int sign, hours, minutes;

        *ret_zoned = *s;
        *ret_offset = 0;
        if (!*s || str_eq(s, "Z") || str_eq(s, "z"))
                return true;
        if (*s != '+' && *s != '-')
                return false;
        sign = *s++ == '-' ? -1 : 1;
        hours = digits(&s, 2);
        if (hours < 0 || hours > 23 || !take(&s, ":"))
                return false;
        minutes = digits(&s, 2);
        if (minutes < 0 || minutes > 59 || *s)
                return false;
        *ret_offset = sign * (hours * 3600 + minutes * 60);
        return true;
}

int when_parse(const char *text, uint64_t now, uint64_t *ret_usec, Fault *reterr) {
        const char *s = text;
        struct tm tm, asked;
        bool zoned;
        int offset;
        time_t t;

        if (*text == '+') {
                uint64_t usec;

                if (parse_duration(text + 1, &usec) < 0 || usec == UINT64_MAX ||
                    __builtin_add_overflow(now, usec, ret_usec))
                        return fault_set(reterr, -EINVAL, "'%s' is not a time: expected %s", text, FORMS);
                return 0;
        }
        if (!parse_civil(&s, &tm) || !parse_zone(s, &zoned, &offset))
                return fault_set(reterr, -EINVAL, "'%s' is not a time: expected %s", text, FORMS);
        asked = tm;
        t = zoned ? timegm(&tm) : mktime(&tm);
        if (tm.tm_mday != asked.tm_mday || tm.tm_hour != asked.tm_hour || tm.tm_min != asked.tm_min)
                return fault_set(reterr, -EINVAL, "'%s' does not exist on the %s", text,
                                 tm.tm_mday != asked.tm_mday
                                         ? "calendar"
                                         : "local clock, which jumps over it; add a zone");
        *ret_usec = (uint64_t) (t - offset) * USEC_PER_SEC;
        return 0;
}

int when_parse_past(const char *text, uint64_t now, uint64_t *ret_usec, Fault *reterr) {
        uint64_t usec;

        if (parse_duration(*text == '-' ? text + 1 : text, &usec) == 0) {
                *ret_usec = usec < now ? now - usec : 0;
                return 0;
        }
        if (*text == '+')
                return fault_set(reterr, -EINVAL,
                                 "'%s' lies in the future: expected 10min, or a time as "
                                 "\"2026-11-22 14:00\"",
                                 text);
        return when_parse(text, now, ret_usec, reterr);
}

static char *format(char buffer[static WHEN_TEXT_MAX], uint64_t usec, const char *pattern) {
        time_t t = (time_t) (usec / USEC_PER_SEC);
        struct tm tm;

        if (usec == 0 || !localtime_r(&t, &tm) || strftime(buffer, WHEN_TEXT_MAX, pattern, &tm) == 0)
                snprintf(buffer, WHEN_TEXT_MAX, "-");
        return buffer;
}

char *when_date(char buffer[static WHEN_TEXT_MAX], uint64_t usec) {
        return format(buffer, usec, "%Y-%m-%d %H:%M:%S");
}

char *when_zoned(char buffer[static WHEN_TEXT_MAX], uint64_t usec) {
        return format(buffer, usec, "%Y-%m-%d %H:%M:%S %Z");
}

char *when_clock(char buffer[static WHEN_TEXT_MAX], uint64_t usec) {
        size_t n;

        format(buffer, usec, "%H:%M:%S");
        n = strlen(buffer);
        snprintf(buffer + n, WHEN_TEXT_MAX - n, ".%03u", (unsigned) (usec / USEC_PER_MSEC % 1000));
        return buffer;
}

char *when_relative(char buffer[static WHEN_TEXT_MAX], uint64_t usec, uint64_t now) {
        char text[DURATION_TEXT_MAX];
        uint64_t distance = usec > now ? usec - now : now - usec;

        /* Nobody reads fractions of a distance to now. */
        distance -= distance % USEC_PER_SEC;
        if (distance == 0)
                snprintf(buffer, WHEN_TEXT_MAX, "now");
        else
                snprintf(buffer, WHEN_TEXT_MAX, "%s%s%s", usec > now ? "in " : "",
                         format_duration(text, distance), usec > now ? "" : " ago");
        return buffer;
}
