/*
 * The journal on a disk that is full, with a write cut short at any byte, and
 * with its writer killed at any moment: what was told durable is there, what
 * failed is not, and a job's state is always the one of its last transition.
 */
#include "tests/unit/cmocka-all.h"
#include "tests/unit/book.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define KILLS 50

/* SQLite's too: these come before libc's. */
static unsigned syncs;

__attribute__((visibility("default"))) int fsync(int fd) {
        syncs++;
        return (int) syscall(SYS_fsync, fd);
}

__attribute__((visibility("default"))) int fdatasync(int fd) {
        syncs++;
        return (int) syscall(SYS_fdatasync, fd);
}

/* The transitions in the journal in their order, which must be one unbroken chain a job. */
typedef struct Chain {
        char id[17];
        UpgradeState at;
        uint64_t moves;
} Chain;

typedef struct Told {
        Chain chains[4096];
        size_t n, transitions;
} Told;

static Chain *told_chain(Told *t, const char *id) {
        for (size_t i = t->n; i > 0; i--)
                if (str_eq(t->chains[i - 1].id, id))
                        return &t->chains[i - 1];
        return NULL;
}

static void told_read(Book *b, Told *t) {
        cleanup_json_ json_t *events = book_events(b, NULL);
        const json_t *event;
        size_t i;

        *t = (Told){ .n = 0 };
        json_array_foreach (events, i, event) {
                const char *id = json_str(event, "job"), *from = json_str(event, "from");
                UpgradeState to = upgrade_state_from_string(json_str(event, "to"));
                Chain *chain;

                if (!str_eq(json_str(event, "kind"), "transition"))
                        continue;
                t->transitions++;
                assert_int_not_equal(to, _UPGRADE_NONE);
                chain = told_chain(t, id);
                if (!chain) {
                        assert_null(from);
                        assert_true(t->n < ELEMENTSOF(t->chains));
                        chain = &t->chains[t->n++];
                        memcpy(chain->id, id, sizeof chain->id);
                } else {
                        assert_int_equal(upgrade_state_from_string(from), chain->at);
                        chain->moves++;
                }
                chain->at = to;
        }
}

/* Opens what a crash left: each job is where its last transition says, with the facts of that moment. */
static void assert_agreement(Book *b, Told *t) {
        cleanup_unfinished_ Unfinished found = {};
        size_t unfinished = 0;

        book_reopen(b);
        told_read(b, t);
        assert_int_equal(journal_unfinished_jobs(b->journal, unfinished_add, &found, &b->fault), 0);
        for (size_t i = 0; i < t->n; i++)
                unfinished += !upgrade_state_is_end(t->chains[i].at);
        assert_int_equal(found.n, unfinished);
        for (size_t i = 0; i < found.n; i++) {
                Chain *chain = told_chain(t, found.jobs[i]->id);
                uint64_t moves = 4711;

                assert_non_null(chain);
                assert_int_equal(found.jobs[i]->state, chain->at);
                assert_int_equal(json_u64(found.jobs[i]->facts, "moves", &moves), 0);
                assert_int_equal(moves, chain->moves);
        }
}

static int add_counted_job(Book *b, UpgradeJob **ret) {
        JournalEvent row;
        int r;

        r = upgrade_job_new("kcn-1", JOB_UPGRADE, "1.7.1", "1.7.0", UPGRADE_STAGED, &book_caller, ret);
        if (r >= 0)
                r = json_put_u64((*ret)->facts, "moves", 0);
        return r < 0 ? r : journal_add_job(b->journal, *ret, &row, &b->fault);
}

/* Moves @job one state on and counts it, as musterd does with what a job must remember. */
static int move_counted(Book *b, UpgradeJob *job) {
        UpgradeState next = _UPGRADE_NONE;
        uint64_t moves = 0;
        JournalEvent row;

        if (upgrade_fsm_next(job->state, UPGRADE_EV_OK, &next) != 0 ||
            json_u64(job->facts, "moves", &moves) < 0 || json_put_u64(job->facts, "moves", moves + 1) < 0)
                return -EINVAL;
        return journal_transition(b->journal, job, next, "the work is done", 17, &row, &b->fault);
}

