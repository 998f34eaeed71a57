/*
 * Backup and restore, also killed at every system call that changes the file
 * system, for every n until it gets through. Then the invariants are checked,
 * the same work is run again, and they are checked once more.
 */
#include "tests/unit/killed.h"
#include "snapshot/backup.h"

#define JOB "upgrade-7"

static int set_up(void **state) {
        *state = malloc(sizeof(Host));
        return *state ? host_init(*state) : -1;
}

static int tear_down(void **state) {
        int r = host_done(*state);

        free(*state);
        return r;
}

static Backup backup_of(Host *h) {
        return (Backup){ .job = JOB,
                         .data_name = "data",
                         .state = h->state,
                         .subject = &h->subject,
                         .protect = operators_patterns };
}

static int make(Host *h) {
        Backup b = backup_of(h);
        TreeStats stats;

        return backup_make(&b, &(TreeClone){ .method = TREE_COPY }, &stats, &h->fault);
}

static int restore(Host *h) {
        Backup b = backup_of(h);
        ExchangeReport report;

        return backup_restore(&b, &report, &h->fault);
}

static int discard(Host *h) {
        Backup b = backup_of(h);

        return backup_discard(&b, &h->fault);
}

static void a_clone_keeps_holes_modes_times_and_links(void **state) {
        Host *h = *state;
        char *exclude[] = { (char *) "config/secret", NULL };
        cleanup_fd_ int from = -1, to = -1, sparse = -1;
        struct stat a, b;
        TreeStats stats, measured;

        put(h, "data", "sub/file", "content");
        put(h, "data", "config/secret", "key");
        put(h, "data", ".muster-complete", "an old one");
        assert_int_equal(fchmodat(h->state_fd, "data/sub/file", 0751, 0), 0);
        assert_int_equal(fchmodat(h->state_fd, "data/sub", 0550, 0), 0);
        assert_int_equal(symlinkat("/nowhere/at/all", h->state_fd, "data/link"), 0);
        assert_int_equal(mkfifoat(h->state_fd, "data/fifo", 0600), 0);
        sparse = openat(h->state_fd, "data/sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(pwrite(sparse, "end", 3, 5LL << 30), 3);
        assert_int_equal(mkdirat(h->state_fd, "copy", 0700), 0);
        from = openat(h->state_fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        to = openat(h->state_fd, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_done(h, tree_clone(from, to, &(TreeClone){ .exclude = exclude }, &stats, &h->fault));
        assert_int_equal(stats.skipped, 1);
        assert_true(stats.bytes == (5ULL << 30) + 3 + strlen("content"));
        assert_done(h, tree_measure(from, &measured, &h->fault));
        assert_true(measured.files == stats.files + 1); /* the excluded one */
        assert_int_equal(fstatat(h->state_fd, "copy/sparse", &a, 0), 0);
        assert_true(a.st_size == (5LL << 30) + 3 && a.st_blocks * 512 < 1024 * 1024);
        assert_int_equal(fstatat(h->state_fd, "data/sub/file", &a, 0), 0);
        assert_int_equal(fstatat(h->state_fd, "copy/sub/file", &b, 0), 0);
        assert_true(a.st_mode == b.st_mode && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
                    a.st_mtim.tv_nsec == b.st_mtim.tv_nsec);
        assert_int_equal(fstatat(h->state_fd, "copy/sub", &b, 0), 0);
        assert_int_equal(b.st_mode & 07777, 0550);
        assert_content(h, "copy", "sub/file", "content");
        assert_true(is_there(h, "copy/link"));
        assert_false(is_there(h, "copy/fifo"));
        assert_false(is_there(h, "copy/config/secret"));
        assert_false(is_there(h, "copy/.muster-complete"));
}

static void a_reflink_is_tried_before_it_is_promised(void **state) {
        Host *h = *state;
        Backup b = backup_of(h);
        TreeStats stats;
        int works = tree_reflink_works(h->state_fd, &h->fault), r;

        put_data(h, "old", 10);
        r = backup_make(&b, &(TreeClone){ .method = TREE_REFLINK }, &stats, NULL);
        assert_int_equal(works >= 0, r >= 0);
        assert_int_equal(is_there(h, "backup-" JOB), r >= 0);
        if (works < 0)
                assert_non_null(strstr(h->fault.text, "use backup = copy, hook or none"));
}

static void a_restore_brings_old_data_and_keeps_new_signing_state(void **state) {
        Host *h = *state;
        Backup b = backup_of(h);
        ExchangeReport report;

        put_data(h, "old", 10);
        assert_done(h, make(h));
        put_data(h, "new", 20);
        put(h, "data", "config/node_key.json", "made by the new version");
        assert_done(h, backup_restore(&b, &report, &h->fault));
        assert_false(report.already);
        assert_int_equal(report.position.height, 20);
        assert_content(h, "data", "data/db/first", "old");
        assert_content(h, "data", "slashing/db", "new");
        assert_content(h, "data", KEY_FILE, "signing key");
        assert_content(h, "data", "config/node_key.json", "made by the new version");
        assert_content(h, "backup-" JOB, "data/db/first", "new");

        put_data(h, "newest", 30); /* the node ran since: a second restore must not exchange again */
        assert_done(h, backup_restore(&b, &report, &h->fault));
        assert_true(report.already);
        assert_content(h, "data", "data/db/first", "newest");
        assert_int_equal(make(h), -EALREADY);
        assert_done(h, discard(h));
        assert_false(is_there(h, "backup-" JOB));
        assert_false(is_there(h, "data/.muster-complete"));
        assert_false(is_there(h, "data/.muster-exchange-" JOB));
        assert_content(h, "data", "data/db/first", "newest");
}

/* A key that was moved to another host must not come back with the backup, nor be lost. */
static void a_key_that_was_moved_away_stays_away(void **state) {
        Host *h = *state;
        Backup b = backup_of(h);
        ExchangeReport report;

        put_data(h, "old", 10);
        put(h, "data", "slashing/wal", "stale");
        assert_done(h, make(h));
        assert_int_equal(unlinkat(h->state_fd, "data/" KEY_FILE, 0), 0);
        assert_int_equal(unlinkat(h->state_fd, "data/slashing/wal", 0), 0);
        assert_done(h, backup_restore(&b, &report, &h->fault));
        assert_int_equal(report.set_aside, 2);
        assert_false(is_there(h, "data/" KEY_FILE));
        assert_false(is_there(h, "data/slashing/wal"));
        assert_content(h, "set-aside-" JOB, KEY_FILE, "signing key");
}

static void a_lost_live_state_is_taken_from_the_backup_only_at_the_mark(void **state) {
        Host *h = *state;
        Backup b = backup_of(h);
        ExchangeReport report;

        put_data(h, "old", 10);
        assert_done(h, make(h));
        put(h, "data", STATE_FILE, "garbage");
        assert_int_equal(highwater_raise(h->node_fd, "test-1", &(SigningPosition){ 11, 0, 0 }, NULL, NULL),
                         0);
        assert_int_equal(restore(h), GUARD_E_REFUSED);
        assert_non_null(strstr(h->fault.text, "signed up to height 11"));
        assert_content(h, "data", STATE_FILE, "garbage");
        assert_int_equal(unlinkat(h->node_fd, "highwater", 0), 0);
        assert_int_equal(highwater_raise(h->node_fd, "test-1", &(SigningPosition){ 10, 0, 3 }, NULL, NULL),
                         0);
        assert_done(h, backup_restore(&b, &report, &h->fault));
        assert_true(report.kept_incoming);
        assert_int_equal(height_of(h, "data"), 10);
}

static void a_link_to_outside_needs_nothing_and_one_to_inside_is_refused(void **state) {
        Host *h = *state;

        put_data(h, "old", 10);
        put(h, "elsewhere", "key", "signing key");
        assert_int_equal(unlinkat(h->state_fd, "data/" KEY_FILE, 0), 0);
        assert_int_equal(symlinkat("../../elsewhere/key", h->state_fd, "data/" KEY_FILE), 0);
        assert_done(h, make(h));
        put_data(h, "new", 20);
        assert_done(h, restore(h));
        assert_content(h, "data", KEY_FILE, "signing key");
        assert_done(h, discard(h));

        assert_int_equal(unlinkat(h->state_fd, "data/" KEY_FILE, 0), 0);
        put(h, "data", "config/real", "signing key");
        assert_int_equal(symlinkat("real", h->state_fd, "data/" KEY_FILE), 0);
        assert_done(h, make(h));
        put_data(h, "newer", 30);
        assert_int_equal(restore(h), -ELOOP);
        assert_content(h, "data", "data/db/first", "newer");
}

static void an_incomplete_backup_is_never_restored(void **state) {
        Host *h = *state;

        put_data(h, "new", 20);
        put(h, "backup-" JOB, "data/db/first", "half");
        assert_int_equal(restore(h), -ENOENT);
        assert_content(h, "data", "data/db/first", "new");
        assert_done(h, make(h));
        assert_content(h, "backup-" JOB, "data/db/first", "new");
}

/* Where a file system has no exchange: every point at which the three renames can stop. */
static void interrupted_renames_are_finished(void **state) {
        Host *h = *state;

        for (int stage = 1; stage <= 2; stage++) {
                put_data(h, "old", 10);
                assert_done(h, make(h));
                put_data(h, "new", 20);
                put(h, "backup-" JOB, ".muster-exchange-" JOB, "");
                put_height(h, "backup-" JOB, 20);
                assert_int_equal(renameat(h->state_fd, "data", h->state_fd, "backup-" JOB ".old"), 0);
                if (stage == 2)
                        assert_int_equal(renameat(h->state_fd, "backup-" JOB, h->state_fd, "data"), 0);
                assert_int_equal(discard(h), -EBUSY);
                assert_done(h, restore(h));
                assert_content(h, "data", "data/db/first", "old");
                assert_content(h, "backup-" JOB, "data/db/first", "new");
                assert_false(is_there(h, "backup-" JOB ".old"));
                assert_done(h, discard(h));
        }
}

static void data_that_cannot_be_exchanged_is_told_beforehand(void **state) {
        Host *h = *state;
        const char *name;
        char elsewhere[160];

        put_data(h, "old", 10);
        assert_int_equal(backup_data_name(h->data, h->state, h->state_fd, &name, NULL), 0);
        assert_string_equal(name, "data");
        assert_int_equal(backup_data_name("/srv/chain/data", h->state, h->state_fd, &name, &h->fault),
                         -EXDEV);
        assert_non_null(strstr(h->fault.text, "backup = hook or none"));
        snprintf(elsewhere, sizeof elsewhere, "%s/guard", h->state);
        assert_int_equal(backup_data_name(elsewhere, h->state, h->state_fd, &name, NULL), -EXDEV);
        assert_int_equal(symlinkat("data", h->state_fd, "linked"), 0);
        snprintf(elsewhere, sizeof elsewhere, "%s/linked", h->state);
        assert_int_equal(backup_data_name(elsewhere, h->state, h->state_fd, &name, NULL), -ENOTDIR);
}

typedef struct Crash {
        int (*work)(Host *);
        void (*prepare)(Host *);
        void (*after_crash)(Host *);
        void (*after_rerun)(Host *);
} Crash;

static void crash_everywhere(const Crash *crash) {
        unsigned n = 0;
        bool killed;

        do {
                Host h;

                assert_int_equal(host_init(&h), 0);
                crash->prepare(&h);
                killed = killed_at(&h, crash->work, ++n);
                crash->after_crash(&h);
                assert_done(&h, crash->work(&h));
                crash->after_rerun(&h);
                assert_int_equal(host_done(&h), 0);
        } while (killed);
        assert_true(n > 10); /* it was really stepped through */
        print_message("killed at each of %u changes\n", n - 1);
}

static void prepare_old(Host *h) {
        put_data(h, "old", 10);
}

static void prepare_both(Host *h) {
        put_data(h, "old", 10);
        assert_done(h, make(h));
        put_data(h, "new", 20);
        put(h, "data", "config/node_key.json", "new key");
        assert_int_equal(highwater_raise(h->node_fd, "test-1", &(SigningPosition){ 20, 0, 3 }, NULL, NULL),
                         0);
}

static void prepare_restored(Host *h) {
        prepare_both(h);
        assert_done(h, restore(h));
}

static void live_is_untouched_and_a_backup_is_whole_or_not_there(Host *h) {
        assert_whole(h, "data", "old");
        assert_int_equal(height_of(h, "data"), 10);
        if (is_there(h, "backup-" JOB)) {
                assert_whole(h, "backup-" JOB, "old");
                assert_content(h, "backup-" JOB, ".muster-complete", JOB "\n");
        }
}

static void a_whole_backup_is_there(Host *h) {
        assert_true(is_there(h, "backup-" JOB));
        assert_false(is_there(h, "backup-" JOB ".partial"));
        live_is_untouched_and_a_backup_is_whole_or_not_there(h);
}

static void live_is_old_or_new_and_signs_no_height_again(Host *h) {
        bool exchanged = is_there(h, "data/.muster-exchange-" JOB);
        GuardReport report;

        assert_whole(h, "data", exchanged ? "old" : "new");
        assert_whole(h, "backup-" JOB, exchanged ? "new" : "old");
        assert_int_equal(height_of(h, "data"), 20);
        assert_content(h, "data", "config/node_key.json", "new key");
        assert_content(h, "data", "slashing/db", "new");
        assert_int_equal(guard_check(&h->subject, &report, NULL), 0);
}

static void live_is_old_with_the_new_signing_state(Host *h) {
        assert_true(is_there(h, "data/.muster-exchange-" JOB));
        live_is_old_or_new_and_signs_no_height_again(h);
}

static void live_is_whole(Host *h) {
        assert_whole(h, "data", "old");
        assert_int_equal(height_of(h, "data"), 20);
        assert_content(h, "data", KEY_FILE, "signing key");
}

static void live_is_whole_and_so_is_what_is_left(Host *h) {
        live_is_whole(h);
        if (is_there(h, "backup-" JOB))
                assert_whole(h, "backup-" JOB, "new");
}

static void nothing_of_the_backup_is_left(Host *h) {
        live_is_whole(h);
        assert_false(is_there(h, "backup-" JOB));
        assert_false(is_there(h, "backup-" JOB ".partial"));
        assert_false(is_there(h, "data/.muster-complete"));
        assert_false(is_there(h, "data/.muster-exchange-" JOB));
}

static void a_backup_survives_a_kill_at_every_change(void **state) {
        crash_everywhere(&(Crash){ make, prepare_old, live_is_untouched_and_a_backup_is_whole_or_not_there,
                                   a_whole_backup_is_there });
}

static void a_restore_survives_a_kill_at_every_change(void **state) {
        crash_everywhere(&(Crash){ restore, prepare_both, live_is_old_or_new_and_signs_no_height_again,
                                   live_is_old_with_the_new_signing_state });
}

static void a_discard_survives_a_kill_at_every_change(void **state) {
        crash_everywhere(&(Crash){ discard, prepare_restored, live_is_whole_and_so_is_what_is_left,
                                   nothing_of_the_backup_is_left });
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(a_clone_keeps_holes_modes_times_and_links),
                TEST(a_reflink_is_tried_before_it_is_promised),
                TEST(a_restore_brings_old_data_and_keeps_new_signing_state),
                TEST(a_key_that_was_moved_away_stays_away),
                TEST(a_lost_live_state_is_taken_from_the_backup_only_at_the_mark),
                TEST(a_link_to_outside_needs_nothing_and_one_to_inside_is_refused),
                TEST(an_incomplete_backup_is_never_restored),
                TEST(interrupted_renames_are_finished),
                TEST(data_that_cannot_be_exchanged_is_told_beforehand),
                cmocka_unit_test(a_backup_survives_a_kill_at_every_change),
                cmocka_unit_test(a_restore_survives_a_kill_at_every_change),
                cmocka_unit_test(a_discard_survives_a_kill_at_every_change),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
