#include "util/json.h"
#include "util/durable.h"
#include "util/text.h"
#include "util/utf8.h"

#define JSON_FILE_MAX (1024 * 1024)

int json_read_file(int dirfd, const char *name, json_t **ret, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        json_error_t error;
        json_t *j;
        size_t size;
        int r;

        r = read_small_file(dirfd, name, JSON_FILE_MAX, &text, &size);
        if (r == -EFBIG)
                return fault_set(reterr, -EBADMSG, "'%s' is larger than %d bytes", name, JSON_FILE_MAX);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read '%s'", name);
        j = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
        if (!j)
                return fault_set(reterr, -EBADMSG, "%s:%d:%d: %s", name, error.line, error.column,
                                 error.text);
        *ret = j;
        return 0;
}

int json_write_file(int dirfd, const char *name, const json_t *object, mode_t mode) {
        cleanup_free_ char *text = json_dumps(object, JSON_COMPACT);
        size_t size;

        if (!text)
                return -ENOMEM;
        size = strlen(text);
        text[size] = '\n'; /* in place of the NUL: the size is passed along */
        return durable_write(dirfd, name, text, size + 1, mode);
}

const char *json_str(const json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key));
}

int json_u64(const json_t *object, const char *key, uint64_t *ret) {
        const json_t *j = json_object_get(object, key);

        if (!j)
                return -ENOENT;
        if (!json_is_integer(j) || json_integer_value(j) < 0)
                return -EBADMSG;
        *ret = (uint64_t) json_integer_value(j);
        return 0;
}

bool json_bool(const json_t *object, const char *key) {
        return json_is_true(json_object_get(object, key));
}

json_t *json_text(const char *text) {
        cleanup_free_ char *clean = text ? utf8_clean(text) : NULL;

        return !text ? json_null() : clean ? json_string(clean) : NULL;
}

int json_put_str(json_t *object, const char *key, const char *value) {
        if (!value)
                return 0;
        return json_object_set_new(object, key, json_text(value)) < 0 ? -ENOMEM : 0;
}

int json_put_u64(json_t *object, const char *key, uint64_t value) {
        if (value > INT64_MAX)
                return -ERANGE;
        return json_object_set_new(object, key, json_integer((json_int_t) value)) < 0 ? -ENOMEM : 0;
}

json_t *json_usec(uint64_t usec) {
        return usec > INT64_MAX ? json_null() : json_integer((json_int_t) usec);
}

int json_read_usec(const json_t *object, const char *key, uint64_t *ret) {
        if (!json_is_null(json_object_get(object, key)))
                return json_u64(object, key, ret);
        *ret = UINT64_MAX;
        return 0;
}

int json_put_bool(json_t *object, const char *key, bool value) {
        return json_object_set_new(object, key, json_boolean(value)) < 0 ? -ENOMEM : 0;
}

int json_strv(const json_t *object, const char *key, char ***ret) {
        cleanup_strv_ char **v = calloc(1, sizeof *v);
        const json_t *array = json_object_get(object, key), *item;
        size_t i;

        if (!v)
                return -ENOMEM;
        if (array && !json_is_array(array))
                return -EBADMSG;
        json_array_foreach (array, i, item) {
                if (!json_is_string(item))
                        return -EBADMSG;
                if (strv_append(&v, json_string_value(item)) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(v);
        return 0;
}

int json_put_strv(json_t *object, const char *key, char *const *v) {
        cleanup_json_ json_t *array = json_array();

        if (!array)
                return -ENOMEM;
        STRV_FOREACH (s, v)
                if (json_array_append_new(array, json_text(*s)) < 0)
                        return -ENOMEM;
        return json_object_set(object, key, array) < 0 ? -ENOMEM : 0;
}
