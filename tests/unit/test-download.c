/*
 * Against a server that misbehaves in every way that a mirror can, on
 * loopback, and `openssl s_server` for TLS.
 */
#include "tests/unit/scratch.h"
#include "crypto/sha256.h"
#include "http/download.h"
#include "util/json.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SIZE 300000

static uint8_t payload[SIZE];
static char wanted[SHA256_HEX_SIZE];
static int server_port;

/* What the last request said; one request at a time is under test. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
        char text[4096];
        unsigned requests;
        uint64_t sent;
} seen;

static void seen_reset(void) {
        pthread_mutex_lock(&mutex);
        memset(&seen, 0, sizeof seen);
        pthread_mutex_unlock(&mutex);
}

static bool seen_has(const char *word) {
        bool has;

        pthread_mutex_lock(&mutex);
        has = strcasestr(seen.text, word);
        pthread_mutex_unlock(&mutex);
        return has;
}

static uint64_t seen_sent(void) {
        uint64_t n;

        pthread_mutex_lock(&mutex);
        n = seen.sent;
        pthread_mutex_unlock(&mutex);
        return n;
}

static bool put(int fd, const void *data, size_t size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

        if (n > 0) {
                pthread_mutex_lock(&mutex);
                seen.sent += (uint64_t) n;
                pthread_mutex_unlock(&mutex);
        }
        return n == (ssize_t) size;
}

static bool say(int fd, const char *format, ...) _printf_(2, 3);

static bool say(int fd, const char *format, ...) {
        cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        return n > 0 && send(fd, text, (size_t) n, MSG_NOSIGNAL) == n;
}

/* Waits for the other side to give up, at most ten seconds. */
static void hold(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLRDHUP };

        (void) poll(&p, 1, 10000);
}

static void body(int fd, const uint8_t *data, size_t size) {
        for (size_t at = 0; at < size;) {
                size_t n = size - at < 16384 ? size - at : 16384;

                if (!put(fd, data + at, n))
                        return;
                at += n;
        }
}

/* An honest answer, but for what the arguments change. */
static void serve(int fd, const char *request, const char *etag, const uint8_t *data, size_t shift,
                  size_t send_size) {
        const char *range = strcasestr(request, "\r\nRange: bytes="),
                   *pin = strcasestr(request, "\r\nIf-Range: ");
        size_t from = range ? strtoul(range + strlen("\r\nRange: bytes="), NULL, 10) : 0;

        if (pin && strncmp(pin + strlen("\r\nIf-Range: "), etag, strlen(etag)) != 0)
                from = 0;
        if (from >= SIZE)
                say(fd,
                    "HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\nConnection: "
                    "close\r\n\r\n",
                    SIZE);
        else if (from > 0)
                say(fd,
                    "HTTP/1.1 206 Partial\r\nETag: %s\r\nContent-Range: bytes %zu-%d/%d\r\nContent-Length: "
                    "%zu\r\n"
                    "Connection: close\r\n\r\n",
                    etag, from + shift, SIZE - 1, SIZE, SIZE - from);
        else
                say(fd, "HTTP/1.1 200 OK\r\nETag: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
                    etag, SIZE);
        if (from < send_size)
                body(fd, data + from, send_size - from);
}

static void endless(int fd) {
        static const uint8_t zeros[65536];

        say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        while (say(fd, "10000\r\n") && put(fd, zeros, sizeof zeros) && say(fd, "\r\n"))
                ;
}

/* A byte now and then: alive, but of no use. */
static void trickle(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLRDHUP };

        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
        for (int i = 0; i < 100 && put(fd, payload + i, 1); i++)
                if (poll(&p, 1, 100) > 0)
                        return;
}

/* 20 KB every 20 ms, so that there is time to kill the client. */
static void steady(int fd, const char *request) {
        const char *range = strcasestr(request, "\r\nRange: bytes=");
        size_t from = range ? strtoul(range + strlen("\r\nRange: bytes="), NULL, 10) : 0;
        struct pollfd p = { .fd = fd, .events = POLLRDHUP };

        serve(fd, request, "\"v1\"", payload, 0, 0);
        for (size_t at = from; at < SIZE; at += 20000) {
                if (!put(fd, payload + at, SIZE - at < 20000 ? SIZE - at : 20000) || poll(&p, 1, 20) > 0)
                        return;
        }
}

