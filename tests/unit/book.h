#pragma once
/* A journal in a scratch directory, and what a test of it asks again and again. */
#include "tests/unit/scratch.h"
#include "upgrade/journal.h"

typedef struct Book {
        Scratch *scratch;
        char path[96];
        Journal *journal;
        Fault fault;
} Book;

static Caller book_caller = {
        .uid = 1000, .session = (char *) "c2", .command = (char *) "musterctl upgrade", .why = (char *) "CVE"
};

static inline int book_open(Book *b) {
        fault_done(&b->fault);
        return journal_open(b->path, &b->journal, &b->fault);
}

/* As a restarted musterd finds it. */
static inline void book_reopen(Book *b) {
        b->journal = journal_close(b->journal);
        if (book_open(b) < 0)
                fail_msg("%s", fault_text(&b->fault, 0));
}

static inline int book_new(void **state) {
        Book *b = calloc(1, sizeof *b);

        if (scratch_new((void **) &b->scratch) < 0)
                return -1;
        snprintf(b->path, sizeof b->path, "%s/journal.db", b->scratch->path);
        *state = b;
        return book_open(b);
}

static inline int book_free(void **state) {
        Book *b = *state;
        int r;

        journal_close(b->journal);
        fault_done(&b->fault);
        r = scratch_free((void **) &b->scratch);
        free(b);
        return r;
}

static inline UpgradeJob *book_job(Book *b, const char *node, JobKind kind, UpgradeState at) {
        UpgradeJob *job = NULL;
        JournalEvent row;

        assert_int_equal(upgrade_job_new(node, kind, "1.7.1", "1.7.0", at, &book_caller, &job), 0);
        assert_int_equal(journal_add_job(b->journal, job, &row, &b->fault), 0);
        return job;
}

static inline void book_move(Book *b, UpgradeJob *job, UpgradeState to) {
        JournalEvent row;

        assert_int_equal(journal_transition(b->journal, job, to, "because", -1, &row, &b->fault), 0);
}

/* The newest event rows, all of them; new reference. */
static inline json_t *book_events(Book *b, const char *node) {
        json_t *events = NULL;

        assert_int_equal(journal_events(b->journal, node, 0, UINT32_MAX, &events, &b->fault), 0);
        return events;
}

static inline size_t book_count(Book *b) {
        cleanup_json_ json_t *events = book_events(b, NULL);

        return json_array_size(events);
}

#define BOOK_JOBS_MAX 16
typedef struct Unfinished {
        UpgradeJob *jobs[BOOK_JOBS_MAX];
        size_t n;
} Unfinished;

static inline void unfinished_done(Unfinished *u) {
        for (size_t i = 0; i < u->n; i++)
                upgrade_job_free(u->jobs[i]);
}
#define cleanup_unfinished_ cleanup_(unfinished_done)

static inline int unfinished_add(UpgradeJob *job, void *userdata) {
        Unfinished *u = userdata;

        if (u->n == BOOK_JOBS_MAX) {
                upgrade_job_free(job);
                return -E2BIG;
        }
        u->jobs[u->n++] = job;
        return 0;
}
