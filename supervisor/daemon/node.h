#pragma once
/*
 * One node as musterd sees it: its configuration, its unit, what it says of
 * itself, and what is being done with it. Nothing here owns the process: the
 * node runs on without musterd.
 */
#include "daemon/daemon.h"
#include "health/monitor.h"
#include "unit/dropin.h"
#include "unit/status.h"

typedef struct Upgrade Upgrade;

struct Node {
        Daemon *daemon;
        char *name;
        NodeConfig *config; /* the last good one; NULL if there never was one */
        char *config_error; /* the file as it is now is broken */
        int dirfd;          /* nodes/NAME; -1 until `musterctl apply` made it */
        UnitWatch *watch;
        UnitFacts facts;
        bool foreign_job; /* somebody else's job ended: the next status tells what it did */
        bool was_up;      /* seen by us; systemd forgets its times when it unloads a unit */
        Monitor *monitor;
        char *shown_verdict;        /* the one that was recorded last */
        char *marked_invocation;    /* of the stop whose signing position was marked */
        uint64_t marked_at;         /* monotonic: when the chain's word was last marked; 0: not yet */
        int64_t signed_height;      /* the highest that the chain was seen to have our signature of; -1 */
        int64_t marked_height;      /* of those the last one that was marked; -1 */
        json_t *hold;               /* {"reason","uid","since_usec"}; NULL: not held */
        Upgrade *staging, *upgrade; /* under way; NULL if not */
        UpgradeJob *last;           /* the last one that ended */
        WorkerRun *probe;           /* family exec: the operator's script */
        WorkerRun *drop;            /* removes the backup of drop_job */
        char drop_job[17];
};

int node_new(Daemon *daemon, const char *name, Node **ret);
Node *node_free(Node *node); /* returns NULL */
DEFINE_CLEANUP(Node *, node_free)

/* Takes ownership of @config. @config NULL with @error: keeps the old one. */
int node_configure(Node *node, NodeConfig *config, const char *error);

/* After the bus came: watches the unit anew. */
void node_attach(Node *node);

/* Opens nodes/NAME if it is there by now. -ENOENT with "run musterctl apply". */
int node_open(Node *node, Fault *reterr);

/* What systemd says; NULL while unknown. */
const UnitStatus *node_unit(const Node *node);

/* Takes what systemd and the permit say now to the verdict. */
void node_update_facts(Node *node);

/* Tells the observer, and records a verdict that changed. */
void node_changed(Node *node);

/* May muster act on this node at all? 0, or DAEMON_E_REFUSED with who forbids it. @grant: NodeGrant, 0 for
 * none. */
int node_may_act(const Node *node, const Caller *by, unsigned grant, Fault *reterr);

/* Removes (writes) the permit for the operator; a running node keeps running. */
int node_hold(Node *node, const Caller *by, Fault *reterr);
int node_unhold(Node *node, const Caller *by, Fault *reterr);

/* Node.Describe(); new reference. */
int node_describe(Node *node, json_t **ret);

/* An act of a person, recorded with who and why. */
void node_record_act(Node *node, const char *job, const Caller *by, const char *format, ...) _printf_(4, 5);
