#include "tests/unit/cmocka-all.h"
#include "hook/output.h"
#include "hook/run.h"
#include "util/json.h"
#include "util/text.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Real scripts in a fresh hooks.d a test. */
typedef struct Bench {
        char *dir; /* hooks.d; beside it what scripts leave behind */
        HookSetting setting;
} Bench;

static char *join(const char *a, const char *b) {
        char *path;

        assert_true(asprintf(&path, "%s/%s", a, b) >= 0);
        return path;
}

static void put(const Bench *b, const char *name, mode_t mode, const char *text) {
        cleanup_free_ char *path = join(b->dir, name);
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(chmod(path, mode), 0);
}

static void script(const Bench *b, const char *name, const char *body) {
        cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "#!/bin/sh\n%s\n", body) >= 0);
        put(b, name, 0755, text);
}

static int set_up(void **state) {
        static const char *const environment[] = {
                "HOME=/somewhere",         "NOTIFY_SOCKET=/run/evil", "LD_PRELOAD=/evil.so", "PATH=/evil",
                "MUSTER_WEBHOOK=http://x", "MUSTER_NODE=overridden",  "LISTEN_FDS=1",        NULL,
        };
        char template[] = "/tmp/test-hook.XXXXXX";
        Bench *b = calloc(1, sizeof *b);
        cleanup_free_ char *event = NULL;

        assert_non_null(b);
        assert_non_null(mkdtemp(template));
        assert_int_equal(chmod(template, 0755), 0);
        b->dir = strdup(template);
        event = join(b->dir, "pre-stop");
        assert_int_equal(mkdir(event, 0755), 0);
        b->setting = (HookSetting){
                .directory = b->dir,
                .owner = geteuid(),
                .environment = (char *const *) environment,
                .grace_usec = 200 * USEC_PER_MSEC,
                .echo_fd = -1,
        };
        *state = b;
        return 0;
}

static int tear_down(void **state) {
        Bench *b = *state;
        pid_t pid = fork();

        if (pid == 0) {
                execl("/bin/rm", "rm", "-rf", "--", b->dir, NULL);
                _exit(1);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        free(b->dir);
        free(b);
        return 0;
}

static json_t *order_for(const char *event, uint64_t timeout_usec) {
        json_t *order = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}, s:{s:i, s:s}, s:I}", "job", "7", "verb",
                                  "run", "event", event, "environment", "MUSTER_NODE", "kcn-1",
                                  "MUSTER_VERSION", "1.7.1", "payload", "height", 42, "node", "kcn-1",
                                  "timeout_usec", (json_int_t) timeout_usec);

        assert_non_null(order);
        return order;
}

static int run_event(const Bench *b, const char *event, uint64_t timeout_usec, HookReport *ret,
                     Fault *reterr) {
        cleanup_json_ json_t *order = order_for(event, timeout_usec);

        return hook_run(&b->setting, order, ret, reterr);
}

static int run_probe(const Bench *b, const char *name, HookReport *ret, Fault *reterr) {
        cleanup_free_ char *path = join(b->dir, name);
        cleanup_json_ json_t *order = json_pack("{s:s, s:s, s:s, s:i}", "job", "7", "verb", "probe", "path",
                                                path, "timeout_usec", 10 * 1000 * 1000);

        return hook_run(&b->setting, order, ret, reterr);
}

static const json_t *nth(const HookReport *report, size_t i) {
        return json_array_get(json_object_get(report->extra, "scripts"), i);
}

static size_t count(const HookReport *report) {
        return json_array_size(json_object_get(report->extra, "scripts"));
}

static void assert_says(const char *text, const char *part) {
        if (!text || !strstr(text, part))
                fail_msg("wanted '%s' in '%s'", part, text ?: "(nothing)");
}

#define LONG (10 * USEC_PER_SEC)