/* A kill cannot show what a power cut would: the page cache survives it. */
static void every_change_is_synced_before_it_is_told(void **state) {
        cleanup_json_ json_t *freeze = json_pack("{s:s}", "reason", "x");
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        JournalEvent act = { .kind = "act", .height = -1 };
        Book *b = *state;

        syncs = 0;
        assert_int_equal(add_counted_job(b, &job), 0);
        assert_true(syncs > 0);
        while (!upgrade_job_is_over(job)) {
                syncs = 0;
                assert_int_equal(move_counted(b, job), 0);
                assert_true(syncs > 0);
        }
        syncs = 0;
        assert_int_equal(json_put_str(job->facts, "previous", "1.6.9"), 0);
        assert_int_equal(journal_save_facts(b->journal, job, &b->fault), 0);
        assert_true(syncs > 0);
        syncs = 0;
        assert_int_equal(journal_add_event(b->journal, &act, &b->fault), 0);
        assert_true(syncs > 0);
        syncs = 0;
        assert_int_equal(journal_set(b->journal, "freeze", freeze, &act, &b->fault), 0);
        assert_true(syncs > 0);
        syncs = 0;
        assert_int_equal(journal_set(b->journal, "freeze", NULL, NULL, &b->fault), 0);
        assert_true(syncs > 0);
}

/* ---- a writer that is killed ---- */

static void tell(int fd) {
        if (write(fd, "d", 1) != 1)
                _exit(3);
}

static int finish_job(Book *b, UpgradeJob *job, int fd) {
        int r = 0;

        while (r >= 0 && !upgrade_job_is_over(job)) {
                r = move_counted(b, job);
                if (r >= 0)
                        tell(fd);
        }
        upgrade_job_free(job);
        return r;
}

/* As musterd: takes up what is unfinished, goes on with new jobs, tells each durable transition on @fd. */
static void write_until_killed(Book *b, int fd) {
        cleanup_unfinished_ Unfinished found = {};
        cleanup_json_ json_t *freeze = json_pack("{s:s}", "reason", "x");

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (book_open(b) < 0 || journal_unfinished_jobs(b->journal, unfinished_add, &found, &b->fault) < 0)
                _exit(4);
        for (size_t i = 0; i < found.n; i++)
                if (finish_job(b, TAKE_PTR(found.jobs[i]), fd) < 0)
                        _exit(5);
        for (;;) {
                JournalEvent act = { .kind = "act", .to = "frozen", .height = -1 };
                UpgradeJob *job = NULL;

                if (add_counted_job(b, &job) < 0)
                        _exit(6);
                tell(fd);
                if (journal_set(b->journal, "freeze", freeze, &act, NULL) < 0 || finish_job(b, job, fd) < 0)
                        _exit(7);
        }
}

static size_t told_until(int fd, size_t enough) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        size_t n = 0;
        char c;

        while (n < enough) {
                if (poll(&p, 1, 30000) != 1)
                        fail_msg("nothing durable within 30 s");
                if (read(fd, &c, 1) != 1)
                        break;
                n++;
        }
        return n;
}

static unsigned random_below(unsigned bound) {
        unsigned n;

        assert_int_equal(getrandom(&n, sizeof n, 0), sizeof n);
        return n % bound;
}

static void a_writer_killed_at_any_moment_leaves_state_and_event_in_agreement(void **state) {
        Book *b = *state;
        cleanup_free_ Told *before = malloc(sizeof *before), *after = malloc(sizeof *after);

        assert_agreement(b, before);
        for (int round = 0; round < KILLS; round++) {
                struct timespec moment = { .tv_nsec = random_below(2000000) };
                int pipes[2], status;
                size_t told;
                pid_t pid;

                b->journal = journal_close(b->journal);
                assert_int_equal(pipe(pipes), 0);
                pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        close(pipes[0]);
                        write_until_killed(b, pipes[1]);
                }
                close(pipes[1]);
                told = told_until(pipes[0], random_below(25));
                (void) nanosleep(&moment, NULL); /* not to wait for anything: to hit anywhere */
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                if (!WIFSIGNALED(status))
                        fail_msg("round %d: the writer failed at place %d", round, WEXITSTATUS(status));
                told += told_until(pipes[0], SIZE_MAX);
                close(pipes[0]);

                assert_agreement(b, after);
                /* What was told is there; at most one transition was durable and not yet told. */
                if (after->transitions < before->transitions + told ||
                    after->transitions > before->transitions + told + 1)
                        fail_msg("round %d: %zu transitions more, %zu were told", round,
                                 after->transitions - before->transitions, told);
                *before = *after;
        }
        assert_true(before->transitions > KILLS);
}

