#include "util/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <time.h>

bool str_ends(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n >= m && strcmp(s + n - m, suffix) == 0;
}

char *str_vformat(const char *format, va_list ap) {
        char *text;

        return vasprintf(&text, format, ap) < 0 ? NULL : text;
}

int str_replace(char **field, const char *value) {
        char *copy = NULL;

        if (value) {
                copy = strdup(value);
                if (!copy)
                        return -ENOMEM;
        }
        free(*field);
        *field = copy;
        return 0;
}

static int parse_digits(const char *s, unsigned base, uint64_t *ret) {
        uint64_t value = 0;

        if (!*s)
                return -EINVAL;
        for (; *s; s++) {
                unsigned digit;

                if (*s >= '0' && *s <= '9')
                        digit = (unsigned) (*s - '0');
                else if (isxdigit((unsigned char) *s))
                        digit = (unsigned) (tolower((unsigned char) *s) - 'a' + 10);
                else
                        return -EINVAL;
                if (digit >= base)
                        return -EINVAL;
                if (__builtin_mul_overflow(value, (uint64_t) base, &value) ||
                    __builtin_add_overflow(value, (uint64_t) digit, &value))
                        return -ERANGE;
        }
        *ret = value;
        return 0;
}

int parse_u64(const char *s, uint64_t *ret) {
        if (!s || (s[0] == '0' && s[1]))
                return -EINVAL;
        return parse_digits(s, 10, ret);
}

int parse_hex_quantity(const char *s, uint64_t *ret) {
        if (!s || s[0] != '0' || s[1] != 'x')
                return -EINVAL;
        return parse_digits(s + 2, 16, ret);
}

typedef struct DurationUnit {
        const char *name;
        uint64_t usec;
} DurationUnit;

static const DurationUnit duration_units[] = {
        { "us", 1 },
        { "ms", USEC_PER_MSEC },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "min", 60 * USEC_PER_SEC },
        { "h", 3600 * USEC_PER_SEC },
        { "d", 86400 * USEC_PER_SEC },
        { "", USEC_PER_SEC }, /* a lone number */
};

static int duration_unit(const char *name, size_t length, uint64_t *ret) {
        for (size_t i = 0; i < ELEMENTSOF(duration_units); i++)
                if (strlen(duration_units[i].name) == length &&
                    memcmp(duration_units[i].name, name, length) == 0) {
                        *ret = duration_units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

/* One "NUMBER[.FRACTION]UNIT"; advances *s. */
static int parse_duration_term(const char **s, bool alone, uint64_t *ret) {
        uint64_t whole = 0, part = 0, scale = 1, unit;
        size_t length;
        int r;

        if (!isdigit((unsigned char) **s))
                return -EINVAL;
        for (; isdigit((unsigned char) **s); (*s)++)
                if (__builtin_mul_overflow(whole, 10, &whole) ||
                    __builtin_add_overflow(whole, (uint64_t) (**s - '0'), &whole))
                        return -ERANGE;
        if (**s == '.')
                for ((*s)++; isdigit((unsigned char) **s); (*s)++)
                        if (scale < USEC_PER_SEC) {
                                part = part * 10 + (uint64_t) (**s - '0');
                                scale *= 10;
                        }
        *s += strspn(*s, " ");
        length = strspn(*s, "abcdefghijklmnopqrstuvwxyz");
        r = length == 0 && !alone ? -EINVAL : duration_unit(*s, length, &unit);
        if (r < 0)
                return r;
        *s += length;
        *s += strspn(*s, " ");
        if (__builtin_mul_overflow(whole, unit, &whole) ||
            __builtin_add_overflow(whole, part * unit / scale, ret))
                return -ERANGE;
        return 0;
}

static bool is_plain_number(const char *s) {
        return s[strspn(s, "0123456789.")] == 0;
}

int parse_duration(const char *s, uint64_t *ret_usec) {
        uint64_t sum = 0;

        if (!s || !*s)
                return -EINVAL;
        if (str_eq(s, "infinity")) {
                *ret_usec = UINT64_MAX;
                return 0;
        }
        /* Seconds need no unit where they stand alone; "1h30" may mean anything. */
        if (is_plain_number(s)) {
                int r = parse_duration_term(&s, true, &sum);

                if (r < 0 || *s)
                        return r < 0 ? r : -EINVAL;
        }
        while (*s) {
                uint64_t term;
                int r = parse_duration_term(&s, false, &term);

                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, term, &sum))
                        return -ERANGE;
        }
        *ret_usec = sum;
        return 0;
}