static void hooks_run_in_the_order_of_their_names(void **state) {
        cleanup_hook_report_ HookReport report = {};
        const Bench *b = *state;

        script(b, "pre-stop/20-b", "echo second");
        script(b, "pre-stop/10-z", "echo first");
        script(b, "pre-stop/A0_x", "echo third"); /* C locale: capitals after digits, before small letters */
        script(b, "pre-stop/a0", "echo fourth");
        assert_int_equal(run_event(b, "pre-stop", LONG, &report, NULL), 0);
        assert_true(report.ok);
        assert_int_equal(count(&report), 4);
        assert_string_equal(json_str(nth(&report, 0), "output"), "first\n");
        assert_string_equal(json_str(nth(&report, 1), "output"), "second\n");
        assert_string_equal(json_str(nth(&report, 2), "output"), "third\n");
        assert_string_equal(json_str(nth(&report, 3), "output"), "fourth\n");
        assert_string_equal(json_str(nth(&report, 0), "status"), "ok");
        assert_says(report.text, "4 hooks of pre-stop ok");
}

static void no_directory_and_no_scripts_are_ok(void **state) {
        cleanup_hook_report_ HookReport empty = {}, none = {};
        const Bench *b = *state;

        assert_int_equal(run_event(b, "pre-stop", LONG, &empty, NULL), 0);
        assert_true(empty.ok);
        assert_int_equal(run_event(b, "post-start", LONG, &none, NULL), 0);
        assert_true(none.ok && !none.retry);
        assert_int_equal(count(&none), 0);
}

static void a_hook_gets_order_environment_and_payload_but_nothing_of_the_worker(void **state) {
        cleanup_hook_report_ HookReport report = {};
        const Bench *b = *state;
        const char *output;

        script(b, "pre-stop/10-show",
               "env; echo \"group $(($$ == $(ps -o pgid= -p $$)))\"; ls /proc/self/fd | wc -l; cat");
        script(b, "pre-stop/20-again", "cat");
        assert_int_equal(run_event(b, "pre-stop", LONG, &report, NULL), 0);
        assert_true(report.ok);
        output = json_str(nth(&report, 0), "output");
        assert_says(output, "MUSTER_NODE=kcn-1\n"); /* the order wins over hooks.env */
        assert_says(output, "MUSTER_VERSION=1.7.1\n");
        assert_says(output, "MUSTER_WEBHOOK=http://x\n");
        assert_says(output, "HOME=/somewhere\n");
        assert_says(output, "PATH=/usr/local/sbin:/usr/local/bin:");
        assert_null(strstr(output, "evil"));
        assert_null(strstr(output, "LISTEN_FDS"));
        assert_says(output, "group 1\n");
        assert_says(output, "\n4\n"); /* 0, 1, 2 and what ls opened: none of ours leaks */
        assert_says(output, "{\"height\":42,\"node\":\"kcn-1\"}\n");
        assert_says(json_str(nth(&report, 1), "output"), "\"height\":42"); /* each has the whole of it */
}

static void exit_75_asks_to_try_again_and_ends_the_run(void **state) {
        cleanup_hook_report_ HookReport report = {};
        const Bench *b = *state;

        script(b, "pre-stop/10-wait", "echo not yet; echo proposing at 120 >&2; echo; exit 75");
        script(b, "pre-stop/20-never", "touch \"$0.ran\"");
        assert_int_equal(run_event(b, "pre-stop", LONG, &report, NULL), 0);
        assert_false(report.ok);
        assert_true(report.retry);
        assert_true(json_bool(report.extra, "retry"));
        assert_string_equal(
                report.text,
                "Hook '10-wait' of pre-stop says to try again: exit status 75: proposing at 120");
        assert_int_equal(count(&report), 1);
        assert_string_equal(json_str(nth(&report, 0), "status"), "retry");
}

static void any_other_end_is_a_failure_with_its_last_line(void **state) {
        static const struct {
                const char *body, *says;
        } ends[] = {
                { "echo disk is full; exit 3", "failed: exit status 3: disk is full" },
                { "exit 1", "failed: exit status 1" },
                { "echo dying; kill -SEGV $$", "ended by signal SEGV: dying" },
                { "printf 'red \\033[31m\\a\\n'; exit 2", "exit status 2: red ?[31m?" },
        };
        const Bench *b = *state;

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                cleanup_hook_report_ HookReport report = {};

                script(b, "pre-stop/10-x", ends[i].body);
                assert_int_equal(run_event(b, "pre-stop", LONG, &report, NULL), 0);
                assert_false(report.ok);
                assert_false(report.retry);
                assert_says(report.text, ends[i].says);
        }
}