/* ---- a write that is cut short ---- */

/* Exits 0: it failed and changed nothing in memory; 1: it was durable. Never closes the journal. */
static void move_within(Book *b, rlim_t limit) {
        struct rlimit rl;
        Unfinished found = {};
        UpgradeJob *job;
        uint64_t since;
        int r;

        (void) signal(SIGXFSZ, SIG_IGN);
        if (book_open(b) < 0 || journal_unfinished_jobs(b->journal, unfinished_add, &found, NULL) < 0 ||
            found.n != 1)
                _exit(2);
        job = found.jobs[0];
        since = job->since_usec;
        if (getrlimit(RLIMIT_FSIZE, &rl) < 0)
                _exit(2);
        rl.rlim_cur = limit;
        if (setrlimit(RLIMIT_FSIZE, &rl) < 0)
                _exit(2);
        r = move_counted(b, job);
        if (r >= 0)
                _exit(job->state == UPGRADE_ARMED ? 1 : 2);
        if (r != -EIO && r != -ENOSPC)
                _exit(3);
        if (job->state != UPGRADE_STAGED || job->since_usec != since || job->reason || !b->fault.text)
                _exit(4);
        _exit(book_count(b) == 1 ? 0 : 5); /* it reads on, and no event is there */
}

static void a_transition_whose_write_is_cut_short_at_any_byte_did_not_happen(void **state) {
        cleanup_free_ Told *told = malloc(sizeof *told);
        Book *b = *state;
        UpgradeJob *job = NULL;
        unsigned failures = 0;

        assert_int_equal(add_counted_job(b, &job), 0);
        upgrade_job_free(job);
        for (rlim_t limit = 0;; limit += 211) {
                int status;
                pid_t pid;

                b->journal = journal_close(b->journal); /* empties the WAL: each round begins alike */
                pid = fork();
                assert_true(pid >= 0);
                if (pid == 0)
                        move_within(b, limit);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
                        fail_msg("at %llu bytes: status 0x%x", (unsigned long long) limit, status);
                assert_agreement(b, told);
                assert_int_equal(told->n, 1);
                if (WEXITSTATUS(status) == 1)
                        break;
                assert_int_equal(told->chains[0].at, UPGRADE_STAGED);
                failures++;
        }
        assert_int_equal(told->chains[0].at, UPGRADE_ARMED);
        assert_int_equal(told->chains[0].moves, 1);
        assert_true(failures > 20); /* there was something to cut */
}

/* ---- a disk that is full ---- */

static const char *no_namespace;

static int own_mounts(void **state) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                no_namespace = strerror(errno);
        return 0;
}

