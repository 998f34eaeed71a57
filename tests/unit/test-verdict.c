#include "tests/unit/cmocka-all.h"
#include "health/verdict.h"
#include "util/text.h"

#define SECOND USEC_PER_SEC
#define BOOT   (5000 * SECOND) /* when the node's process began, monotonic */
#define HASH_A "0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* A node that is watched, second by second. */
typedef struct Watch {
        VerdictMemory memory;
        VerdictRules rules;
        UnitFacts facts;
        ChainSample sample;
        ChainSample theirs[3];
        ReferenceView references[3];
        size_t n_references;
        uint64_t now;
        char *reason;
} Watch;

static void watch_init(Watch *w) {
        static const char *const names[] = { "pocket", "ankr", "own" };

        *w = (Watch){
                .rules = { .stall_after = 30 * SECOND, .start_timeout = 120 * SECOND, .chain_id = "8217" },
                .facts = { .active = UNIT_ACTIVE_ACTIVE,
                           .sub = UNIT_SUB_RUNNING,
                           .result = UNIT_RESULT_SUCCESS,
                           .active_since_monotonic = BOOT,
                           .permit = true },
                .now = BOOT,
        };
        verdict_memory_init(&w->memory);
        chain_sample_init(&w->sample);
        for (size_t i = 0; i < ELEMENTSOF(w->references); i++) {
                chain_sample_init(&w->theirs[i]);
                w->references[i] = (ReferenceView){ .name = names[i],
                                                    .provider = names[i],
                                                    .sample = &w->theirs[i],
                                                    .compared_height = CHAIN_UNKNOWN };
        }
}

static void watch_done(Watch *w) {
        chain_sample_done(&w->sample);
        free(w->reason);
}
#define cleanup_watch_ cleanup_(watch_done)

static Verdict judge(Watch *w) {
        free(w->reason);
        return verdict_judge(&w->memory, &w->rules, &w->sample, w->references, w->n_references, w->now,
                             w->now + 1700000000 * SECOND, &w->reason);
}

static Verdict facts(Watch *w) {
        verdict_note_facts(&w->memory, &w->facts, w->now);
        return judge(w);
}

/* A second later the node answers with this head. */
static Verdict head(Watch *w, int64_t height) {
        w->now += SECOND;
        free(TAKE_PTR(w->sample.error));
        w->sample.answered = true;
        w->sample.height = height;
        w->sample.at_monotonic = w->now;
        verdict_note_sample(&w->memory, &w->sample);
        return judge(w);
}

/* A second later the node does not answer. */
static Verdict silence(Watch *w) {
        w->now += SECOND;
        w->sample.answered = false;
        w->sample.height = CHAIN_UNKNOWN;
        w->sample.at_monotonic = w->now;
        assert_int_equal(str_replace(&w->sample.error, "http://node: refused"), 0);
        verdict_note_sample(&w->memory, &w->sample);
        return judge(w);
}

static void reference(Watch *w, size_t i, int64_t height, bool advances) {
        w->theirs[i].answered = height >= 0;
        w->theirs[i].height = height;
        if (advances)
                w->references[i].advanced_at = w->now;
        if (w->n_references <= i)
                w->n_references = i + 1;
}

static void compare(Watch *w, size_t i, int64_t height, const char *ours, const char *theirs) {
        w->references[i].compared_height = height;
        w->references[i].our_hash = ours;
        w->references[i].hash = theirs;
        w->references[i].compared_at = w->now;
        if (w->n_references <= i)
                w->n_references = i + 1;
}

static Verdict run_healthy(Watch *w) {
        Verdict v = facts(w);

        for (int i = 0; i < 5; i++)
                v = head(w, 1200 + i);
        return v;
}

static void assert_says(const Watch *w, const char *words) {
        assert_non_null(w->reason);
        if (!strstr(w->reason, words))
                fail_msg("'%s' does not say '%s'", w->reason, words);
}

static void before_systemd_told_nothing_is_known(void **state) {
        cleanup_watch_ Watch w;

        watch_init(&w);
        assert_int_equal(judge(&w), VERDICT_UNKNOWN);
        assert_int_equal(head(&w, 1204), VERDICT_UNKNOWN);
}

