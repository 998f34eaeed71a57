/*
 * A process that is killed between a rename and its fsync leaves what looks
 * done and is not durable. Whoever finds it there must sync it before building
 * on it: after a power cut the thing built would stand on nothing.
 */
#include "tests/unit/book.h"
#include "tests/unit/traced.h"
#include "chain/family.h"
#include "crypto/sha256.h"
#include "guard/position.h"
#include "snapshot/backup.h"
#include "upgrade/links.h"
#include "upgrade/release.h"

static bool die_at_sync;

/* SQLite's: it comes before libc's. */
__attribute__((visibility("default"))) int fdatasync(int fd) {
        if (die_at_sync)
                (void) kill(getpid(), SIGKILL);
        return (int) syscall(SYS_fdatasync, fd);
}

static void a_row_of_a_killed_musterd_is_synced_before_it_is_believed(void **state) {
        Book *b = *state;
        UpgradeJob *job = book_job(b, "kcn-1", JOB_UPGRADE, UPGRADE_DRAINING);
        cleanup_(upgrade_job_freep) UpgradeJob *found = NULL;
        int status;
        pid_t pid;

        b->journal = journal_close(b->journal);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (book_open(b) < 0)
                        _exit(2);
                die_at_sync = true;
                book_move(b, job, UPGRADE_STOPPING);
                _exit(3);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        trace_begin();
        assert_int_equal(book_open(b), 0);
        TRACED("fsync file", "fsync directory");
        book_move(b, job, UPGRADE_ABORTED);
        assert_int_equal(journal_last_job(b->journal, "kcn-1", &found, &b->fault), 0);
        assert_int_equal(found->state, UPGRADE_ABORTED);
        upgrade_job_free(job);
}

static void a_release_of_a_killed_worker_is_synced_before_it_is_accepted(void **state) {
        Scratch *s = *state;
        const FetchLimits limits = { 0 };
        cleanup_(release_result_done) ReleaseResult first = { 0 }, again = { 0 };
        cleanup_(stage_order_done) StageOrder order = { 0 };
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *source = NULL;
        char hex[SHA256_HEX_SIZE];

        put_file(s->fd, "kcn", "#!/bin/sh\n", 10, 0755);
        assert_true(asprintf(&source, "%s/kcn", s->path) > 0);
        assert_int_equal(sha256_buffer_hex("#!/bin/sh\n", 10, hex), 0);
        order.version = strdup("1.0");
        order.binary = strdup("bin/kcn");
        order.sha256 = strdup(hex);
        assert_int_equal(strv_append(&order.sources, source), 0);
        assert_int_equal(mkdirat(s->fd, "releases", 0755), 0);
        {
                cleanup_fd_ int releases = openat(s->fd, "releases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                if (release_stage(releases, &order, &limits, &first, &fault) < 0)
                        fail_msg("%s", fault_text(&fault, 0));
                trace_begin();
                assert_int_equal(release_stage(releases, &order, &limits, &again, &fault), 0);
        }
        assert_true(again.already);
        TRACED("fsync directory", "unlink"); /* the latter: a partial download that is not there */
}

static void a_backup_of_a_killed_worker_is_synced_before_it_counts(void **state) {
        Scratch *s = *state;
        const ChainFamily *family = chain_family_by_name("evm");
        TreeClone how = { .method = TREE_COPY };
        GuardSubject subject = { .node = "evm-1", .role = "rpc", .signer = "local", .node_dirfd = s->fd };
        Backup backup = { .job = "upgrade-7", .data_name = "data", .state = s->path, .subject = &subject };
        cleanup_fault_ Fault fault = { 0 };
        TreeStats stats;

        chain_family_subject(family, &subject);
        subject.state_dirfd = s->fd;
        assert_int_equal(mkdirat(s->fd, "data", 0700), 0);
        put_text(s->fd, "data/chain", "blocks");
        assert_int_equal(backup_make(&backup, &how, &stats, &fault), 0);
        trace_begin();
        assert_int_equal(backup_make(&backup, &how, &stats, &fault), 0);
        TRACED("fsync directory");
}

static void marks_links_and_permit_of_a_killed_musterd_are_synced(void **state) {
        Scratch *s = *state;
        const SigningPosition position = { .height = 120, .round = 0, .step = 3 };
        cleanup_fault_ Fault fault = { 0 };

        for (int again = 0; again < 2; again++) {
                trace_begin();
                assert_int_equal(highwater_raise(s->fd, "test-1", &position, NULL, &fault), 0);
                assert_int_equal(release_link_write(s->fd, "current", "1.1.0", &fault), 0);
                assert_int_equal(permit_write(s->fd, &fault), 0);
        }
        TRACED("fsync directory", "fsync directory", "fsync directory");
        permit_remove(s->fd, &fault);
        trace_begin();
        permit_remove(s->fd, &fault);
        TRACED("unlink", "fsync directory");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_row_of_a_killed_musterd_is_synced_before_it_is_believed,
                                                book_new, book_free),
                cmocka_unit_test_setup_teardown(a_release_of_a_killed_worker_is_synced_before_it_is_accepted,
                                                scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(a_backup_of_a_killed_worker_is_synced_before_it_counts,
                                                scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(marks_links_and_permit_of_a_killed_musterd_are_synced,
                                                scratch_new, scratch_free),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
