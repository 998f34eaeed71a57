/*
 * A crash leaves what SQLite's WAL leaves: the last committed transaction. The
 * database is opened with exclusive locking, so a second musterd is refused
 * instead of writing beside the first.
 *
 * Jobs are ordered by rowid, which is the order in which they were made: the
 * clock may have jumped in between.
 */
#include "upgrade/journal.h"
#include "util/text.h"

#include <fcntl.h>
#include <sqlite3.h>

#define JOURNAL_SCHEMA 1
#define _STRING(x)     #x
#define STRING(x)      _STRING(x)

struct Journal {
        sqlite3 *db;
};

static const char schema[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE job (id TEXT PRIMARY KEY, node TEXT NOT NULL, kind TEXT NOT NULL, version TEXT NOT "
        "NULL,"
        "  previous TEXT, state TEXT NOT NULL, over INTEGER NOT NULL, reason TEXT, uid INTEGER, session "
        "TEXT,"
        "  command TEXT, why TEXT, created_usec INTEGER NOT NULL, since_usec INTEGER NOT NULL,"
        "  downtime_usec INTEGER NOT NULL, facts TEXT NOT NULL);"
        "CREATE INDEX job_by_node ON job (node, created_usec);"
        "CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, at_usec INTEGER NOT NULL, node TEXT NOT "
        "NULL,"
        "  job TEXT, kind TEXT NOT NULL, previous TEXT, next TEXT, text TEXT NOT NULL, uid INTEGER, session "
        "TEXT,"
        "  command TEXT, why TEXT, height INTEGER);"
        "CREATE INDEX event_by_node ON event (node, id);"
        "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL);"
        "PRAGMA user_version = " STRING(JOURNAL_SCHEMA) ";"
                                                        "COMMIT;";

static int journal_fault(Journal *j, int rc, const char *what, Fault *reterr) {
        const char *hint = "";
        int r;

        switch (rc & 0xff) {
        case SQLITE_FULL:
                r = -ENOSPC;
                break;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                r = -EBUSY;
                hint = " by another process: one musterd at a time";
                break;
        case SQLITE_NOMEM:
                r = -ENOMEM;
                break;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                r = -EBADMSG;
                hint = "; put a good copy in its place, or move it away: then holds, past and unfinished "
                       "jobs are "
                       "forgotten";
                break;
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_READONLY:
                r = -EACCES;
                break;
        default:
                r = -EIO;
        }
        return fault_set(reterr, r, "Failed to %s the journal: %s%s", what, sqlite3_errmsg(j->db), hint);
}

static int journal_exec(Journal *j, const char *sql, const char *what, Fault *reterr) {
        int rc = sqlite3_exec(j->db, sql, NULL, NULL, NULL);

        return rc == SQLITE_OK ? 0 : journal_fault(j, rc, what, reterr);
}

static int journal_prepare(Journal *j, const char *sql, sqlite3_stmt **ret, Fault *reterr) {
        int rc = sqlite3_prepare_v2(j->db, sql, -1, ret, NULL);

        return rc == SQLITE_OK ? 0 : journal_fault(j, rc, "query", reterr);
}

static void sqlite3_finalizep(sqlite3_stmt **s) {
        sqlite3_finalize(*s);
}
#define cleanup_statement_ cleanup_(sqlite3_finalizep)

static void bind_text(sqlite3_stmt *s, int i, const char *text) {
        if (text)
                sqlite3_bind_text(s, i, text, -1, SQLITE_TRANSIENT);
        else
                sqlite3_bind_null(s, i);
}

/* Four columns from @i on; NULLs for musterd itself. */
static void bind_caller(sqlite3_stmt *s, int i, const Caller *by) {
        if (by && by->uid != UID_NOBODY_KNOWN)
                sqlite3_bind_int64(s, i, (sqlite3_int64) by->uid);
        else
                sqlite3_bind_null(s, i);
        bind_text(s, i + 1, by ? by->session : NULL);
        bind_text(s, i + 2, by ? by->command : NULL);
        bind_text(s, i + 3, by ? by->why : NULL);
}

static const char *column_text(sqlite3_stmt *s, int i) {
        return (const char *) sqlite3_column_text(s, i);
}

static int journal_run(Journal *j, sqlite3_stmt *s, const char *what, Fault *reterr) {
        int rc = sqlite3_step(s);

        return rc == SQLITE_DONE ? 0 : journal_fault(j, rc, what, reterr);
}

static int journal_schema(Journal *j, Fault *reterr) {
        cleanup_statement_ sqlite3_stmt *s = NULL;
        int rc, version, r;

        r = journal_prepare(j, "PRAGMA user_version", &s, reterr);
        if (r < 0)
                return r;
        rc = sqlite3_step(s);
        if (rc != SQLITE_ROW)
                return journal_fault(j, rc, "read", reterr);
        version = sqlite3_column_int(s, 0);
        s = (sqlite3_finalize(s), NULL);
        if (version == 0)
                return journal_exec(j, schema, "create", reterr);
        if (version != JOURNAL_SCHEMA)
                return fault_set(reterr, -EBADMSG,
                                 "The journal was written by a newer muster (format %d, this one knows %d): "
                                 "install that version again",
                                 version, JOURNAL_SCHEMA);
        return 0;
}

static int sync_path(const char *path, Fault *reterr) {
        cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return errno == ENOENT ? 0 : fault_errno(reterr, -errno, "Failed to open '%s'", path);
        return fsync(fd) < 0 ? fault_errno(reterr, -errno, "Failed to sync '%s'", path) : 0;
}

/*
 * A musterd that was killed before its fdatasync left rows that can be read and
 * are not durable: what they stand for is about to be done.
 */
static int journal_sync(const char *path, Fault *reterr) {
        cleanup_free_ char *wal = NULL, *directory = NULL;
        const char *slash = strrchr(path, '/');
        int r;

        if (asprintf(&wal, "%s-wal", path) < 0)
                return -ENOMEM;
        directory = slash ? strndup(path, (size_t) (slash - path)) : strdup(".");
        if (!directory)
                return -ENOMEM;
        r = sync_path(wal, reterr);
        return r < 0 ? r : sync_path(directory, reterr);
}

int journal_open(const char *path, Journal **ret, Fault *reterr) {
        cleanup_(journal_closep) Journal *j = calloc(1, sizeof *j);
        int rc, r;

        if (!j)
                return -ENOMEM;
        r = journal_sync(path, reterr);
        if (r < 0)
                return r;
        rc = sqlite3_open_v2(path, &j->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
        if (rc != SQLITE_OK)
                return fault_prefix(reterr, journal_fault(j, rc, "open", reterr), "%s", path);
        r = journal_exec(j,
                         "PRAGMA locking_mode = EXCLUSIVE;"
                         "PRAGMA journal_mode = WAL;"
                         "PRAGMA synchronous = FULL;"
                         "PRAGMA cache_size = -256;",
                         "open", reterr);
        if (r >= 0)
                r = journal_schema(j, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "%s", path);
        *ret = TAKE_PTR(j);
        return 0;
}

Journal *journal_close(Journal *j) {
        if (!j)
                return NULL;
        sqlite3_close(j->db);
        free(j);
        return NULL;
}

/* Runs inside a transaction or on its own. */
static int insert_event(Journal *j, JournalEvent *event, Fault *reterr) {
        cleanup_statement_ sqlite3_stmt *s = NULL;
        int r;

        if (event->at_usec == 0)
                event->at_usec = now_realtime_usec();
        r = journal_prepare(
                j,
                "INSERT INTO event (at_usec, node, job, kind, previous, next, text, uid, session,"
                " command, why, height) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                &s, reterr);
        if (r < 0)
                return r;
        sqlite3_bind_int64(s, 1, (sqlite3_int64) event->at_usec);
        bind_text(s, 2, event->node ?: "");
        bind_text(s, 3, event->job);
        bind_text(s, 4, event->kind);
        bind_text(s, 5, event->from);
        bind_text(s, 6, event->to);
        bind_text(s, 7, event->text ?: "");
        bind_caller(s, 8, event->by);
        if (event->height >= 0)
                sqlite3_bind_int64(s, 12, event->height);
        r = journal_run(j, s, "write", reterr);
        if (r < 0)
                return r;
        event->id = sqlite3_last_insert_rowid(j->db);
        return 0;
}

int journal_add_event(Journal *j, JournalEvent *event, Fault *reterr) {
        return insert_event(j, event, reterr);
}

static int journal_begin(Journal *j, Fault *reterr) {
        return journal_exec(j, "BEGIN IMMEDIATE", "write", reterr);
}

/* Commits if @r is good, else rolls back; returns the first error. */
static int journal_end(Journal *j, int r, Fault *reterr) {
        if (r >= 0)
                r = journal_exec(j, "COMMIT", "write", reterr);
        if (r < 0)
                (void) sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
        return r;
}

/* No REPLACE: that would give the job a new rowid. */
#define JOB_STORE                                                                                           \
        "INSERT INTO job VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET"           \
        " state = excluded.state, over = excluded.over, reason = excluded.reason,"                          \
        " since_usec = excluded.since_usec, downtime_usec = excluded.downtime_usec, facts = excluded.facts"

static int store_job(Journal *j, const UpgradeJob *job, UpgradeState state, const char *reason,
                     uint64_t since, Fault *reterr) {
        cleanup_statement_ sqlite3_stmt *s = NULL;
        cleanup_free_ char *facts = json_dumps(job->facts, JSON_COMPACT);
        UpgradeJob next = *job; /* borrows everything: only the state differs */
        int r;

        if (!facts)
                return -ENOMEM;
        next.state = state;
        r = journal_prepare(j, JOB_STORE, &s, reterr);
        if (r < 0)
                return r;
        bind_text(s, 1, job->id);
        bind_text(s, 2, job->node);
        bind_text(s, 3, job_kind_to_string(job->kind));
        bind_text(s, 4, job->version);
        bind_text(s, 5, job->from);
        bind_text(s, 6, upgrade_state_to_string(state));
        sqlite3_bind_int(s, 7, upgrade_job_is_over(&next));
        bind_text(s, 8, reason);
        bind_caller(s, 9, &job->by);
        sqlite3_bind_int64(s, 13, (sqlite3_int64) job->created_usec);
        sqlite3_bind_int64(s, 14, (sqlite3_int64) since);
        sqlite3_bind_int64(s, 15, job->downtime_usec);
        bind_text(s, 16, facts);
        return journal_run(j, s, "write", reterr);
}

int journal_add_job(Journal *j, const UpgradeJob *job, JournalEvent *event, Fault *reterr) {
        int r;

        *event = (JournalEvent){ .at_usec = job->created_usec,
                                 .node = job->node,
                                 .job = job->id,
                                 .kind = "transition",
                                 .to = upgrade_state_to_string(job->state),
                                 .text = job->reason,
                                 .by = &job->by,
                                 .height = -1 };
        r = journal_begin(j, reterr);
        if (r < 0)
                return r;
        r = store_job(j, job, job->state, job->reason, job->since_usec, reterr);
        if (r >= 0)
                r = insert_event(j, event, reterr);
        return journal_end(j, r, reterr);
}

int journal_transition(Journal *j, UpgradeJob *job, UpgradeState to, const char *reason, int64_t height,
                       JournalEvent *ret_event, Fault *reterr) {
        cleanup_free_ char *copy = strdup(reason ?: "");
        JournalEvent event = { .at_usec = now_realtime_usec(),
                               .node = job->node,
                               .job = job->id,
                               .kind = "transition",
                               .from = upgrade_state_to_string(job->state),
                               .to = upgrade_state_to_string(to),
                               .text = reason,
                               .height = height };
        int r;

        if (!copy)
                return -ENOMEM;
        r = journal_begin(j, reterr);
        if (r < 0)
                return r;
        r = store_job(j, job, to, reason, event.at_usec, reterr);
        if (r >= 0)
                r = insert_event(j, &event, reterr);
        r = journal_end(j, r, reterr);
        if (r < 0)
                return r;
        job->state = to;
        job->since_usec = event.at_usec;
        free(job->reason);
        job->reason = TAKE_PTR(copy);
        event.text = job->reason;
        *ret_event = event;
        return 0;
}

int journal_save_facts(Journal *j, const UpgradeJob *job, Fault *reterr) {
        return store_job(j, job, job->state, job->reason, job->since_usec, reterr);
}

static int job_from_row(sqlite3_stmt *s, UpgradeJob **ret) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = calloc(1, sizeof *job);

        if (!job)
                return -ENOMEM;
        snprintf(job->id, sizeof job->id, "%s", column_text(s, 0));
        job->kind = job_kind_from_string(column_text(s, 2));
        job->state = upgrade_state_from_string(column_text(s, 5));
        job->by.uid = sqlite3_column_type(s, 8) == SQLITE_NULL ? UID_NOBODY_KNOWN
                                                               : (uid_t) sqlite3_column_int64(s, 8);
        job->created_usec = (uint64_t) sqlite3_column_int64(s, 12);
        job->since_usec = (uint64_t) sqlite3_column_int64(s, 13);
        job->downtime_usec = sqlite3_column_int64(s, 14);
        job->facts = json_loads(column_text(s, 15) ?: "", 0, NULL);
        if (job->kind == _JOB_KIND_MAX || job->state == _UPGRADE_NONE || !json_is_object(job->facts))
                return -EBADMSG;
        if (str_replace(&job->node, column_text(s, 1)) < 0 ||
            str_replace(&job->version, column_text(s, 3)) < 0 ||
            str_replace(&job->from, column_text(s, 4)) < 0 ||
            str_replace(&job->reason, column_text(s, 7)) < 0 ||
            str_replace(&job->by.session, column_text(s, 9)) < 0 ||
            str_replace(&job->by.command, column_text(s, 10)) < 0 ||
            str_replace(&job->by.why, column_text(s, 11)) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(job);
        return 0;
}

static int read_job(sqlite3_stmt *s, UpgradeJob **ret, Fault *reterr) {
        int r = job_from_row(s, ret);

        if (r == -EBADMSG)
                return fault_set(reterr, r,
                                 "The journal's job '%s' cannot be understood: kind '%s', state '%s'",
                                 column_text(s, 0), column_text(s, 2), column_text(s, 5));
        return r;
}

int journal_unfinished_jobs(Journal *j, JournalJobHandler handler, void *userdata, Fault *reterr) {
        cleanup_statement_ sqlite3_stmt *s = NULL;
        int rc, r;

        r = journal_prepare(j, "SELECT * FROM job WHERE over = 0 ORDER BY rowid", &s, reterr);
        if (r < 0)
                return r;
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
                UpgradeJob *job;

                r = read_job(s, &job, reterr);
                if (r < 0)
                        return r;
                r = handler(job, userdata);
                if (r < 0)
                        return r;
        }
        return rc == SQLITE_DONE ? 0 : journal_fault(j, rc, "read", reterr);
}

/* The one job that @sql finds for @node and @version (NULL: not bound). */
static int read_one_job(Journal *j, const char *sql, const char *node, const char *version, UpgradeJob **ret,
                        Fault *reterr) {
        cleanup_statement_ sqlite3_stmt *s = NULL;
        int rc, r;

        r = journal_prepare(j, sql, &s, reterr);
        if (r < 0)
                return r;
        bind_text(s, 1, node);
        if (version)
                bind_text(s, 2, version);
        rc = sqlite3_step(s);
        if (rc == SQLITE_DONE) {
                *ret = NULL;
                return 0;
        }
        if (rc != SQLITE_ROW)
                return journal_fault(j, rc, "read", reterr);
        return read_job(s, ret, reterr);
}

int journal_last_job(Journal *j, const char *node, UpgradeJob **ret, Fault *reterr) {
        return read_one_job(j,
                            "SELECT * FROM job WHERE node = ? AND over = 1 AND kind NOT IN ('stage', "
                            "'snapshot') ORDER BY rowid DESC LIMIT 1",
                            node, NULL, ret, reterr);
}

int journal_upgrade_to(Journal *j, const char *node, const char *version, UpgradeJob **ret, Fault *reterr) {
        return read_one_job(j,
                            "SELECT * FROM job WHERE node = ? AND version = ? AND kind = 'upgrade' AND "
                            "state = 'committed' ORDER BY rowid DESC LIMIT 1",
                            node, version, ret, reterr);
}

int journal_event_to_json(const JournalEvent *event, json_t **ret) {
        const Caller *by = event->by;
        json_t *j;

        j = json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                      (json_int_t) event->id, "at_usec", (json_int_t) event->at_usec, "node",
                      json_text(event->node ?: ""), "job", json_text(event->job), "kind",
                      json_text(event->kind), "from", json_text(event->from), "to", json_text(event->to),
                      "text", json_text(event->text ?: ""), "session", json_text(by ? by->session : NULL),
                      "command", json_text(by ? by->command : NULL), "why", json_text(by ? by->why : NULL));
        if (!j)
                return -ENOMEM;
        if (json_object_set_new(j, "uid",
                                by && by->uid != UID_NOBODY_KNOWN ? json_integer((json_int_t) by->uid)
                                                                  : json_null()) < 0 ||
            json_object_set_new(j, "height",
                                event->height >= 0 ? json_integer(event->height) : json_null()) < 0) {
                json_decref(j);
                return -ENOMEM;
        }
        *ret = j;
        return 0;
}

static int event_row_to_json(sqlite3_stmt *s, json_t **ret) {
        Caller by = {
                .uid = sqlite3_column_type(s, 8) == SQLITE_NULL ? UID_NOBODY_KNOWN
                                                                : (uid_t) sqlite3_column_int64(s, 8),
                .session = (char *) column_text(s, 9),
                .command = (char *) column_text(s, 10),
                .why = (char *) column_text(s, 11),
        };
        JournalEvent event = {
                .id = sqlite3_column_int64(s, 0),
                .at_usec = (uint64_t) sqlite3_column_int64(s, 1),
                .node = column_text(s, 2),
                .job = column_text(s, 3),
                .kind = column_text(s, 4),
                .from = column_text(s, 5),
                .to = column_text(s, 6),
                .text = column_text(s, 7),
                .by = &by,
                .height = sqlite3_column_type(s, 12) == SQLITE_NULL ? -1 : sqlite3_column_int64(s, 12),
        };

        return journal_event_to_json(&event, ret);
}

int journal_events(Journal *j, const char *node, int64_t after, unsigned max, json_t **ret, Fault *reterr) {
        cleanup_statement_ sqlite3_stmt *s = NULL;
        cleanup_json_ json_t *array = json_array();
        int rc, r;

        if (!array)
                return -ENOMEM;
        r = journal_prepare(j,
                            after > 0 ? "SELECT * FROM event WHERE id > ?1 AND (?2 IS NULL OR node = ?2)"
                                        " ORDER BY id LIMIT ?3"
                                      : "SELECT * FROM (SELECT * FROM event WHERE id > ?1 AND (?2 IS NULL OR"
                                        " node = ?2) ORDER BY id DESC LIMIT ?3) ORDER BY id",
                            &s, reterr);
        if (r < 0)
                return r;
        sqlite3_bind_int64(s, 1, after);
        bind_text(s, 2, node);
        sqlite3_bind_int64(s, 3, max);
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
                json_t *event;

                r = event_row_to_json(s, &event);
                if (r < 0)
                        return r;
                if (json_array_append_new(array, event) < 0)
                        return -ENOMEM;
        }
        if (rc != SQLITE_DONE)
                return journal_fault(j, rc, "read", reterr);
        *ret = TAKE_PTR(array);
        return 0;
}

static int store_setting(Journal *j, const char *key, const json_t *value, Fault *reterr) {
        cleanup_statement_ sqlite3_stmt *s = NULL;
        cleanup_free_ char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
        int r;

        if (value && !text)
                return -ENOMEM;
        r = journal_prepare(j,
                            value ? "INSERT OR REPLACE INTO setting VALUES (?1, ?2)"
                                  : "DELETE FROM setting WHERE key = ?1",
                            &s, reterr);
        if (r < 0)
                return r;
        bind_text(s, 1, key);
        if (value)
                bind_text(s, 2, text);
        return journal_run(j, s, "write", reterr);
}

int journal_set(Journal *j, const char *key, const json_t *value, JournalEvent *event, Fault *reterr) {
        int r;

        r = journal_begin(j, reterr);
        if (r < 0)
                return r;
        r = store_setting(j, key, value, reterr);
        if (r >= 0 && event)
                r = insert_event(j, event, reterr);
        return journal_end(j, r, reterr);
}

int journal_get(Journal *j, const char *key, json_t **ret, Fault *reterr) {
        cleanup_statement_ sqlite3_stmt *s = NULL;
        int rc, r;

        r = journal_prepare(j, "SELECT value FROM setting WHERE key = ?", &s, reterr);
        if (r < 0)
                return r;
        bind_text(s, 1, key);
        rc = sqlite3_step(s);
        if (rc == SQLITE_DONE) {
                *ret = NULL;
                return 0;
        }
        if (rc != SQLITE_ROW)
                return journal_fault(j, rc, "read", reterr);
        *ret = json_loads(column_text(s, 0) ?: "", 0, NULL);
        return *ret ? 0
                    : fault_set(reterr, -EBADMSG, "The journal's setting '%s' cannot be understood", key);
}

int journal_expire(Journal *j, uint64_t before_usec, Fault *reterr) {
        cleanup_statement_ sqlite3_stmt *s = NULL;
        int r;

        r = journal_prepare(j,
                            "DELETE FROM event WHERE at_usec < ? AND"
                            " (job IS NULL OR job NOT IN (SELECT id FROM job WHERE over = 0))",
                            &s, reterr);
        if (r < 0)
                return r;
        sqlite3_bind_int64(s, 1, (sqlite3_int64) before_usec);
        return journal_run(j, s, "trim", reterr);
}