/* The journal on a disk of 1 MiB. */
static int small_disk_new(void **state) {
        Book *b;

        if (no_namespace)
                return 0;
        b = calloc(1, sizeof *b);
        if (scratch_new((void **) &b->scratch) < 0 ||
            mount("tmpfs", b->scratch->path, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m") < 0)
                return -1;
        close(b->scratch->fd);
        b->scratch->fd = open(b->scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        snprintf(b->path, sizeof b->path, "%s/journal.db", b->scratch->path);
        *state = b;
        return b->scratch->fd < 0 ? -1 : 0;
}

static int small_disk_free(void **state) {
        Book *b = *state;

        if (no_namespace)
                return 0;
        b->journal = journal_close(b->journal);
        if (umount2(b->scratch->path, MNT_DETACH) < 0)
                return -1;
        return book_free(state);
}

#define needs_namespace()                                                                                   \
        do {                                                                                                \
                if (no_namespace) {                                                                         \
                        print_message("SKIP: no mount namespace of our own: %s\n", no_namespace);           \
                        skip();                                                                             \
                }                                                                                           \
        } while (0)

static void fill(Book *b) {
        static const char block[4096] = "filler";
        cleanup_fd_ int fd =
                openat(b->scratch->fd, "filler", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        while (write(fd, block, sizeof block) > 0)
                ;
        assert_int_equal(errno, ENOSPC);
}

static void nothing_changes_while_the_disk_is_full_and_all_goes_on_when_it_is_not(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL, *another = NULL;
        cleanup_json_ json_t *freeze = json_pack("{s:s}", "reason", "x");
        cleanup_free_ Told *told = malloc(sizeof *told);
        JournalEvent row = { .id = 4711 }, act = { .kind = "act", .height = -1 };
        cleanup_json_ json_t *kept = NULL;
        uint64_t since;
        Book *b = *state;

        needs_namespace();
        assert_int_equal(book_open(b), 0);
        assert_int_equal(add_counted_job(b, &job), 0);
        since = job->since_usec;
        fill(b);
        for (int attempt = 0; attempt < 3; attempt++) {
                assert_int_equal(json_put_u64(job->facts, "moves", 1), 0);
                assert_int_equal(journal_transition(b->journal, job, UPGRADE_ARMED, "x", 1, &row, &b->fault),
                                 -ENOSPC);
                assert_says(&b->fault, "Failed to write the journal: database or disk is full");
                assert_int_equal(job->state, UPGRADE_STAGED);
                assert_int_equal(job->since_usec, since);
                assert_null(job->reason);
                assert_int_equal(row.id, 4711);
                assert_int_equal(journal_save_facts(b->journal, job, &b->fault), -ENOSPC);
                assert_int_equal(journal_add_event(b->journal, &act, &b->fault), -ENOSPC);
                assert_int_equal(journal_set(b->journal, "freeze", freeze, &act, &b->fault), -ENOSPC);
                another = upgrade_job_free(another);
                assert_int_equal(add_counted_job(b, &another), -ENOSPC);
                assert_int_equal(book_count(b), 1);
        }
        assert_int_equal(unlinkat(b->scratch->fd, "filler", 0), 0);
        assert_int_equal(journal_transition(b->journal, job, UPGRADE_ARMED, "x", 1, &row, &b->fault), 0);
        assert_int_equal(job->state, UPGRADE_ARMED);
        assert_agreement(b, told);
        assert_int_equal(told->n, 1);
        assert_int_equal(told->transitions, 2);
        assert_int_equal(journal_get(b->journal, "freeze", &kept, &b->fault), 0);
        assert_null(kept);
}

static void a_journal_that_could_not_be_made_for_want_of_space_can_be_made_later(void **state) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        Book *b = *state;

        needs_namespace();
        fill(b);
        assert_int_equal(book_open(b), -ENOSPC);
        assert_null(b->journal);
        assert_says(&b->fault, b->path);
        assert_says(&b->fault, "disk is full");
        assert_int_equal(unlinkat(b->scratch->fd, "filler", 0), 0);
        assert_int_equal(book_open(b), 0);
        assert_int_equal(add_counted_job(b, &job), 0);
        assert_int_equal(book_count(b), 1);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(every_change_is_synced_before_it_is_told, book_new,
                                                book_free),
                cmocka_unit_test_setup_teardown(
                        a_writer_killed_at_any_moment_leaves_state_and_event_in_agreement, book_new,
                        book_free),
                cmocka_unit_test_setup_teardown(
                        a_transition_whose_write_is_cut_short_at_any_byte_did_not_happen, book_new,
                        book_free),
                cmocka_unit_test_setup_teardown(
                        nothing_changes_while_the_disk_is_full_and_all_goes_on_when_it_is_not,
                        small_disk_new, small_disk_free),
                cmocka_unit_test_setup_teardown(
                        a_journal_that_could_not_be_made_for_want_of_space_can_be_made_later, small_disk_new,
                        small_disk_free),
        };

        return cmocka_run_group_tests(tests, own_mounts, NULL);
}
