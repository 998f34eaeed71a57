/* When a restore stands back because the node waits for its disk. */
#include "archive/pressure.h"
#include "tests/unit/scratch.h"

static void the_pressure_of_some_task_is_read_in_hundredths(void **state) {
        assert_int_equal(pressure_parse("some avg10=12.34 avg60=0.00 avg300=0.00 total=1\n"
                                        "full avg10=1.00 avg60=0.00 avg300=0.00 total=1\n"),
                         1234);
        assert_int_equal(pressure_parse("full avg10=1.00 total=1\nsome avg10=100.00 total=3\n"), 10000);
        assert_int_equal(pressure_parse("some avg10=0.00 avg60=0.00\n"), 0);
}

static void what_is_no_pressure_is_unknown(void **state) {
        static const char *const texts[] = {
                "",           "some avg10=",     "some avg10=x.00", "some avg10=1.2",
                "some avg10", "some avg60=1.00", "full avg10=1.00", "some avg10=12345.00"
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_equal(pressure_parse(texts[i]), PRESSURE_UNKNOWN);
}

static void it_is_read_from_a_cgroup_and_unknown_without_one(void **state) {
        Scratch *s = *state;

        assert_int_equal(pressure_read(s->path), PRESSURE_UNKNOWN);
        put_text(s->fd, "io.pressure", "some avg10=41.50 avg60=0.00 avg300=0.00 total=1\n");
        assert_int_equal(pressure_read(s->path), 4150);
        assert_int_equal(pressure_read("/nowhere/at/all"), PRESSURE_UNKNOWN);
}

static void it_pauses_above_and_goes_on_well_below(void **state) {
        PressureGate gate = {};
        uint64_t now = 100 * USEC_PER_SEC;

        assert_false(pressure_gate(&gate, 4000, now));
        assert_true(pressure_gate(&gate, 4001, now));
        assert_true(pressure_gate(&gate, 2000, now + 1)); /* between the two nothing changes */
        assert_false(pressure_gate(&gate, 1499, now + 2));
        assert_false(pressure_gate(&gate, 2000, now + 3));
}

static void unknown_pressure_is_no_pause_and_ends_one(void **state) {
        PressureGate gate = {};

        assert_false(pressure_gate(&gate, PRESSURE_UNKNOWN, 1));
        assert_true(pressure_gate(&gate, 9000, 2));
        assert_false(pressure_gate(&gate, PRESSURE_UNKNOWN, 3));
}

/* A node that always waits would else never be restored. */
static void no_pause_is_long_and_work_stands_between_two(void **state) {
        PressureGate gate = {};
        uint64_t worked = 0, longest = 0, paused = 0;

        for (uint64_t now = 0; now < 600 * USEC_PER_SEC; now += USEC_PER_SEC / 10)
                if (pressure_gate(&gate, 10000, now)) {
                        paused += USEC_PER_SEC / 10;
                        longest = paused > longest ? paused : longest;
                        assert_true(worked == 0 || worked >= PRESSURE_WORK_MIN_USEC);
                        worked = 0;
                } else {
                        worked += USEC_PER_SEC / 10;
                        paused = 0;
                }
        assert_true(longest > 0 && longest <= PRESSURE_PAUSE_MAX_USEC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_pressure_of_some_task_is_read_in_hundredths),
                cmocka_unit_test(what_is_no_pressure_is_unknown),
                cmocka_unit_test_setup_teardown(it_is_read_from_a_cgroup_and_unknown_without_one,
                                                scratch_new, scratch_free),
                cmocka_unit_test(it_pauses_above_and_goes_on_well_below),
                cmocka_unit_test(unknown_pressure_is_no_pause_and_ends_one),
                cmocka_unit_test(no_pause_is_long_and_work_stands_between_two),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
