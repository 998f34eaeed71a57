/*
 * The trees of a restore job: there, back, and over; beside the data and, as for
 * a mount point, inside of it; and killed at every change of the file system.
 * Real mount points: tests/integration/the-exchange-works-on-every-file-system.
 */
#include "tests/unit/killed.h"
#include "guard/check.h"
#include "snapshot/children.h"
#include "snapshot/incoming.h"

#define JOB   "restore-7"
#define OTHER "restore-8"

typedef struct Place {
        bool inside;
        const char *incoming, *old;
} Place;

static const Place places[] = {
        { false, "incoming", "old" },
        { true, "data/.muster-incoming", "data/.muster-old" },
};

/* cmocka gives no argument to a test that runs in a child. */
static const Place *place = &places[0];

static int set_up(void **state) {
        *state = malloc(sizeof(Host));
        place = &places[0];
        return *state ? host_init(*state) : -1;
}

static int set_up_inside(void **state) {
        int r = set_up(state);

        place = &places[1];
        return r;
}

static int tear_down(void **state) {
        int r = host_done(*state);

        free(*state);
        return r;
}

static Incoming incoming_of(Host *h) {
        return (Incoming){ .job = JOB,
                           .data_name = "data",
                           .inside = place->inside,
                           .state = h->state,
                           .subject = &h->subject,
                           .protect = operators_patterns };
}

/* What a worker does: another generation, without protected files. */
static void arrive(Host *h, bool complete) {
        Incoming in = incoming_of(h);
        cleanup_fd_ int fd = -1;
        bool already;

        assert_done(h, incoming_prepare(&in, &h->fault));
        assert_done(h, incoming_open(&in, &fd, &already, &h->fault));
        assert_false(already);
        put(h, place->incoming, "data/db/first", "snapshot");
        put(h, place->incoming, "data/db/second", "snapshot");
        put(h, place->incoming, "only\nin\xff", "snapshot");
        if (complete)
                assert_done(h, incoming_complete(&in, fd, NULL, &h->fault));
}

static int exchange(Host *h) {
        Incoming in = incoming_of(h);
        ExchangeReport report;

        return incoming_exchange(&in, &report, &h->fault);
}

static int back(Host *h) {
        Incoming in = incoming_of(h);
        ExchangeReport report;
        bool never;

        return incoming_exchange_back(&in, &report, &never, &h->fault);
}

static int drop(Host *h) {
        Incoming in = incoming_of(h);

        return incoming_drop(&in, &h->fault);
}

static void prepare(Host *h) {
        put_data(h, "before", 20);
        put(h, "data", "only-before", "before");
        assert_int_equal(highwater_raise(h->node_fd, "test-1", &(SigningPosition){ 20, 0, 3 }, NULL, NULL),
                         0);
        arrive(h, true);
}

static void run_a_while(Host *h, int height) {
        put_height(h, "data", height);
        assert_int_equal(
                highwater_raise(h->node_fd, "test-1", &(SigningPosition){ height, 0, 3 }, NULL, NULL), 0);
}

