#include "config/setter.h"
#include "config/value.h"
#include "util/text.h"

#include <inttypes.h>

static void *field(void *target, const ConfigKey *key) {
        return (char *) target + key->offset;
}

int config_set_text(void *target, const ConfigKey *key, const char *title, const char *value,
                    Fault *reterr) {
        if (!*value)
                return fault_set(reterr, -EINVAL, "is empty, expected a text");
        return str_replace(field(target, key), value);
}

int config_set_path(void *target, const ConfigKey *key, const char *title, const char *value,
                    Fault *reterr) {
        int r = value_check_path(value, reterr);

        return r < 0 ? r : str_replace(field(target, key), value);
}

int config_set_url(void *target, const ConfigKey *key, const char *title, const char *value, Fault *reterr) {
        int r = value_check_url(value, reterr);

        return r < 0 ? r : str_replace(field(target, key), value);
}

int config_set_bool(void *target, const ConfigKey *key, const char *title, const char *value,
                    Fault *reterr) {
        return value_parse_bool(value, field(target, key), reterr);
}

int config_set_signal(void *target, const ConfigKey *key, const char *title, const char *value,
                      Fault *reterr) {
        return value_parse_signal(value, field(target, key), reterr);
}

int config_set_duration(void *target, const ConfigKey *key, const char *title, const char *value,
                        Fault *reterr) {
        char min[DURATION_TEXT_MAX], max[DURATION_TEXT_MAX];
        uint64_t usec;

        if (parse_duration(value, &usec) < 0)
                return fault_set(
                        reterr, -EINVAL,
                        "expected a duration such as 250ms, 90s, 15min, \"1h 30min\" or 2d, found '%s'",
                        value);
        if (usec < key->min || usec > key->max)
                return fault_set(reterr, -EINVAL, "expected a duration from %s to %s, found '%s'",
                                 format_duration(min, key->min), format_duration(max, key->max), value);
        *(uint64_t *) field(target, key) = usec;
        return 0;
}

int config_set_size(void *target, const ConfigKey *key, const char *title, const char *value,
                    Fault *reterr) {
        uint64_t size;
        int r = value_parse_size(value, &size, reterr);

        if (r < 0)
                return r;
        if (size != UINT64_MAX && (size < key->min || size > key->max))
                return fault_set(reterr, -EINVAL,
                                 "expected infinity or a number from %" PRIu64 " to %" PRIu64 ", found '%s'",
                                 key->min, key->max, value);
        *(uint64_t *) field(target, key) = size;
        return 0;
}

int config_set_count(void *target, const ConfigKey *key, const char *title, const char *value,
                     Fault *reterr) {
        uint64_t count;

        if (parse_u64(value, &count) < 0 || count < key->min || count > key->max)
                return fault_set(reterr, -EINVAL,
                                 "expected a number from %" PRIu64 " to %" PRIu64 ", found '%s'", key->min,
                                 key->max, value);
        *(uint64_t *) field(target, key) = count;
        return 0;
}

int config_append(void *target, const ConfigKey *key, const char *value, Fault *reterr) {
        char ***list = field(target, key);

        if (strv_length(*list) >= CONFIG_LIST_MAX)
                return fault_set(reterr, -EINVAL, "expected at most %d elements", CONFIG_LIST_MAX);
        return strv_append(list, value);
}
