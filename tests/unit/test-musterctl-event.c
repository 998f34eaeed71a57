#include "tests/unit/cmocka-all.h"

#include "musterctl/attention.h"
#include "musterctl/event.h"
#include "musterctl/flatten.h"
#include "musterctl/job.h"
#include "util/text.h"

static json_t *json(const char *text) {
        json_error_t error;
        json_t *j = json_loads(text, 0, &error);

        if (!j)
                fail_msg("%s in: %s", error.text, text);
        return j;
}

#define WRITTEN(f, expected, ...)                                                                           \
        do {                                                                                                \
                char *text_ = NULL;                                                                         \
                size_t size_;                                                                               \
                FILE *f = open_memstream(&text_, &size_);                                                   \
                __VA_ARGS__;                                                                                \
                fclose(f);                                                                                  \
                assert_string_equal(text_, expected);                                                       \
                free(text_);                                                                                \
        } while (0)

static const Screen pipe_screen = {};

static void an_event_says_when_where_what_who_and_why(void **state) {
        cleanup_json_ json_t
                *act = json("{\"id\":7,\"at_usec\":1795350309000000,\"node\":\"kcn1\",\"job\":null,"
                            "\"kind\":\"act\",\"from\":null,\"to\":null,\"text\":\"Hold\",\"uid\":0,"
                            "\"session\":\"c4\",\"command\":\"musterctl hold kcn1\",\"why\":\"disk\"}"),
                *step = json("{\"id\":8,\"at_usec\":1795350309123000,\"node\":\"kcn1\",\"job\":\"ab\","
                             "\"kind\":\"transition\",\"from\":\"armed\",\"to\":\"draining\",\"text\":\"\","
                             "\"uid\":null,\"session\":null,\"command\":null,\"why\":null}");

        WRITTEN(f,
                "2026-11-22 12:25:09  kcn1    act                       Hold (root, session c4: musterctl "
                "hold kcn1; disk)\n",
                event_put(f, &pipe_screen, act, 6));
        WRITTEN(f, "2026-11-22 12:25:09  armed -> draining\n", event_put(f, &pipe_screen, step, 0));
        WRITTEN(f, "12:25:09.123  armed -> draining\n", event_put_brief(f, &pipe_screen, step, NULL));
        /* Who typed it knows who typed it. */
        WRITTEN(f, "12:25:09.000  act                       Hold\n",
                event_put_brief(f, &pipe_screen, act, "musterctl hold kcn1"));
}

static void an_event_is_cut_to_the_screen(void **state) {
        cleanup_json_ json_t *e =
                json("{\"id\":7,\"at_usec\":1795350309000000,\"node\":\"a-node-of-a-very-long-name\","
                     "\"kind\":\"verdict\",\"from\":\"healthy\",\"to\":\"crash-looping\","
                     "\"text\":\"the unit failed five times in a minute and systemd gave up\"}");

        for (unsigned width = 30; width < 140; width++) {
                Screen screen = { .width = width };
                char *text = NULL;
                size_t size;
                FILE *f = open_memstream(&text, &size);

                event_put(f, &screen, e, 26);
                fclose(f);
                assert_int_equal(text[size - 1], '\n');
                assert_null(memchr(text, '\n', size - 1));
                assert_true(size - 1 <= width);
                free(text);
        }
}

static void an_alarm_is_loud(void **state) {
        cleanup_json_ json_t *e =
                json("{\"kind\":\"alarm\",\"to\":\"not-signing\",\"text\":\"missing blocks\"}");

        assert_int_equal(event_tone(e), TONE_BAD);
        WRITTEN(f, "-  ALARM not-signing         missing blocks\n", event_put(f, &pipe_screen, e, 0));
}

#define UPGRADE(state)                                                                                      \
        "{\"id\":\"ab\",\"kind\":\"upgrade\",\"version\":\"2\",\"from\":\"1\",\"state\":\"" state "\"}"

