#include "tests/unit/cmocka-all.h"
#include "health/probation.h"
#include "util/text.h"

#define SECOND USEC_PER_SEC
#define START  (5000 * SECOND)
#define HASH_A "0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

typedef struct Trial {
        Probation p;
        ProbationConfig config;
        UnitFacts facts;
        ChainSample sample, theirs;
        ReferenceView references[2];
        size_t n_references;
        uint64_t now;
        char *reason;
} Trial;

/* The old release stopped at 1201; the new one must reach 1206 and stay good for 10 s. */
static void trial_init(Trial *t) {
        *t = (Trial){
                .config = { .start_timeout = 60 * SECOND,
                            .duration = 10 * SECOND,
                            .timeout = 300 * SECOND,
                            .min_blocks = 5,
                            .min_peers = -1 },
                .facts = { .active = UNIT_ACTIVE_ACTIVE,
                           .sub = UNIT_SUB_RUNNING,
                           .permit = true,
                           .active_since_monotonic = START },
                .now = START,
        };
        probation_init(&t->p, START);
        t->p.height = 1201;
        t->p.first_height = 1201; /* the first poll of the new release found it where the old one ended */
        chain_sample_init(&t->sample);
        chain_sample_init(&t->theirs);
        for (size_t i = 0; i < 2; i++)
                t->references[i] = (ReferenceView){ .name = i ? "ankr" : "pocket",
                                                    .provider = i ? "ankr" : "pocket",
                                                    .sample = &t->theirs,
                                                    .compared_height = CHAIN_UNKNOWN };
}

static void trial_done(Trial *t) {
        chain_sample_done(&t->sample);
        free(t->reason);
}
#define cleanup_trial_ cleanup_(trial_done)

static ProbationOutcome step(Trial *t) {
        free(t->reason);
        return probation_step(&t->p, &t->config, &t->sample, &t->facts, t->references, t->n_references,
                              t->now, &t->reason);
}

static ProbationOutcome head(Trial *t, int64_t height) {
        t->now += SECOND;
        free(TAKE_PTR(t->sample.error));
        t->sample.answered = true;
        t->sample.height = height;
        t->sample.at_monotonic = t->now;
        return step(t);
}

static ProbationOutcome silence(Trial *t) {
        t->now += SECOND;
        t->sample.answered = false;
        t->sample.height = CHAIN_UNKNOWN;
        t->sample.at_monotonic = t->now;
        assert_int_equal(str_replace(&t->sample.error, "http://node: refused"), 0);
        return step(t);
}

static void compare(Trial *t, int64_t height, const char *ours, const char *one, const char *two) {
        for (size_t i = 0; i < 2; i++) {
                t->references[i].compared_height = height;
                t->references[i].our_hash = ours;
                t->references[i].hash = i ? two : one;
                t->references[i].compared_at = t->now;
        }
        t->n_references = 2;
}

static void assert_says(const Trial *t, const char *words) {
        assert_non_null(t->reason);
        if (!strstr(t->reason, words))
                fail_msg("'%s' does not say '%s'", t->reason, words);
}

static void a_node_that_goes_on_and_stays_good_passes(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        assert_int_equal(silence(&t), PROBATION_WAIT);
        assert_int_equal(head(&t, 1204), PROBATION_WAIT);
        assert_string_equal(t.reason, "head 1204, waiting for 1206 (old head 1201 + 5)");
        assert_int_equal(head(&t, 1205), PROBATION_WAIT);
        assert_int_equal(head(&t, 1206), PROBATION_WAIT);
        assert_says(&t, "good for 0s, waiting for 10s");
        for (int i = 1; i < 10; i++)
                assert_int_equal(head(&t, 1206 + i), PROBATION_WAIT);
        assert_int_equal(head(&t, 1216), PROBATION_PASS);
        assert_string_equal(t.reason, "head 1216, good for 10s");
}