static void assert_nothing_left(Host *h) {
        static const char *const names[] = { "incoming",
                                             "old",
                                             "incoming.partial",
                                             "old.partial",
                                             EXCHANGE_JOURNAL,
                                             "data/.muster-restore",
                                             "data/.muster-complete",
                                             "data/.muster-restored-" JOB,
                                             "data/.muster-back-" JOB,
                                             "data/.muster-old",
                                             "data/.muster-old.partial",
                                             "data/.muster-incoming.partial" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (is_there(h, names[i]))
                        fail_msg("'%s' is left", names[i]);
        assert_int_equal(is_there(h, "data/.muster-incoming"), place->inside);
        assert_false(is_there(h, "data/.muster-incoming/.muster-restore"));
}

static void assert_live(Host *h, const char *generation, int height) {
        GuardReport report;

        assert_whole(h, "data", generation);
        assert_int_equal(str_eq(generation, "before"), is_there(h, "data/only-before"));
        assert_int_equal(str_eq(generation, "snapshot"), is_there(h, "data/only\nin\xff"));
        assert_int_equal(height_of(h, "data"), height);
        assert_content(h, "data", KEY_FILE, "signing key");
        assert_content(h, "data", "slashing/db", "before");
        assert_int_equal(exchange_is_half_done(h->state_fd, "data"), 0);
        assert_int_equal(guard_check(&h->subject, &report, NULL), 0);
}

static void a_snapshot_becomes_live_and_what_was_is_dropped(void **state) {
        Host *h = *state;
        Incoming in = incoming_of(h);
        ExchangeReport report;

        prepare(h);
        assert_done(h, incoming_exchange(&in, &report, &h->fault));
        assert_false(report.already);
        assert_int_equal(report.carried, 3); /* key, signing state, slashing */
        assert_int_equal(report.position.height, 20);
        assert_string_equal(exchange_way_to_string(report.way), place->inside ? "children" : "exchange");
        assert_live(h, "snapshot", 20);
        assert_whole(h, place->old, "before");

        run_a_while(h, 25); /* and again, as after a crash of who asked: nothing is exchanged twice */
        assert_done(h, incoming_exchange(&in, &report, &h->fault));
        assert_true(report.already);
        assert_live(h, "snapshot", 25);
        assert_done(h, drop(h));
        assert_live(h, "snapshot", 25);
        assert_nothing_left(h);
        assert_done(h, drop(h));
        assert_live(h, "snapshot", 25);
}

static void the_way_back_brings_what_was_and_never_an_older_signing_state(void **state) {
        Host *h = *state;
        Incoming in = incoming_of(h);
        ExchangeReport report;
        bool never = true;

        prepare(h);
        assert_done(h, exchange(h));
        run_a_while(h, 27);
        assert_done(h, incoming_exchange_back(&in, &report, &never, &h->fault));
        assert_false(never);
        assert_int_equal(report.position.height, 27);
        assert_live(h, "before", 27);
        assert_whole(h, place->incoming, "snapshot");
        assert_done(h, back(h));
        assert_live(h, "before", 27);
        assert_int_equal(exchange(h), -EALREADY); /* it is not complete any more, and the job went back */
        assert_done(h, drop(h));
        assert_live(h, "before", 27);
        assert_nothing_left(h);
}

static void a_job_that_never_exchanged_has_nothing_to_go_back_from(void **state) {
        Host *h = *state;
        Incoming in = incoming_of(h);
        ExchangeReport report;
        bool never = false;

        prepare(h);
        assert_done(h, incoming_exchange_back(&in, &report, &never, &h->fault));
        assert_true(never);
        assert_live(h, "before", 20);
        assert_done(h, drop(h)); /* cancelled */
        assert_live(h, "before", 20);
        assert_nothing_left(h);
}

static void an_incomplete_snapshot_is_never_exchanged(void **state) {
        Host *h = *state;
        Incoming in = incoming_of(h);

        put_data(h, "before", 20);
        arrive(h, false);
        assert_int_equal(exchange(h), -ENOENT);
        assert_says(&h->fault, "no complete snapshot of restore " JOB);
        put(h, place->incoming, ".muster-complete", OTHER "\n");
        assert_int_equal(exchange(h), -ENOENT);
        put(h, place->incoming, ".muster-complete", JOB "\n");
        in.job = OTHER;
        assert_int_equal(incoming_exchange(&in, &(ExchangeReport){ 0 }, &h->fault), -ENOENT);
        assert_whole(h, "data", "before");
}

static void a_tree_of_another_job_makes_room_and_one_of_nobody_stays(void **state) {
        Host *h = *state;
        Incoming in = incoming_of(h);
        cleanup_fd_ int fd = -1, again = -1;
        bool complete = true;

        put_data(h, "before", 20);
        arrive(h, true);
        assert_done(h, incoming_open(&in, &again, &complete, &h->fault));
        assert_true(complete);
        in.job = OTHER;
        assert_done(h, incoming_drop(&in, &h->fault)); /* not its own */
        assert_whole(h, place->incoming, "snapshot");
        assert_done(h, incoming_open(&in, &fd, &complete, &h->fault));
        assert_false(complete);
        assert_content(h, place->incoming, "data/db/first", "missing");
        assert_content(h, place->incoming, ".muster-restore", OTHER "\n");

        put(h, place->incoming, "mine", "the operator's");
        assert_int_equal(unlinkat(fd, ".muster-restore", 0), 0);
        assert_int_equal(incoming_open(&in, &again, &complete, &h->fault), -EEXIST);
        assert_done(h, incoming_drop(&in, &h->fault));
        assert_content(h, place->incoming, "mine", "the operator's");
}

static void a_restore_waits_until_the_one_before_is_over(void **state) {
        Host *h = *state;
        Incoming in = incoming_of(h);
        int fd = -1;
        bool complete;

        prepare(h);
        assert_done(h, exchange(h));
        in.job = OTHER;
        assert_int_equal(incoming_open(&in, &fd, &complete, &h->fault), -EBUSY);
        assert_says(&h->fault, "restore " JOB ", which is not over");
        assert_int_equal(fd, -1);
        assert_done(h, drop(h));
        put(h, place->old, "mine", "the operator's");
        assert_int_equal(incoming_open(&in, &fd, &complete, &h->fault), -EEXIST);
        assert_says(&h->fault, "move it away");
}

static void what_is_in_the_way_is_seen_before_anything_moves(void **state) {
        Host *h = *state;

        prepare(h);
        put(h, place->old, "mine", "the operator's");
        assert_int_equal(exchange(h), -EEXIST);
        assert_live(h, "before", 20);
        assert_whole(h, place->incoming, "snapshot");
}

static void a_lost_signing_state_stops_the_way_there_and_back(void **state) {
        Host *h = *state;

        prepare(h);
        put(h, "data", STATE_FILE, "garbage");
        put_height(h, place->incoming, 3);
        assert_int_equal(exchange(h), GUARD_E_REFUSED);
        assert_says(&h->fault, "signed up to height 20");
        assert_whole(h, "data", "before");
        put_height(h, "data", 20);
        assert_done(h, exchange(h));
        assert_live(h, "snapshot", 20);
        run_a_while(h, 30);
        put(h, "data", STATE_FILE, "garbage");
        assert_int_equal(back(h), GUARD_E_REFUSED);
        assert_whole(h, "data", "snapshot");
        put_height(h, "data", 30);
        assert_done(h, back(h));
        assert_live(h, "before", 30);
}

/* A pattern of the operator's must not reach into the trees that lie inside. */
static void trees_inside_are_no_protected_files(void **state) {
        static char *wide[] = { (char *) "*/db", (char *) "slashing", NULL };
        Host *h = *state;
        Incoming in = incoming_of(h);
        ExchangeReport report;

        in.protect = wide;
        prepare(h);
        put(h, place->incoming, "db", "snapshot");
        assert_done(h, incoming_exchange(&in, &report, &h->fault));
        assert_false(is_there(h, "data/.muster-incoming/db"));
        assert_content(h, "data", "db", "snapshot");
}

static void a_node_without_data_gets_the_snapshot(void **state) {
        Host *h = *state;

        arrive(h, true);
        assert_done(h, exchange(h));
        assert_whole(h, "data", "snapshot");
        assert_done(h, drop(h));
        assert_whole(h, "data", "snapshot");
        assert_nothing_left(h);
}

/* Where a file system has no exchange: every point at which the two renames can stop, each way. */
static void interrupted_renames_are_finished(void **state) {
        Host *h = *state;

        prepare(h);
        put(h, "incoming", ".muster-restored-" JOB, "");
        put_height(h, "incoming", 20);
        put(h, "incoming", KEY_FILE, "signing key");
        put(h, "incoming", "slashing/db", "before");
        assert_int_equal(renameat(h->state_fd, "data", h->state_fd, "old"), 0);
        assert_int_equal(exchange_is_half_done(h->state_fd, "data"), 1);
        assert_int_equal(drop(h), -EBUSY);
        assert_done(h, exchange(h));
        assert_live(h, "snapshot", 20);

        put(h, "old", ".muster-back-" JOB, "");
        assert_int_equal(renameat(h->state_fd, "data", h->state_fd, "incoming"), 0);
        assert_int_equal(exchange_is_half_done(h->state_fd, "data"), 1);
        assert_int_equal(drop(h), -EBUSY);
        assert_int_equal(exchange(h), -EALREADY);
        assert_done(h, back(h));
        assert_live(h, "before", 20);
        assert_done(h, drop(h));
        assert_nothing_left(h);
}

static void the_way_back_from_half_the_way_there(void **state) {
        Host *h = *state;

        prepare(h);
        put(h, "incoming", ".muster-restored-" JOB, "");
        put_height(h, "incoming", 20);
        put(h, "incoming", KEY_FILE, "signing key");
        put(h, "incoming", "slashing/db", "before");
        assert_int_equal(renameat(h->state_fd, "data", h->state_fd, "old"), 0);
        assert_done(h, back(h));
        assert_live(h, "before", 20);
        assert_whole(h, "incoming", "snapshot");
}

static void a_foreign_or_broken_journal_stops_everything(void **state) {
        static const char *const broken[] = { "", "muster-exchange 1", "rubbish\n" };
        static const char other[] = "muster-exchange 1\0.muster-restored-" OTHER "\0end";
        Host *h = *state;

        prepare(h);
        for (size_t i = 0; i < ELEMENTSOF(broken); i++) {
                put(h, ".", EXCHANGE_JOURNAL, broken[i]);
                assert_int_equal(exchange(h), -EUCLEAN);
                assert_says(&h->fault, "do not start this node");
                assert_int_equal(drop(h), -EUCLEAN);
        }
        put_file(h->state_fd, EXCHANGE_JOURNAL, other, sizeof other, 0600);
        assert_int_equal(exchange(h), -EBUSY);
        assert_says(&h->fault, OTHER);
        assert_int_equal(exchange_is_half_done(h->state_fd, "data"), 1);
        assert_whole(h, "data", "before");
}

static void where_the_snapshot_goes_is_asked_of_the_data(void **state) {
        Host *h = *state;
        const char *name = NULL;
        bool inside = true;
        char path[160];

        assert_int_equal(exchange_place(h->data, h->state, h->state_fd, &name, &inside, NULL), 0);
        assert_false(inside); /* no data yet */
        put_data(h, "before", 20);
        inside = true;
        assert_int_equal(exchange_place(h->data, h->state, h->state_fd, &name, &inside, NULL), 0);
        assert_string_equal(name, "data");
        assert_false(inside);
        snprintf(path, sizeof path, "%s/old", h->state);
        assert_int_equal(exchange_place(path, h->state, h->state_fd, &name, &inside, NULL), -EXDEV);
        assert_int_equal(exchange_place("/srv/data", h->state, h->state_fd, &name, &inside, &h->fault),
                         -EXDEV);
        assert_says(&h->fault, "mount the big disk at");
        assert_int_equal(symlinkat("data", h->state_fd, "linked"), 0);
        snprintf(path, sizeof path, "%s/linked", h->state);
        assert_int_equal(exchange_place(path, h->state, h->state_fd, &name, &inside, NULL), -ENOTDIR);
}

/* ---- Killed ---- */

typedef struct Crash {
        int (*work)(Host *);
        void (*prepare)(Host *);
        void (*after_crash)(Host *);
        void (*after_rerun)(Host *);
} Crash;

static void crash_everywhere(const Crash *crash) {
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                unsigned n = 0;
                bool killed;

                place = &places[i];
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
                print_message("%s: killed at each of %u changes\n", places[i].incoming, n - 1);
        }
}

