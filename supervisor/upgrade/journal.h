#pragma once
/*
 * What muster must not forget: /var/lib/muster/journal/journal.db, SQLite in
 * WAL mode with synchronous=FULL. Every function that changes something
 * returns only after it is durable. One writer: musterd.
 *
 * A transition is one row in `event` and the job's new state in `job`, in one
 * transaction: a reader after a power cut sees both or neither.
 */
#include "upgrade/job.h"

typedef struct Journal Journal;

/* Opens or creates. -EBADMSG: not a journal, or of a newer muster (says so). */
int journal_open(const char *path, Journal **ret, Fault *reterr);
Journal *journal_close(Journal *journal); /* returns NULL */
DEFINE_CLEANUP(Journal *, journal_close)

/* An entry of the record that operators read. Strings are borrowed; NULL where there is none. */
typedef struct JournalEvent {
        int64_t id; /* set by the journal */
        uint64_t at_usec;
        const char *node, *job;
        const char *kind; /* "transition", "act", "verdict", "unit", "config", "alarm" */
        const char *from, *to;
        const char *text;
        const Caller *by; /* NULL: musterd itself */
        int64_t height;   /* -1: unknown */
} JournalEvent;

/* Adds one event; sets @event->id and, if 0, @event->at_usec. */
int journal_add_event(Journal *journal, JournalEvent *event, Fault *reterr);

/* A new job with its first event (from NULL to the job's state). */
int journal_add_job(Journal *journal, const UpgradeJob *job, JournalEvent *event, Fault *reterr);

/*
 * Makes job->state = @to durable, with the job's facts as they are now. On
 * success updates job->state, reason and since_usec; on failure nothing changed.
 */
int journal_transition(Journal *journal, UpgradeJob *job, UpgradeState to, const char *reason,
                       int64_t height, JournalEvent *ret_event, Fault *reterr);

/* Stores job->facts and downtime without a transition. */
int journal_save_facts(Journal *journal, const UpgradeJob *job, Fault *reterr);

/* Jobs that are not over, oldest first; calls @handler with ownership of each. */
typedef int (*JournalJobHandler)(UpgradeJob *job, void *userdata);
int journal_unfinished_jobs(Journal *journal, JournalJobHandler handler, void *userdata, Fault *reterr);

/* The newest job of a node that touched it or tried to (not a staging, not a snapshot); *ret NULL if there
 * is none. */
int journal_last_job(Journal *journal, const char *node, UpgradeJob **ret, Fault *reterr);

/* The newest committed upgrade of a node to @version; *ret NULL if there is none. */
int journal_upgrade_to(Journal *journal, const char *node, const char *version, UpgradeJob **ret,
                       Fault *reterr);

/*
 * JSON array of EVENT objects with id > @after, oldest first; with @after 0 the
 * newest @max. @node NULL: all.
 */
int journal_events(Journal *journal, const char *node, int64_t after, unsigned max, json_t **ret,
                   Fault *reterr);
int journal_event_to_json(const JournalEvent *event, json_t **ret);

/* Settings: "hold.NODE", "freeze": a JSON object as text; NULL value removes. *ret NULL if there is none. */
int journal_set(Journal *journal, const char *key, const json_t *value, JournalEvent *event, Fault *reterr);
int journal_get(Journal *journal, const char *key, json_t **ret, Fault *reterr);

/* Removes events older than @before_usec that belong to jobs that are over. */
int journal_expire(Journal *journal, uint64_t before_usec, Fault *reterr);