static void answer(int fd, const char *request) {
        static uint8_t other[SIZE];
        const char *path = strchr(request, '/');

        if (str_starts(path, "/good"))
                serve(fd, request, "\"v1\"", payload, 0, SIZE);
        else if (str_starts(path, "/changed"))
                serve(fd, request, "\"v2\"", payload, 0, SIZE);
        else if (str_starts(path, "/weak"))
                serve(fd, request, "W/\"v1\"", payload, 0, SIZE);
        else if (str_starts(path, "/cut"))
                serve(fd, request, "\"v1\"", payload, 0, SIZE / 2);
        else if (str_starts(path, "/badcut"))
                serve(fd, request, "\"v1\"", other, 0, SIZE / 2);
        else if (str_starts(path, "/shifted"))
                serve(fd, request, "\"v1\"", payload, 1, SIZE);
        else if (str_starts(path, "/wrong"))
                serve(fd, request, "\"v1\"", other, 0, SIZE);
        else if (str_starts(path, "/norange"))
                serve(fd, "GET / \r\n\r\n", "\"v1\"", payload, 0, SIZE);
        else if (str_starts(path, "/steady"))
                steady(fd, request);
        else if (str_starts(path, "/html"))
                say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: "
                        "6\r\n\r\n<html>");
        else if (str_starts(path, "/empty"))
                say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        else if (str_starts(path, "/huge"))
                say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n");
        else if (str_starts(path, "/endless"))
                endless(fd);
        else if (str_starts(path, "/trickle"))
                trickle(fd);
        else if (str_starts(path, "/silent"))
                hold(fd);
        else if (str_starts(path, "/headers"))
                while (say(fd, "HTTP/1.1 200 OK\r\n") && say(fd, "X-A: %01000d\r\n", 1))
                        for (int i = 0; i < 1000 && say(fd, "X-B: %01000d\r\n", i); i++)
                                ;
        else if (str_starts(path, "/loop"))
                say(fd, "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\nConnection: "
                        "close\r\n\r\n");
        else if (str_starts(path, "/hop"))
                say(fd, "HTTP/1.1 307 Go\r\nLocation: /good\r\nContent-Length: 3\r\nConnection: "
                        "close\r\n\r\nabc");
        else if (str_starts(path, "/away"))
                say(fd, "HTTP/1.1 301 Go\r\nLocation: file:///etc/passwd\r\nConnection: close\r\n\r\n");
        else if (str_starts(path, "/error"))
                say(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
        else if (str_starts(path, "/garbage"))
                say(fd, "SSH-2.0-OpenSSH_9.2\r\n");
        else if (!str_starts(path, "/hangup"))
                say(fd, "HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n");
}

static void *serve_one(void *userdata) {
        int fd = (int) (intptr_t) userdata;
        char request[4096];
        size_t n = 0;

        while (n < sizeof request - 1) {
                ssize_t k = recv(fd, request + n, sizeof request - 1 - n, 0);

                if (k <= 0)
                        break;
                n += (size_t) k;
                request[n] = 0;
                if (strstr(request, "\r\n\r\n"))
                        break;
        }
        request[n] = 0;
        if (strchr(request, '/')) {
                pthread_mutex_lock(&mutex);
                strcpy(seen.text, request);
                seen.requests++;
                pthread_mutex_unlock(&mutex);
                answer(fd, request);
                shutdown(fd, SHUT_WR);
        }
        close(fd);
        return NULL;
}

static int listen_anywhere(int *ret_port) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof a;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &a, sizeof a), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &a, &size), 0);
        *ret_port = ntohs(a.sin_port);
        return fd;
}

static void *serve_all(void *userdata) {
        int fd = (int) (intptr_t) userdata;

        for (;;) {
                int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
                pthread_t thread;

                if (c < 0)
                        continue;
                if (pthread_create(&thread, NULL, serve_one, (void *) (intptr_t) c) == 0)
                        pthread_detach(thread);
                else
                        close(c);
        }
        return NULL;
}

