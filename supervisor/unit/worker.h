#pragma once
/*
 * Running one worker unit and reading its result (DESIGN.md "Workers").
 *
 * The runs of one (kind, node) are queued: there is one instance of each
 * worker a node. A worker that ended without a result of its own (killed,
 * crashed, another's result) is started again, at most WORKER_ATTEMPTS times:
 * every verb is idempotent.
 */
#include "unit/manager.h"
#include "unit/status.h"
#include "worker/order.h"

#define WORKER_ATTEMPTS 3

typedef struct WorkerPool WorkerPool;
typedef struct WorkerRun WorkerRun;

/*
 * @ok: the worker says that it did what was asked. @text is for people.
 * @result is NULL if no worker could be run; borrowed. The run is over and is
 * freed after the handler returns.
 */
typedef void (*WorkerDone)(bool ok, const char *text, const json_t *result, void *userdata);

int worker_pool_new(sd_event *event, WorkerPool **ret);
WorkerPool *worker_pool_free(WorkerPool *pool); /* returns NULL; runs are dropped without a report */
DEFINE_CLEANUP(WorkerPool *, worker_pool_free)

/* The bus came (or went: NULL). Runs that were under way are started again: they join what still runs. */
void worker_pool_attach(WorkerPool *pool, UnitManager *manager);

/*
 * Queues a run. @order needs "verb"; "job" is filled in with @job, the verb and a
 * number that is new at each attempt. @timeout_usec 0: none. done() is called
 * exactly once and never from inside this function, unless the run is canceled.
 */
int worker_run(WorkerPool *pool, WorkerKind kind, const char *node, const char *job, json_t *order,
               uint64_t timeout_usec, WorkerDone done, void *userdata, WorkerRun **ret);

/* Stops the worker and forgets the run without a report. Returns NULL. */
WorkerRun *worker_run_cancel(WorkerRun *run);

/* The worker's STATUS=, or NULL. */
const char *worker_run_progress(const WorkerRun *run);
