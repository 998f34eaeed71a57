#include "tests/unit/cmocka-all.h"

#include <time.h>

#include "musterctl/outcome.h"
#include "musterctl/plan.h"
#include "musterctl/settings.h"
#include "musterctl/when.h"
#include "upgrade/fsm.h"
#include "util/text.h"
#include "util/utf8.h"

static void errors_leave_with_the_promised_status(void **state) {
        assert_int_equal(outcome_exit(error_exit("org.muster1.Error.Busy")), 5);
        assert_int_equal(outcome_exit(error_exit("org.muster1.Error.Refused")), 6);
        assert_int_equal(outcome_exit(error_exit("org.muster1.Error.NotFound")), 1);
        assert_int_equal(outcome_exit(error_exit("org.muster1.Error.Invalid")), 2);
        assert_int_equal(outcome_exit(error_exit("org.muster1.Error.Failed")), 1);
        assert_int_equal(outcome_exit(error_exit("org.freedesktop.DBus.Error.AccessDenied")), 4);
        assert_int_equal(
                outcome_exit(error_exit("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")), 4);
        assert_int_equal(error_exit("org.freedesktop.DBus.Error.ServiceUnknown"), CTL_AWAY);
        assert_int_equal(outcome_exit(CTL_AWAY), 1);
        assert_int_equal(outcome_exit(error_exit("com.example.Unheard")), 1);
        assert_int_equal(outcome_exit(error_exit(NULL)), 1);
        assert_int_equal(outcome_exit(-ENOMEM), 1);
        assert_int_equal(outcome_exit(0), 0);
}

static void only_what_is_bad_is_unhealthy(void **state) {
        static const char *const bad[] = { "down", "crash-looping", "local-stall", "not-signing", "forked" },
                                 *const fine[] = { "healthy", "starting", "syncing", "held", "unknown" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_true(verdict_is_unhealthy(bad[i]));
                assert_int_equal(verdict_tone(bad[i]), TONE_BAD);
        }
        for (size_t i = 0; i < ELEMENTSOF(fine); i++)
                assert_false(verdict_is_unhealthy(fine[i]));
        assert_int_equal(verdict_tone("healthy"), TONE_GOOD);
        assert_int_equal(verdict_tone("a-verdict-of-next-year"), TONE_WAIT); /* never green */
        assert_int_equal(verdict_tone(NULL), TONE_WAIT);
}

/* A state that musterd ends in and musterctl does not know would be waited for until Ctrl-C. */
static void a_job_is_over_where_the_state_machine_ends(void **state) {
        for (UpgradeState s = _UPGRADE_NONE + 1; s < _UPGRADE_STATE_MAX; s++) {
                const char *name = upgrade_state_to_string(s);

                assert_int_equal(job_is_over("upgrade", name), upgrade_state_is_end(s));
                assert_int_equal(job_is_over("rollback", name), upgrade_state_is_end(s));
                assert_int_equal(job_is_over("stage", name), upgrade_state_is_end(s) || s == UPGRADE_STAGED);
                assert_int_equal(job_is_over("rehearse", name), upgrade_state_is_end(s));
                assert_int_equal(transition_ends_job("upgrade", "staged", name), upgrade_state_is_end(s));
        }
}

/* It begins where it ends: taken for its end, the beginning would pass every rehearsal. */
static void a_rehearsal_is_not_over_when_it_begins(void **state) {
        assert_false(transition_ends_job("rehearse", NULL, "staged"));
        assert_true(transition_ends_job("rehearse", "staged", "staged"));
        assert_true(transition_ends_job("rehearse", "staged", "aborted"));
        assert_true(transition_ends_job("stage", "verifying", "staged"));
        assert_true(transition_ends_job("snapshot", "verifying", "staged"));
        assert_false(transition_ends_job("restore", "verifying", "staged"));
}