static void prepare_live(Host *h) {
        prepare(h);
        assert_done(h, exchange(h));
        run_a_while(h, 30);
}

static void prepare_back(Host *h) {
        prepare_live(h);
        assert_done(h, back(h));
}

/* Nothing may start while it is neither the one nor the other. */
static void live_is_one_or_the_other_or_must_not_start(Host *h, int height) {
        int half = exchange_is_half_done(h->state_fd, "data");

        assert_true(half >= 0);
        if (half) {
                assert_int_equal(drop(h), -EBUSY);
                return;
        }
        assert_live(h, is_there(h, "data/only-before") ? "before" : "snapshot", height);
}

static void live_is_either_at_20(Host *h) {
        live_is_one_or_the_other_or_must_not_start(h, 20);
}

static void live_is_either_at_30(Host *h) {
        live_is_one_or_the_other_or_must_not_start(h, 30);
}

static void live_is_the_snapshot_and_old_is_there(Host *h) {
        assert_live(h, "snapshot", 20);
        assert_whole(h, place->old, "before");
}

static void live_is_what_was_and_the_snapshot_is_no_more_complete(Host *h) {
        assert_live(h, "before", 30);
        assert_whole(h, place->incoming, "snapshot");
        assert_int_equal(exchange(h), -EALREADY);
}

