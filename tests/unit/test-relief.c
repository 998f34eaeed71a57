/* When a restore makes way for its node. */
#include "tests/unit/cmocka-all.h"
#include "health/relief.h"
#include "util/text.h"

#define SEC ((uint64_t) 1000000)

static const Verdict suffering[] = { VERDICT_LOCAL_STALL, VERDICT_NOT_SIGNING, VERDICT_SYNCING };

static void it_makes_way_for_a_node_that_was_well_and_suffers_now(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(suffering); i++) {
                Relief r = { 0 };

                assert_false(relief_gate(&r, true, VERDICT_HEALTHY, SEC));
                assert_true(relief_gate(&r, true, suffering[i], 2 * SEC));
                assert_true(relief_gate(&r, true, suffering[i], 30 * SEC));
                assert_false(relief_gate(&r, true, VERDICT_HEALTHY, 31 * SEC));
        }
}

static void a_node_that_was_not_well_is_never_waited_for(void **state) {
        Relief r = { 0 };

        for (Verdict v = VERDICT_UNKNOWN; v < _VERDICT_MAX; v++)
                assert_false(relief_gate(&r, false, v, 100 * SEC));
}

static void a_node_that_stays_sick_is_restored_all_the_same(void **state) {
        uint64_t paused = 0, worked = 0;
        Relief r = { 0 };

        for (uint64_t now = 1; now <= 750; now++)
                if (relief_gate(&r, true, VERDICT_LOCAL_STALL, now * SEC))
                        paused++;
                else
                        worked++;
        assert_int_equal(worked, 150);
        assert_int_equal(paused, 600);
}

static void what_a_pause_cannot_mend_is_no_reason_for_one(void **state) {
        static const Verdict others[] = { VERDICT_DOWN, VERDICT_CRASH_LOOPING, VERDICT_FORKED,
                                          VERDICT_HELD, VERDICT_UNKNOWN,       VERDICT_STARTING };

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                Relief r = { 0 };

                assert_false(relief_gate(&r, true, others[i], SEC));
        }
}

/* One poll that fails, in the middle. */
static void not_knowing_changes_nothing(void **state) {
        Relief r = { 0 };

        assert_true(relief_gate(&r, true, VERDICT_LOCAL_STALL, SEC));
        assert_true(relief_gate(&r, true, VERDICT_UNKNOWN, 2 * SEC));
        assert_false(relief_can_tell(VERDICT_UNKNOWN));
        assert_true(relief_can_tell(VERDICT_HEALTHY));
        assert_false(relief_gate(&r, true, VERDICT_UNKNOWN, 61 * SEC));
}

static void after_a_pause_there_is_work_before_the_next_one(void **state) {
        Relief r = { 0 };

        assert_true(relief_gate(&r, true, VERDICT_SYNCING, SEC));
        assert_false(relief_gate(&r, true, VERDICT_HEALTHY, 5 * SEC));
        assert_false(relief_gate(&r, true, VERDICT_SYNCING, 19 * SEC));
        assert_true(relief_gate(&r, true, VERDICT_SYNCING, 20 * SEC));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_makes_way_for_a_node_that_was_well_and_suffers_now),
                cmocka_unit_test(a_node_that_was_not_well_is_never_waited_for),
                cmocka_unit_test(a_node_that_stays_sick_is_restored_all_the_same),
                cmocka_unit_test(what_a_pause_cannot_mend_is_no_reason_for_one),
                cmocka_unit_test(not_knowing_changes_nothing),
                cmocka_unit_test(after_a_pause_there_is_work_before_the_next_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
