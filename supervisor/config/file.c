/*
 * libconfuse reads the values. It gives no user data to callbacks and its lexer
 * is global: one file at a time, and `reading` is that file. Neither syntax nor
 * keys are left to it (see scan.c, walk.c): should it find a fault none the
 * less, that is reported too.
 */
#include "config/file.h"
#include "config/line.h"
#include "config/walk.h"
#include "util/durable.h"
#include "util/text.h"

#include <confuse.h>
#include <fcntl.h>
#include <sys/stat.h>

#define OPTIONS_MAX 64

typedef struct Reading {
        ConfigFile *file;
        const ConfigSchema *schema;
        void *target;
        int r;
} Reading;

static __thread Reading *reading;

const ConfigKey *config_schema_key(const ConfigSchema *schema, const char *section, const char *name) {
        for (size_t i = 0; i < schema->n_keys; i++)
                if (str_eq(schema->keys[i].section, section) && str_eq(schema->keys[i].name, name))
                        return &schema->keys[i];
        return NULL;
}

char *config_key_name(const char *section, const char *name) {
        char *full;

        if (!section)
                return strdup(name);
        return asprintf(&full, "%s.%s", section, name) < 0 ? NULL : full;
}

unsigned config_file_line(const ConfigFile *file, const char *section, const char *key, const char *title) {
        for (size_t i = 0; i < file->n_seen; i++)
                if (str_eq(file->seen[i].section, section) && str_eq(file->seen[i].key, key) &&
                    str_eq(file->seen[i].title, title))
                        return file->seen[i].line;
        return 0;
}

static void on_error(cfg_t *cfg, const char *format, va_list ap) {
        cleanup_free_ char *text = str_vformat(format, ap);

        if (!text) {
                reading->r = -ENOMEM;
                return;
        }
        fault_list_add(&reading->file->faults, cfg && cfg->line > 0 ? (unsigned) cfg->line : 1, NULL,
                       "%s, expected KEY = VALUE, KEY = { VALUE, VALUE } or SECTION { ... }", text);
}

static int on_value(cfg_t *cfg, cfg_opt_t *option, const char *value, void *result) {
        const char *title = cfg_title(cfg), *section = str_eq(cfg_name(cfg), "root") ? NULL : cfg_name(cfg);
        const ConfigKey *key = config_schema_key(reading->schema, section, option->name);
        cleanup_free_ char *name = config_key_name(section, option->name);
        cleanup_fault_ Fault fault = { 0 };
        int r;

        if (!name) {
                reading->r = -ENOMEM;
                return -1;
        }
        if (!text_is_line(value))
                r = fault_set(
                        &fault, -EINVAL,
                        "contains a line end, a control character or bytes that are not UTF-8, expected one "
                        "line of text");
        else
                r = key->set(reading->target, key, title, value, &fault);
        if (r == -ENOMEM) {
                reading->r = r;
                return -1;
        }
        if (r < 0)
                fault_list_add(&reading->file->faults, (unsigned) cfg->line, name, "%s",
                               fault_text(&fault, r));
        *(const char **) result = value;
        return 0;
}

/* Copies the keys of one section into libconfuse's form. */
static size_t make_options(const ConfigSchema *schema, const char *section, cfg_opt_t *options) {
        size_t n = 0;

        for (size_t i = 0; i < schema->n_keys; i++) {
                const ConfigKey *key = &schema->keys[i];

                if (!str_eq(key->section, section))
                        continue;
                if (key->list)
                        options[n++] =
                                (cfg_opt_t) CFG_STR_LIST_CB(key->name, NULL, CFGF_NODEFAULT, on_value);
                else
                        options[n++] = (cfg_opt_t) CFG_STR_CB(key->name, NULL, CFGF_NODEFAULT, on_value);
        }
        return n;
}

static cfg_t *make_parser(const ConfigSchema *schema) {
        cfg_opt_t top[OPTIONS_MAX], below[OPTIONS_MAX];
        size_t n = make_options(schema, NULL, top), m = 0;
        const char *last = NULL;
        cfg_t *cfg;

        for (size_t i = 0; i < schema->n_keys; i++) {
                const char *section = schema->keys[i].section;
                size_t k;

                if (!section || str_eq(section, last))
                        continue;
                last = section;
                k = make_options(schema, section, below + m);
                below[m + k] = (cfg_opt_t) CFG_END();
                top[n++] = (cfg_opt_t) CFG_SEC(section, below + m,
                                               str_eq(section, schema->titled) ? CFGF_MULTI | CFGF_TITLE
                                                                               : CFGF_NONE);
                m += k + 1;
        }
        top[n] = (cfg_opt_t) CFG_END();
        cfg = cfg_init(top, CFGF_NONE);
        if (cfg)
                (void) cfg_set_error_function(cfg, on_error);
        return cfg;
}

static int read_values(ConfigFile *file, const ConfigSchema *schema, const char *text, void *target) {
        Reading this = { .file = file, .schema = schema, .target = target };
        size_t before = file->faults.n + file->faults.n_more;
        cleanup_free_ char *closed = NULL;
        cfg_t *cfg;
        int r;

        if (file->open && asprintf(&closed, "%s\n}", text) < 0)
                return -ENOMEM;
        cfg = make_parser(schema);
        if (!cfg)
                return -ENOMEM;
        reading = &this;
        r = cfg_parse_buf(cfg, closed ?: text);
        reading = NULL;
        (void) cfg_free(cfg);
        if (this.r < 0)
                return this.r;
        /* libconfuse reports most failures through on_error(); out of memory it does not. */
        if (r != CFG_SUCCESS && file->faults.n + file->faults.n_more == before)
                return -ENOMEM;
        return 0;
}

int config_file_load(const char *path, char **ret, size_t *ret_size, Fault *reterr) {
        struct stat st;
        int r;

        if (stat(path, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to read '%s'", path);
        if (!S_ISREG(st.st_mode))
                return fault_set(reterr, -EINVAL, "%s:1: expected a regular file", path);
        if (st.st_mode & S_IWOTH)
                return fault_set(
                        reterr, -EINVAL,
                        "%s:1: everybody may write this file, and it says what runs: run chmod o-w '%s'",
                        path, path);
        r = read_small_file(AT_FDCWD, path, CONFIG_FILE_MAX, ret, ret_size);
        if (r == -EFBIG)
                return fault_set(reterr, r, "%s:1: expected at most %zu KiB", path, CONFIG_FILE_MAX / 1024);
        return r < 0 ? fault_errno(reterr, r, "Failed to read '%s'", path) : 0;
}

int config_file_parse(ConfigFile *file, const ConfigSchema *schema, char *text, size_t size, void *target) {
        cleanup_token_list_ TokenList tokens = { 0 };
        int r;

        r = config_scan(text, size, &file->faults, &tokens, &file->cut);
        if (r < 0)
                return r;
        r = config_walk(file, schema, text, size, &tokens);
        if (r < 0)
                return r;
        return read_values(file, schema, text, target);
}

void config_file_done(ConfigFile *file) {
        for (size_t i = 0; i < file->n_seen; i++)
                free(file->seen[i].title);
        free(file->seen);
        fault_list_done(&file->faults);
        *file = (ConfigFile){ 0 };
}