static void a_job_succeeds_only_by_what_was_asked_for(void **state) {
        assert_int_equal(job_exit("upgrade", "committed"), 0);
        assert_int_equal(job_exit("upgrade", "rolled-back"), 1);
        assert_int_equal(job_exit("upgrade", "staged"), 1);
        assert_int_equal(job_exit("upgrade", "stuck"), 1);
        assert_int_equal(job_exit("stage", "staged"), 0);
        assert_int_equal(job_exit("stage", "aborted"), 1);
        assert_int_equal(job_exit("rehearse", "staged"), 0);
        assert_int_equal(job_exit("restore", "committed"), 0);
        assert_int_equal(job_exit("restore", "rolled-back"), 1);
        assert_int_equal(job_exit("restore", "staged"), 1);
        assert_int_equal(job_exit("snapshot", "staged"), 0);
        assert_int_equal(job_exit("snapshot", "aborted"), 1);
        assert_int_equal(job_exit("rollback", "committed"), 0);
        assert_int_equal(job_exit("rollback", "rolled-back"), 1); /* the previous release failed */
        assert_int_equal(job_exit("rollback", "stuck"), 1);
}

static uint64_t parsed(const char *text) {
        uint64_t usec = 0;

        if (when_parse(text, 1000 * USEC_PER_SEC, &usec, NULL) < 0)
                return 0;
        return usec / USEC_PER_SEC;
}

static void a_time_is_read_in_its_zone(void **state) {
        assert_int_equal(parsed("2026-11-22T13:00:00Z"), 1795352400);
        assert_int_equal(parsed("2026-11-22 14:00"), 1795352400); /* the zone of this test is UTC+1 */
        assert_int_equal(parsed("2026-11-22T22:00:00+09:00"), 1795352400);
        assert_int_equal(parsed("2026-11-22 13:00:30Z"), 1795352430);
        assert_int_equal(parsed("2026-07-22 14:00"), 1784721600); /* summer: UTC+2 */
        assert_int_equal(parsed("+10min"), 1600);
}

static void what_is_no_time_is_refused(void **state) {
        static const char *const bad[] = { "",
                                           "now",
                                           "14:00",
                                           "2026-11-22",
                                           "2026-11-22 14",
                                           "2026-11-22 24:00",
                                           "2026-13-01 00:00",
                                           "2026-02-30 12:00",
                                           "26-11-22 14:00",
                                           "2026-11-22 14:00 CET",
                                           "2026-11-22T14:00:00+9",
                                           "2026-11-22 14:00:61",
                                           "+",
                                           "+5m",
                                           "+infinity",
                                           "2026-11-22 14:00x" };
        uint64_t usec = 7;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = {};

                assert_int_equal(when_parse(bad[i], 1000, &usec, &fault), -EINVAL);
                assert_non_null(fault.text);
        }
        assert_int_equal(usec, 7);
}

static void a_time_that_the_clock_jumps_over_is_refused(void **state) {
        cleanup_fault_ Fault fault = {};
        uint64_t usec;

        assert_int_equal(when_parse("2026-03-29 02:30", 0, &usec, &fault), -EINVAL);
        assert_non_null(strstr(fault.text, "jumps over it"));
        assert_int_equal(when_parse("2026-03-29T02:30:00Z", 0, &usec, NULL), 0);
}

static void since_counts_backwards(void **state) {
        uint64_t now = 10000 * USEC_PER_SEC, usec;

        assert_int_equal(when_parse_past("10min", now, &usec, NULL), 0);
        assert_int_equal(usec, 9400 * USEC_PER_SEC);
        assert_int_equal(when_parse_past("-10min", now, &usec, NULL), 0);
        assert_int_equal(usec, 9400 * USEC_PER_SEC);
        assert_int_equal(when_parse_past("30d", now, &usec, NULL), 0);
        assert_int_equal(usec, 0);
        assert_int_equal(when_parse_past("+10min", now, &usec, NULL), -EINVAL);
}

