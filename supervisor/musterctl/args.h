#pragma once
/*
 * Options of a verb, as one table that is parsed and printed by --help. The
 * options common to all verbs are added here.
 */
#include <stdbool.h>
#include <stddef.h>

typedef enum ArgKind {
        ARG_FLAG, /* bool *: true */
        ARG_TEXT, /* const char **: the last one wins */
        ARG_LIST, /* char ***: appended, an owned strv */
} ArgKind;

typedef struct ArgOption {
        const char *name; /* without "--" */
        char letter;      /* 0: none */
        ArgKind kind;
        const char *value; /* for --help, e.g. "TIME"; NULL for flags */
        const char *help;
        void *target;
} ArgOption;

typedef struct ArgSpec {
        const char *verb; /* of verb.h; NULL: the program itself, which stops at the first operand */
        const ArgOption *options;
        size_t n_options;
        int least, most;    /* operands; -1: no limit */
        const char *detail; /* printed by --help after the options; NULL: none */
} ArgSpec;

/*
 * Reads options and operands in any order. true: go on, *ret_operands is a
 * NULL-terminated part of @argv. false: leave with *ret_exit; help or the
 * complaint was printed.
 */
bool args_parse(const ArgSpec *spec, int argc, char *argv[], char ***ret_operands, int *ret_exit);
