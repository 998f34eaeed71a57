#pragma once
/*
 * musterd's world: the configuration, the nodes, the journal, and the
 * connections that they share. One instance, made by musterd.c.
 */
#include <systemd/sd-event.h>
#include "config/set.h"
#include "http/client.h"
#include "unit/manager.h"
#include "unit/worker.h"
#include "upgrade/journal.h"

/* What a request from outside can come to, beside 0 and -errno. Declared once: the bus names errors by it.
 */
#define DAEMON_E_BUSY     1 /* something else is under way */
#define DAEMON_E_REFUSED  2 /* not safe, or not granted */
#define DAEMON_E_INVALID  3 /* the request makes no sense */
#define DAEMON_E_NOTFOUND 4

typedef struct Daemon Daemon;
typedef struct Node Node;

/* The D-Bus side, told of changes. Any member may be NULL. */
typedef struct DaemonObserver {
        void (*node_changed)(Node *node, void *userdata);
        void (*nodes_changed)(Daemon *daemon, void *userdata);
        void (*node_gone)(Node *node, void *userdata);
        void (*event)(const JournalEvent *event, void *userdata);
        void *userdata;
} DaemonObserver;

struct Daemon {
        sd_event *event;
        UnitManager *units; /* NULL while there is no bus */
        WorkerPool *workers;
        HttpClient *http;
        Journal *journal;
        ConfigSet *config;
        Node **nodes; /* sorted by name */
        size_t n_nodes;
        json_t *freeze; /* {"reason","uid","since_usec"}; NULL: not frozen */
        DaemonObserver observer;
};

/* Opens the journal, reads the configuration, makes the nodes. */
int daemon_new(sd_event *event, Daemon **ret, Fault *reterr);

/* Takes up the jobs that an earlier musterd left; once, after the observer is set. */
int daemon_resume(Daemon *daemon, Fault *reterr);
Daemon *daemon_free(Daemon *daemon); /* returns NULL */
DEFINE_CLEANUP(Daemon *, daemon_free)

/* The system bus came, or went (NULL). */
void daemon_attach(Daemon *daemon, sd_bus *bus);

/*
 * Reads the configuration again. A node whose file is broken keeps its old
 * configuration and shows the error. @by NULL: not by a person's call.
 * Returns 0, or -EBADMSG with all faults.
 */
int daemon_reload(Daemon *daemon, const Caller *by, Fault *reterr);

Node *daemon_node(Daemon *daemon, const char *name); /* NULL: no such node */

/* freeze beats everything: no unit method is called until thaw. 0, DAEMON_E_*, -errno. */
int daemon_freeze(Daemon *daemon, const Caller *by, Fault *reterr);
int daemon_thaw(Daemon *daemon, const Caller *by, Fault *reterr);

/* Manager.Describe() */
int daemon_describe(Daemon *daemon, json_t **ret);

/* Writes an event to the journal, logs it and tells the observer. Failing to write is logged, ignored. */
void daemon_record(Daemon *daemon, JournalEvent *event);

/* The same for an event that the journal wrote already. */
void daemon_publish(Daemon *daemon, const JournalEvent *event);

/* One line for `systemctl status musterd`. Owned by the caller; NULL without memory. */
char *daemon_status_text(Daemon *daemon);
