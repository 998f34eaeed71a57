/* The table of states against DESIGN.md "Staged upgrade": walked whole, not by example. */
#include "tests/unit/cmocka-all.h"
#include "upgrade/fsm.h"
#include "util/text.h"

#define FIRST ((UpgradeState) (_UPGRADE_NONE + 1))
#define EACH_STATE(s)                                                                                       \
        UpgradeState s = FIRST;                                                                             \
        s < _UPGRADE_STATE_MAX;                                                                             \
        s++
#define EACH_EVENT(e)                                                                                       \
        UpgradeEvent e = UPGRADE_EV_OK;                                                                     \
        e < _UPGRADE_EVENT_MAX;                                                                             \
        e++

/* As they are on disk, in scripts and in the catalog: append only. */
static const char *const names[] = {
        "fetching",  "verifying",    "staged",      "armed",    "draining",
        "stopping",  "guarding",     "switching",   "starting", "probation",
        "committed", "rolling-back", "rolled-back", "aborted",  "stuck",
};

/* _UPGRADE_NONE where the event is not for this state. */
static UpgradeState after(UpgradeState state, UpgradeEvent event) {
        UpgradeState next = _UPGRADE_NONE;
        int r = upgrade_fsm_next(state, event, &next);

        if (r == 0)
                assert_true(next >= FIRST && next < _UPGRADE_STATE_MAX);
        else {
                assert_int_equal(r, UPGRADE_E_ILLEGAL);
                assert_int_equal(next, _UPGRADE_NONE);
        }
        return next;
}

/* A state added without a name or a crash policy must not pass review. */
static void every_state_has_a_name_and_a_resume_policy(void **state) {
        assert_int_equal(ELEMENTSOF(names), _UPGRADE_STATE_MAX - FIRST);
        for (EACH_STATE(s)) {
                assert_string_equal(upgrade_state_to_string(s), names[s - FIRST]);
                assert_int_equal(upgrade_state_from_string(names[s - FIRST]), s);
                assert_int_not_equal(upgrade_fsm_resume(s), _UPGRADE_RESUME_UNSET);
        }
}

static void what_is_no_state_has_no_name_policy_or_way_out(void **state) {
        static const UpgradeState strange[] = { _UPGRADE_NONE, _UPGRADE_STATE_MAX, (UpgradeState) 4711 };
        UpgradeState next = UPGRADE_GUARDING;

        for (size_t i = 0; i < ELEMENTSOF(strange); i++) {
                assert_null(upgrade_state_to_string(strange[i]));
                assert_int_equal(upgrade_fsm_resume(strange[i]), _UPGRADE_RESUME_UNSET);
                assert_false(upgrade_state_is_end(strange[i]));
                assert_false(upgrade_state_touches_node(strange[i]));
                for (EACH_EVENT(e))
                        assert_int_equal(upgrade_fsm_next(strange[i], e, &next), UPGRADE_E_ILLEGAL);
        }
        for (EACH_STATE(s))
                assert_int_equal(upgrade_fsm_next(s, _UPGRADE_EVENT_MAX, &next), UPGRADE_E_ILLEGAL);
        assert_int_equal(next, UPGRADE_GUARDING);
        assert_int_equal(upgrade_state_from_string(""), _UPGRADE_NONE);
        assert_int_equal(upgrade_state_from_string("Staged"), _UPGRADE_NONE);
        assert_int_equal(upgrade_state_from_string("staged "), _UPGRADE_NONE);
        assert_int_equal(upgrade_state_from_string(NULL), _UPGRADE_NONE);
}

static void the_good_way_goes_through_every_state_in_the_order_of_the_design(void **state) {
        UpgradeState s = UPGRADE_FETCHING;

        for (UpgradeState expected = UPGRADE_FETCHING; expected < UPGRADE_COMMITTED; expected++) {
                assert_int_equal(s, expected);
                s = after(s, UPGRADE_EV_OK);
        }
        assert_int_equal(s, UPGRADE_COMMITTED);
}

static void the_four_ends_are_ends_and_nothing_else_is(void **state) {
        for (EACH_STATE(s)) {
                bool end = s == UPGRADE_COMMITTED || s == UPGRADE_ROLLED_BACK || s == UPGRADE_ABORTED ||
                           s == UPGRADE_STUCK;

                assert_int_equal(upgrade_state_is_end(s), end);
                assert_int_equal(upgrade_fsm_resume(s), end ? UPGRADE_RESUME_END : UPGRADE_RESUME_REDO);
                for (EACH_EVENT(e))
                        if (end)
                                assert_int_equal(after(s, e), _UPGRADE_NONE);
                if (!end) {
                        assert_int_not_equal(after(s, UPGRADE_EV_OK), _UPGRADE_NONE);
                        assert_int_not_equal(after(s, UPGRADE_EV_FAIL), _UPGRADE_NONE);
                }
        }
}