static void a_unit_that_fails_fails_at_once(void **state) {
        static const struct {
                UnitFacts facts;
                const char *words;
        } cases[] = {
                { { .active = UNIT_ACTIVE_FAILED, .result = UNIT_RESULT_EXIT_CODE, .exit_status = 2 },
                  "the unit failed (exit-code, status 2)" },
                { { .active = UNIT_ACTIVE_FAILED, .result = UNIT_RESULT_CORE_DUMP }, "core-dump" },
                { { .active = UNIT_ACTIVE_INACTIVE, .result = UNIT_RESULT_SUCCESS }, "ended by itself" },
                { { .active = UNIT_ACTIVE_ACTIVATING,
                    .sub = UNIT_SUB_AUTO_RESTART,
                    .result = UNIT_RESULT_SIGNAL },
                  "1 automatic restart, 0 forgiven" },
                { { .active = UNIT_ACTIVE_ACTIVE, .n_restarts = 1, .active_since_monotonic = START },
                  "1 automatic restart, 0 forgiven" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_trial_ Trial t;

                trial_init(&t);
                assert_int_equal(head(&t, 1202), PROBATION_WAIT);
                t.facts = cases[i].facts;
                assert_int_equal(step(&t), PROBATION_FAIL);
                assert_says(&t, cases[i].words);
        }
}

static void restarts_that_are_forgiven_do_not_fail(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.config.max_restarts = 2;
        t.p.n_restarts = 7;
        t.facts.n_restarts = 8;
        assert_int_equal(head(&t, 1202), PROBATION_WAIT);
        t.facts.sub = UNIT_SUB_AUTO_RESTART;
        t.facts.active = UNIT_ACTIVE_ACTIVATING;
        t.facts.n_restarts = 9; /* systemd counts it before it leaves auto-restart: still the second */
        assert_int_equal(step(&t), PROBATION_WAIT);
        t.facts.n_restarts = 10;
        assert_int_equal(step(&t), PROBATION_FAIL);
        assert_says(&t, "3 automatic restarts, 2 forgiven");
        trial_done(&t);
        trial_init(&t);
        t.p.n_restarts = 7;
        t.facts.n_restarts = 0; /* started by hand: systemd counts from 0 */
        assert_int_equal(head(&t, 1202), PROBATION_WAIT);
}

static void a_unit_that_has_not_become_active_yet_is_waited_for(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.facts = (UnitFacts){ .active = UNIT_ACTIVE_INACTIVE, .permit = true };
        assert_int_equal(step(&t), PROBATION_WAIT);
        t.facts.active = UNIT_ACTIVE_ACTIVATING;
        assert_int_equal(step(&t), PROBATION_WAIT);
        t.now += 301 * SECOND;
        assert_int_equal(step(&t), PROBATION_FAIL);
        assert_says(&t, "not good within 5min 0s: the unit is activating");
}

static void silence_fails_only_after_the_time_for_starting(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        for (int i = 0; i < 60; i++)
                assert_int_equal(silence(&t), PROBATION_WAIT);
        assert_says(&t, "has not answered for 1min 0s, 1min 0s are allowed: http://node: refused");
        assert_int_equal(silence(&t), PROBATION_FAIL);
        trial_done(&t);
        trial_init(&t);
        for (int i = 0; i < 50; i++)
                assert_int_equal(silence(&t), PROBATION_WAIT);
        assert_int_equal(head(&t, 1202), PROBATION_WAIT);
        for (int i = 0; i < 60; i++)
                assert_int_equal(silence(&t), PROBATION_WAIT); /* counted from when it fell silent again */
        silence(&t);
        assert_int_equal(silence(&t), PROBATION_FAIL);
}

static void one_lost_poll_is_forgiven_but_silence_is_not_good(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        for (int i = 0; i < 5; i++)
                assert_int_equal(head(&t, 1206 + i), PROBATION_WAIT);
        assert_int_equal(silence(&t), PROBATION_WAIT);
        assert_int_equal(step(&t), PROBATION_WAIT); /* the same poll again is no second one */
        for (int i = 0; i < 4; i++)
                assert_int_equal(head(&t, 1216), PROBATION_WAIT);
        assert_int_equal(head(&t, 1217), PROBATION_PASS);
        trial_done(&t);
        trial_init(&t);
        for (int i = 0; i < 9; i++)
                assert_int_equal(head(&t, 1206 + i), PROBATION_WAIT);
        silence(&t);
        silence(&t);
        for (int i = 0; i < 10; i++)
                assert_int_equal(head(&t, 1230 + i), PROBATION_WAIT); /* begins anew */
        assert_int_equal(head(&t, 1240), PROBATION_PASS);
}

static void unknown_is_never_good(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.p.height = t.p.first_height = 0;
        t.config.min_blocks = 0;
        t.config.duration = 0;
        t.config.min_peers = 0;
        assert_int_equal(head(&t, CHAIN_UNKNOWN), PROBATION_WAIT);
        assert_says(&t, "the head is not known");
        assert_int_equal(head(&t, 1), PROBATION_WAIT);
        assert_says(&t, "the number of peers is not known, waiting for 0");
        t.sample.peers = 0;
        assert_int_equal(head(&t, 1), PROBATION_PASS);
        t.config.min_peers = 3;
        assert_int_equal(head(&t, 1), PROBATION_WAIT);
        assert_says(&t, "0 peers, waiting for 3");
        t.config.min_blocks = UINT64_MAX; /* no goal that can be computed is no goal that is reached */
        assert_int_equal(head(&t, INT64_MAX), PROBATION_WAIT);
}

/*
 * The old release went on after the last poll of it, to 1210. A release that stands
 * still there has made no block, whatever it is beyond the baseline.
 */
static void blocks_of_the_old_release_are_not_credited_to_the_new_one(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.p.first_height = CHAIN_UNKNOWN;
        for (int i = 0; i < 60; i++)
                assert_int_equal(head(&t, 1210), PROBATION_WAIT);
        assert_says(&t, "head 1210, waiting for 1215 (first head seen 1210 + 5)");
        for (int i = 0; i <= 10; i++)
                (void) head(&t, 1215 + i);
        assert_int_equal(head(&t, 1226), PROBATION_PASS);
}

static void without_a_baseline_the_head_must_advance_from_the_first_one_seen(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.p.height = t.p.first_height = CHAIN_UNKNOWN;
        t.config.duration = 0;
        assert_int_equal(silence(&t), PROBATION_WAIT);
        assert_int_equal(head(&t, CHAIN_UNKNOWN), PROBATION_WAIT);
        assert_int_equal(head(&t, 500), PROBATION_WAIT);
        assert_string_equal(t.reason, "head 500, waiting for 505 (first head seen 500 + 5)");
        assert_int_equal(head(&t, 504), PROBATION_WAIT);
        assert_int_equal(head(&t, 505), PROBATION_PASS);
}

static void the_answer_of_the_old_process_does_not_count(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.config.duration = 0;
        t.sample.answered = true;
        t.sample.height = 9999;
        t.sample.at_monotonic = START - 1;
        assert_int_equal(step(&t), PROBATION_WAIT);
        assert_says(&t, "not polled yet");
        assert_int_equal(t.p.first_height, 1201);
}

static void another_chain_fails_at_once(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.p.chain_id = "8217";
        assert_int_equal(str_replace(&t.sample.chain_id, "1001"), 0);
        assert_int_equal(head(&t, 1202), PROBATION_FAIL);
        assert_says(&t, "on chain 1001, expected 8217");
}

static void another_hash_than_the_references_fails_at_once(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        compare(&t, 1190, HASH_A, HASH_B, HASH_B);
        t.references[0].compared_at = t.references[1].compared_at = START - 1; /* of the old release */
        assert_int_equal(head(&t, 1202), PROBATION_WAIT);
        compare(&t, 1203, HASH_A, HASH_A, HASH_B);
        assert_int_equal(head(&t, 1203), PROBATION_WAIT);
        compare(&t, 1204, HASH_A, HASH_B, HASH_B);
        assert_int_equal(head(&t, 1206), PROBATION_FAIL);
        assert_says(&t, "at height 1204 our hash is 0xaaaaaaaaaaaaaaaa, but 2 of 2");
}

static void references_must_agree_beyond_the_old_head(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.config.duration = 0;
        t.config.require_references = true;
        assert_int_equal(head(&t, 1206), PROBATION_WAIT);
        assert_says(&t, "none are configured");
        t.n_references = 2;
        assert_int_equal(head(&t, 1206), PROBATION_WAIT);
        assert_says(&t, "waiting for a reference to compare");
        compare(&t, 1201, HASH_A, HASH_A, HASH_A);
        assert_int_equal(head(&t, 1206), PROBATION_WAIT);
        assert_says(&t, "agree at height 1201, waiting for one beyond 1201");
        compare(&t, 1204, HASH_A, HASH_A, HASH_B);
        assert_int_equal(head(&t, 1206), PROBATION_WAIT);
        assert_says(&t, "1 of 2 references have our hash");
        compare(&t, 1204, HASH_A, HASH_A, HASH_A);
        assert_int_equal(head(&t, 1207), PROBATION_PASS);
}

/* A gateway's outage is not the node's fault; but one that has answered is waited for. */
static void references_that_are_all_silent_are_no_obstacle(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.config.duration = 0;
        t.config.require_references = true;
        t.n_references = 2;
        assert_int_equal(head(&t, 1206), PROBATION_WAIT); /* not asked yet */
        t.theirs.at_monotonic = START - 1;
        assert_int_equal(head(&t, 1206), PROBATION_WAIT); /* not since the start */
        t.theirs.at_monotonic = t.now;
        compare(&t, 1204, HASH_A, HASH_B, HASH_A);
        assert_int_equal(head(&t, 1206), PROBATION_WAIT); /* what one of them said is not forgotten */
        compare(&t, CHAIN_UNKNOWN, NULL, NULL, NULL);
        t.references[0].compared_at = t.references[1].compared_at = 0;
        assert_int_equal(head(&t, 1206), PROBATION_PASS);
        t.theirs.answered = true;
        assert_int_equal(head(&t, 1206), PROBATION_WAIT);
}

static void a_validator_must_sign_again_if_it_signed_before(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.config.duration = 0;
        t.config.require_signing = true;
        assert_int_equal(head(&t, 1206), PROBATION_PASS); /* it never signed */
        t.p.was_signing = true;
        assert_int_equal(head(&t, 1207), PROBATION_WAIT);
        assert_says(&t, "waiting for a signature of ours");
        t.sample.signing = TRI_YES;
        t.sample.signed_height = 1200; /* that was the old release's */
        assert_int_equal(head(&t, 1208), PROBATION_WAIT);
        assert_says(&t, "newest signature is of height 1200, waiting for one beyond 1201");
        t.sample.signed_height = 1208;
        assert_int_equal(head(&t, 1209), PROBATION_PASS);
}

/* A Klaytn node before v1.9 tells only who proposed: three polls of four say nothing of a member of four. */
static void a_signature_that_was_seen_counts_until_one_is_missing(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        t.config.duration = 3 * SECOND;
        t.config.require_signing = true;
        t.p.was_signing = true;
        assert_int_equal(head(&t, 1206), PROBATION_WAIT);
        t.sample.signing = TRI_YES;
        t.sample.signed_height = 1207;
        assert_int_equal(head(&t, 1207), PROBATION_WAIT);
        t.sample.signing = TRI_UNKNOWN;
        t.sample.signed_height = CHAIN_UNKNOWN;
        assert_int_equal(head(&t, 1208), PROBATION_WAIT);
        t.sample.signing = TRI_NO;
        assert_int_equal(head(&t, 1209), PROBATION_WAIT);
        assert_says(&t, "waiting for a signature of ours");
        t.sample.signing = TRI_UNKNOWN;
        for (int i = 0; i < 3; i++)
                assert_int_equal(head(&t, 1210 + i), PROBATION_WAIT);
        assert_int_equal(head(&t, 1213), PROBATION_PASS);
}

static void it_waits_while_an_operator_keeps_the_unit_stopped(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        for (int i = 0; i < 5; i++)
                assert_int_equal(head(&t, 1206 + i), PROBATION_WAIT);
        t.facts = (UnitFacts){ .active = UNIT_ACTIVE_INACTIVE, .permit = true, .stopped_by_operator = true };
        for (int i = 0; i < 1000; i++) {
                t.now += SECOND;
                assert_int_equal(step(&t), PROBATION_WAIT); /* for longer than the whole timeout */
        }
        assert_says(&t, "an operator stopped the unit");
        t.facts =
                (UnitFacts){ .active = UNIT_ACTIVE_ACTIVE, .permit = true, .active_since_monotonic = t.now };
        for (int i = 0; i < 60; i++)
                assert_int_equal(silence(&t), PROBATION_WAIT); /* with all the time to start again */
        for (int i = 0; i <= 9; i++)
                assert_int_equal(head(&t, 1210 + i), PROBATION_WAIT);
        assert_int_equal(head(&t, 1230), PROBATION_PASS);
}

static void the_moment_between_the_halves_of_a_restart_is_no_end(void **state) {
        static const UnitActive down[] = { UNIT_ACTIVE_INACTIVE, UNIT_ACTIVE_FAILED };

        for (size_t i = 0; i < ELEMENTSOF(down); i++) {
                cleanup_trial_ Trial t;

                trial_init(&t);
                assert_int_equal(head(&t, 1202), PROBATION_WAIT);
                t.facts.active = down[i];
                t.facts.job = true;
                assert_int_equal(step(&t), PROBATION_WAIT);
                t.facts.job = false;
                assert_int_equal(step(&t), PROBATION_FAIL); /* that job did not start it */
        }
}

static void what_is_not_good_in_time_fails_and_says_what_is_missing(void **state) {
        cleanup_trial_ Trial t;

        trial_init(&t);
        for (int i = 0; i < 300; i++)
                assert_int_equal(head(&t, 1204), PROBATION_WAIT);
        assert_int_equal(head(&t, 1204), PROBATION_FAIL);
        assert_string_equal(t.reason,
                            "not good within 5min 0s: head 1204, waiting for 1206 (old head 1201 + 5)");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_node_that_goes_on_and_stays_good_passes),
                cmocka_unit_test(a_unit_that_fails_fails_at_once),
                cmocka_unit_test(restarts_that_are_forgiven_do_not_fail),
                cmocka_unit_test(a_unit_that_has_not_become_active_yet_is_waited_for),
                cmocka_unit_test(silence_fails_only_after_the_time_for_starting),
                cmocka_unit_test(one_lost_poll_is_forgiven_but_silence_is_not_good),
                cmocka_unit_test(unknown_is_never_good),
                cmocka_unit_test(blocks_of_the_old_release_are_not_credited_to_the_new_one),
                cmocka_unit_test(without_a_baseline_the_head_must_advance_from_the_first_one_seen),
                cmocka_unit_test(the_answer_of_the_old_process_does_not_count),
                cmocka_unit_test(another_chain_fails_at_once),
                cmocka_unit_test(another_hash_than_the_references_fails_at_once),
                cmocka_unit_test(references_must_agree_beyond_the_old_head),
                cmocka_unit_test(references_that_are_all_silent_are_no_obstacle),
                cmocka_unit_test(a_validator_must_sign_again_if_it_signed_before),
                cmocka_unit_test(a_signature_that_was_seen_counts_until_one_is_missing),
                cmocka_unit_test(it_waits_while_an_operator_keeps_the_unit_stopped),
                cmocka_unit_test(the_moment_between_the_halves_of_a_restart_is_no_end),
                cmocka_unit_test(what_is_not_good_in_time_fails_and_says_what_is_missing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
