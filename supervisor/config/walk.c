/*
 * Goes through a file statement by statement before libconfuse does. What the
 * schema does not allow is told and blanked out, so that libconfuse, which
 * stops at its first fault, finds none; what it would take silently (a key or
 * a section twice) is told as well. Where the shape itself is lost the rest of
 * the file is blanked.
 */
#include "config/walk.h"
#include "util/text.h"

#include <stdarg.h>

typedef struct Walk {
        ConfigFile *file;
        const ConfigSchema *schema;
        char *text;
        size_t size;
        const TokenList *tokens;
        size_t at;
        unsigned value_line; /* where the last value stood */
        bool stopped;        /* the shape was lost */
} Walk;

static const ConfigToken *token(const Walk *w, size_t ahead) {
        return w->at + ahead < w->tokens->n ? &w->tokens->items[w->at + ahead] : NULL;
}

static bool token_is(const Walk *w, size_t ahead, const char *types) {
        const ConfigToken *t = token(w, ahead);

        return t && strchr(types, t->type);
}

static char *token_text(const Walk *w, const ConfigToken *t) {
        return strndup(w->text + t->start, t->end - t->start);
}

/* What stands at the token, for an error message. */
static const char *token_show(const Walk *w, size_t ahead, char buffer[static 40]) {
        const ConfigToken *t = token(w, ahead);

        if (!t)
                return "the end of the file";
        snprintf(buffer, 40, "'%.*s'", t->end - t->start > 30 ? 30 : (int) (t->end - t->start),
                 w->text + t->start);
        return buffer;
}

/*
 * The statement at the current token has no shape that can be stepped over: the
 * rest of the file is given up. @ahead is the token that does not fit; if the
 * file ends before it because a string or comment did not, that was told already.
 */
_printf_(4, 5) static void misshapen(Walk *w, const char *name, size_t ahead, const char *format, ...) {
        const ConfigToken *t = token(w, 0);
        cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        if (token(w, ahead) || !w->file->cut)
                fault_list_add(&w->file->faults, t->line, name, "%s", text ?: "is not understood");
        config_blank(w->text, t->type == 'q' ? t->start - 1 : t->start, w->size);
        w->at = w->tokens->n;
        w->file->cut = w->stopped = true;
}

/* Blanks the tokens from @first up to the current one. */
static void blank_statement(Walk *w, size_t first) {
        const ConfigToken *a = &w->tokens->items[first], *b = &w->tokens->items[w->at - 1];

        config_blank(w->text, a->type == 'q' ? a->start - 1 : a->start,
                     b->type == 'q' ? b->end + 1 : b->end);
}

static const char *schema_section(const ConfigSchema *schema, const char *name) {
        for (size_t i = 0; i < schema->n_keys; i++)
                if (schema->keys[i].section && str_eq(schema->keys[i].section, name))
                        return schema->keys[i].section;
        return NULL;
}

static int remember(ConfigFile *file, const char *section, const char *key, const char *title,
                    unsigned line) {
        ConfigSeen *larger;
        char *copy = NULL;

        if (title) {
                copy = strdup(title);
                if (!copy)
                        return -ENOMEM;
        }
        larger = reallocarray(file->seen, file->n_seen + 1, sizeof *larger);
        if (!larger) {
                free(copy);
                return -ENOMEM;
        }
        file->seen = larger;
        file->seen[file->n_seen++] = (ConfigSeen){ section, key, copy, line };
        return 0;
}

/* Steps over "{ ... }" with whatever is inside; false at the end of the file. */
static bool skip_braces(Walk *w) {
        unsigned depth = 0;

        do {
                if (token_is(w, 0, "{"))
                        depth++;
                else if (token_is(w, 0, "}"))
                        depth--;
                else if (!token(w, 0))
                        return false;
                w->at++;
        } while (depth > 0);
        return true;
}

/* Steps over the value behind '=': a string, or braces. False: there is none. */
static bool skip_value(Walk *w) {
        if (token(w, 0))
                w->value_line = token(w, 0)->line;
        if (token_is(w, 0, "wq")) {
                w->at++;
                return true;
        }
        return token_is(w, 0, "{") && skip_braces(w);
}

/* "{ a, b, }": strings and commas in turn, beginning with a string. */
static bool list_is_well_formed(const Walk *w, size_t first, size_t end) {
        bool want_string = true;

        if (w->tokens->items[first].type != '{')
                return true;
        for (size_t i = first + 1; i + 1 < end; i++) {
                char type = w->tokens->items[i].type;

                if (want_string ? type != 'w' && type != 'q' : type != ',')
                        return false;
                want_string = !want_string;
        }
        return true;
}

/* An unknown word: stepped over in whatever shape it comes. */
static int walk_unknown(Walk *w, const char *section, const char *name) {
        const ConfigToken *t = token(w, 0);
        FaultList *faults = &w->file->faults;
        size_t first = w->at;

        if (t->line == w->value_line && !token_is(w, 1, "=+{"))
                fault_list_add(faults, t->line, NULL,
                               "'%s' follows a value on its line: put values that contain blanks or any of "
                               "= { } ( ) + , * # into double quotes",
                               name);
        else
                fault_list_add(faults, t->line, name, "unknown key%s%s%s, see the commented examples",
                               section ? " in section '" : "", section ?: "", section ? "'" : "");
        w->at++;
        if (token_is(w, 0, "=+")) {
                w->at++;
                (void) skip_value(w);
        } else if (token_is(w, 0, "(")) {
                while (token(w, 0) && !token_is(w, 0, ")"))
                        w->at++;
                w->at += token(w, 0) ? 1 : 0;
        } else if (token_is(w, 0, "{") || (token_is(w, 0, "wq") && token_is(w, 1, "{"))) {
                w->at += token_is(w, 0, "{") ? 0 : 1;
                (void) skip_braces(w);
        }
        blank_statement(w, first);
        return 0;
}

