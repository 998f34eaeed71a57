#pragma once
/*
 * musterd as seen from musterctl: org.muster1 on the system bus, by synchronous
 * calls. All functions return 0, a CtlExit (CTL_AWAY above all) or -errno, with
 * the operator's text in the fault.
 */
#include <stdbool.h>
#include <stdint.h>
#include "musterctl/outcome.h"
#include "util/fault.h"
#include "util/json.h"

typedef struct Daemon Daemon;

int daemon_open(Daemon **ret, Fault *reterr);
Daemon *daemon_free(Daemon *daemon); /* returns NULL */
DEFINE_CLEANUP(Daemon *, daemon_free)

/* Replaces a connection that was lost, subscriptions included. */
int daemon_reopen(Daemon *daemon, Fault *reterr);

int daemon_describe(Daemon *daemon, json_t **ret, Fault *reterr);
int daemon_describe_node(Daemon *daemon, const char *node, json_t **ret, Fault *reterr);

/* Events of @node ("": all) with an id above @after, oldest first, at most @max; @after 0: the newest @max.
 */
int daemon_list_events(Daemon *daemon, const char *node, uint64_t after, unsigned max, json_t **ret,
                       Fault *reterr);

/* Reload, Freeze, Thaw: with the command line and --reason. */
int daemon_manage(Daemon *daemon, const char *method, Fault *reterr);

/*
 * A method of a node. @first is its leading string argument (Upgrade: the
 * version) or NULL. @options become a{sv}: strings, booleans, unsigned integers
 * and arrays of strings; NULL: a method that takes only command and reason.
 * *ret_job is the job's id; NULL for a method that answers nothing.
 */
int daemon_act(Daemon *daemon, const char *node, const char *method, const char *first,
               const json_t *options, char **ret_job, Fault *reterr);

/* From now on daemon_wait() returns when an event is recorded or musterd comes or goes. */
int daemon_subscribe(Daemon *daemon, Fault *reterr);

/* Waits for such a sign, at most @usec; a signal ends it early. 0, or CTL_AWAY if the bus is lost. */
int daemon_wait(Daemon *daemon, uint64_t usec);
