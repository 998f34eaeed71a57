/* What muster must not forget: written, closed, opened, and found as it was. */
#include "tests/unit/cmocka-all.h"
#include "tests/unit/book.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void assert_same_job(const UpgradeJob *a, const UpgradeJob *b) {
        assert_string_equal(a->id, b->id);
        assert_string_equal(a->node, b->node);
        assert_int_equal(a->kind, b->kind);
        assert_string_equal(a->version, b->version);
        assert_true(str_eq(a->from, b->from));
        assert_int_equal(a->state, b->state);
        assert_true(str_eq(a->reason, b->reason));
        assert_int_equal(a->by.uid, b->by.uid);
        assert_true(str_eq(a->by.session, b->by.session));
        assert_true(str_eq(a->by.command, b->by.command));
        assert_true(str_eq(a->by.why, b->by.why));
        assert_int_equal(a->created_usec, b->created_usec);
        assert_int_equal(a->since_usec, b->since_usec);
        assert_int_equal(a->downtime_usec, b->downtime_usec);
        assert_true(json_equal(a->facts, b->facts));
}

static void a_job_comes_back_from_a_restart_as_it_was(void **state) {
        cleanup_unfinished_ Unfinished found = {};
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        Book *b = *state;

        job = book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_STAGED);
        assert_int_equal(json_put_str(job->facts, "previous", "1.6.9 \"quoted\" '; DROP TABLE job"), 0);
        book_move(b, job, UPGRADE_ARMED);
        assert_int_equal(json_put_u64(job->facts, "height", 1234567), 0);
        job->downtime_usec = 42;
        assert_int_equal(journal_save_facts(b->journal, job, &b->fault), 0);
        book_reopen(b);
        assert_int_equal(journal_unfinished_jobs(b->journal, unfinished_add, &found, &b->fault), 0);
        assert_int_equal(found.n, 1);
        assert_same_job(found.jobs[0], job);
}

static void a_job_of_musterd_itself_has_no_uid_and_a_first_upgrade_no_from(void **state) {
        static const Caller nobody = { .uid = UID_NOBODY_KNOWN };
        cleanup_unfinished_ Unfinished found = {};
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        JournalEvent row;
        Book *b = *state;

        assert_int_equal(upgrade_job_new("kcn-1", JOB_STAGE, "1", NULL, UPGRADE_FETCHING, &nobody, &job), 0);
        assert_int_equal(journal_add_job(b->journal, job, &row, &b->fault), 0);
        assert_string_equal(row.job, job->id);
        assert_null(row.from);
        assert_string_equal(row.to, "fetching");
        book_reopen(b);
        assert_int_equal(journal_unfinished_jobs(b->journal, unfinished_add, &found, &b->fault), 0);
        assert_int_equal(found.n, 1);
        assert_same_job(found.jobs[0], job);
        assert_int_equal(found.jobs[0]->by.uid, UID_NOBODY_KNOWN);
        assert_null(found.jobs[0]->from);
}

/* For every kind in every state: what a restart takes up is what is not over. */
static void a_restart_resumes_exactly_what_is_not_over_in_the_order_of_asking(void **state) {
        for (JobKind kind = 0; kind < _JOB_KIND_MAX; kind++) {
                char expected[_UPGRADE_STATE_MAX][17];
                cleanup_unfinished_ Unfinished found = {};
                size_t n = 0;
                Book *b = NULL;

                assert_int_equal(book_new((void **) &b), 0);
                for (UpgradeState s = _UPGRADE_STATE_MAX - 1; s > _UPGRADE_NONE; s--) {
                        cleanup_(upgrade_job_freep) UpgradeJob *job = book_job(b, "kcn-1", kind, s);

                        if (!upgrade_job_is_over(job))
                                memcpy(expected[n++], job->id, sizeof job->id);
                }
                book_reopen(b);
                assert_int_equal(journal_unfinished_jobs(b->journal, unfinished_add, &found, &b->fault), 0);
                assert_int_equal(found.n, n);
                for (size_t i = 0; i < n; i++)
                        assert_string_equal(found.jobs[i]->id, expected[i]);
                assert_int_equal(book_free((void **) &b), 0);
        }
}