static void the_chain_shows_what_was_what_is_and_what_comes(void **state) {
        cleanup_json_ json_t *job = json(UPGRADE("switching")), *back = json(UPGRADE("rolling-back")),
                             *events = json("[{\"kind\":\"transition\",\"job\":\"ab\",\"to\":\"staged\"},"
                                            "{\"kind\":\"transition\",\"job\":\"other\",\"to\":\"aborted\"},"
                                            "{\"kind\":\"act\",\"job\":\"ab\",\"to\":\"nothing\"},"
                                            "{\"kind\":\"transition\",\"job\":\"ab\",\"to\":\"guarding\"}]");

        WRITTEN(f, "staged -> guarding -> [switching] -> starting -> probation -> committed",
                job_chain_put(f, &pipe_screen, job, events, 0));
        WRITTEN(f, "[switching] -> starting -> probation -> committed",
                job_chain_put(f, &pipe_screen, job, NULL, 0));
        WRITTEN(f, "staged -> guarding -> [rolling-back] -> rolled-back",
                job_chain_put(f, &pipe_screen, back, events, 0));
        /* Too narrow: the present one stays. */
        WRITTEN(f, "... -> [switching] -> starting -> ...", job_chain_put(f, &pipe_screen, job, events, 40));
}

static void a_staging_does_not_promise_an_upgrade(void **state) {
        cleanup_json_ json_t *job =
                json("{\"id\":\"ab\",\"kind\":\"stage\",\"version\":\"2\",\"state\":\"fetching\"}");

        WRITTEN(f, "[fetching] -> verifying -> staged", job_chain_put(f, &pipe_screen, job, NULL, 0));
}

static void progress_is_read_only_where_it_is_one(void **state) {
        const char *text;

        assert_int_equal(job_progress("42% fetching x", &text), 42);
        assert_string_equal(text, "fetching x");
        assert_int_equal(job_progress("100%", &text), 100);
        assert_int_equal(job_progress("101% x", &text), -1);
        assert_string_equal(text, "101% x");
        assert_int_equal(job_progress("99999999999999999999% x", &text), -1);
        assert_int_equal(job_progress("waiting for 3 blocks", &text), -1);
        assert_int_equal(job_progress(NULL, &text), -1);
        assert_string_equal(text, "");
}

static void a_bar_keeps_to_its_width(void **state) {
        WRITTEN(f, "[============>           ]  50% fetching",
                job_bar_put(f, &pipe_screen, "50% fetching", 60));
        WRITTEN(f, "[========================] 100% ", job_bar_put(f, &pipe_screen, "100%", 60));
        WRITTEN(f, "[>                       ]   0% fetching k...",
                job_bar_put(f, &pipe_screen, "0% fetching kcn.tar.gz", 45));
        WRITTEN(f, "50% fetc...", job_bar_put(f, &pipe_screen, "50% fetching", 11));
}

static void the_end_tells_what_runs_and_the_downtime(void **state) {
        cleanup_json_ json_t *
                good = json("{\"kind\":\"upgrade\",\"version\":\"2\",\"from\":\"1\",\"state\":\"committed\","
                            "\"downtime_usec\":2310000,\"reason\":\"ok\"}"),
               *bad = json("{\"kind\":\"upgrade\",\"version\":\"2\",\"from\":\"1\",\"state\":"
                           "\"rolled-back\",\"downtime_usec\":null,\"reason\":\"no RPC in 3s\"}"),
               *stuck = json("{\"kind\":\"upgrade\",\"version\":\"2\",\"from\":null,\"state\":\"stuck\","
                             "\"reason\":\"ignored SIGTERM\\u001b[2J\"}");

        WRITTEN(f, "kcn1: committed: runs 2 (was 1), 2.31s of downtime\n",
                job_end_put(f, &pipe_screen, "kcn1", good));
        WRITTEN(f, "kcn1: rolled-back: 2 failed, runs 1 again: no RPC in 3s\n",
                job_end_put(f, &pipe_screen, "kcn1", bad));
        WRITTEN(f,
                "kcn1: stuck: upgrade 2 needs a person: ignored SIGTERM?[2J\n"
                "See what to do: musterctl status kcn1\n",
                job_end_put(f, &pipe_screen, "kcn1", stuck));
}

