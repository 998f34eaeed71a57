#pragma once
/*
 * What musterd and its workers say to each other (DESIGN.md "Workers").
 *
 * musterd writes the order to /run/muster/orders/KIND-NAME and starts the unit
 * muster-KIND@NAME.service. The worker reads it, shows progress as sd_notify
 * STATUS=, and writes `result` by rename into /run/muster-job/KIND-NAME, with
 * the order's job id and its own $INVOCATION_ID. A missing or mismatching
 * result means that the worker failed.
 *
 * Order:  {"job": ID, "verb": VERB, ...}            members by verb: see the worker
 * Result: {"job": ID, "invocation": ID, "ok": bool, "text": TEXT, ...}
 */
#include "util/fault.h"
#include "util/json.h"

typedef enum WorkerKind {
        WORKER_STAGE,   /* muster-stage@NAME.service */
        WORKER_RESTORE, /* muster-restore@NAME.service */
        WORKER_HOOK,    /* muster-hook@NAME.service */
        WORKER_FETCH,   /* muster-fetch@NAME.service */
        _WORKER_KIND_MAX,
} WorkerKind;

const char *worker_kind_to_string(WorkerKind kind); /* "stage", "restore", "hook", "fetch" */

/* musterd: durable enough for /run: by rename, for the group muster-orders alone. Needs members "job" and
 * "verb". */
int worker_order_write(WorkerKind kind, const char *node, const json_t *order, Fault *reterr);

/* Worker: reads its order; faults name the file and what was expected. */
int worker_order_read(WorkerKind kind, const char *node, json_t **ret, Fault *reterr);

/*
 * Worker: adds job, invocation and ok/text to @extra (may be NULL; not consumed)
 * and publishes it by rename. @text is what a person reads.
 */
int worker_result_write(WorkerKind kind, const char *node, const char *job, bool ok, const char *text,
                        const json_t *extra, Fault *reterr);

/*
 * musterd: reads the result of @job. -ENOENT: no result (killed, never ran);
 * -ESTALE: the result is another job's; -EBADMSG: not to be understood.
 */
int worker_result_read(WorkerKind kind, const char *node, const char *job, json_t **ret, Fault *reterr);

/* Worker: sd_notify STATUS=, at most once a second unless @force; "" clears. */
void worker_progress(bool force, const char *format, ...) _printf_(2, 3);

/*
 * A worker is to wait while /run/muster/orders/KIND-NAME.paused is there, which holds
 * the reason. musterd: written by rename; @reason NULL removes it, not there is success.
 */
int worker_pause_write(WorkerKind kind, const char *node, const char *reason, Fault *reterr);

/* Worker: 1 and the reason (owned, one line), 0: not paused, -errno. */
int worker_pause_read(WorkerKind kind, const char *node, char **ret);