static void the_order_is_that_of_asking_though_the_clock_went_back(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *first = NULL, *second = NULL, *last = NULL;
        cleanup_unfinished_ Unfinished found = {};
        JournalEvent row;
        Book *b = *state;

        first = book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_ARMED);
        assert_int_equal(
                upgrade_job_new("kcn-1", JOB_ROLLBACK, "1", "2", UPGRADE_ARMED, &book_caller, &second), 0);
        second->created_usec = first->created_usec - 86400 * USEC_PER_SEC;
        assert_int_equal(journal_add_job(b->journal, second, &row, &b->fault), 0);
        book_move(b, first, UPGRADE_DRAINING); /* what is written last is not what was asked for last */
        assert_int_equal(journal_unfinished_jobs(b->journal, unfinished_add, &found, &b->fault), 0);
        assert_int_equal(found.n, 2);
        assert_string_equal(found.jobs[0]->id, first->id);
        book_move(b, second, UPGRADE_ABORTED);
        book_move(b, first, UPGRADE_ABORTED);
        assert_int_equal(journal_last_job(b->journal, "kcn-1", &last, &b->fault), 0);
        assert_string_equal(last->id, second->id);
}

static int move_on(UpgradeJob *job, void *userdata) {
        Book *b = userdata;
        JournalEvent row;
        int r;

        r = journal_transition(b->journal, job, UPGRADE_ABORTED, "resumed", -1, &row, &b->fault);
        upgrade_job_free(job);
        return r;
}

static int refuse(UpgradeJob *job, void *userdata) {
        upgrade_job_free(job);
        return -ECANCELED;
}

/* musterd resumes a job inside the walk, and resuming writes. */
static void jobs_may_be_moved_while_they_are_walked(void **state) {
        cleanup_unfinished_ Unfinished found = {};
        Book *b = *state;

        for (int i = 0; i < 5; i++)
                upgrade_job_free(book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_ARMED));
        assert_int_equal(journal_unfinished_jobs(b->journal, refuse, NULL, &b->fault), -ECANCELED);
        assert_int_equal(journal_unfinished_jobs(b->journal, move_on, b, &b->fault), 0);
        assert_int_equal(book_count(b), 10);
        assert_int_equal(journal_unfinished_jobs(b->journal, unfinished_add, &found, &b->fault), 0);
        assert_int_equal(found.n, 0);
}

static void a_transition_is_told_in_one_event(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        cleanup_json_ json_t *events = NULL, *published = NULL;
        JournalEvent row;
        Book *b = *state;

        job = book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_STAGED);
        assert_int_equal(
                journal_transition(b->journal, job, UPGRADE_ARMED, "waits for height 90", 88, &row, NULL),
                0);
        assert_int_equal(job->state, UPGRADE_ARMED);
        assert_string_equal(job->reason, "waits for height 90");
        assert_int_equal(job->since_usec, row.at_usec);
        events = book_events(b, NULL);
        assert_int_equal(json_array_size(events), 2);
        assert_int_equal(journal_event_to_json(&row, &published), 0);
        /* The signal says what the journal says. */
        assert_true(json_equal(published, json_array_get(events, 1)));
        assert_string_equal(json_str(published, "from"), "staged");
        assert_string_equal(json_str(published, "to"), "armed");
        assert_string_equal(json_str(published, "kind"), "transition");
        assert_string_equal(json_str(published, "job"), job->id);
        assert_int_equal(json_integer_value(json_object_get(published, "height")), 88);
        /* The reason of the transition may be the job's own. */
        assert_int_equal(journal_transition(b->journal, job, UPGRADE_DRAINING, job->reason, -1, &row, NULL),
                         0);
        assert_string_equal(job->reason, "waits for height 90");
        assert_string_equal(row.text, "waits for height 90");
}