static void a_node_in_order_asks_for_nothing(void **state) {
        cleanup_json_ json_t *n =
                json("{\"name\":\"kcn1\",\"verdict\":\"healthy\",\"applied\":\"applied\",\"hold\":null,"
                     "\"config_error\":null,\"launch\":{\"result\":\"exec\"},\"jobs\":[],\"last\":"
                     "{\"kind\":\"upgrade\",\"version\":\"2\",\"state\":\"committed\"}}");

        WRITTEN(f, "", assert_int_equal(attention_put_node(f, &pipe_screen, n), 0));
}

static void what_needs_a_person_says_what_to_do(void **state) {
        cleanup_json_ json_t *n = json(
                "{\"name\":\"kcn1\",\"verdict\":\"down\",\"reason\":\"exit 1\",\"applied\":\"stale\","
                "\"hold\":{\"reason\":\"disk\",\"uid\":0},\"config_error\":\"x.conf:1: a\\nx.conf:2: b\","
                "\"launch\":{\"result\":\"refused\",\"version\":\"2\",\"reason\":\"below the mark\"},"
                "\"last\":{\"kind\":\"upgrade\",\"version\":\"2\",\"state\":\"stuck\",\"reason\":\"pids "
                "7\"}}");

        WRITTEN(f,
                "* kcn1: down: exit 1\n  -> musterctl status kcn1\n"
                "* kcn1: the guard refused to start 2: below the mark\n  -> musterctl status kcn1\n"
                "* kcn1: upgrade 2 is stuck: pids 7\n  -> musterctl status kcn1\n"
                "* kcn1: held by root: disk\n  -> musterctl unhold kcn1\n"
                "* kcn1: configuration is broken, the old one stays in force: x.conf:1: a\n"
                "  -> correct it, then: musterctl reload\n"
                "* kcn1: configuration changed since it was applied\n  -> sudo musterctl apply kcn1\n",
                assert_int_equal(attention_put_node(f, &pipe_screen, n), 6));
}

static void put_line(const char *key, const char *value, void *userdata) {
        fprintf(userdata, "%s=%s\n", key, value);
}

static void show_names_every_leaf_once(void **state) {
        cleanup_json_ json_t *n =
                json("{\"name\":\"kcn1\",\"height\":null,\"permit\":true,\"staged\":[\"1\",\"2\"],"
                     "\"hold\":{\"uid\":0,\"reason\":\"a\\nb\"},\"jobs\":[],"
                     "\"references\":[{\"name\":\"x\"},{\"name\":\"y\"}]}");

        WRITTEN(f,
                "name=kcn1\nheight=\npermit=yes\nstaged=1 2\nhold.uid=0\nhold.reason=a?b\njobs=\n"
                "references.0.name=x\nreferences.1.name=y\n",
                assert_int_equal(flatten(n, NULL, put_line, f), 0));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_event_says_when_where_what_who_and_why),
                cmocka_unit_test(an_event_is_cut_to_the_screen),
                cmocka_unit_test(an_alarm_is_loud),
                cmocka_unit_test(the_chain_shows_what_was_what_is_and_what_comes),
                cmocka_unit_test(a_staging_does_not_promise_an_upgrade),
                cmocka_unit_test(progress_is_read_only_where_it_is_one),
                cmocka_unit_test(a_bar_keeps_to_its_width),
                cmocka_unit_test(the_end_tells_what_runs_and_the_downtime),
                cmocka_unit_test(a_node_in_order_asks_for_nothing),
                cmocka_unit_test(what_needs_a_person_says_what_to_do),
                cmocka_unit_test(show_names_every_leaf_once),
        };

        setenv("TZ", "UTC", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
