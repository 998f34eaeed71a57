#pragma once
/*
 * One act on a node, from the connection to the end of its job. Every step
 * returns 0, a CtlExit or -errno with the operator's text in @fault: the verb
 * complains once, after the last one.
 */
#include "musterctl/nodes.h"
#include "musterctl/watch.h"

typedef struct Act {
        const char *name; /* the node; borrowed */
        Daemon *daemon;
        Watch *watch;       /* NULL: nobody waits for the job */
        json_t *manager;    /* as it was before the act */
        const json_t *node; /* of @manager; borrowed */
        json_t *options;    /* what the method gets besides command and reason; empty at first */
        char *job;          /* the id, after act_start() */
        Fault fault;
} Act;

/* Connects and finds the node, see nodes_open(). @act is zeroed; whatever comes, act_done(). */
int act_open(Act *act, const char *node);
void act_done(Act *act);

/* act_open(), and what musterd would answer to an act of anybody, before anything is asked or copied:
 * CTL_REFUSED. */
int act_open_allowed(Act *act, const char *node);

/* A method without a job; @first as in daemon_act(). */
int act_call(Act *act, const char *method, const char *first);

/* A method that makes a job. @wait: act_follow() waits for its end, so its events are watched from before.
 */
int act_start(Act *act, const char *method, const char *first, bool wait);

/* The job of act_start(), to the verb's exit status: job_follow(). */
int act_follow(Act *act, const char *kind, const char *version);
