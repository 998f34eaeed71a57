#include "tests/unit/loopback.h"
#include "http/ask.h"
#include "http/client.h"
#include "http/url.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

typedef struct Context {
        sd_event *event;
        HttpClient *client;
        Loopback server;
        Reply reply;
        const char *text;
        unsigned ticks; /* of a 5 ms timer: shows that the loop is not blocked */
        sd_event_source *ticker;
        char url[128];
} Context;

/* What a handler was told. */
typedef struct Told {
        unsigned times;
        bool done;
        int status;
        char *body, *error;
        HttpRequest *free_also;
        HttpClient *free_client;
        bool free_self;
} Told;

static Reply answer(Loopback *server, const char *request, char **text, void *userdata) {
        Context *c = userdata;

        *text = strdup(c->text ?: "");
        assert_non_null(*text);
        return c->reply;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        Context *c = userdata;

        c->ticks++;
        assert_true(sd_event_source_set_time_relative(source, 5 * USEC_PER_MSEC) >= 0);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int set_up(void **state) {
        Context *c = calloc(1, sizeof *c);

        assert_non_null(c);
        assert_true(sd_event_new(&c->event) >= 0);
        assert_return_code(http_client_new(&c->client, c->event), 0);
        loopback_start(&c->server, c->event, answer, c);
        assert_true(sd_event_add_time_relative(c->event, &c->ticker, CLOCK_MONOTONIC, 0, 1, on_tick, c) >=
                    0);
        snprintf(c->url, sizeof c->url, "http://127.0.0.1:%u/x", c->server.port);
        c->text = "hello";
        *state = c;
        return 0;
}

static int tear_down(void **state) {
        Context *c = *state;

        http_client_free(c->client);
        loopback_stop(&c->server);
        sd_event_source_disable_unref(c->ticker);
        sd_event_unref(c->event);
        free(c);
        return 0;
}

static void told_done(Told *t) {
        free(t->body);
        free(t->error);
}
#define cleanup_told_ cleanup_(told_done)

static void on_told(HttpRequest *request, const HttpResponse *response, void *userdata) {
        Told *t = userdata;

        t->times++;
        t->done = true;
        t->status = response->status;
        free(t->body);
        free(t->error);
        t->body = strndup(response->body, response->size);
        t->error = response->error ? strdup(response->error) : NULL;
        if (t->free_also)
                http_request_free(t->free_also);
        if (t->free_self)
                http_request_free(request);
        if (t->free_client)
                http_client_free(t->free_client);
}

/* Starts a GET that frees itself and waits for its outcome. */
static void get(Context *c, const char *url, uint64_t timeout, Told *t) {
        assert_return_code(http_get(c->client, url, timeout, on_told, t, NULL), 0);
        assert_int_equal(t->times, 0); /* never from inside http_get() */
        assert_true(loop_until(c->event, &t->done, 20));
        assert_int_equal(t->times, 1);
}

static void an_answer_comes_with_its_status_and_body(void **state) {
        cleanup_told_ Told t = {}, missing = {};
        Context *c = *state;

        get(c, c->url, 5 * USEC_PER_SEC, &t);
        assert_null(t.error);
        assert_int_equal(t.status, 200);
        assert_string_equal(t.body, "hello");
        c->reply = REPLY_RAW;
        c->text = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone";
        get(c, c->url, 5 * USEC_PER_SEC, &missing);
        assert_int_equal(missing.status, 404);
        assert_string_equal(missing.body, "gone");
}

static void a_post_carries_its_body_as_json(void **state) {
        cleanup_told_ Told t = {};
        Context *c = *state;

        assert_return_code(http_post(c->client, c->url, "{\"a\":1}", 5 * USEC_PER_SEC, on_told, &t, NULL),
                           0);
        assert_true(loop_until(c->event, &t.done, 10));
        assert_true(str_starts(c->server.last, "POST /x HTTP/1.1\r\n"));
        assert_non_null(strstr(c->server.last, "\r\nContent-Type: application/json\r\n"));
        assert_null(strcasestr(c->server.last, "\r\nExpect:"));
        assert_true(str_ends(c->server.last, "\r\n\r\n{\"a\":1}"));
}

static void one_connection_serves_many_requests(void **state) {
        Context *c = *state;

        for (unsigned i = 0; i < 5; i++) {
                cleanup_told_ Told t = {};

                get(c, c->url, 5 * USEC_PER_SEC, &t);
                assert_null(t.error);
        }
        assert_int_equal(c->server.requests, 5);
        assert_int_equal(c->server.accepted, 1);
}

static void a_server_that_restarted_is_asked_on_a_new_connection(void **state) {
        cleanup_told_ Told before = {}, after = {};
        Context *c = *state;

        get(c, c->url, 5 * USEC_PER_SEC, &before);
        for (size_t i = 0; i < LOOPBACK_CONNECTIONS; i++)
                if (c->server.connections[i])
                        loopback_drop(c->server.connections[i]);
        get(c, c->url, 5 * USEC_PER_SEC, &after);
        assert_null(after.error);
        assert_int_equal(c->server.accepted, 2);
}

static void silence_ends_with_the_timeout_and_does_not_block(void **state) {
        cleanup_told_ Told t = {};
        Context *c = *state;
        uint64_t began = now_monotonic_usec(), took;

        c->reply = REPLY_SILENCE;
        get(c, c->url, 300 * USEC_PER_MSEC, &t);
        took = now_monotonic_usec() - began;
        assert_in_range(took, 290 * USEC_PER_MSEC, 2 * USEC_PER_SEC);
        assert_true(c->ticks >= 10);
        assert_int_equal(t.status, 0);
        assert_string_equal(t.body, "");
        assert_non_null(strstr(t.error, "connected, but no answer within 300ms"));
        assert_non_null(strstr(t.error, c->url));
}

static void a_body_that_stops_half_way_is_an_error(void **state) {
        cleanup_told_ Told cut = {}, slow = {};
        Context *c = *state;

        c->reply = REPLY_RAW_CLOSE;
        c->text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"result\":";
        get(c, c->url, 5 * USEC_PER_SEC, &cut);
        assert_non_null(cut.error);
        assert_string_equal(cut.body, "");
        c->reply = REPLY_RAW;
        get(c, c->url, 300 * USEC_PER_MSEC, &slow);
        assert_non_null(strstr(slow.error, "not complete after 300ms (10 B had come)"));
}

static void what_never_ends_is_cut_off(void **state) {
        cleanup_told_ Told body = {}, headers = {};
        Context *c = *state;

        c->reply = REPLY_ENDLESS_BODY;
        c->text = "HTTP/1.1 200 OK\r\n\r\n";
        get(c, c->url, 30 * USEC_PER_SEC, &body);
        assert_non_null(strstr(body.error, "body is more than 1.0 MiB"));
        c->reply = REPLY_ENDLESS_HEADERS;
        get(c, c->url, 30 * USEC_PER_SEC, &headers);
        assert_non_null(strstr(headers.error, "headers are more than 64.0 KiB"));
}

static void rubbish_is_an_error(void **state) {
        cleanup_told_ Told t = {}, nothing = {};
        Context *c = *state;

        c->reply = REPLY_RAW_CLOSE;
        c->text = "SSH-2.0-OpenSSH_9.2\r\n";
        get(c, c->url, 5 * USEC_PER_SEC, &t);
        assert_non_null(t.error);
        c->text = "";
        get(c, c->url, 5 * USEC_PER_SEC, &nothing);
        assert_non_null(nothing.error);
}

static void an_error_names_the_url_without_its_password(void **state) {
        cleanup_told_ Told t = {}, ok = {};
        Context *c = *state;
        char url[128];

        snprintf(url, sizeof url, "http://joe:s3cret@127.0.0.1:%u/x", c->server.port);
        get(c, url, 5 * USEC_PER_SEC, &ok);
        assert_non_null(strstr(c->server.last, "\r\nAuthorization: Basic am9lOnMzY3JldA==\r\n"));
        loopback_stop(&c->server);
        get(c, url, 5 * USEC_PER_SEC, &t);
        loopback_start(&c->server, c->event, answer, c);
        assert_non_null(t.error);
        assert_null(strstr(t.error, "s3cret"));
        assert_non_null(strstr(t.error, "http://joe:***@127.0.0.1:"));
        assert_non_null(strcasestr(t.error, "connect"));
}

static void a_redirect_is_not_followed(void **state) {
        cleanup_free_ char *text = NULL;
        cleanup_told_ Told t = {};
        Context *c = *state;

        assert_true(asprintf(&text, "HTTP/1.1 302 Found\r\nLocation: %s/other\r\nContent-Length: 0\r\n\r\n",
                             c->url) > 0);
        c->reply = REPLY_RAW;
        c->text = text;
        get(c, c->url, 5 * USEC_PER_SEC, &t);
        assert_int_equal(t.status, 302);
        assert_int_equal(c->server.requests, 1);
}

static void a_proxy_in_the_environment_is_not_used(void **state) {
        cleanup_told_ Told t = {};
        Context *c = *state;

        assert_return_code(setenv("http_proxy", "http://127.0.0.1:1", 1), errno);
        assert_return_code(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), errno);
        get(c, c->url, 5 * USEC_PER_SEC, &t);
        unsetenv("http_proxy");
        unsetenv("ALL_PROXY");
        assert_null(t.error);
}