static int start_server(void **state) {
        pthread_t thread;
        int fd;

        for (size_t i = 0; i < SIZE; i++)
                payload[i] = (uint8_t) ((i * 2654435761u) >> 13);
        assert_int_equal(sha256_buffer_hex(payload, SIZE, wanted), 0);
        fd = listen_anywhere(&server_port);
        assert_int_equal(listen(fd, 64), 0);
        assert_int_equal(pthread_create(&thread, NULL, serve_all, (void *) (intptr_t) fd), 0);
        pthread_detach(thread);
        return 0;
}

/* Words that begin with '/' and name no file are paths of our server; owned. */
static char **sources_of(const char *words) {
        cleanup_free_ char *copy = strdup(words);
        char **v = NULL, *rest = copy, *word;

        while ((word = strsep(&rest, " "))) {
                cleanup_free_ char *url = NULL;

                if (*word == '/' && !str_starts(word, "/tmp/"))
                        assert_true(asprintf(&url, "http://127.0.0.1:%d%s", server_port, word) > 0);
                assert_int_equal(strv_append(&v, url ?: word), 0);
        }
        return v;
}

static DownloadOptions quick(char **sources) {
        return (DownloadOptions){
                .sources = sources,
                .sha256 = wanted,
                .pause_usec = 1000,
                .limits = { .max_size = 1 << 20, .low_speed = 1000, .low_sec = 1, .connect_sec = 2 },
        };
}

static int get(const Scratch *s, const char *words, DownloadResult *ret, Fault *reterr) {
        cleanup_strv_ char **sources = sources_of(words);
        const DownloadOptions options = quick(sources);

        return download(s->fd, "archive", &options, ret, reterr);
}

static void assert_payload(const Scratch *s) {
        cleanup_free_ char *data = NULL;
        size_t size;

        assert_int_equal(read_small_file(s->fd, "archive", 2 * SIZE, &data, &size), 0);
        assert_int_equal(size, SIZE);
        assert_memory_equal(data, payload, SIZE);
}

/* As a killed worker leaves it. */
static void put_partial(const Scratch *s, const void *data, size_t size, const char *path,
                        const char *etag) {
        cleanup_json_ json_t *j = json_object();
        cleanup_strv_ char **v = sources_of(path);

        put_file(s->fd, "archive", data, size, 0600);
        json_put_str(j, "sha256", wanted);
        json_put_str(j, "source", v[0]);
        json_put_str(j, "etag", etag);
        json_put_u64(j, "total", SIZE);
        assert_int_equal(json_write_file(s->fd, "archive.state", j, 0600), 0);
}

static void a_bad_mirror_is_said_and_passed_over(void **state) {
        static const struct {
                const char *path, *says;
        } bad[] = {
                { "http://127.0.0.1:1/dead", "Connection refused" },
                { "http://no-such-host.invalid/x", "resolve" },
                { "/cut", "bytes remaining" },
                { "/html", "HTML page" },
                { "/empty", "SHA-256 is e3b0c442" },
                { "/wrong", "SHA-256 is " },
                { "/huge", "says it has 1.0 TiB, at most 1.0 MiB are accepted" },
                { "/endless", "sent more than the 1.0 MiB" },
                { "/trickle", "too slow" },
                { "/silent", "too slow" },
                { "/headers", "bytes of headers" },
                { "/loop", "redirects more than 5 times" },
                { "/away", "redirects to something that is not http" },
                { "/error", "HTTP 503" },
                { "/none", "HTTP 404" },
                { "/garbage", "HTTP/0.9" },
                { "/hangup", "Empty reply" },
                { "/tmp/no-such-file-of-muster", "No such file" },
                { "/tmp/..", "not a regular file" },
        };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_(download_result_done) DownloadResult result = { 0 };
                cleanup_fault_ Fault fault = { 0 };
                cleanup_free_ char *words = NULL;

                assert_int_equal(get(s, bad[i].path, &result, &fault), -EREMOTEIO);
                assert_says(&fault, "mirror 1 ");
                assert_says(&fault, bad[i].says);
                assert_true(asprintf(&words, "%s /good", bad[i].path) > 0);
                if (get(s, words, &result, &fault) != 0)
                        fail_msg("after %s: %s", bad[i].path, fault.text);
                assert_payload(s);
                assert_true(str_ends(result.source, "/good"));
                assert_int_equal(unlinkat(s->fd, "archive", 0), 0);
        }
}

