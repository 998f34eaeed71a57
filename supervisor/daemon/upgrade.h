#pragma once
/*
 * Driving a node's job through the states of upgrade/fsm.h. At most one staging
 * and one upgrade (or way back, or rehearsal) of a node are under way.
 */
#include "daemon/node.h"
#include "health/probation.h"

typedef struct StageRequest {
        const char *version, *sha256, *binary /* or NULL */, *signers /* or NULL */;
        char **sources;
        uint64_t need;
} StageRequest;

typedef struct UpgradeRequest {
        const char *version;
        const char *trigger; /* "now", "time:REALTIME_USEC", "height:N" */
        bool one_way, no_rollback, rehearse;
} UpgradeRequest;

typedef struct RestoreRequest {
        char **sources;
        const char *manifest, *sha256, *signers /* text */, *signers_name, *prefix; /* or NULL */
        uint64_t limit_rate; /* bytes a second; 0: as configured */
        bool unsigned_, no_seed;
        bool drop_old; /* gives up what an earlier restore that ended stuck has kept */
} RestoreRequest;

typedef struct SnapshotRequest {
        const char *prefix; /* or NULL: a name of its own */
        uint64_t level;     /* 0: the default */
        bool stop;
} SnapshotRequest;

/* Each returns 0 with the job's id, DAEMON_E_* or -errno; the fault says why not and what to do. */
int node_stage(Node *node, const StageRequest *request, const Caller *by, char ret_job[static 17],
               Fault *reterr);
int node_upgrade(Node *node, const UpgradeRequest *request, const Caller *by, char ret_job[static 17],
                 Fault *reterr);
int node_rollback(Node *node, const Caller *by, char ret_job[static 17], Fault *reterr);
/* Forgets a staged release that is neither current nor previous; its files go in the background. */
int node_discard(Node *node, const char *version, const Caller *by, Fault *reterr);
int node_restore(Node *node, const RestoreRequest *request, const Caller *by, char ret_job[static 17],
                 Fault *reterr);
int node_snapshot(Node *node, const SnapshotRequest *request, const Caller *by, char ret_job[static 17],
                  Fault *reterr);
/* Of a restore that downloads; the same again is success. */
int node_set_paused(Node *node, bool paused, const Caller *by, Fault *reterr);
int node_cancel(Node *node, const Caller *by, Fault *reterr);

/*
 * After a restart of musterd; takes ownership of @job. While the node has no
 * readable configuration the job waits for upgrade_continue().
 */
int node_resume(Node *node, UpgradeJob *job);
void upgrade_continue(Upgrade *upgrade);

/* Something was learnt: a sample, the unit's state, a thaw. */
void upgrade_on_sample(Upgrade *upgrade);
void upgrade_on_unit(Upgrade *upgrade);

/*
 * Runs the operator's hooks of @event for @job, or for the node's verdict where
 * @job is NULL; *ret (may be NULL) is the run. -errno: nothing was queued. Where
 * the event has no hooks, @done is called before this returns and *ret stays.
 */
int node_run_hooks(Node *node, const char *event, const UpgradeJob *job, WorkerDone done, void *userdata,
                   WorkerRun **ret);

/* An order for the worker that runs as the node's user; NULL without memory. */
json_t *node_restore_order(const Node *node, const UpgradeJob *job, const char *verb);

/* The restore whose data of before is still kept, or NULL. */
const char *restore_kept_old(const UpgradeJob *last);

/* Removes what @job, which is over, kept of the data; not again once it is known to be gone. */
void node_drop_backup(Node *node, const UpgradeJob *job);

const UpgradeJob *upgrade_job(const Upgrade *upgrade);
const char *upgrade_progress(const Upgrade *upgrade); /* or NULL */

/* Drops it without a trace in the journal: for the end of musterd. Returns NULL. */
Upgrade *upgrade_free(Upgrade *upgrade);
