#pragma once
/*
 * One order (worker/order.h) of what needs the node's own files, done by
 * muster-restore@NAME.service or muster-fetch@NAME.service as the node's user. Everything it writes is below
 * the node's state/. Every verb is idempotent: a worker that was killed is
 * started again with the same order.
 */
#include "chain/family.h"
#include "guard/check.h"
#include "snapshot/clone.h"
#include "util/json.h"
#include "worker/order.h"

typedef struct Work {
        const char *name;
        json_t *order;
        const char *state; /* of the order */
        const ChainFamily *family;
        GuardSubject subject;
        int node_fd, state_fd;
        char **protect;
        uint64_t total; /* bytes that a copy will have */
        json_t *result; /* what the verb adds to the result file */
        char *text;     /* what happened, in words */
} Work;

typedef struct WorkVerb {
        const char *name;                   /* NULL ends a table */
        int (*run)(Work *w, Fault *reterr); /* 0; anything else failed and the fault says why */
} WorkVerb;

/* Reads the order of @name, does it and writes the result. 0, or -errno when no result could be written. */
int work_run(WorkerKind kind, const char *name, const WorkVerb *verbs);
int restore_work(const char *name);

/* A text of the order; -EBADMSG if it is not there. Borrowed. */
int work_member(const Work *w, const char *key, const char **ret, Fault *reterr);

/* Sets the text. 0 or -ENOMEM. */
int work_say(Work *w, const char *format, ...) _printf_(2, 3);

/* The position as member of the result; null for none. 0 or -ENOMEM. */
int work_put_position(Work *w, const SigningPosition *position);

/* Zeros where there is no data directory yet. */
int work_measure_data(const Work *w, TreeStats *ret, Fault *reterr);

/* Progress of a clone; @userdata is the Work. */
void work_show_copy(const TreeStats *done, void *userdata);

/* nodes/NAME and its state/. */
int work_open_node(const char *name, int *ret_node_fd, int *ret_state_fd, Fault *reterr);