static void only_http_and_https_are_spoken(void **state) {
        static const char *const bad[] = { "file:///etc/passwd",
                                           "ftp://127.0.0.1/x",
                                           "gopher://127.0.0.1:1/",
                                           "http://",
                                           "http://[::1",
                                           "://",
                                           "" };
        Context *c = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_told_ Told t = {};

                get(c, bad[i], 5 * USEC_PER_SEC, &t);
                assert_non_null(t.error);
                assert_string_equal(t.body, "");
        }
}

static void what_was_cancelled_is_not_reported(void **state) {
        HttpRequest *request = NULL;
        cleanup_told_ Told t = {}, other = {};
        Context *c = *state;

        assert_return_code(http_get(c->client, c->url, 5 * USEC_PER_SEC, on_told, &t, &request), 0);
        http_request_free(request);
        get(c, c->url, 5 * USEC_PER_SEC, &other); /* the loop turned: the first would have come */
        assert_int_equal(t.times, 0);
}

static void a_handler_may_free_its_request_and_others(void **state) {
        HttpRequest *one = NULL, *two = NULL;
        cleanup_told_ Told a = { .free_self = true }, b = { .free_self = true };
        Context *c = *state;
        bool never = false;

        assert_return_code(http_get(c->client, c->url, 5 * USEC_PER_SEC, on_told, &a, &one), 0);
        assert_return_code(http_get(c->client, c->url, 5 * USEC_PER_SEC, on_told, &b, &two), 0);
        a.free_also = two;
        b.free_also = one;
        (void) loop_until(c->event, &never, 1);
        assert_int_equal(a.times + b.times, 1);
}