static void a_missing_interpreter_is_told_by_its_name(void **state) {
        cleanup_hook_report_ HookReport report = {};
        const Bench *b = *state;

        put(b, "pre-stop/10-x", 0755, "#!/no/such/interpreter\n");
        assert_int_equal(run_event(b, "pre-stop", LONG, &report, NULL), 0);
        assert_false(report.ok);
        assert_says(report.text, "pre-stop/10-x': No such file or directory (is its #! interpreter there?)");
}

static void everybody_is_notified_even_if_one_way_is_broken(void **state) {
        cleanup_hook_report_ HookReport report = {};
        cleanup_free_ char *event = NULL;
        const Bench *b = *state;

        event = join(b->dir, "notify");
        assert_int_equal(mkdir(event, 0755), 0);
        script(b, "notify/10-again", "exit 75");
        script(b, "notify/20-broken", "exit 9");
        script(b, "notify/30-works", "echo told");
        assert_int_equal(run_event(b, "notify", LONG, &report, NULL), 0);
        assert_false(report.ok);
        assert_false(report.retry); /* a failure outweighs "try again" */
        assert_says(report.text, "20-broken");
        assert_int_equal(count(&report), 3);
        assert_string_equal(json_str(nth(&report, 2), "output"), "told\n");
}

static void a_hook_that_hangs_is_stopped_and_one_that_ignores_it_is_killed(void **state) {
        cleanup_hook_report_ HookReport polite = {}, rude = {};
        const Bench *b = *state;
        uint64_t begin;

        script(b, "pre-stop/10-x",
               "trap 'echo was stopped; exit 0' TERM; echo waiting; while :; do sleep 0.05; done");
        assert_int_equal(run_event(b, "pre-stop", 300 * USEC_PER_MSEC, &polite, NULL), 0);
        assert_false(polite.ok);
        assert_string_equal(json_str(nth(&polite, 0), "status"), "timeout");
        assert_says(polite.text, "no end within 300ms, stopped: was stopped");

        script(b, "pre-stop/10-x", "trap '' TERM; echo deaf; while :; do sleep 0.05; done");
        begin = now_monotonic_usec();
        assert_int_equal(run_event(b, "pre-stop", 300 * USEC_PER_MSEC, &rude, NULL), 0);
        assert_in_range(now_monotonic_usec() - begin, 500 * USEC_PER_MSEC, 5 * USEC_PER_SEC);
        assert_says(rude.text, "no end within 300ms, killed: deaf");
        assert_false(rude.retry);
}

/* Whether the process whose pid the hook wrote to hooks.d/NAME is gone, at latest after two seconds. */
static bool gone(const Bench *b, const char *name) {
        cleanup_free_ char *path = join(b->dir, name);
        uint64_t end = now_monotonic_usec() + 2 * USEC_PER_SEC;
        FILE *f = fopen(path, "re");
        int pid = 0;

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%d", &pid), 1);
        fclose(f);
        assert_true(pid > 1);
        while (now_monotonic_usec() < end) {
                cleanup_free_ char *proc = NULL;
                char line[512] = "";

                assert_true(asprintf(&proc, "/proc/%d/stat", pid) >= 0);
                f = fopen(proc, "re");
                if (!f)
                        return true;
                if (!fgets(line, sizeof line, f) || strstr(line, ") Z ")) {
                        fclose(f); /* a zombie: its new parent is slow */
                        return true;
                }
                fclose(f);
                usleep(10000);
        }
        return false;
}