static void every_failure_is_in_the_error(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(get(s,
                             "http://127.0.0.1:1/x /html /wrong?token=secret http://u:secret@127.0.0.1:1/y",
                             &result, &fault),
                         -EREMOTEIO);
        assert_says(&fault, "mirror 1 http://127.0.0.1:1/x: Connection refused; mirror 2 http://");
        assert_says(&fault, "HTML page instead of the file; mirror 3 ");
        assert_says(&fault, wanted);
        assert_says(&fault, "; mirror 4 http://127.0.0.1:1/y: Connection refused");
        assert_null(strstr(fault.text, "secret"));
}

static void the_next_mirror_continues_where_the_last_was_cut(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        seen_reset();
        assert_int_equal(get(s, "/cut /good", &result, &fault), 0);
        assert_payload(s);
        assert_true(seen_has("\r\nRange: bytes=150000-\r\n"));
        assert_false(seen_has("If-Range")); /* another server's ETag says nothing here */
        assert_int_equal(result.received, SIZE);
        assert_int_equal(seen_sent(), SIZE); /* not a byte twice */
}

static void a_killed_download_continues_pinned_to_the_same_content(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        put_partial(s, payload, 1000, "/good", "\"v1\"");
        assert_int_equal(get(s, "/good", &result, &fault), 0);
        assert_true(seen_has("\r\nRange: bytes=1000-\r\n"));
        assert_true(seen_has("\r\nIf-Range: \"v1\"\r\n"));
        assert_int_equal(result.received, SIZE - 1000);
        assert_payload(s);
}

static void content_that_changed_is_fetched_anew(void **state) {
        static const char *const sources[] = { "/changed", "/norange" };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(sources); i++) {
                cleanup_(download_result_done) DownloadResult result = { 0 };
                cleanup_fault_ Fault fault = { 0 };

                put_partial(s, "old bytes", 9, sources[i], "\"v1\"");
                assert_int_equal(get(s, sources[i], &result, &fault), 0);
                assert_int_equal(result.received, SIZE);
                assert_payload(s);
        }
}

static void a_weak_etag_pins_nothing(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        put_partial(s, payload, 1000, "/weak", "W/\"v1\"");
        assert_int_equal(get(s, "/weak", &result, &fault), 0);
        assert_false(seen_has("If-Range"));
        assert_payload(s);
}

/* Power cuts leave zeros: the mirror that completes them is not the liar. */
static void a_mirror_is_not_blamed_for_what_others_began(void **state) {
        static uint8_t zeros[1000];
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        put_partial(s, zeros, sizeof zeros, "/good", "\"v1\"");
        assert_int_equal(get(s, "/good", &result, &fault), 0);
        assert_payload(s);
        download_result_done(&result);
        assert_int_equal(unlinkat(s->fd, "archive", 0), 0);
        assert_int_equal(get(s, "/badcut /good", &result, &fault), 0);
        assert_payload(s);
}

static void a_wrong_digest_discards_all_and_is_not_asked_again(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };
        struct stat st;

        seen_reset();
        assert_int_equal(get(s, "/wrong", &result, &fault), -EREMOTEIO);
        assert_int_equal(seen.requests, 1);
        assert_int_equal(fstatat(s->fd, "archive", &st, 0), 0);
        assert_int_equal(st.st_size, 0);
}

static void a_content_range_must_fit_exactly(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        put_partial(s, payload, 1000, "/shifted", NULL);
        seen_reset();
        assert_int_equal(get(s, "/shifted", &result, &fault),
                         0); /* in the second round, from the beginning */
        assert_int_equal(seen.requests, 2);
        assert_int_equal(result.received, SIZE);
        assert_payload(s);

        download_result_done(&result);
        put_partial(s, payload, 1000, "/shifted", NULL);
        seen_reset();
        assert_int_equal(get(s, "/shifted /good", &result, &fault),
                         0); /* better: another one can continue */
        assert_int_equal(result.received, SIZE - 1000);
        assert_payload(s);
}

