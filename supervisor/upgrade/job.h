#pragma once
/*
 * One job of a node: a staging, an upgrade, a way back, a rehearsal, a restore,
 * the making of a snapshot. All of them walk the states of fsm.h; a staging
 * rests, and a rehearsal and a snapshot end, at `staged`. A restore has the
 * version that runs as `version` and as `from`: its releases do not change. What a job has to remember over
 * a restart of musterd is in `facts`, stored with it in the journal.
 */
#include <sys/types.h>
#include "upgrade/fsm.h"
#include "util/json.h"

typedef enum JobKind {
        JOB_STAGE,
        JOB_UPGRADE,
        JOB_ROLLBACK,
        JOB_REHEARSE,
        JOB_RESTORE,
        JOB_SNAPSHOT,
        _JOB_KIND_MAX
} JobKind;

const char *job_kind_to_string(JobKind kind);   /* on disk: append only */
JobKind job_kind_from_string(const char *name); /* _JOB_KIND_MAX if it is none */

/* Who asked for something, as far as the system can tell. */
typedef struct Caller {
        uid_t uid;     /* UID_NOBODY_KNOWN: musterd itself */
        char *session; /* login session, or NULL */
        char *command; /* the command line that the caller claims */
        char *why;     /* --reason */
} Caller;

#define UID_NOBODY_KNOWN ((uid_t) -1)

void caller_done(Caller *caller);

typedef struct UpgradeJob {
        char id[17]; /* 16 hex digits */
        char *node;
        JobKind kind;
        char *version;
        char *from; /* NULL: the first upgrade */
        UpgradeState state;
        char *reason; /* why it is in this state */
        Caller by;
        uint64_t created_usec, since_usec;
        int64_t downtime_usec; /* -1: none, or not known yet */
        json_t *facts;         /* object; see daemon/upgrade.c */
} UpgradeJob;

/* A fresh job with a random id. @from may be NULL. */
int upgrade_job_new(const char *node, JobKind kind, const char *version, const char *from,
                    UpgradeState state, const Caller *by, UpgradeJob **ret);
UpgradeJob *upgrade_job_free(UpgradeJob *job); /* returns NULL */
DEFINE_CLEANUP(UpgradeJob *, upgrade_job_free)

/* It leaves the node as it is, and is not what the node's last job was: a staging, a snapshot. */
bool job_kind_is_aside(JobKind kind);

/* Nothing more will happen by itself. */
bool upgrade_job_is_over(const UpgradeJob *job);

/* The JOB object of org.muster1's Describe(); new reference. @progress may be NULL. */
int upgrade_job_to_json(const UpgradeJob *job, const char *progress, json_t **ret);