static void who_asked_and_why_is_in_the_first_event_and_unknown_is_null(void **state) {
        static const char *const keys[] = { "id",   "at_usec", "node",    "job",     "kind", "from",  "to",
                                            "text", "uid",     "session", "command", "why",  "height" };
        cleanup_json_ json_t *events = NULL;
        JournalEvent bare = { .kind = "config", .height = -1 };
        const json_t *first, *second;
        Book *b = *state;

        upgrade_job_free(book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_STAGED));
        assert_int_equal(journal_add_event(b->journal, &bare, &b->fault), 0);
        assert_true(bare.at_usec > 0);
        events = book_events(b, NULL);
        first = json_array_get(events, 0);
        second = json_array_get(events, 1);
        assert_int_equal(json_integer_value(json_object_get(second, "id")), bare.id);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                assert_non_null(json_object_get(first, keys[i]));
        assert_int_equal(json_object_size(first), ELEMENTSOF(keys));
        assert_int_equal(json_integer_value(json_object_get(first, "uid")), 1000);
        assert_string_equal(json_str(first, "session"), "c2");
        assert_string_equal(json_str(first, "command"), "musterctl upgrade");
        assert_string_equal(json_str(first, "why"), "CVE");
        assert_true(json_is_null(json_object_get(first, "from")));
        for (size_t i = 8; i < ELEMENTSOF(keys); i++)
                assert_true(json_is_null(json_object_get(second, keys[i])));
        assert_true(json_is_null(json_object_get(second, "job")));
        assert_string_equal(json_str(second, "node"), "");
}

/* One row that JSON cannot carry must not hide all others from the operator. */
static void an_event_that_is_not_utf8_is_listed_with_the_others(void **state) {
        cleanup_json_ json_t *events = NULL;
        JournalEvent odd = {
                .node = "kcn-1", .kind = "alarm", .text = "the link names '\xff'", .height = -1
        };
        Book *b = *state;

        assert_int_equal(journal_add_event(b->journal, &odd, &b->fault), 0);
        events = book_events(b, NULL);
        assert_string_equal(json_str(json_array_get(events, 0), "text"), "the link names '?'");
}

static void assert_ids(Book *b, const char *node, int64_t after, unsigned max, const char *expected) {
        cleanup_json_ json_t *events = NULL;
        cleanup_free_ char *ids = strdup("");
        const json_t *event;
        size_t i;

        assert_int_equal(journal_events(b->journal, node, after, max, &events, &b->fault), 0);
        json_array_foreach (events, i, event) {
                char *longer = NULL;

                assert_true(asprintf(&longer, "%s%s%lld", ids, i ? " " : "",
                                     json_integer_value(json_object_get(event, "id"))) >= 0);
                free(ids);
                ids = longer;
        }
        assert_string_equal(ids, expected);
}

static void events_are_paged_forward_from_an_id_or_back_from_the_newest(void **state) {
        Book *b = *state;

        for (int i = 1; i <= 9; i++) {
                JournalEvent event = {
                        .node = i % 3 == 0 ? "b" : "a", .kind = "act", .text = "x", .height = -1
                };

                assert_int_equal(journal_add_event(b->journal, &event, &b->fault), 0);
                assert_int_equal(event.id, i);
        }
        assert_ids(b, NULL, 0, 100, "1 2 3 4 5 6 7 8 9");
        assert_ids(b, NULL, 0, 3, "7 8 9"); /* the newest, oldest first */
        assert_ids(b, NULL, 4, 3, "5 6 7"); /* the next ones after what is known */
        assert_ids(b, NULL, 7, 3, "8 9");
        assert_ids(b, NULL, 9, 3, "");
        assert_ids(b, NULL, 0, 0, "");
        assert_ids(b, "b", 0, 2, "6 9");
        assert_ids(b, "b", 3, 1, "6");
        assert_ids(b, "a", 0, 2, "7 8");
        assert_ids(b, "c", 0, 2, "");
        assert_ids(b, "a' OR 1=1 --", 0, 2, "");
}

static void the_upgrade_that_brought_a_version_is_found(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *first = NULL, *second = NULL, *found = NULL;
        Book *b = *state;

        assert_int_equal(journal_upgrade_to(b->journal, "kcn-1", "1.7.1", &found, &b->fault), 0);
        assert_null(found);
        first = book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_PROBATION);
        assert_int_equal(json_put_str(first->facts, "trigger", "height:1000"), 0);
        book_move(b, first, UPGRADE_COMMITTED);
        second = book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_PROBATION);
        book_move(b, second, UPGRADE_ROLLING_BACK);
        book_move(b, second, UPGRADE_ROLLED_BACK);
        assert_int_equal(journal_upgrade_to(b->journal, "kcn-1", first->version, &found, &b->fault), 0);
        assert_non_null(found);
        assert_string_equal(found->id, first->id);
        assert_string_equal(json_str(found->facts, "trigger"), "height:1000");
        upgrade_job_free(TAKE_PTR(found));
        assert_int_equal(journal_upgrade_to(b->journal, "kcn-2", first->version, &found, &b->fault), 0);
        assert_null(found);
}