static void a_partial_that_is_too_long_is_overcome(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };
        static uint8_t more[SIZE + 10];

        put_partial(s, more, sizeof more, "/good", NULL);
        assert_int_equal(get(s, "/good", &result, &fault), 0); /* 416 first */
        assert_payload(s);
}

static void what_is_complete_needs_no_mirror(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        put_partial(s, payload, SIZE, "/good", "\"v1\"");
        assert_int_equal(get(s, "http://127.0.0.1:1/dead", &result, &fault), 0);
        assert_int_equal(result.received, 0);
        assert_int_equal(result.size, SIZE);
        assert_true(str_ends(result.source, "/good"));
}

static void a_partial_of_another_file_is_emptied(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        put_file(s->fd, "archive", payload, 1000, 0600); /* no state beside it */
        seen_reset();
        assert_int_equal(get(s, "/good", &result, &fault), 0);
        assert_false(seen_has("Range:"));
        assert_payload(s);
}

static void redirects_are_followed(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(get(s, "/hop", &result, &fault), 0);
        assert_payload(s);
}

static void the_environment_has_no_say(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        setenv("http_proxy", "http://127.0.0.1:1/", 1);
        setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
        assert_int_equal(get(s, "/good", &result, &fault), 0);
        unsetenv("http_proxy");
        unsetenv("ALL_PROXY");
        assert_false(seen_has("Accept-Encoding"));
        assert_true(seen_has("User-Agent: muster/"));
}

static void a_local_file_is_a_source(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *words = NULL, *fifo = NULL;

        put_file(s->fd, "local", payload, SIZE, 0644);
        put_partial(s, "other", 5, "/cut", "\"v1\"");
        assert_true(asprintf(&words, "%s/local", s->path) > 0);
        assert_int_equal(get(s, words, &result, &fault), 0);
        assert_payload(s);
        assert_int_equal(unlinkat(s->fd, "archive", 0), 0);
        assert_int_equal(mkfifoat(s->fd, "fifo", 0644), 0);
        assert_true(asprintf(&fifo, "%s/fifo", s->path) > 0);
        assert_int_equal(get(s, fifo, &result, &fault), -EREMOTEIO);
        assert_says(&fault, "not a regular file");
}

static void what_is_no_source_is_refused(void **state) {
        static const char *const bad[] = { "ftp://127.0.0.1/x", "file:///etc/passwd", "relative/path", "" };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_(download_result_done) DownloadResult result = { 0 };
                cleanup_fault_ Fault fault = { 0 };

                assert_int_equal(get(s, bad[i], &result, &fault), -EINVAL);
                assert_says(&fault, "expected http://, https:// or an absolute path");
        }
}

/* Waits until the file has at least @size bytes or the child ended, at most ten seconds. */
static void await_size(const Scratch *s, off_t size) {
        const uint64_t deadline = now_monotonic_usec() + 10 * USEC_PER_SEC;
        struct stat st;

        while (now_monotonic_usec() < deadline) {
                if (fstatat(s->fd, "archive", &st, 0) == 0 && st.st_size >= size)
                        return;
                (void) poll(NULL, 0, 1);
        }
        fail_msg("the download made no progress");
}

static void killed_again_and_again_it_fetches_no_byte_twice(void **state) {
        const Scratch *s = *state;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };
        unsigned kills = 0;

        seen_reset();
        for (off_t at = 30000; at < SIZE; at += 50000) {
                pid_t child = fork();
                int status;

                assert_true(child >= 0);
                if (child == 0)
                        _exit(get(s, "/steady", &result, &fault) == 0 ? 0 : 1);
                await_size(s, at);
                assert_int_equal(kill(child, SIGKILL), 0);
                assert_int_equal(waitpid(child, &status, 0), child);
                if (WIFEXITED(status)) { /* on a busy machine it may be through before it is killed */
                        assert_int_equal(WEXITSTATUS(status), 0);
                        break;
                }
                kills++;
        }
        assert_int_equal(get(s, "/steady", &result, &fault), 0);
        assert_payload(s);
        assert_true(kills >= 1);
        assert_true(result.received < SIZE / 2);
}

