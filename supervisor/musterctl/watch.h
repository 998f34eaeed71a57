#pragma once
/*
 * Following the record: no event lost, none twice, over restarts of musterd.
 */
#include "musterctl/daemon.h"

typedef struct Watch Watch;

/*
 * Subscribes first, then remembers the newest event: what comes later is
 * reported. @node "": all. @patience: how long musterd may be away;
 * UINT64_MAX: for ever. @daemon is borrowed.
 */
int watch_new(Daemon *daemon, const char *node, uint64_t patience, Watch **ret, Fault *reterr);
Watch *watch_free(Watch *watch); /* returns NULL */
DEFINE_CLEANUP(Watch *, watch_free)

/* Begin after this event instead. */
void watch_from(Watch *watch, uint64_t after);

/* What was recorded since the last call; an array, empty if nothing. Does not wait. CTL_AWAY: see
 * watch_return(). */
int watch_take(Watch *watch, json_t **ret, Fault *reterr);

/* Waits for the next sign, at most @usec. CTL_DETACHED: the operator pressed Ctrl-C. */
int watch_wait(Watch *watch, uint64_t usec);

/*
 * musterd is away: says so once on stderr and waits until it answers again.
 * CTL_AWAY with @reterr after the patience; CTL_DETACHED.
 */
int watch_return(Watch *watch, Fault *reterr);

/* Ends the program as Ctrl-C would have, so that a script around it ends too. Does not return. */
void watch_die_interrupted(void);