static void live_is_the_snapshot(Host *h) {
        assert_live(h, "snapshot", 30);
}

static void live_is_what_was(Host *h) {
        assert_live(h, "before", 30);
}

static void only_the_snapshot_is_left(Host *h) {
        live_is_the_snapshot(h);
        assert_nothing_left(h);
}

static void only_what_was_is_left(Host *h) {
        live_is_what_was(h);
        assert_nothing_left(h);
}

static void an_exchange_survives_a_kill_at_every_change(void **state) {
        crash_everywhere(
                &(Crash){ exchange, prepare, live_is_either_at_20, live_is_the_snapshot_and_old_is_there });
}

static void the_way_back_survives_a_kill_at_every_change(void **state) {
        crash_everywhere(&(Crash){ back, prepare_live, live_is_either_at_30,
                                   live_is_what_was_and_the_snapshot_is_no_more_complete });
}

static void dropping_what_was_survives_a_kill_at_every_change(void **state) {
        crash_everywhere(&(Crash){ drop, prepare_live, live_is_the_snapshot, only_the_snapshot_is_left });
}

static void dropping_the_snapshot_survives_a_kill_at_every_change(void **state) {
        crash_everywhere(&(Crash){ drop, prepare_back, live_is_what_was, only_what_was_is_left });
}