/* A disk of 200 KiB, in a mount namespace of our own. */
static void space_is_checked_first(void **state) {
        const Scratch *s = *state;
        cleanup_free_ char *disk = NULL;
        Scratch small = { .fd = -1 };
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };
        struct stat st;

        assert_true(asprintf(&disk, "%s/disk", s->path) > 0);
        assert_int_equal(mkdir(disk, 0755), 0);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", disk, "tmpfs", 0, "size=200k") < 0)
                skip();
        small.fd = open(disk, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        seen_reset();
        assert_int_equal(get(&small, "/good /good", &result, &fault), -ENOSPC);
        assert_says(&fault, "293.0 KiB more are needed, 190.0 KiB may be taken from the node's disk");
        assert_int_equal(seen.requests, 2); /* the first one may have lied, but nobody is asked twice */
        assert_int_equal(fstatat(small.fd, "archive", &st, 0), 0);
        assert_int_equal(st.st_size, 0);

        assert_int_equal(get(&small, "/endless", &result, &fault),
                         -ENOSPC); /* no Content-Length: found on the way */
        assert_int_equal(fstatat(small.fd, "archive", &st, 0), 0);
        assert_int_equal(st.st_size, 0); /* and the disk is not left full */
        assert_int_equal(umount2(disk, MNT_DETACH), 0);
        close(small.fd);

        assert_int_equal(mount("tmpfs", disk, "tmpfs", 0, "size=400k"), 0);
        small.fd = open(disk, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(get(&small, "/endless /good", &result, &fault), 0); /* nor is the search over */
        assert_int_equal(umount2(disk, MNT_DETACH), 0);
        close(small.fd);
}

static void a_small_file_comes_into_memory(void **state) {
        cleanup_strv_ char **good = sources_of("/good"), **none = sources_of("/none"),
                           **loop = sources_of("/loop");
        const FetchLimits room = { .max_size = SIZE }, tight = { .max_size = SIZE - 1 };
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *data = NULL;
        size_t size;

        assert_int_equal(download_small(good[0], &room, &data, &size, &fault), 0);
        assert_int_equal(size, SIZE);
        assert_memory_equal(data, payload, SIZE);
        assert_int_equal(download_small(good[0], &tight, &data, &size, &fault), FETCH_E_FAILED);
        assert_int_equal(download_small(none[0], &room, &data, &size, &fault), FETCH_E_ABSENT);
        assert_int_equal(download_small("/tmp/no-such-file-of-muster", &room, &data, &size, &fault),
                         FETCH_E_ABSENT);
        assert_int_equal(download_small(loop[0], &room, &data, &size, &fault), FETCH_E_FAILED);
}

static void names_of_signatures_and_of_mirrors(void **state) {
        static const struct {
                const char *source, *signature, *shown;
        } cases[] = {
                { "/srv/kcn.tar.gz", "/srv/kcn.tar.gz.sig.1", "/srv/kcn.tar.gz" },
                { "https://h/kcn.tar.gz", "https://h/kcn.tar.gz.sig.1", "https://h/kcn.tar.gz" },
                { "https://u:p@h:8/a?k=v&x=/#f", "https://u:p@h:8/a.sig.1?k=v&x=/#f", "https://h:8/a" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_free_ char *signature = NULL, *shown = NULL;

                assert_int_equal(source_with_suffix(cases[i].source, ".sig.1", &signature), 0);
                assert_string_equal(signature, cases[i].signature);
                assert_int_equal(source_display(cases[i].source, &shown), 0);
                assert_string_equal(shown, cases[i].shown);
        }
}

static pid_t start_tls(const Scratch *s, int *ret_port) {
        extern char **environ;
        cleanup_free_ char *command = NULL, *accept_at = NULL, *response = NULL;
        posix_spawn_file_actions_t actions;
        char *argv[] = { (char *) "openssl",
                         (char *) "s_server",
                         (char *) "-accept",
                         NULL,
                         (char *) "-HTTP",
                         (char *) "-cert",
                         (char *) "cert",
                         (char *) "-key",
                         (char *) "key",
                         (char *) "-quiet",
                         NULL };
        cleanup_free_ char *whole = NULL;
        FILE *f;
        size_t size;
        pid_t pid;

        assert_true(asprintf(&command,
                             "cd %s && openssl req -x509 -newkey ed25519 -nodes -keyout key -out cert -days "
                             "2 -subj "
                             "/CN=localhost -addext subjectAltName=IP:127.0.0.1 >log 2>&1",
                             s->path) > 0);
        assert_int_equal(system(command), 0);
        f = open_memstream(&whole, &size);
        fprintf(f, "HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
        fwrite(payload, 1, SIZE, f);
        fclose(f);
        put_file(s->fd, "good", whole, size, 0644);
        assert_true(asprintf(&response, "HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:%d/good\r\n\r\n",
                             server_port) > 0);
        put_text(s->fd, "down", response);
        close(listen_anywhere(ret_port));
        assert_true(asprintf(&accept_at, "127.0.0.1:%d", *ret_port) > 0);
        argv[3] = accept_at;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addchdir_np(&actions, s->path);
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
        assert_int_equal(posix_spawnp(&pid, "openssl", &actions, NULL, argv, environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        return pid;
}

static void await_port(int port) {
        const struct sockaddr_in a = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                       .sin_port = htons((uint16_t) port) };
        const uint64_t deadline = now_monotonic_usec() + 10 * USEC_PER_SEC;

        while (now_monotonic_usec() < deadline) {
                cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (connect(fd, (const struct sockaddr *) &a, sizeof a) == 0)
                        return;
                (void) poll(NULL, 0, 10);
        }
        fail_msg("nothing listens on port %d", port);
}

static void tls_is_verified_and_never_left(void **state) {
        const Scratch *s = *state;
        cleanup_free_ char *good = NULL, *down = NULL, *ca = NULL;
        cleanup_(download_result_done) DownloadResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };
        char *sources[2] = { NULL, NULL };
        DownloadOptions options;
        int port, status;
        pid_t pid = start_tls(s, &port);

        await_port(port);
        assert_true(asprintf(&good, "https://127.0.0.1:%d/good", port) > 0);
        assert_true(asprintf(&down, "https://127.0.0.1:%d/down", port) > 0);
        assert_true(asprintf(&ca, "%s/cert", s->path) > 0);
        sources[0] = good;
        options = quick(sources);
        assert_int_equal(download(s->fd, "archive", &options, &result, &fault), -EREMOTEIO);
        assert_says(&fault, "certificate");
        options.limits.ca_file = ca;
        sources[0] = down;
        assert_int_equal(download(s->fd, "archive", &options, &result, &fault), -EREMOTEIO);
        assert_says(&fault, "redirects from https to http://127.0.0.1");
        assert_says(&fault, "refused");
        sources[0] = good;
        assert_int_equal(download(s->fd, "archive", &options, &result, &fault), 0);
        assert_payload(s);
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_new, scratch_free)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(a_bad_mirror_is_said_and_passed_over),
                TEST(every_failure_is_in_the_error),
                TEST(the_next_mirror_continues_where_the_last_was_cut),
                TEST(a_killed_download_continues_pinned_to_the_same_content),
                TEST(content_that_changed_is_fetched_anew),
                TEST(a_weak_etag_pins_nothing),
                TEST(a_mirror_is_not_blamed_for_what_others_began),
                TEST(a_wrong_digest_discards_all_and_is_not_asked_again),
                TEST(a_content_range_must_fit_exactly),
                TEST(a_partial_that_is_too_long_is_overcome),
                TEST(what_is_complete_needs_no_mirror),
                TEST(a_partial_of_another_file_is_emptied),
                TEST(redirects_are_followed),
                TEST(the_environment_has_no_say),
                TEST(a_local_file_is_a_source),
                TEST(what_is_no_source_is_refused),
                TEST(killed_again_and_again_it_fetches_no_byte_twice),
                TEST(a_small_file_comes_into_memory),
                cmocka_unit_test(names_of_signatures_and_of_mirrors),
                TEST(tls_is_verified_and_never_left),
                TEST(space_is_checked_first),
        };

        return cmocka_run_group_tests(tests, start_server, NULL);
}
