/*
 * Orders and results between musterd and its workers, at their real paths: in
 * a mount namespace with a /run of its own, for which the test must be root.
 */
#include "tests/unit/cmocka-all.h"
#include "muster-build.h"
#include "tests/unit/scratch.h"
#include "worker/order.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#define STAGE_DIR MUSTER_JOBDIR "/stage-kcn-1"
#define ORDER     "/orders/stage-kcn-1"

static const char *no_namespace;
static int run_fd = -1;

static int own_run(void **state) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=4m") < 0)
                no_namespace = strerror(errno);
        return 0;
}

/* An empty /run/muster-job/stage-kcn-1, and no orders directory yet. */
static int set_up(void **state) {
        if (no_namespace)
                return 0;
        if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=4m") < 0 ||
            mkdir(MUSTER_RUNDIR, 0755) < 0 || mkdir(MUSTER_JOBDIR, 0755) < 0 || mkdir(STAGE_DIR, 0755) < 0)
                return -1;
        run_fd = open(STAGE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return run_fd < 0 ? -1 : 0;
}

static int tear_down(void **state) {
        if (no_namespace)
                return 0;
        close(run_fd);
        return umount2("/run", MNT_DETACH);
}

#define needs_namespace()                                                                                   \
        do {                                                                                                \
                if (no_namespace) {                                                                         \
                        print_message("SKIP: no mount namespace of our own: %s\n", no_namespace);           \
                        skip();                                                                             \
                }                                                                                           \
        } while (0)

static json_t *order_of(const char *job) {
        json_t *order = json_pack("{s:s, s:s, s:s}", "job", job, "verb", "stage", "version", "1.7.1");

        assert_non_null(order);
        return order;
}

static void assert_result(const char *content, const char *job, int expected, const char *word) {
        cleanup_fault_ Fault fault = {};
        json_t *result = NULL;

        if (content)
                put_text(run_fd, "result", content);
        assert_int_equal(worker_result_read(WORKER_STAGE, "kcn-1", job, &result, &fault), expected);
        if (expected < 0) {
                assert_null(result);
                assert_says(&fault, word);
        }
        json_decref(result);
}

static void kinds_are_the_names_of_their_units(void **state) {
        assert_string_equal(worker_kind_to_string(WORKER_STAGE), "stage");
        assert_string_equal(worker_kind_to_string(WORKER_RESTORE), "restore");
        assert_string_equal(worker_kind_to_string(WORKER_HOOK), "hook");
        assert_string_equal(worker_kind_to_string(WORKER_FETCH), "fetch");
}

static void an_order_reaches_the_worker_of_that_kind_and_node_only(void **state) {
        cleanup_json_ json_t *order = NULL, *read = NULL, *other = NULL;
        cleanup_fault_ Fault fault = {};
        struct stat st;

        needs_namespace();
        order = order_of("00ff");
        assert_int_equal(worker_order_write(WORKER_STAGE, "kcn-1", order, &fault), 0);
        assert_int_equal(worker_order_read(WORKER_STAGE, "kcn-1", &read, &fault), 0);
        assert_true(json_equal(order, read));
        assert_int_equal(stat(MUSTER_RUNDIR ORDER, &st), 0);
        assert_int_equal(st.st_mode & 07777,
                         0640); /* the worker is another user, and of the directory's group */
        assert_int_equal(worker_order_read(WORKER_HOOK, "kcn-1", &other, &fault), -ENOENT);
        assert_says(&fault, "/run/muster/orders: Failed to read 'hook-kcn-1'");
        assert_int_equal(worker_order_read(WORKER_STAGE, "kcn-2", &other, &fault), -ENOENT);
        assert_null(other);
}

static void a_new_order_replaces_the_old_one(void **state) {
        cleanup_json_ json_t *first = NULL, *second = NULL, *read = NULL;

        needs_namespace();
        first = order_of("1");
        second = order_of("2");
        assert_int_equal(worker_order_write(WORKER_STAGE, "kcn-1", first, NULL), 0);
        assert_int_equal(worker_order_write(WORKER_STAGE, "kcn-1", second, NULL), 0);
        assert_int_equal(worker_order_read(WORKER_STAGE, "kcn-1", &read, NULL), 0);
        assert_string_equal(json_str(read, "job"), "2");
}