static void a_handler_may_free_the_client(void **state) {
        cleanup_(http_request_freep) HttpRequest *other = NULL;
        cleanup_told_ Told t = {}, none = {};
        Context *c = *state;

        t.free_client = c->client;
        assert_return_code(http_get(c->client, c->url, 5 * USEC_PER_SEC, on_told, &none, &other), 0);
        assert_return_code(
                http_get(TAKE_PTR(c->client), "http://127.0.0.1:1/", 5 * USEC_PER_SEC, on_told, &t, NULL),
                0);
        assert_true(loop_until(c->event, &t.done, 10));
        assert_int_equal(t.times, 1);
        assert_true(none.times <= 1);
}

/* In a network of its own, where the only name server swallows every question. */
static int resolve_in_silence(void) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons(53),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
        cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM, 0);
        char path[] = "/tmp/test-http-client.XXXXXX";
        cleanup_told_ Told t = {};
        Context c = {};
        uint64_t worst = 0;
        int file;

        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ||
            bind(fd, (struct sockaddr *) &address, sizeof address) < 0)
                return 77;
        file = mkstemp(path);
        if (file < 0 || write(file, "nameserver 127.0.0.1\n", 21) != 21 ||
            mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount(path, "/etc/resolv.conf", "none", MS_BIND, NULL) < 0)
                return 77;
        unlink(path);
        if (sd_event_new(&c.event) < 0 || http_client_new(&c.client, c.event) < 0 ||
            http_get(c.client, "http://nobody.example/", 400 * USEC_PER_MSEC, on_told, &t, NULL) < 0)
                return 1;
        while (!t.done) {
                uint64_t before = now_monotonic_usec();

                if (sd_event_run(c.event, 50 * USEC_PER_MSEC) < 0)
                        return 2;
                if (now_monotonic_usec() - before > worst)
                        worst = now_monotonic_usec() - before;
        }
        http_client_free(c.client);
        sd_event_unref(c.event);
        if (!t.error || !strstr(t.error, "no connection within 400ms"))
                return 3;
        return worst > USEC_PER_SEC ? 4 : 0;
}