static void the_last_job_is_the_newest_that_is_over_and_neither_staging_nor_snapshot(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *old = NULL, *running = NULL, *last = NULL;
        Book *b = *state;

        assert_int_equal(journal_last_job(b->journal, "kcn-1", &last, &b->fault), 0);
        assert_null(last);
        old = book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_COMMITTED);
        upgrade_job_free(book_job(b, "kcn-2", JOB_UPGRADE, UPGRADE_STUCK));
        upgrade_job_free(book_job(b, "kcn-1", JOB_STAGE, UPGRADE_STAGED));
        upgrade_job_free(book_job(b, "kcn-1", JOB_SNAPSHOT, UPGRADE_STAGED));
        running = book_job(b, "kcn-1", JOB_ROLLBACK, UPGRADE_ARMED);
        book_reopen(b);
        assert_int_equal(journal_last_job(b->journal, "kcn-1", &last, &b->fault), 0);
        assert_same_job(last, old);
        book_move(b, running, UPGRADE_ABORTED);
        last = upgrade_job_free(last);
        assert_int_equal(journal_last_job(b->journal, "kcn-1", &last, &b->fault), 0);
        assert_same_job(last, running);
}

static void settings_are_kept_replaced_and_removed_with_their_event(void **state) {
        cleanup_json_ json_t *hold = json_pack("{s:s, s:i}", "reason", "disk \"sda\"", "uid", 0);
        cleanup_json_ json_t *other = json_pack("{s:s}", "reason", "again");
        cleanup_json_ json_t *found = NULL, *again = NULL;
        json_t *none = hold;
        Book *b = *state;

        for (int i = 0; i < 2; i++) {
                JournalEvent event = { .node = "kcn-1", .kind = "act", .to = "held", .height = -1 };

                assert_int_equal(journal_set(b->journal, "hold.kcn-1", i ? other : hold, &event, &b->fault),
                                 0);
                assert_int_equal(event.id, i + 1);
        }
        book_reopen(b);
        assert_int_equal(journal_get(b->journal, "hold.kcn-1", &found, &b->fault), 0);
        assert_true(json_equal(found, other));
        assert_int_equal(journal_get(b->journal, "hold.kcn-2", &none, &b->fault), 0);
        assert_null(none);
        for (int i = 0; i < 2; i++) /* twice is as once */
                assert_int_equal(journal_set(b->journal, "hold.kcn-1", NULL, NULL, &b->fault), 0);
        assert_int_equal(journal_get(b->journal, "hold.kcn-1", &again, &b->fault), 0);
        assert_null(again);
        assert_int_equal(book_count(b), 2);
}

/* Both or neither, also when the second half of a change is what fails. */
static void a_setting_whose_event_cannot_be_written_is_not_changed(void **state) {
        cleanup_json_ json_t *hold = json_pack("{s:s}", "reason", "x");
        JournalEvent impossible = { .node = "kcn-1", .kind = NULL, .height = -1 };
        json_t *found = hold;
        Book *b = *state;

        assert_true(journal_set(b->journal, "hold.kcn-1", hold, &impossible, &b->fault) < 0);
        assert_says(&b->fault, "event.kind");
        assert_int_equal(journal_get(b->journal, "hold.kcn-1", &found, &b->fault), 0);
        assert_null(found);
        assert_int_equal(journal_set(b->journal, "hold.kcn-1", hold, NULL, &b->fault), 0);
        assert_int_equal(book_count(b), 0);
}

static void old_events_go_but_not_those_of_unfinished_jobs_and_no_id_comes_twice(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *over = NULL, *running = NULL;
        JournalEvent plain = { .node = "kcn-1", .kind = "verdict", .height = -1 };
        JournalEvent kept = { .node = "kcn-1", .kind = "verdict", .height = -1 };
        cleanup_json_ json_t *events = NULL;
        uint64_t now = now_realtime_usec();
        Book *b = *state;

        plain.at_usec = 1;
        over = book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_ARMED);
        book_move(b, over, UPGRADE_ABORTED);
        running = book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_ARMED);
        assert_int_equal(journal_add_event(b->journal, &plain, &b->fault), 0);
        assert_int_equal(journal_expire(b->journal, now - 60 * USEC_PER_SEC, &b->fault), 0);
        assert_int_equal(book_count(b), 3); /* only the one of 1970 went */
        assert_int_equal(journal_expire(b->journal, now + 60 * USEC_PER_SEC, &b->fault), 0);
        events = book_events(b, NULL);
        assert_int_equal(json_array_size(events), 1);
        assert_string_equal(json_str(json_array_get(events, 0), "job"), running->id);
        book_move(b, running, UPGRADE_ABORTED);
        assert_int_equal(journal_expire(b->journal, now + 60 * USEC_PER_SEC, &b->fault), 0);
        assert_int_equal(book_count(b), 0);
        book_reopen(b);
        assert_int_equal(journal_add_event(b->journal, &kept, &b->fault), 0);
        assert_int_equal(kept.id, 6); /* who follows by id misses nothing */
}