static void what_a_hook_leaves_behind_is_ended_and_not_waited_for(void **state) {
        cleanup_hook_report_ HookReport report = {};
        const Bench *b = *state;
        uint64_t begin = now_monotonic_usec();

        script(b, "pre-stop/10-x", "sleep 60 & echo $! >\"${0%/*}/../left\"; echo done");
        assert_int_equal(run_event(b, "pre-stop", LONG, &report, NULL), 0);
        assert_true(report.ok);
        assert_in_range(now_monotonic_usec() - begin, 0, 5 * USEC_PER_SEC);
        assert_string_equal(json_str(nth(&report, 0), "output"), "done\n");
        assert_true(gone(b, "left"));
}

static void a_daemon_that_left_the_group_and_floods_the_pipe_does_not_hang_us(void **state) {
        cleanup_hook_report_ HookReport report = {};
        const Bench *b = *state;
        cleanup_free_ char *path = join(b->dir, "left");
        FILE *f;
        int pid;

        script(b, "pre-stop/10-x",
               "p=${0%/*}/../left; setsid sh -c 'echo $$ >'\"$p.new\"'; mv '\"$p.new $p\"'; exec yes' &"
               "while [ ! -e \"$p\" ]; do sleep 0.01; done; exit 4");
        assert_int_equal(run_event(b, "pre-stop", LONG, &report, NULL), 0);
        f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%d", &pid), 1);
        fclose(f);
        (void) kill(pid, SIGKILL); /* the unit does that; SIGPIPE may have been first */
        assert_says(report.text, "exit status 4");
}

static void the_end_of_a_long_output_is_kept_as_valid_text(void **state) {
        cleanup_hook_report_ HookReport report = {};
        const Bench *b = *state;
        const char *output;

        script(b, "pre-stop/10-x",
               "yes é | head -n 100000; printf '\\303 \\377 \\000 \\360\\237\\230\\200\\n'; echo the end; "
               "exit 1");
        assert_int_equal(run_event(b, "pre-stop", LONG, &report, NULL), 0);
        output = json_str(nth(&report, 0), "output");
        assert_non_null(output);
        assert_int_equal(strlen(output), HOOK_OUTPUT_MAX);
        assert_says(output, "\n? ? ? \360\237\230\200\nthe end\n");
        assert_says(report.text, "exit status 1: the end");
}

static void half_a_character_at_the_cut_is_no_text(void **state) {
        char euro[] = "\xe2\x82\xac\xe2\x82\xac", bad[] = "\xed\xa0\x80\xc0\xaf\xf5";
        HookOutput cut = { .max = sizeof euro, .data = euro + 1, .size = 4 };
        HookOutput surrogate = { .max = sizeof bad, .data = bad, .size = sizeof bad - 1 };
        cleanup_free_ char *a = hook_output_text(&cut), *c = hook_output_text(&surrogate), *line = NULL;
        char text[400];

        assert_string_equal(a, "????"); /* the end of one, the beginning of the next */
        assert_string_equal(c, "??????");
        memset(text, 'x', sizeof text);
        memcpy(text + 199, "\xe2\x82\xac", 3);
        text[399] = 0;
        line = hook_output_last_line(text);
        assert_int_equal(strlen(line), 199);
}

static void a_file_that_others_may_write_stops_the_event_before_it_begins(void **state) {
        static const struct {
                const char *name;
                mode_t mode;
                int error;
                const char *says;
        } bad[] = {
                { "pre-stop/50-group", 0775, -EPERM, "chmod go-w" },
                { "pre-stop/50-world", 0757, -EPERM, "chmod go-w" },
                { "pre-stop/50-noexec", 0644, -EACCES, "chmod +x" },
                { "pre-stop/50-with.dot", 0755, -EINVAL, "letters, digits, '_' and '-'" },
        };
        const Bench *b = *state;
        cleanup_free_ char *ran = join(b->dir, "ran");

        script(b, "pre-stop/10-first", "touch \"${0%/*}/../ran\"");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_hook_report_ HookReport report = {};
                cleanup_fault_ Fault fault = {};
                cleanup_free_ char *path = join(b->dir, bad[i].name);

                put(b, bad[i].name, bad[i].mode, "#!/bin/sh\n");
                assert_int_equal(run_event(b, "pre-stop", LONG, &report, &fault), bad[i].error);
                assert_says(fault.text, path);
                assert_says(fault.text, bad[i].says);
                assert_int_equal(unlink(path), 0);
        }
        assert_int_equal(access(ran, F_OK), -1);
}