static void a_dead_name_server_does_not_block_the_loop(void **state) {
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ? 77 : resolve_in_silence());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip(); /* needs root */
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* Runs the server until @pid ends; its exit status. */
static int serve(Context *c, pid_t pid) {
        uint64_t deadline = now_monotonic_usec() + 20 * USEC_PER_SEC;
        int status = 0;

        assert_true(pid > 0);
        while (waitpid(pid, &status, WNOHANG) == 0) {
                assert_true(now_monotonic_usec() < deadline);
                assert_true(sd_event_run(c->event, 10 * USEC_PER_MSEC) >= 0);
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_worker_waits_for_its_answer(void **state) {
        Context *c = *state;
        pid_t pid = fork();

        if (pid == 0) {
                HttpAnswer answer = { 0 };
                Fault fault = { 0 };

                _exit(http_ask(c->url, "{\"id\":1}", 10 * USEC_PER_SEC, &answer, &fault) == 0 &&
                                      answer.status == 200 && answer.size == 5 &&
                                      str_eq(answer.body, "hello")
                              ? 0
                              : 1);
        }
        assert_int_equal(serve(c, pid), 0);
        assert_non_null(strstr(c->server.last, "POST /x"));
        assert_non_null(strstr(c->server.last, "{\"id\":1}"));
}

static void a_worker_that_is_not_answered_is_told_why(void **state) {
        Context *c = *state;
        pid_t pid;

        c->reply = REPLY_SILENCE;
        pid = fork();
        if (pid == 0) {
                HttpAnswer answer = { 0 };
                Fault fault = { 0 };

                _exit(http_ask(c->url, NULL, 300 * USEC_PER_MSEC, &answer, &fault) == -EREMOTEIO &&
                                      strstr(fault_text(&fault, 0), c->url) && !answer.body
                              ? 0
                              : 1);
        }
        assert_int_equal(serve(c, pid), 0);
}

static void a_path_goes_before_the_address_own_query(void **state) {
        static const char *const joined[][3] = {
                { "http://h:1", "/status", "http://h:1/status" },
                { "http://h:1/", "/status", "http://h:1/status" },
                { "http://h:1/rpc?key=x", "/status", "http://h:1/rpc/status?key=x" },
                { "http://h:1/?key=x", "/block?height=3", "http://h:1/block?height=3&key=x" },
                { "http://h:1/?key=x", "", "http://h:1/?key=x" },
                { "http://h:1/", NULL, "http://h:1/" },
        };

        for (size_t i = 0; i < ELEMENTSOF(joined); i++) {
                cleanup_free_ char *url = url_join(joined[i][0], joined[i][1]);

                assert_string_equal(url, joined[i][2]);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(an_answer_comes_with_its_status_and_body, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_post_carries_its_body_as_json, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_connection_serves_many_requests, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_server_that_restarted_is_asked_on_a_new_connection, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(silence_ends_with_the_timeout_and_does_not_block, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_body_that_stops_half_way_is_an_error, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_never_ends_is_cut_off, set_up, tear_down),
                cmocka_unit_test_setup_teardown(rubbish_is_an_error, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_error_names_the_url_without_its_password, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_redirect_is_not_followed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_proxy_in_the_environment_is_not_used, set_up, tear_down),
                cmocka_unit_test_setup_teardown(only_http_and_https_are_spoken, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_was_cancelled_is_not_reported, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_handler_may_free_its_request_and_others, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_handler_may_free_the_client, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_worker_waits_for_its_answer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_worker_that_is_not_answered_is_told_why, set_up,
                                                tear_down),
                cmocka_unit_test(a_path_goes_before_the_address_own_query),
                cmocka_unit_test(a_dead_name_server_does_not_block_the_loop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
