#include "musterctl/flatten.h"

#include "util/text.h"

static int scalar_put(FILE *f, const json_t *value) {
        switch (json_typeof(value)) {
        case JSON_STRING:
                for (const char *s = json_string_value(value); *s; s++)
                        fputc((unsigned char) *s < ' ' || *s == 0x7f ? '?' : *s, f);
                return 0;
        case JSON_INTEGER:
                fprintf(f, "%lld", (long long) json_integer_value(value));
                return 0;
        case JSON_REAL:
                fprintf(f, "%g", json_real_value(value));
                return 0;
        case JSON_TRUE:
                fputs("yes", f);
                return 0;
        case JSON_FALSE:
                fputs("no", f);
                return 0;
        case JSON_NULL:
                return 0;
        case JSON_OBJECT:
        case JSON_ARRAY:
                break;
        }
        return -EINVAL;
}

static bool array_is_plain(const json_t *array) {
        const json_t *item;
        size_t i;

        json_array_foreach (array, i, item)
                if (json_is_object(item) || json_is_array(item))
                        return false;
        return true;
}

/* A value without structure, as one line. */
static int plain_text(const json_t *value, char **ret) {
        cleanup_free_ char *text = NULL;
        const json_t *item;
        size_t size, i;
        FILE *f = open_memstream(&text, &size);
        int r = 0;

        if (!f)
                return -errno;
        if (json_is_array(value)) {
                json_array_foreach (value, i, item) {
                        if (i > 0)
                                fputc(' ', f);
                        r = scalar_put(f, item);
                }
        } else
                r = scalar_put(f, value);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (r == 0)
                *ret = TAKE_PTR(text);
        return r;
}

typedef void (*Put)(const char *key, const char *value, void *userdata);

static int member(const json_t *value, const char *prefix, const char *name, Put put, void *userdata) {
        cleanup_free_ char *key = NULL;

        if (asprintf(&key, "%s%s%s", prefix ?: "", prefix && *prefix ? "." : "", name) < 0) {
                key = NULL;
                return -ENOMEM;
        }
        return flatten(value, key, put, userdata);
}

int flatten(const json_t *value, const char *key, Put put, void *userdata) {
        cleanup_free_ char *text = NULL;
        const char *name;
        json_t *item;
        size_t i;
        int r = 0;

        if (json_is_object(value)) {
                json_object_foreach ((json_t *) value, name, item)
                        if (r == 0)
                                r = member(item, key, name, put, userdata);
                return r;
        }
        if (json_is_array(value) && !array_is_plain(value)) {
                json_array_foreach (value, i, item) {
                        char number[24];

                        snprintf(number, sizeof number, "%zu", i);
                        if (r == 0)
                                r = member(item, key, number, put, userdata);
                }
                return r;
        }
        r = plain_text(value, &text);
        if (r == 0)
                put(key ?: "", text, userdata);
        return r;
}