static void the_trigger_is_what_musterd_reads(void **state) {
        char text[TRIGGER_TEXT_MAX];

        assert_string_equal(plan_trigger(&(UpgradePlan){}, text), "now");
        assert_string_equal(
                plan_trigger(&(UpgradePlan){ .trigger = TRIGGER_TIME, .at_usec = UINT64_MAX }, text),
                "time:18446744073709551615");
        assert_string_equal(plan_trigger(&(UpgradePlan){ .trigger = TRIGGER_HEIGHT, .height = 42 }, text),
                            "height:42");
}

static void assert_command(const char *expected, int argc, char *const *argv) {
        cleanup_free_ char *line = NULL;

        assert_int_equal(command_line(argc, argv, &line), 0);
        assert_string_equal(line, expected);
}

#define COMMAND(expected, ...)                                                                              \
        do {                                                                                                \
                const char *argv_[] = { "/usr/bin/musterctl", __VA_ARGS__ };                                \
                assert_command(expected, ELEMENTSOF(argv_), (char *const *) argv_);                         \
        } while (0)

/* The record is readable by everybody. */
static void the_recorded_command_can_be_typed_again_but_tells_no_secret(void **state) {
        COMMAND("musterctl hold kcn1 --reason 'the disk isn'\\''t well'", "hold", "kcn1", "--reason",
                "the disk isn't well");
        COMMAND("musterctl stage n https://***@h.example/a@b --x ''", "stage", "n",
                "https://bob:s3cret@h.example/a@b", "--x", "");
        COMMAND("musterctl stage n https://h.example/a@b", "stage", "n", "https://h.example/a@b");
        COMMAND("musterctl stage n https://***@h", "stage", "n", "https://bob:s3c@ret@h");
        COMMAND("musterctl stage n 'https://***@h/f?***'", "stage", "n",
                "https://bob:s3cret@h/f?token=s3cret");
        COMMAND("musterctl stage n 'https://h/f?***'", "stage", "n", "https://h/f?X-Signature=s3cret");
        COMMAND("musterctl hold n --reason 'why?'", "hold", "n", "--reason", "why?");
}

/* musterd takes 4096 bytes; half a character would not be text. */
static void a_recorded_command_that_is_too_long_is_cut_between_characters(void **state) {
        for (size_t shift = 0; shift < 3; shift++) {
                char word[9 + 9000] = "xxx", *argv[] = { (char *) "musterctl", word, NULL };
                cleanup_free_ char *line = NULL, *clean = NULL;

                for (size_t i = 0; i < 3000; i++)
                        memcpy(word + shift + 3 * i, "\u20ac", 4);
                assert_int_equal(command_line(2, argv, &line), 0);
                assert_in_range(strlen(line), 3990, 4000);
                assert_string_equal(line + strlen(line) - 3, "...");
                clean = utf8_clean(line);
                assert_string_equal(line, clean);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(errors_leave_with_the_promised_status),
                cmocka_unit_test(only_what_is_bad_is_unhealthy),
                cmocka_unit_test(a_job_is_over_where_the_state_machine_ends),
                cmocka_unit_test(a_rehearsal_is_not_over_when_it_begins),
                cmocka_unit_test(a_job_succeeds_only_by_what_was_asked_for),
                cmocka_unit_test(a_time_is_read_in_its_zone),
                cmocka_unit_test(what_is_no_time_is_refused),
                cmocka_unit_test(a_time_that_the_clock_jumps_over_is_refused),
                cmocka_unit_test(since_counts_backwards),
                cmocka_unit_test(the_trigger_is_what_musterd_reads),
                cmocka_unit_test(the_recorded_command_can_be_typed_again_but_tells_no_secret),
                cmocka_unit_test(a_recorded_command_that_is_too_long_is_cut_between_characters),
        };

        setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1); /* needs no zone files */
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
