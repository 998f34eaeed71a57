#pragma once
/*
 * The verbs: one file each (a pair of opposites shares one). A verb gets its
 * own name as argv[0] and returns the exit status.
 */
typedef struct Verb {
        const char *name;
        const char *operands; /* as in the synopsis; "" for none */
        const char *purpose;  /* one line */
        int (*run)(int argc, char *argv[]);
} Verb;

extern const Verb verbs[]; /* ended by a NULL name; the order of --help */

const Verb *verb_find(const char *name); /* NULL for what is none */

int verb_apply(int argc, char *argv[]);
int verb_cancel(int argc, char *argv[]);
int verb_config(int argc, char *argv[]);
int verb_discard(int argc, char *argv[]);
int verb_events(int argc, char *argv[]);
int verb_freeze(int argc, char *argv[]);
int verb_hold(int argc, char *argv[]);
int verb_list(int argc, char *argv[]);
int verb_pause(int argc, char *argv[]);
int verb_reload(int argc, char *argv[]);
int verb_restore(int argc, char *argv[]);
int verb_resume(int argc, char *argv[]);
int verb_rollback(int argc, char *argv[]);
int verb_show(int argc, char *argv[]);
int verb_snapshot(int argc, char *argv[]);
int verb_stage(int argc, char *argv[]);
int verb_status(int argc, char *argv[]);
int verb_thaw(int argc, char *argv[]);
int verb_unhold(int argc, char *argv[]);
int verb_upgrade(int argc, char *argv[]);
