/*
 * The only global of musterctl: a command has one operator and one line.
 */
#include "musterctl/settings.h"

#include <stdarg.h>

#include "util/text.h"

#define COMMAND_MAX 4000 /* musterd takes no longer one */
#define SAFE        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.,/:=+@%~*"

Settings settings = {};

static void put_quoted(FILE *f, const char *word) {
        if (*word && strspn(word, SAFE) == strlen(word)) {
                fputs(word, f);
                return;
        }
        fputc('\'', f);
        for (; *word; word++)
                if (*word == '\'')
                        fputs("'\\''", f);
                else
                        fputc(*word, f);
        fputc('\'', f);
}

/* "scheme://user:secret@host/path?token=secret" without what is between "//" and "@", and behind "?". */
static int without_credentials(const char *word, char **ret) {
        const char *authority = strstr(word, "://"), *at = NULL, *query = NULL;
        size_t end;
        char *copy;

        if (authority) {
                authority += 3;
                for (const char *p = authority; *p && !strchr("/?#", *p); p++)
                        if (*p == '@')
                                at = p;
        }
        query = authority ? strchr(authority, '?') : NULL;
        end = query ? (size_t) (query - word) : strlen(word);
        if (!at)
                at = authority = word;
        if (asprintf(&copy, "%.*s%s%.*s%s", (int) (authority - word), word, at > authority ? "***" : "",
                     (int) (end - (size_t) (at - word)), at, query ? "?***" : "") < 0)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int command_line(int argc, char *const *argv, char **ret) {
        cleanup_free_ char *line = NULL;
        size_t size;
        FILE *f = open_memstream(&line, &size);
        int r = 0;

        if (!f)
                return -errno;
        fputs("musterctl", f);
        for (int i = 1; i < argc && r == 0; i++) {
                cleanup_free_ char *word = NULL;

                r = without_credentials(argv[i], &word);
                if (r < 0)
                        break;
                fputc(' ', f);
                put_quoted(f, word);
        }
        if (fclose(f) != 0 && r == 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        if (size > COMMAND_MAX) {
                for (size = COMMAND_MAX - 3; (line[size] & 0xc0) == 0x80; size--)
                        ;
                memcpy(line + size, "...", 4); /* at the beginning of a character */
        }
        *ret = TAKE_PTR(line);
        return 0;
}

void settings_ready(void) {
        screen_detect(&settings.out, STDOUT_FILENO, settings.no_color);
        screen_detect(&settings.err, STDERR_FILENO, settings.no_color);
}

int print_json(const json_t *json) {
        if (json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) < 0)
                return -EIO;
        putchar('\n');
        return 0;
}

/* A fault may have several lines (a broken file names each error): each is cleaned, none is cut. */
int complain(int r, const Fault *fault) {
        cleanup_free_ char *text = strdup(fault_text(fault, r));
        Screen endless = settings.err;

        if (r == CTL_DETACHED)
                return outcome_exit(r);
        endless.width = 0;
        fflush(stdout);
        fputs(screen_on(&settings.err, TONE_BAD), stderr);
        for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
                text_put(stderr, &endless, line, 0);
                if (rest)
                        fputc('\n', stderr);
        }
        fputs(screen_off(&settings.err), stderr);
        fputc('\n', stderr);
        return outcome_exit(r);
}

int usage_error(const char *verb, const char *format, ...) {
        cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        fflush(stdout);
        text_put(stderr, &settings.err, text ?: "wrong use", 0);
        fprintf(stderr, "\nSee: musterctl %s%s--help\n", verb ?: "", verb ? " " : "");
        return CTL_USAGE;
}