static void a_second_musterd_is_refused_while_the_first_lives(void **state) {
        Book *b = *state, second = { .journal = NULL };
        int go[2], status;
        pid_t pid;

        memcpy(second.path, b->path, sizeof second.path);
        assert_int_equal(book_open(&second), -EBUSY);
        assert_null(second.journal);
        assert_says(&second.fault, b->path);
        assert_says(&second.fault, "locked by another process: one musterd at a time");
        fault_done(&second.fault);

        /* In another process, which opens it first. */
        b->journal = journal_close(b->journal);
        assert_int_equal(pipe(go), 0);
        pid = fork();
        if (pid == 0) {
                int r = book_open(&second);

                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) !write(go[1], r < 0 ? "n" : "y", 1);
                for (;;)
                        (void) pause();
        }
        assert_int_equal(read(go[0], &status, 1), 1);
        assert_int_equal(*(char *) &status, 'y');
        assert_int_equal(book_open(b), -EBUSY);
        assert_null(b->journal);
        assert_says(&b->fault, "one musterd at a time");
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(book_open(b), 0);
        close(go[0]);
        close(go[1]);
}

static void sql(const char *path, const char *statement) {
        sqlite3 *db = NULL;
        char *text = NULL;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, statement, NULL, NULL, &text) != SQLITE_OK)
                fail_msg("%s: %s", statement, text);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_journal_of_a_newer_muster_is_refused_and_not_changed(void **state) {
        cleanup_free_ char *before = NULL, *after = NULL;
        size_t n_before, n_after;
        Book *b = *state;

        upgrade_job_free(book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_ARMED));
        b->journal = journal_close(b->journal);
        sql(b->path, "PRAGMA user_version = 2; ALTER TABLE job ADD COLUMN wave INTEGER;");
        assert_int_equal(read_small_file(AT_FDCWD, b->path, 1 << 20, &before, &n_before), 0);
        assert_int_equal(book_open(b), -EBADMSG);
        assert_null(b->journal);
        assert_says(&b->fault, b->path);
        assert_says(&b->fault, "newer muster (format 2, this one knows 1): install that version again");
        assert_int_equal(read_small_file(AT_FDCWD, b->path, 1 << 20, &after, &n_after), 0);
        assert_int_equal(n_before, n_after);
        assert_memory_equal(before, after, n_before);
}

static void a_job_in_a_state_of_a_newer_muster_is_named(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        cleanup_unfinished_ Unfinished found = {};
        UpgradeJob *last = NULL;
        Book *b = *state;

        job = book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_ARMED);
        b->journal = journal_close(b->journal);
        sql(b->path, "UPDATE job SET state = 'teleporting'");
        book_reopen(b);
        assert_int_equal(journal_unfinished_jobs(b->journal, unfinished_add, &found, &b->fault), -EBADMSG);
        assert_int_equal(found.n, 0);
        assert_says(&b->fault, job->id);
        assert_says(&b->fault, "'teleporting'");
        b->journal = journal_close(b->journal);
        sql(b->path, "UPDATE job SET over = 1");
        book_reopen(b);
        assert_int_equal(journal_last_job(b->journal, "kcn-1", &last, &b->fault), -EBADMSG);
        assert_null(last);
        assert_says(&b->fault, "'teleporting'");
}