static void an_order_without_job_or_verb_is_refused(void **state) {
        static const char *const bad[] = { "{}", "{\"job\":\"1\"}", "{\"verb\":\"stage\"}", "[]",
                                           "{\"job\":1,\"verb\":\"stage\"}" };
        int fd;

        needs_namespace();
        assert_int_equal(mkdir(MUSTER_RUNDIR "/orders", 0755), 0);
        fd = open(MUSTER_RUNDIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = {};
                json_t *order = NULL;

                put_text(fd, "orders/stage-kcn-1", bad[i]);
                assert_int_equal(worker_order_read(WORKER_STAGE, "kcn-1", &order, &fault), -EBADMSG);
                assert_null(order);
                assert_says(&fault, "'" MUSTER_RUNDIR ORDER "' has no \"job\" or no \"verb\"");
        }
        close(fd);
}

static void an_order_of_broken_json_is_refused_with_its_place(void **state) {
        cleanup_fault_ Fault fault = {};
        json_t *order = NULL;
        int fd;

        needs_namespace();
        assert_int_equal(mkdir(MUSTER_RUNDIR "/orders", 0755), 0);
        fd = open(MUSTER_RUNDIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        put_text(fd, "orders/stage-kcn-1", "{\"job\":\n");
        close(fd);
        assert_int_equal(worker_order_read(WORKER_STAGE, "kcn-1", &order, &fault), -EBADMSG);
        assert_null(order);
        assert_says(&fault, MUSTER_RUNDIR "/orders: stage-kcn-1:2:");
}

static void a_worker_without_an_orders_directory_says_where_it_looked(void **state) {
        cleanup_fault_ Fault fault = {};
        json_t *order = NULL;

        needs_namespace();
        assert_int_equal(worker_order_read(WORKER_STAGE, "kcn-1", &order, &fault), -ENOENT);
        assert_says(&fault, MUSTER_RUNDIR "/orders");
}

static void a_result_reads_back_with_job_invocation_and_extra(void **state) {
        cleanup_json_ json_t *extra = NULL, *before = NULL, *result = NULL;
        cleanup_fault_ Fault fault = {};

        needs_namespace();
        extra = json_pack("{s:s, s:I, s:s}", "manifest", "ab", "size", (json_int_t) 43, "job",
                          "of the extra");
        before = json_deep_copy(extra);
        assert_int_equal(setenv("INVOCATION_ID", "8f1c", 1), 0);
        assert_int_equal(
                worker_result_write(WORKER_STAGE, "kcn-1", "00ff", false, "no space\xff", extra, &fault), 0);
        assert_true(json_equal(extra, before)); /* not consumed, not changed */
        assert_int_equal(worker_result_read(WORKER_STAGE, "kcn-1", "00ff", &result, &fault), 0);
        assert_string_equal(json_str(result, "job"), "00ff");
        assert_string_equal(json_str(result, "invocation"), "8f1c");
        assert_string_equal(json_str(result, "text"), "no space?");
        assert_string_equal(json_str(result, "manifest"), "ab");
        assert_true(json_is_false(json_object_get(result, "ok")));
        assert_int_equal(unsetenv("INVOCATION_ID"), 0);
        assert_int_equal(worker_result_write(WORKER_STAGE, "kcn-1", "0100", true, NULL, NULL, &fault), 0);
        assert_result(NULL, "0100", 0, NULL);
}

/* What was left there by an earlier job must not be taken for this one's. */
static void the_result_of_another_job_is_stale(void **state) {
        needs_namespace();
        assert_int_equal(worker_result_write(WORKER_STAGE, "kcn-1", "old", true, "", NULL, NULL), 0);
        assert_result(NULL, "new", -ESTALE, "of job old, expected new");
        assert_result(NULL, "ol", -ESTALE, "muster-stage@kcn-1");
        assert_result(NULL, "old", 0, NULL);
}

static void no_result_is_told_from_a_broken_one(void **state) {
        cleanup_fault_ Fault fault = {};
        json_t *result = NULL;

        needs_namespace();
        assert_result(NULL, "1", -ENOENT, STAGE_DIR ": Failed to read 'result'");
        assert_int_equal(worker_result_read(WORKER_HOOK, "kcn-1", "1", &result, &fault), -ENOENT);
        assert_says(&fault, MUSTER_JOBDIR "/hook-kcn-1"); /* the unit never ran: not even its directory */
        assert_null(result);
}

static void a_result_that_cannot_be_understood_is_refused(void **state) {
        cleanup_free_ char *large = malloc(1024 * 1024 + 3);

        needs_namespace();
        assert_result("", "1", -EBADMSG, "result:1:0");
        assert_result("{\"job\":\"1\",\"ok\":tr", "1", -EBADMSG, STAGE_DIR ": result:1:");
        assert_result("[]", "1", -EBADMSG, "no \"job\" or no \"ok\"");
        assert_result("{\"ok\":true}", "1", -EBADMSG, "no \"job\"");
        assert_result("{\"job\":\"1\"}", "1", -EBADMSG, "no \"ok\"");
        assert_result("{\"job\":\"1\",\"ok\":1}", "1", -EBADMSG, "no \"ok\"");
        assert_result("{\"job\":\"1\",\"ok\":\"true\"}", "1", -EBADMSG, "no \"ok\"");
        assert_result("{\"job\":\"1\",\"ok\":false,\"ok\":true}", "1", -EBADMSG, "uplicate");
        memset(large, ' ', 1024 * 1024 + 2);
        large[1024 * 1024 + 2] = 0;
        memcpy(large, "{}", 2);
        assert_result(large, "1", -EBADMSG, "larger than");
}

static void a_half_written_result_never_shows(void **state) {
        static const char block[4096];
        cleanup_fault_ Fault fault = {};
        int fd;

        needs_namespace();
        assert_int_equal(worker_result_write(WORKER_STAGE, "kcn-1", "1", true, "", NULL, NULL), 0);
        fd = open(STAGE_DIR "/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        while (write(fd, block, sizeof block) > 0)
                ;
        close(fd);
        assert_int_equal(worker_result_write(WORKER_STAGE, "kcn-1", "2", true, "", NULL, &fault), -ENOSPC);
        assert_says(&fault, "Failed to write the result of job '2'");
        assert_result(NULL, "1", 0, NULL);
}

static void a_pause_lasts_until_it_is_lifted(void **state) {
        cleanup_free_ char *reason = NULL, *again = NULL;
        cleanup_fault_ Fault fault = {};

        needs_namespace();
        assert_int_equal(worker_pause_read(WORKER_FETCH, "kcn-1", &reason), 0);
        assert_int_equal(worker_pause_write(WORKER_FETCH, "kcn-1", NULL, &fault), 0); /* nothing to lift */
        assert_int_equal(worker_pause_write(WORKER_FETCH, "kcn-1", "alice: too slow\nx", &fault), 0);
        assert_int_equal(worker_pause_read(WORKER_FETCH, "kcn-2", &reason), 0);
        assert_int_equal(worker_pause_read(WORKER_STAGE, "kcn-1", &reason), 0);
        assert_null(reason);
        assert_int_equal(worker_pause_read(WORKER_FETCH, "kcn-1", &reason), 1);
        assert_string_equal(reason, "alice: too slow");
        assert_int_equal(worker_pause_write(WORKER_FETCH, "kcn-1", "", &fault), 0);
        assert_int_equal(worker_pause_read(WORKER_FETCH, "kcn-1", &again), 1);
        assert_string_equal(again, "");
        assert_int_equal(worker_pause_write(WORKER_FETCH, "kcn-1", NULL, &fault), 0);
        free(again);
        again = NULL;
        assert_int_equal(worker_pause_read(WORKER_FETCH, "kcn-1", &again), 0);
}

/* systemd reads one field a line: text of a mirror or an archive must not become one. */
static void progress_is_one_status_line_at_most_once_a_second(void **state) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/notify" };
        char text[256] = "";
        ssize_t n;
        int fd;

        needs_namespace();
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(setenv("NOTIFY_SOCKET", "/run/notify", 1), 0);

        worker_progress(true, "42%% fetching %s", "kcn\nMAINPID=1");
        n = recv(fd, text, sizeof text - 1, 0);
        assert_true(n > 0);
        text[n] = 0;
        assert_string_equal(text, "STATUS=42% fetching kcn MAINPID=1");
        worker_progress(false, "43%%"); /* within the same second */
        assert_int_equal(recv(fd, text, sizeof text, 0), -1);
        assert_int_equal(errno, EAGAIN);
        worker_progress(true, "%s", "");
        n = recv(fd, text, sizeof text - 1, 0);
        assert_int_equal(n, strlen("STATUS="));

        assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
        close(fd);
}

#define in_run(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(kinds_are_the_names_of_their_units),
                in_run(an_order_reaches_the_worker_of_that_kind_and_node_only),
                in_run(a_new_order_replaces_the_old_one),
                in_run(an_order_without_job_or_verb_is_refused),
                in_run(an_order_of_broken_json_is_refused_with_its_place),
                in_run(a_worker_without_an_orders_directory_says_where_it_looked),
                in_run(a_result_reads_back_with_job_invocation_and_extra),
                in_run(the_result_of_another_job_is_stale),
                in_run(no_result_is_told_from_a_broken_one),
                in_run(a_result_that_cannot_be_understood_is_refused),
                in_run(a_half_written_result_never_shows),
                in_run(a_pause_lasts_until_it_is_lifted),
                in_run(progress_is_one_status_line_at_most_once_a_second),
        };

        return cmocka_run_group_tests(tests, own_run, NULL);
}