static void the_unit_decides_when_there_is_no_process(void **state) {
        static const struct {
                UnitFacts facts;
                Verdict verdict;
                const char *words;
        } cases[] = {
                { { .active = UNIT_ACTIVE_INACTIVE, .result = UNIT_RESULT_SUCCESS, .permit = true },
                  VERDICT_DOWN,
                  "not running" },
                { { .active = UNIT_ACTIVE_INACTIVE, .permit = true, .stopped_by_operator = true },
                  VERDICT_DOWN,
                  "by an operator" },
                { { .active = UNIT_ACTIVE_FAILED,
                    .result = UNIT_RESULT_EXIT_CODE,
                    .exit_status = 1,
                    .permit = true },
                  VERDICT_DOWN,
                  "failed (exit-code, status 1)" },
                { { .active = UNIT_ACTIVE_FAILED,
                    .result = UNIT_RESULT_EXIT_CODE,
                    .exit_status = 78,
                    .permit = true },
                  VERDICT_DOWN,
                  "muster-launch refused" },
                { { .active = UNIT_ACTIVE_FAILED, .result = UNIT_RESULT_START_LIMIT_HIT, .permit = true },
                  VERDICT_CRASH_LOOPING,
                  "gave up" },
                { { .active = UNIT_ACTIVE_FAILED, .result = UNIT_RESULT_START_LIMIT_HIT, .permit = false },
                  VERDICT_HELD,
                  "no permit" },
                { { .active = UNIT_ACTIVE_INACTIVE, .result = UNIT_RESULT_SUCCESS, .permit = false },
                  VERDICT_HELD,
                  "no permit" },
                { { .active = UNIT_ACTIVE_ACTIVATING, .sub = UNIT_SUB_OTHER, .permit = true },
                  VERDICT_STARTING,
                  "starting" },
                { { .active = UNIT_ACTIVE_ACTIVATING,
                    .sub = UNIT_SUB_AUTO_RESTART,
                    .result = UNIT_RESULT_SIGNAL,
                    .permit = true },
                  VERDICT_DOWN,
                  "ended (signal); systemd will start it again" },
                { { .active = UNIT_ACTIVE_DEACTIVATING, .sub = UNIT_SUB_STOP_SIGTERM, .permit = true },
                  VERDICT_DOWN,
                  "stopping" },
                { { .active = UNIT_ACTIVE_DEACTIVATING,
                    .result = UNIT_RESULT_SIGNAL,
                    .exit_status = 11,
                    .permit = true },
                  VERDICT_DOWN,
                  "ended (signal SIGSEGV)" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_watch_ Watch w;

                watch_init(&w);
                assert_int_equal(run_healthy(&w), VERDICT_HEALTHY);
                w.facts = cases[i].facts;
                assert_int_equal(facts(&w), cases[i].verdict);
                assert_says(&w, cases[i].words);
        }
}

static void a_silent_node_is_starting_and_then_unknown(void **state) {
        cleanup_watch_ Watch w;
        Verdict v;

        watch_init(&w);
        assert_int_equal(facts(&w), VERDICT_STARTING);
        for (int i = 0; i < 120; i++) {
                v = silence(&w);
                assert_int_equal(v, VERDICT_STARTING);
        }
        assert_says(&w, "has not answered for 2min 0s");
        assert_says(&w, "http://node: refused");
        assert_int_equal(silence(&w), VERDICT_UNKNOWN);
        assert_says(&w, "the unit runs, but the RPC has not answered");
}

/* start_timeout is 2min. */
static void a_node_that_was_healthy_and_falls_silent_is_not_starting(void **state) {
        cleanup_watch_ Watch w;

        watch_init(&w);
        assert_int_equal(run_healthy(&w), VERDICT_HEALTHY);
        assert_int_equal(silence(&w), VERDICT_HEALTHY);
        assert_int_equal(silence(&w), VERDICT_UNKNOWN);
        assert_says(&w, "the unit runs, but the RPC has not answered for 2s");
}

static void a_head_that_advances_is_healthy(void **state) {
        cleanup_watch_ Watch w;

        watch_init(&w);
        facts(&w);
        assert_int_equal(head(&w, 1203), VERDICT_STARTING);
        assert_says(&w, "head 1203 has not advanced yet");
        w.sample.peers = 4;
        assert_int_equal(head(&w, 1204), VERDICT_HEALTHY);
        assert_says(&w, "head 1204, 4 peers");
        w.sample.peers = 0;
        assert_int_equal(head(&w, 1205), VERDICT_HEALTHY);
        assert_says(&w, "no peers");
        w.sample.peers = CHAIN_UNKNOWN;
        assert_int_equal(head(&w, 1206), VERDICT_HEALTHY);
        assert_null(strstr(w.reason, "peers"));
}

static void one_lost_poll_changes_nothing(void **state) {
        cleanup_watch_ Watch w;

        watch_init(&w);
        w.facts.active_since_monotonic = BOOT - 1000 * SECOND; /* started long ago */
        assert_int_equal(run_healthy(&w), VERDICT_HEALTHY);
        for (int i = 0; i < 5; i++) {
                assert_int_equal(silence(&w), VERDICT_HEALTHY);
                assert_says(&w, "one poll failed");
                assert_int_equal(head(&w, 1300 + 2 * i), VERDICT_HEALTHY);
                assert_int_equal(head(&w, 1301 + 2 * i), VERDICT_HEALTHY);
        }
        assert_int_equal(silence(&w), VERDICT_HEALTHY);
        assert_int_equal(silence(&w), VERDICT_UNKNOWN);
        assert_says(&w, "has not answered for 2s");
        assert_int_equal(head(&w, 1400), VERDICT_HEALTHY);
}

static void a_stall_is_local_only_if_others_advance(void **state) {
        cleanup_watch_ Watch w;
        Verdict v = VERDICT_UNKNOWN;

        watch_init(&w);
        run_healthy(&w);
        for (int i = 0; i < 30; i++) {
                reference(&w, 0, 1204 + i, true);
                reference(&w, 1, 1203 + i, true);
                v = head(&w, 1204);
                assert_int_equal(v, VERDICT_HEALTHY);
        }
        assert_int_equal(head(&w, 1204), VERDICT_LOCAL_STALL);
        assert_string_equal(w.reason, "head 1204 has not moved for 31s; references: pocket 1233, ankr 1232");
        assert_int_equal(head(&w, 1205), VERDICT_SYNCING); /* it moves again, and has to catch up */
        for (int i = 0; i < 10; i++)
                v = head(&w, 1220 + i);
        assert_int_equal(v, VERDICT_HEALTHY);
}

static void a_network_that_stands_still_is_no_local_stall(void **state) {
        cleanup_watch_ Watch w;
        Verdict v = VERDICT_UNKNOWN;

        watch_init(&w);
        run_healthy(&w);
        reference(&w, 0, 1204, false);
        reference(&w, 1, 1204, false);
        for (int i = 0; i < 40; i++)
                v = head(&w, 1204);
        assert_int_equal(v, VERDICT_UNKNOWN);
        assert_says(&w, "the network may have halted");
        reference(&w, 0, CHAIN_UNKNOWN, false);
        reference(&w, 1, CHAIN_UNKNOWN, false);
        assert_int_equal(head(&w, 1204), VERDICT_UNKNOWN);
        assert_says(&w, "no reference answers");
        w.n_references = 0;
        assert_int_equal(head(&w, 1204), VERDICT_LOCAL_STALL);
        assert_says(&w, "cannot be told from a halt of the network");
}

static void a_node_that_was_running_before_we_came_is_judged_by_its_newest_block(void **state) {
        cleanup_watch_ Watch w;

        watch_init(&w);
        w.facts.active_since_monotonic = BOOT - 1000 * SECOND;
        facts(&w);
        w.sample.head_time = (int64_t) (w.now / SECOND) + 1700000000 - 4;
        assert_int_equal(head(&w, 1204), VERDICT_HEALTHY);
        w.sample.head_time -= 3600;
        assert_int_equal(head(&w, 1204), VERDICT_UNKNOWN);
        assert_says(&w, "has not advanced since muster began to watch");
}

static void syncing_shows_its_rate_and_what_is_left(void **state) {
        cleanup_watch_ Watch w;
        Verdict v = VERDICT_UNKNOWN;

        watch_init(&w);
        facts(&w);
        w.sample.syncing = TRI_YES;
        w.sample.target = 10000;
        for (int i = 0; i <= 40; i++)
                v = head(&w, 1000 + 50 * i);
        assert_int_equal(v, VERDICT_SYNCING);
        assert_string_equal(w.reason, "catching up; head 3000 of 10000, 50.0 blocks/s, about 2min 20s left");
        v = head(&w, 3000);
        for (int i = 0; i < 40; i++)
                v = head(&w, 3000);
        assert_int_equal(v, VERDICT_SYNCING);
        assert_says(&w, "has not moved for 41s");
}

static void a_node_far_behind_the_references_is_syncing_whatever_it_says(void **state) {
        cleanup_watch_ Watch w;

        watch_init(&w);
        run_healthy(&w);
        w.sample.syncing = TRI_NO;
        reference(&w, 0, 5000, true);
        assert_int_equal(head(&w, 1205), VERDICT_SYNCING);
        assert_says(&w, "of 5000");
        reference(&w, 0, 1210, true);
        assert_int_equal(head(&w, 1206), VERDICT_HEALTHY);
}

static void missing_signatures_count_sooner_after_we_were_seen_signing(void **state) {
        cleanup_watch_ Watch w;
        Verdict v = VERDICT_UNKNOWN;

        watch_init(&w);
        run_healthy(&w);
        w.sample.in_council = TRI_YES;
        w.sample.signing = TRI_NO;
        for (int i = 0; i < 10; i++)
                v = head(&w, 1210 + i);
        assert_int_equal(v, VERDICT_HEALTHY); /* perhaps it waits out a doppelganger */
        for (int i = 10; i < 30; i++)
                v = head(&w, 1210 + i);
        assert_int_equal(v, VERDICT_NOT_SIGNING); /* but not for ever */
        assert_says(&w, "our signature is missing from 30 blocks");
        w.sample.signing = TRI_YES;
        w.sample.signed_height = 1240;
        assert_int_equal(head(&w, 1241), VERDICT_HEALTHY);
        assert_says(&w, "signing");
        w.sample.signing = TRI_NO;
        w.sample.signed_height = CHAIN_UNKNOWN;
        assert_int_equal(head(&w, 1242), VERDICT_HEALTHY);
        assert_int_equal(head(&w, 1242), VERDICT_HEALTHY); /* the same block again is no further miss */
        assert_int_equal(head(&w, 1243), VERDICT_HEALTHY);
        assert_int_equal(head(&w, 1244), VERDICT_NOT_SIGNING);
        assert_says(&w, "our last signature is of height 1240");
        w.sample.in_council = TRI_NO;
        assert_int_equal(head(&w, 1245), VERDICT_HEALTHY);
        w.sample.in_council = TRI_YES;
        w.sample.signing = TRI_YES;
        assert_int_equal(head(&w, 1246), VERDICT_HEALTHY);
}

static void a_fork_needs_a_majority_of_two_providers_twice(void **state) {
        cleanup_watch_ Watch w;

        watch_init(&w);
        run_healthy(&w);
        compare(&w, 0, 1202, HASH_A, HASH_B);
        assert_int_equal(head(&w, 1205), VERDICT_HEALTHY); /* one against us may be the liar */
        compare(&w, 1, 1202, HASH_A, HASH_B);
        w.references[1].provider = "pocket";
        assert_int_equal(head(&w, 1206), VERDICT_HEALTHY); /* the same company twice */
        compare(&w, 0, 1203, HASH_A, HASH_B);
        compare(&w, 1, 1203, HASH_A, HASH_B);
        assert_int_equal(head(&w, 1207), VERDICT_HEALTHY);
        w.references[1].provider = "ankr";
        assert_int_equal(head(&w, 1208), VERDICT_HEALTHY); /* the first comparison that shows it */
        assert_int_equal(head(&w, 1209), VERDICT_HEALTHY); /* the same one is not a second */
        compare(&w, 0, 1204, HASH_A, HASH_B);
        compare(&w, 1, 1204, HASH_A, HASH_B);
        assert_int_equal(head(&w, 1210), VERDICT_FORKED);
        assert_says(&w, "at height 1204 our hash is 0xaaaaaaaaaaaaaaaa, but 2 of 2 references have "
                        "0xbbbbbbbbbbbbbbbb");
        compare(&w, 2, 1204, HASH_A, HASH_A);
        assert_int_equal(head(&w, 1211), VERDICT_FORKED); /* two to one */
        compare(&w, 0, 1208, "0xAB", "0xab");             /* the case of hex digits is no difference */
        compare(&w, 1, 1208, "0xAB", "0xab");
        assert_int_equal(head(&w, 1212), VERDICT_HEALTHY);
}

static void references_that_disagree_among_each_other_prove_no_fork(void **state) {
        ReferenceView r[4] = {};
        ChainSample none;
        ReferenceVote vote;

        chain_sample_init(&none);
        for (size_t i = 0; i < 4; i++)
                r[i] = (ReferenceView){ .sample = &none,
                                        .provider = (const char *[]){ "a", "b", "c", "d" }[i],
                                        .compared_height = 7,
                                        .our_hash = HASH_A,
                                        .hash = HASH_B };
        r[2].hash = "0xcc";
        r[3].hash = "0xdd";
        vote = reference_vote(r, 4);
        assert_int_equal(vote.agreement, AGREEMENT_UNKNOWN); /* two of four is no majority */
        vote = reference_vote(r, 3);
        assert_int_equal(vote.agreement, AGREEMENT_DIFFERENT);
        r[2].compared_height = 9; /* only the newest height counts */
        vote = reference_vote(r, 3);
        assert_int_equal(vote.agreement, AGREEMENT_UNKNOWN);
        assert_int_equal(vote.height, 9);
        r[2].our_hash = NULL; /* ours is not known there: no comparison */
        vote = reference_vote(r, 3);
        assert_int_equal(vote.height, 7);
        assert_int_equal(reference_vote(NULL, 0).agreement, AGREEMENT_UNKNOWN);
}

static void three_restarts_in_ten_minutes_are_a_loop(void **state) {
        cleanup_watch_ Watch w;
        Verdict v = VERDICT_UNKNOWN;

        watch_init(&w);
        run_healthy(&w);
        for (int i = 1; i <= 2; i++) {
                w.now += 20 * SECOND;
                w.facts.n_restarts++;
                w.facts.active_since_monotonic = w.now;
                v = facts(&w);
                assert_int_equal(v, VERDICT_STARTING);
        }
        w.now += 20 * SECOND;
        w.facts.n_restarts++;
        w.facts.active_since_monotonic = w.now;
        assert_int_equal(facts(&w), VERDICT_CRASH_LOOPING);
        assert_says(&w, "3 times within 10min");
        w.facts.active = UNIT_ACTIVE_FAILED; /* the start limit; Result= still tells the last end */
        w.facts.result = UNIT_RESULT_EXIT_CODE;
        w.facts.exit_status = 3;
        assert_int_equal(facts(&w), VERDICT_CRASH_LOOPING);
        assert_says(
                &w,
                "systemd gave up starting it: it failed too often in too short a time (last end: exit-code, "
                "status 3)");
        w.facts.active = UNIT_ACTIVE_ACTIVE;
        assert_int_equal(facts(&w), VERDICT_CRASH_LOOPING);
        for (int i = 0; i < 58; i++)
                v = head(&w, 1300 + i);
        assert_int_equal(v, VERDICT_CRASH_LOOPING);
        for (int i = 0; i < 5; i++)
                v = head(&w, 1400 + i);
        assert_int_equal(v, VERDICT_HEALTHY); /* it lived for a minute and advances */
}

static void restarts_long_ago_or_before_a_start_by_hand_are_no_loop(void **state) {
        cleanup_watch_ Watch w;

        watch_init(&w);
        w.facts.n_restarts = 50; /* before musterd came: nobody knows when */
        run_healthy(&w);
        for (int i = 0; i < 6; i++) {
                w.now += 301 * SECOND;
                w.facts.n_restarts++;
                w.facts.active_since_monotonic = w.now;
                assert_int_not_equal(facts(&w), VERDICT_CRASH_LOOPING);
        }
        w.facts.n_restarts += 2;
        w.facts.active_since_monotonic = ++w.now;
        assert_int_equal(facts(&w), VERDICT_CRASH_LOOPING);
        w.facts.n_restarts = 0; /* systemctl start */
        w.facts.active_since_monotonic = ++w.now;
        assert_int_equal(facts(&w), VERDICT_STARTING);
}

static void a_new_process_begins_a_new_history(void **state) {
        cleanup_watch_ Watch w;

        watch_init(&w);
        run_healthy(&w);
        w.now += 10 * SECOND;
        w.facts.active_since_monotonic = w.now;
        assert_int_equal(facts(&w), VERDICT_STARTING);
        w.now -= 2 * SECOND;
        assert_int_equal(head(&w, 1210), VERDICT_STARTING); /* the answer of the old process */
        assert_int_equal(w.memory.n_polls, 0);
        w.now += 2 * SECOND;
        assert_int_equal(head(&w, 1204), VERDICT_STARTING);
        assert_int_equal(head(&w, 1205), VERDICT_HEALTHY);
}

static void another_chain_is_not_ours(void **state) {
        cleanup_watch_ Watch w;

        watch_init(&w);
        run_healthy(&w);
        assert_int_equal(str_replace(&w.sample.chain_id, "1001"), 0);
        assert_int_equal(head(&w, 1210), VERDICT_UNKNOWN);
        assert_says(&w, "answers for chain 1001, expected 8217");
}

static void a_node_without_a_block_has_no_head_of_zero(void **state) {
        cleanup_watch_ Watch w;
        Verdict v = VERDICT_UNKNOWN;

        watch_init(&w);
        facts(&w);
        assert_int_equal(head(&w, CHAIN_UNKNOWN), VERDICT_STARTING);
        assert_null(strstr(w.reason, "-1"));
        w.sample.syncing = TRI_YES;
        assert_int_equal(head(&w, CHAIN_UNKNOWN), VERDICT_SYNCING);
        assert_null(strstr(w.reason, "-1"));
        w.sample.syncing = TRI_NO;
        for (int i = 0; i < 130; i++)
                v = head(&w, CHAIN_UNKNOWN);
        assert_int_equal(v, VERDICT_UNKNOWN);
        assert_says(&w, "tells no height");
}

static void one_poll_that_lies_about_the_head_is_forgotten(void **state) {
        cleanup_watch_ Watch w;
        Verdict v = VERDICT_UNKNOWN;

        watch_init(&w);
        run_healthy(&w);
        head(&w, 99999999);
        for (int i = 0; i < 60; i++)
                v = head(&w, 1206 + i);
        assert_int_equal(v, VERDICT_HEALTHY);
        assert_says(&w, "head 1265");
}

static void every_verdict_and_every_word_of_systemd_has_a_name(void **state) {
        for (Verdict v = 0; v < _VERDICT_MAX; v++)
                assert_non_null(verdict_to_string(v));
        for (UnitActive a = 0; a < _UNIT_ACTIVE_MAX; a++)
                assert_int_equal(unit_active_from_string(unit_active_to_string(a)), a);
        for (UnitResult r = 0; r < _UNIT_RESULT_MAX; r++)
                assert_int_equal(unit_result_from_string(unit_result_to_string(r)), r);
        assert_int_equal(unit_active_from_string("refreshing"), UNIT_ACTIVE_UNKNOWN);
        assert_int_equal(unit_active_from_string(NULL), UNIT_ACTIVE_UNKNOWN);
        assert_int_equal(unit_sub_from_string("auto-restart"), UNIT_SUB_AUTO_RESTART);
        assert_int_equal(unit_sub_from_string("start-pre"), UNIT_SUB_OTHER);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(before_systemd_told_nothing_is_known),
                cmocka_unit_test(the_unit_decides_when_there_is_no_process),
                cmocka_unit_test(a_silent_node_is_starting_and_then_unknown),
                cmocka_unit_test(a_node_that_was_healthy_and_falls_silent_is_not_starting),
                cmocka_unit_test(a_head_that_advances_is_healthy),
                cmocka_unit_test(one_lost_poll_changes_nothing),
                cmocka_unit_test(a_stall_is_local_only_if_others_advance),
                cmocka_unit_test(a_network_that_stands_still_is_no_local_stall),
                cmocka_unit_test(a_node_that_was_running_before_we_came_is_judged_by_its_newest_block),
                cmocka_unit_test(syncing_shows_its_rate_and_what_is_left),
                cmocka_unit_test(a_node_far_behind_the_references_is_syncing_whatever_it_says),
                cmocka_unit_test(missing_signatures_count_sooner_after_we_were_seen_signing),
                cmocka_unit_test(a_fork_needs_a_majority_of_two_providers_twice),
                cmocka_unit_test(references_that_disagree_among_each_other_prove_no_fork),
                cmocka_unit_test(three_restarts_in_ten_minutes_are_a_loop),
                cmocka_unit_test(restarts_long_ago_or_before_a_start_by_hand_are_no_loop),
                cmocka_unit_test(a_new_process_begins_a_new_history),
                cmocka_unit_test(another_chain_is_not_ours),
                cmocka_unit_test(a_node_without_a_block_has_no_head_of_zero),
                cmocka_unit_test(one_poll_that_lies_about_the_head_is_forgotten),
                cmocka_unit_test(every_verdict_and_every_word_of_systemd_has_a_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