static void what_cannot_be_opened_is_named(void **state) {
        Book *b = *state, other = { .journal = NULL };

        snprintf(other.path, sizeof other.path, "%s/absent/journal.db", b->scratch->path);
        assert_int_equal(book_open(&other), -EACCES);
        assert_says(&other.fault, other.path);
        fault_done(&other.fault);
        put_text(b->scratch->fd, "text",
                 "this is a text file, and not at all a journal, however long it may be\n");
        snprintf(other.path, sizeof other.path, "%s/text", b->scratch->path);
        assert_int_equal(book_open(&other), -EBADMSG);
        assert_says(&other.fault, "not a database; put a good copy in its place");
        assert_null(other.journal);
        fault_done(&other.fault);
}

/* Reads all that there is; the first error. */
static int read_all(Book *b) {
        cleanup_unfinished_ Unfinished found = {};
        cleanup_(upgrade_job_freep) UpgradeJob *last = NULL;
        cleanup_json_ json_t *events = NULL, *hold = NULL;
        int r;

        r = book_open(b);
        if (r >= 0)
                r = journal_unfinished_jobs(b->journal, unfinished_add, &found, &b->fault);
        if (r >= 0)
                r = journal_last_job(b->journal, "kcn-1", &last, &b->fault);
        if (r >= 0)
                r = journal_events(b->journal, NULL, 0, 1000, &events, &b->fault);
        if (r >= 0)
                r = journal_get(b->journal, "freeze", &hold, &b->fault);
        b->journal = journal_close(b->journal);
        return r;
}

static void a_damaged_file_is_an_error_with_a_text_and_never_more(void **state) {
        cleanup_free_ char *good = NULL;
        size_t size, refused = 0;
        Book *b = *state;

        for (int i = 0; i < 60; i++)
                upgrade_job_free(
                        book_job(b, "kcn-1", JOB_UPGRADE, i % 4 ? UPGRADE_COMMITTED : UPGRADE_ABORTED));
        b->journal = journal_close(b->journal);
        assert_int_equal(read_small_file(AT_FDCWD, b->path, 1 << 20, &good, &size), 0);
        for (size_t cut = size - 4096; cut >= 4096; cut -= 4096) {
                put_file(AT_FDCWD, b->path, good, cut, 0644);
                assert_int_equal(read_all(b), -EBADMSG);
                assert_says(&b->fault, "put a good copy in its place");
        }
        for (size_t at = 0; at < size; at += 61) {
                cleanup_free_ char *bad = malloc(size);
                int r;

                memcpy(bad, good, size);
                bad[at] = (char) ~bad[at];
                put_file(AT_FDCWD, b->path, bad, size, 0644);
                r = read_all(b);
                if (r < 0 && !b->fault.text)
                        fail_msg("byte %zu: %s, and nothing said", at, strerror(-r));
                refused += r < 0;
        }
        assert_true(refused > 10);
        put_file(AT_FDCWD, b->path, good, size, 0644);
        assert_int_equal(read_all(b), 0);
}

#define with_book(test) cmocka_unit_test_setup_teardown(test, book_new, book_free)

int main(void) {
        static const struct CMUnitTest tests[] = {
                with_book(a_job_comes_back_from_a_restart_as_it_was),
                with_book(a_job_of_musterd_itself_has_no_uid_and_a_first_upgrade_no_from),
                cmocka_unit_test(a_restart_resumes_exactly_what_is_not_over_in_the_order_of_asking),
                with_book(the_order_is_that_of_asking_though_the_clock_went_back),
                with_book(jobs_may_be_moved_while_they_are_walked),
                with_book(a_transition_is_told_in_one_event),
                with_book(who_asked_and_why_is_in_the_first_event_and_unknown_is_null),
                with_book(an_event_that_is_not_utf8_is_listed_with_the_others),
                with_book(events_are_paged_forward_from_an_id_or_back_from_the_newest),
                with_book(the_upgrade_that_brought_a_version_is_found),
                with_book(the_last_job_is_the_newest_that_is_over_and_neither_staging_nor_snapshot),
                with_book(settings_are_kept_replaced_and_removed_with_their_event),
                with_book(a_setting_whose_event_cannot_be_written_is_not_changed),
                with_book(old_events_go_but_not_those_of_unfinished_jobs_and_no_id_comes_twice),
                with_book(a_second_musterd_is_refused_while_the_first_lives),
                with_book(a_journal_of_a_newer_muster_is_refused_and_not_changed),
                with_book(a_job_in_a_state_of_a_newer_muster_is_named),
                with_book(what_cannot_be_opened_is_named),
                with_book(a_damaged_file_is_an_error_with_a_text_and_never_more),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