/* Follows every event out of @s; @depth beyond the number of states means a cycle. Returns paths walked. */
static unsigned walk(UpgradeState s, unsigned depth, unsigned ended[static _UPGRADE_STATE_MAX]) {
        unsigned paths = 0;

        if (depth >= _UPGRADE_STATE_MAX)
                fail_msg("a cycle goes through '%s'", upgrade_state_to_string(s));
        for (EACH_EVENT(e)) {
                UpgradeState next = after(s, e);

                if (next != _UPGRADE_NONE)
                        paths += walk(next, depth + 1, ended);
        }
        if (paths > 0)
                return paths;
        if (!upgrade_state_is_end(s))
                fail_msg("a path ends in '%s'", upgrade_state_to_string(s));
        ended[s]++;
        return 1;
}

static void every_path_ends_in_one_of_the_four_ends(void **state) {
        unsigned ended[_UPGRADE_STATE_MAX] = { 0 };

        assert_true(walk(UPGRADE_FETCHING, 0, ended) > _UPGRADE_STATE_MAX);
        assert_int_equal(ended[UPGRADE_COMMITTED], 1); /* one way only */
        assert_true(ended[UPGRADE_ABORTED] > 0);
        assert_true(ended[UPGRADE_ROLLED_BACK] > 0);
        assert_true(ended[UPGRADE_STUCK] > 0);
        for (EACH_STATE(s))
                if (s > UPGRADE_FETCHING)
                        (void) walk(s, 0, ended); /* a rehearsal, a way back and a restart begin elsewhere */
}

static void the_node_is_touched_from_stopping_on(void **state) {
        for (EACH_STATE(s))
                assert_int_equal(upgrade_state_touches_node(s),
                                 s >= UPGRADE_STOPPING && s != UPGRADE_ABORTED);
}

/* `aborted` promises an untouched node: it must not be reachable once that is untrue. */
static void a_failure_is_free_until_the_node_is_touched_and_never_after(void **state) {
        for (EACH_STATE(s)) {
                if (upgrade_state_is_end(s))
                        continue;
                if (!upgrade_state_touches_node(s)) {
                        assert_int_equal(after(s, UPGRADE_EV_FAIL), UPGRADE_ABORTED);
                        assert_int_equal(after(s, UPGRADE_EV_CANCEL), UPGRADE_ABORTED);
                        assert_int_equal(after(s, UPGRADE_EV_GIVE_UP), _UPGRADE_NONE);
                        continue;
                }
                for (EACH_EVENT(e)) {
                        UpgradeState next = after(s, e);

                        assert_int_not_equal(next, UPGRADE_ABORTED);
                        if (next != _UPGRADE_NONE)
                                assert_true(upgrade_state_touches_node(next));
                }
                assert_int_equal(after(s, UPGRADE_EV_GIVE_UP), UPGRADE_STUCK);
        }
}

static void only_a_passed_probation_commits(void **state) {
        for (EACH_STATE(s))
                for (EACH_EVENT(e))
                        assert_int_equal(after(s, e) == UPGRADE_COMMITTED,
                                         s == UPGRADE_PROBATION && e == UPGRADE_EV_OK);
}

static void a_failure_of_the_touched_node_goes_back_and_a_failed_way_back_needs_a_person(void **state) {
        for (UpgradeState s = UPGRADE_STOPPING; s <= UPGRADE_PROBATION; s++) {
                assert_int_equal(after(s, UPGRADE_EV_FAIL), UPGRADE_ROLLING_BACK);
                assert_int_equal(after(s, UPGRADE_EV_CANCEL), UPGRADE_ROLLING_BACK);
        }
        assert_int_equal(after(UPGRADE_ROLLING_BACK, UPGRADE_EV_OK), UPGRADE_ROLLED_BACK);
        assert_int_equal(after(UPGRADE_ROLLING_BACK, UPGRADE_EV_FAIL), UPGRADE_STUCK);
        assert_int_equal(after(UPGRADE_ROLLING_BACK, UPGRADE_EV_GIVE_UP), UPGRADE_STUCK);
}

static void nothing_is_cancelled_on_the_way_back_or_at_an_end(void **state) {
        for (EACH_STATE(s))
                assert_int_equal(after(s, UPGRADE_EV_CANCEL) == _UPGRADE_NONE,
                                 s == UPGRADE_ROLLING_BACK || upgrade_state_is_end(s));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_state_has_a_name_and_a_resume_policy),
                cmocka_unit_test(what_is_no_state_has_no_name_policy_or_way_out),
                cmocka_unit_test(the_good_way_goes_through_every_state_in_the_order_of_the_design),
                cmocka_unit_test(the_four_ends_are_ends_and_nothing_else_is),
                cmocka_unit_test(every_path_ends_in_one_of_the_four_ends),
                cmocka_unit_test(the_node_is_touched_from_stopping_on),
                cmocka_unit_test(a_failure_is_free_until_the_node_is_touched_and_never_after),
                cmocka_unit_test(only_a_passed_probation_commits),
                cmocka_unit_test(
                        a_failure_of_the_touched_node_goes_back_and_a_failed_way_back_needs_a_person),
                cmocka_unit_test(nothing_is_cancelled_on_the_way_back_or_at_an_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