static void owners_count_for_the_file_behind_a_link_and_for_the_directory(void **state) {
        cleanup_hook_report_ HookReport linked = {}, report = {};
        cleanup_fault_ Fault fault = {}, open_fault = {};
        const Bench *b = *state;
        Bench foreign = *b;
        cleanup_free_ char *event = join(b->dir, "pre-stop"), *link = join(b->dir, "pre-stop/10-stock"),
                           *target = join(b->dir, "stock.sh");

        script(b, "stock.sh", "echo stock");
        assert_int_equal(symlink(target, link), 0); /* only the link's name has to be right */
        assert_int_equal(run_event(b, "pre-stop", LONG, &linked, NULL), 0);
        assert_true(linked.ok);
        assert_string_equal(json_str(nth(&linked, 0), "name"), "10-stock");

        foreign.setting.owner = geteuid() + 1;
        assert_int_equal(run_event(&foreign, "pre-stop", LONG, &report, &fault), -EPERM);
        assert_int_equal(run_probe(&foreign, "stock.sh", &report, &fault), -EPERM);
        assert_says(fault.text, "stock.sh' does not belong to uid");

        assert_int_equal(chmod(event, 0777), 0);
        assert_int_equal(run_event(b, "pre-stop", LONG, &report, &open_fault), -EPERM);
        assert_says(open_fault.text, "may be written by others");
}

static void leftovers_of_editors_and_packages_are_passed_over(void **state) {
        cleanup_hook_report_ HookReport report = {};
        const Bench *b = *state;

        put(b, "pre-stop/10-x~", 0644, "");
        put(b, "pre-stop/.10-x.swp", 0644, "");
        put(b, "pre-stop/10-x.dpkg-old", 0755, "#!/bin/sh\nexit 1\n");
        put(b, "pre-stop/10-x.rpmnew", 0755, "#!/bin/sh\nexit 1\n");
        script(b, "pre-stop/10-x", ":");
        assert_int_equal(run_event(b, "pre-stop", LONG, &report, NULL), 0);
        assert_true(report.ok);
        assert_int_equal(count(&report), 1);
}

static void a_probe_answers_with_its_whole_standard_output(void **state) {
        cleanup_hook_report_ HookReport report = {}, much = {};
        const Bench *b = *state;

        script(b, "probe", "echo '{\"height\": 7}'; echo chatter >&2; yes 123456789 | head -n 6000");
        assert_int_equal(run_probe(b, "probe", &report, NULL), 0);
        assert_true(report.ok);
        assert_int_equal(strlen(json_str(report.extra, "stdout")), 14 + 60000);
        assert_string_equal(json_str(nth(&report, 0), "output"), "chatter\n");

        script(b, "probe", "yes 123456789 | head -n 7000");
        assert_int_equal(run_probe(b, "probe", &much, NULL), 0);
        assert_false(much.ok);
        assert_says(much.text, "answered more than 65536 bytes");
}