/* "KEY = VALUE", "KEY = { A, B }", "KEY += ..." */
static int walk_key(Walk *w, const ConfigKey *key, const char *title) {
        cleanup_free_ char *name = config_key_name(key->section, key->name);
        FaultList *faults = &w->file->faults;
        unsigned line = token(w, 0)->line,
                 before = config_file_line(w->file, key->section, key->name, title);
        size_t first = w->at;
        bool append = token_is(w, 1, "+");
        char shown[40];

        if (!name)
                return -ENOMEM;
        if (!token_is(w, 1, "=+")) {
                misshapen(w, name, 1, "%s follows, expected '='", token_show(w, 1, shown));
                return 0;
        }
        w->at += 2;
        if (!skip_value(w)) {
                bool open = token_is(w, 0, "{") || w->at > first + 2;

                w->at = first;
                misshapen(w, name, open ? w->tokens->n : 2,
                          open ? "the '{' of this list is never closed by '}'"
                               : "%s follows '=', expected a value",
                          token_show(w, 2, shown));
                return 0;
        }
        if (!key->list && (append || w->tokens->items[first + 2].type == '{'))
                fault_list_add(faults, line, name, "is a list, expected one value: %s = VALUE", key->name);
        else if (!list_is_well_formed(w, first + 2, w->at))
                fault_list_add(faults, line, name,
                               "expected strings with commas between them: { \"A\", \"B\" }");
        else if (before && !append)
                fault_list_add(faults, line, name, "was already set in line %u, expected once", before);
        else
                return remember(w->file, key->section, key->name, title, line);
        blank_statement(w, first);
        return before ? 0 : remember(w->file, key->section, key->name, title, line);
}

static int walk_statements(Walk *w, const char *section, const char *title);

/* "SECTION { ... }", "SECTION TITLE { ... }" */
static int walk_section(Walk *w, const char *section) {
        bool titled = str_eq(section, w->schema->titled);
        cleanup_free_ char *title = NULL;
        size_t first = w->at, brace = titled ? 2 : 1;
        unsigned line = token(w, 0)->line, before;
        int r;

        if ((titled && !token_is(w, 1, "wq")) || !token_is(w, brace, "{")) {
                char shown[40];

                misshapen(w, section, brace, "%s follows, expected %s%s { ... }", token_show(w, 1, shown),
                          section, titled ? " NAME" : "");
                return 0;
        }
        if (titled) {
                title = token_text(w, token(w, 1));
                if (!title)
                        return -ENOMEM;
        }
        before = config_file_line(w->file, section, NULL, title);
        if (before) {
                fault_list_add(&w->file->faults, line, section,
                               "%s%swas already opened in line %u, expected once", title ?: "",
                               title ? " " : "", before);
                w->at += brace;
                (void) skip_braces(w);
                blank_statement(w, first);
                return 0;
        }
        r = remember(w->file, section, NULL, title, line);
        if (r < 0)
                return r;
        w->at += brace + 1;
        w->file->open = true;
        r = walk_statements(w, section, title);
        if (r < 0 || w->stopped)
                return r;
        if (!token(w, 0)) {
                if (!w->file->cut)
                        fault_list_add(&w->file->faults, line, section,
                                       "the '{' of this section is never closed by '}'");
                w->file->cut = w->stopped = true;
                return 0;
        }
        w->file->open = false;
        w->at++;
        return 0;
}

static int walk_statement(Walk *w, const char *section, const char *title) {
        cleanup_free_ char *name = NULL;
        const ConfigKey *key;
        const char *sub;

        if (!token_is(w, 0, "wq")) {
                char shown[40];

                misshapen(w, NULL, 0, "%s stands where a key was expected", token_show(w, 0, shown));
                return 0;
        }
        name = token_text(w, token(w, 0));
        if (!name)
                return -ENOMEM;
        key = config_schema_key(w->schema, section, name);
        if (key)
                return walk_key(w, key, title);
        sub = section ? NULL : schema_section(w->schema, name);
        return sub ? walk_section(w, sub) : walk_unknown(w, section, name);
}

/* Until the end of the section (the '}' is left) or of the file. */
static int walk_statements(Walk *w, const char *section, const char *title) {
        w->value_line = 0;
        while (token(w, 0) && !(section && token_is(w, 0, "}"))) {
                int r = walk_statement(w, section, title);

                if (r < 0)
                        return r;
        }
        w->value_line = 0;
        return 0;
}

int config_walk(ConfigFile *file, const ConfigSchema *schema, char *text, size_t size,
                const TokenList *tokens) {
        Walk w = { .file = file, .schema = schema, .text = text, .size = size, .tokens = tokens };

        return walk_statements(&w, NULL, NULL);
}