char *format_duration(char buffer[static DURATION_TEXT_MAX], uint64_t usec) {
        uint64_t s = usec / USEC_PER_SEC;

        if (usec == UINT64_MAX)
                snprintf(buffer, DURATION_TEXT_MAX, "infinity");
        else if (usec < USEC_PER_MSEC)
                snprintf(buffer, DURATION_TEXT_MAX, "%" PRIu64 "us", usec);
        else if (usec < USEC_PER_SEC)
                snprintf(buffer, DURATION_TEXT_MAX, "%" PRIu64 "ms", usec / USEC_PER_MSEC);
        else if (s < 60 && usec % USEC_PER_SEC)
                snprintf(buffer, DURATION_TEXT_MAX, "%.2fs", (double) usec / USEC_PER_SEC);
        else if (s < 60)
                snprintf(buffer, DURATION_TEXT_MAX, "%" PRIu64 "s", s);
        else if (s < 3600)
                snprintf(buffer, DURATION_TEXT_MAX, "%" PRIu64 "min %" PRIu64 "s", s / 60, s % 60);
        else if (s < 86400)
                snprintf(buffer, DURATION_TEXT_MAX, "%" PRIu64 "h %" PRIu64 "min", s / 3600, s / 60 % 60);
        else
                snprintf(buffer, DURATION_TEXT_MAX, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s / 3600 % 24);
        return buffer;
}

char *format_timestamp(char buffer[static TIMESTAMP_TEXT_MAX], uint64_t realtime_usec) {
        time_t t = (time_t) (realtime_usec / USEC_PER_SEC);
        struct tm tm;

        if (realtime_usec == 0 || !gmtime_r(&t, &tm) ||
            strftime(buffer, TIMESTAMP_TEXT_MAX, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
                snprintf(buffer, TIMESTAMP_TEXT_MAX, "-");
        return buffer;
}

char *format_size(char buffer[static SIZE_TEXT_MAX], uint64_t bytes) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        double value = (double) bytes;
        size_t i = 0;

        while (value >= 1024 && i + 1 < ELEMENTSOF(units)) {
                value /= 1024;
                i++;
        }
        snprintf(buffer, SIZE_TEXT_MAX, i == 0 ? "%.0f %s" : "%.1f %s", value, units[i]);
        return buffer;
}

static uint64_t clock_usec(clockid_t clock) {
        struct timespec ts = { 0 };

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

uint64_t now_realtime_usec(void) {
        return clock_usec(CLOCK_REALTIME);
}

uint64_t now_monotonic_usec(void) {
        return clock_usec(CLOCK_MONOTONIC);
}

size_t strv_length(char *const *v) {
        size_t n = 0;

        while (v && v[n])
                n++;
        return n;
}

bool strv_contains(char *const *v, const char *s) {
        STRV_FOREACH (i, v)
                if (str_eq(*i, s))
                        return true;
        return false;
}

int strv_append(char ***v, const char *s) {
        size_t n = strv_length(*v);
        char *copy = strdup(s), **larger;

        if (!copy)
                return -ENOMEM;
        larger = reallocarray(*v, n + 2, sizeof *larger);
        if (!larger) {
                free(copy);
                return -ENOMEM;
        }
        larger[n] = copy;
        larger[n + 1] = NULL;
        *v = larger;
        return 0;
}

int strv_extend(char ***v, const char *const *more) {
        for (; more && *more; more++)
                if (strv_append(v, *more) < 0)
                        return -ENOMEM;
        return 0;
}

char **strv_free(char **v) {
        STRV_FOREACH (s, v)
                free(*s);
        free(v);
        return NULL;
}