static void an_order_that_makes_no_sense_runs_nothing(void **state) {
        static const struct {
                const char *order, *says;
        } bad[] = {
                { "{\"verb\":\"run\",\"event\":\"pre-stop\"}", "timeout_usec" },
                { "{\"verb\":\"run\",\"event\":\"pre-stop\",\"timeout_usec\":0}", "timeout_usec" },
                { "{\"verb\":\"run\",\"event\":\"pre-stop\",\"timeout_usec\":-1}", "timeout_usec" },
                { "{\"verb\":\"walk\",\"timeout_usec\":1000000}", "expected \"run\" or \"probe\"" },
                { "{\"verb\":\"run\",\"timeout_usec\":1000000}", "\"event\"" },
                { "{\"verb\":\"run\",\"event\":\"../pre-stop\",\"timeout_usec\":1000000}", "../pre-stop" },
                { "{\"verb\":\"run\",\"event\":\"pre-stop\",\"timeout_usec\":1,\"environment\":{\"LD_"
                  "PRELOAD\":\"x\"}}",
                  "LD_PRELOAD" },
                { "{\"verb\":\"run\",\"event\":\"pre-stop\",\"timeout_usec\":1,\"environment\":{\"MUSTER_A="
                  "B\":\"x\"}}",
                  "MUSTER_A=B" },
                { "{\"verb\":\"run\",\"event\":\"pre-stop\",\"timeout_usec\":1,\"payload\":[1]}",
                  "payload" },
                { "{\"verb\":\"probe\",\"path\":\"relative\",\"timeout_usec\":1}", "absolute" },
                { "{\"verb\":\"probe\",\"timeout_usec\":1}", "\"path\"" },
        };
        const Bench *b = *state;
        cleanup_free_ char *ran = join(b->dir, "ran");

        script(b, "pre-stop/10-x", "touch \"${0%/*}/../ran\"");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_json_ json_t *order = json_loads(bad[i].order, 0, NULL);
                cleanup_hook_report_ HookReport report = {};
                cleanup_fault_ Fault fault = {};

                assert_non_null(order);
                assert_true(hook_run(&b->setting, order, &report, &fault) < 0);
                assert_says(fault.text, bad[i].says);
        }
        assert_int_equal(access(ran, F_OK), -1);
}

static void a_hook_that_reads_nothing_and_one_that_closes_everything_are_ok(void **state) {
        cleanup_hook_report_ HookReport report = {};
        cleanup_json_ json_t *order = order_for("pre-stop", LONG);
        const Bench *b = *state;
        char *large = malloc(1024 * 1024);

        assert_non_null(large);
        memset(large, 'x', 1024 * 1024 - 1);
        large[1024 * 1024 - 1] = 0;
        assert_int_equal(json_object_set_new(json_object_get(order, "payload"), "large", json_string(large)),
                         0);
        free(large);
        script(b, "pre-stop/10-x", "exec <&- >&- 2>&-; sleep 0.2; exit 0");
        script(b, "pre-stop/20-x", "wc -c");
        assert_int_equal(hook_run(&b->setting, order, &report, NULL), 0);
        assert_true(report.ok);
        assert_true(strtol(json_str(nth(&report, 1), "output"), NULL, 10) > 1024 * 1024);
}

int main(void) {
#define HOOK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                HOOK_TEST(hooks_run_in_the_order_of_their_names),
                HOOK_TEST(no_directory_and_no_scripts_are_ok),
                HOOK_TEST(a_hook_gets_order_environment_and_payload_but_nothing_of_the_worker),
                HOOK_TEST(exit_75_asks_to_try_again_and_ends_the_run),
                HOOK_TEST(any_other_end_is_a_failure_with_its_last_line),
                HOOK_TEST(a_missing_interpreter_is_told_by_its_name),
                HOOK_TEST(everybody_is_notified_even_if_one_way_is_broken),
                HOOK_TEST(a_hook_that_hangs_is_stopped_and_one_that_ignores_it_is_killed),
                HOOK_TEST(what_a_hook_leaves_behind_is_ended_and_not_waited_for),
                HOOK_TEST(a_daemon_that_left_the_group_and_floods_the_pipe_does_not_hang_us),
                HOOK_TEST(the_end_of_a_long_output_is_kept_as_valid_text),
                cmocka_unit_test(half_a_character_at_the_cut_is_no_text),
                HOOK_TEST(a_file_that_others_may_write_stops_the_event_before_it_begins),
                HOOK_TEST(owners_count_for_the_file_behind_a_link_and_for_the_directory),
                HOOK_TEST(leftovers_of_editors_and_packages_are_passed_over),
                HOOK_TEST(a_probe_answers_with_its_whole_standard_output),
                HOOK_TEST(an_order_that_makes_no_sense_runs_nothing),
                HOOK_TEST(a_hook_that_reads_nothing_and_one_that_closes_everything_are_ok),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
