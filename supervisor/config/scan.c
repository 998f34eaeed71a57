/*
 * libconfuse 3.3 has traps that only show when a file is not as it expects:
 * every comment counts as two lines, a comment inside a list is a syntax
 * error, "${HOME}" is expanded from the environment of whoever reads the file,
 * "\0" ends a value early, characters that belong to no token ('*', a lone
 * '+') are dropped without a word, and an open string leaves its lexer, which
 * is global, in the middle of that string. So none of this ever reaches it.
 */
#include "config/scan.h"

#include <stdbool.h>
#include <string.h>

#define NOT_IN_WORD " #\"'\t\n\r={}()+,*"

typedef struct Scanner {
        char *text;
        size_t size, at;
        unsigned line;
        FaultList *faults;
        TokenList tokens;
        size_t room;
        bool cut;
} Scanner;

void config_blank(char *text, size_t start, size_t end) {
        for (size_t i = start; i < end; i++)
                if (text[i] != '\n')
                        text[i] = ' ';
}

void token_list_done(TokenList *list) {
        free(list->items);
        *list = (TokenList){ 0 };
}

static int push(Scanner *s, char type, unsigned line, size_t start, size_t end) {
        if (s->tokens.n == s->room) {
                size_t room = s->room ? s->room * 2 : 256;
                ConfigToken *larger = reallocarray(s->tokens.items, room, sizeof *larger);

                if (!larger)
                        return -ENOMEM;
                s->tokens.items = larger;
                s->room = room;
        }
        s->tokens.items[s->tokens.n++] = (ConfigToken){ type, line, start, end };
        return 0;
}

static char peek(const Scanner *s, size_t ahead) {
        return s->at + ahead < s->size ? s->text[s->at + ahead] : 0;
}

/* The rest cannot be told apart: leave nothing of it to be misread. */
static void cut(Scanner *s, size_t start, unsigned line, const char *what) {
        fault_list_add(s->faults, line, NULL, "%s that begins here does not end", what);
        config_blank(s->text, start, s->size);
        s->at = s->size;
        s->cut = true;
}

static void skip_line_comment(Scanner *s) {
        char *end = memchr(s->text + s->at, '\n', s->size - s->at);
        size_t stop = end ? (size_t) (end - s->text) : s->size;

        config_blank(s->text, s->at, stop);
        s->at = stop;
}

static void skip_block_comment(Scanner *s) {
        const char *end = memmem(s->text + s->at + 2, s->size - s->at - 2, "*/", 2);
        size_t start = s->at, stop;

        if (!end) {
                cut(s, start, s->line, "a comment");
                return;
        }
        stop = (size_t) (end - s->text) + 2;
        for (; s->at < stop; s->at++)
                if (s->text[s->at] == '\n')
                        s->line++;
        config_blank(s->text, start, stop);
}

/* At the '$' of "${". What is told is also defused, as libconfuse reads on for further faults. */
static void fault_environment(Scanner *s, size_t dollar) {
        fault_list_add(
                s->faults, s->line, NULL,
                "'${' is not replaced by variables here: write the value itself, or '\\${' inside double "
                "quotes for the two characters");
        s->text[dollar] = '_';
}

/* At the backslash of a double-quoted string; leaves the position behind the escape. */
static void scan_escape(Scanner *s) {
        char c = peek(s, 1);

        if ((c >= '0' && c <= '9') || c == 'x') {
                fault_list_add(s->faults, s->line, NULL,
                               "'\\%c': numeric escapes are not allowed, write the character itself", c);
                s->text[s->at] = '_';
        }
        if (c == '\n')
                s->line++;
        s->at += 2;
}

static int scan_string(Scanner *s, char quote) {
        size_t start = s->at;
        unsigned line = s->line;

        s->at++;
        while (s->at < s->size && s->text[s->at] != quote) {
                char c = s->text[s->at];

                if (c == '\n')
                        s->line++;
                if (c == '\\' && quote == '"') {
                        scan_escape(s);
                        continue;
                }
                if (c == '\\' && (peek(s, 1) == quote || peek(s, 1) == '\\'))
                        s->at++;
                if (c == '$' && peek(s, 1) == '{' && quote == '"')
                        fault_environment(s, s->at);
                s->at++;
        }
        if (s->at >= s->size) {
                cut(s, start, line, "a string");
                return 0;
        }
        s->at++;
        return push(s, 'q', line, start + 1, s->at - 1);
}

static bool is_stray(const Scanner *s) {
        return peek(s, 0) == '*' || (peek(s, 0) == '+' && peek(s, 1) != '=');
}

static int scan_word(Scanner *s) {
        size_t start = s->at;
        bool told = false;

        for (; s->at < s->size; s->at++) {
                if (is_stray(s)) {
                        if (!told)
                                fault_list_add(s->faults, s->line, NULL,
                                               "'%c' outside of quotes: put values that contain it into "
                                               "double quotes",
                                               peek(s, 0));
                        told = true;
                        s->text[s->at] = '_'; /* so that the word stays one */
                } else if (strchr(NOT_IN_WORD, s->text[s->at]))
                        break;
        }
        if (s->text[s->at - 1] == '$' && peek(s, 0) == '{')
                fault_environment(s, s->at - 1);
        return push(s, 'w', s->line, start, s->at);
}

static int scan_token(Scanner *s) {
        char c = peek(s, 0);
        size_t length = c == '+' ? 2 : 1;

        if (c == '\n')
                s->line++;
        if (strchr(" \t\r\n", c)) {
                s->at++;
                return 0;
        }
        if (c == '"' || c == '\'')
                return scan_string(s, c);
        if (is_stray(s) || !strchr("{}()=,+", c))
                return scan_word(s);
        s->at += length;
        return push(s, c, s->line, s->at - length, s->at);
}

/* Bytes that no text file has. NUL would end the file for libconfuse. */
static void check_bytes(Scanner *s) {
        unsigned line = 1;

        for (size_t i = 0; i < s->size; i++) {
                unsigned char c = (unsigned char) s->text[i];

                if (c == '\n')
                        line++;
                if (c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c != 0x7f))
                        continue;
                fault_list_add(s->faults, line, NULL, "byte 0x%02x at offset %zu: expected a text file", c,
                               i);
                config_blank(s->text, 0, s->size);
                s->cut = true;
                return;
        }
}

int config_scan(char *text, size_t size, FaultList *faults, TokenList *ret, bool *ret_cut) {
        Scanner s = { .text = text, .size = size, .line = 1, .faults = faults };
        int r = 0;

        check_bytes(&s);
        while (r >= 0 && !s.cut && s.at < s.size) {
                if (peek(&s, 0) == '#' || (peek(&s, 0) == '/' && peek(&s, 1) == '/'))
                        skip_line_comment(&s);
                else if (peek(&s, 0) == '/' && peek(&s, 1) == '*')
                        skip_block_comment(&s);
                else
                        r = scan_token(&s);
        }
        if (r < 0) {
                token_list_done(&s.tokens);
                return r;
        }
        *ret = s.tokens;
        *ret_cut = s.cut;
        return 0;
}
