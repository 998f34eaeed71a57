#pragma once
/*
 * What the operator asked for whatever the verb: filled by args.c, read by all.
 */
#include "musterctl/screen.h"
#include "util/fault.h"
#include "util/json.h"

typedef struct Settings {
        bool json, no_color, no_pager, yes;
        const char *reason; /* NULL: none given */
        char *command;      /* the command line as typed, for the journal; owned */
        Screen out, err;    /* stdout, stderr; detected by settings_ready() */
} Settings;

extern Settings settings;

/*
 * Joins @argv as a shell would read it, "musterctl" for argv[0]. Credentials in
 * URLs ("https://user:secret@host") and what follows "?" become "***": the
 * journal is readable by all.
 */
int command_line(int argc, char *const *argv, char **ret);

/* After the options were read. */
void settings_ready(void);

/* Prints one JSON document with a newline. */
int print_json(const json_t *json);

/* Prints the fault and returns the exit status for @r. */
int complain(int r, const Fault *fault);

/* A wrong use of the command: text, where help is, CTL_USAGE. */
int usage_error(const char *verb, const char *format, ...) _printf_(2, 3);