/* Turned round by whoever decides after the crash. */
static void after_a_kill_at_every_change_it_may_go_back(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                unsigned n = 0;
                bool killed;

                place = &places[i];
                do {
                        Host h;

                        assert_int_equal(host_init(&h), 0);
                        prepare(&h);
                        killed = killed_at(&h, exchange, ++n);
                        assert_done(&h, back(&h));
                        assert_live(&h, "before", 20);
                        assert_done(&h, drop(&h));
                        assert_live(&h, "before", 20);
                        assert_nothing_left(&h);
                        assert_int_equal(host_done(&h), 0);
                } while (killed);
        }
}

#define BESIDE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define INSIDE(name)                                                                                        \
        { #name " (inside)", name, set_up_inside, tear_down, NULL }
#define BOTH(name) BESIDE(name), INSIDE(name)

int main(void) {
        static const struct CMUnitTest tests[] = {
                BOTH(a_snapshot_becomes_live_and_what_was_is_dropped),
                BOTH(the_way_back_brings_what_was_and_never_an_older_signing_state),
                BOTH(a_job_that_never_exchanged_has_nothing_to_go_back_from),
                BOTH(an_incomplete_snapshot_is_never_exchanged),
                BOTH(a_tree_of_another_job_makes_room_and_one_of_nobody_stays),
                BOTH(a_restore_waits_until_the_one_before_is_over),
                BOTH(what_is_in_the_way_is_seen_before_anything_moves),
                BOTH(a_lost_signing_state_stops_the_way_there_and_back),
                INSIDE(trees_inside_are_no_protected_files),
                BESIDE(a_node_without_data_gets_the_snapshot),
                BESIDE(interrupted_renames_are_finished),
                BESIDE(the_way_back_from_half_the_way_there),
                INSIDE(a_foreign_or_broken_journal_stops_everything),
                BESIDE(where_the_snapshot_goes_is_asked_of_the_data),
                cmocka_unit_test(an_exchange_survives_a_kill_at_every_change),
                cmocka_unit_test(the_way_back_survives_a_kill_at_every_change),
                cmocka_unit_test(dropping_what_was_survives_a_kill_at_every_change),
                cmocka_unit_test(dropping_the_snapshot_survives_a_kill_at_every_change),
                cmocka_unit_test(after_a_kill_at_every_change_it_may_go_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
