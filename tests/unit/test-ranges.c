/*
 * A large file from several mirrors, on loopback, beside a server that
 * misbehaves in every way that a mirror can, and `openssl s_server` for TLS. Who takes verifies, as callers
 * do: a part that is not the payload's is rejected.
 */
#include "tests/unit/scratch.h"
#include "http/ranges.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SIZE  1000000
#define PART  65536
#define PARTS ((SIZE + PART - 1) / PART)
#define PIECE 150000 /* of split files; parts straddle */

static uint8_t payload[SIZE];
static int server_port;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
        unsigned requests;        /* not for a single byte */
        uint64_t asked;           /* bytes of them */
        uint64_t sent;            /* of bodies */
        unsigned covering[PARTS]; /* requests that ask for the first byte of a part */
        bool conditional;         /* all but probes had If-Range */
        char first[4096];
} seen;

static void seen_reset(void) {
        pthread_mutex_lock(&mutex);
        memset(&seen, 0, sizeof seen);
        seen.conditional = true;
        pthread_mutex_unlock(&mutex);
}

static uint64_t seen_sent(void) {
        uint64_t n;

        pthread_mutex_lock(&mutex);
        n = seen.sent;
        pthread_mutex_unlock(&mutex);
        return n;
}

typedef struct Request {
        int fd;
        const char *path;
        size_t from, to; /* [from, to) */
        bool probe;
} Request;

static bool put(int fd, const void *data, size_t size) {
        for (size_t at = 0; at < size;) {
                ssize_t n = send(fd, (const char *) data + at, size - at < 16384 ? size - at : 16384,
                                 MSG_NOSIGNAL);

                if (n <= 0)
                        return false;
                at += (size_t) n;
                pthread_mutex_lock(&mutex);
                seen.sent += (size_t) n;
                pthread_mutex_unlock(&mutex);
        }
        return true;
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

/* True: the other side gave up. */
static bool hold(int fd, int msec) {
        struct pollfd p = { .fd = fd, .events = POLLRDHUP };

        return poll(&p, 1, msec) > 0;
}

static bool headers(const Request *q, const char *etag, size_t shift, size_t total) {
        return say(q->fd,
                   "HTTP/1.1 206 Partial\r\nETag: %s\r\nContent-Range: bytes %zu-%zu/%zu\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   etag, q->from + shift, q->to - 1 + shift, total, q->to - q->from);
}

/* Those that are honest about a single byte, so that they are asked for more. True: keep the connection. */
static bool misbehave(const Request *q, const char *how) {
        size_t n = q->to - q->from;
        const uint8_t *data = payload + q->from;
        const struct linger reset = { .l_onoff = 1 };

        if (str_eq(how, "corrupt")) {
                uint8_t wrong = data[n / 2] ^ 1;

                return headers(q, "\"v1\"", 0, SIZE) && put(q->fd, data, n / 2) && put(q->fd, &wrong, 1) &&
                       put(q->fd, data + n / 2 + 1, n - n / 2 - 1);
        }
        if (str_eq(how, "changed"))
                return headers(q, "\"v2\"", 0, SIZE) && put(q->fd, data, n);
        if (str_eq(how, "shifted"))
                return headers(q, "\"v1\"", 1, SIZE) && put(q->fd, data, n);
        if (str_eq(how, "grown"))
                return headers(q, "\"v1\"", 0, SIZE + 1) && put(q->fd, data, n);
        if (str_eq(how, "whole"))
                return say(q->fd, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: %d\r\n\r\n", SIZE) &&
                       put(q->fd, payload, SIZE);
        if (str_eq(how, "html"))
                return say(q->fd,
                           "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>");
        if (str_eq(how, "zipped"))
                return say(q->fd,
                           "HTTP/1.1 206 OK\r\nETag: \"v1\"\r\nContent-Range: bytes %zu-%zu/%d\r\n"
                           "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                           q->from, q->to - 1, SIZE, n) &&
                       put(q->fd, data, n);
        if (str_eq(how, "length")) {
                say(q->fd,
                    "HTTP/1.1 206 OK\r\nETag: \"v1\"\r\nContent-Range: bytes %zu-%zu/%d\r\n"
                    "Content-Length: %zu\r\n\r\n",
                    q->from, q->to - 1, SIZE, n - 5);
                return put(q->fd, data, n - 5);
        }
        if (str_eq(how, "endless")) {
                say(q->fd,
                    "HTTP/1.1 206 OK\r\nETag: \"v1\"\r\nContent-Range: bytes %zu-%zu/%d\r\n"
                    "Connection: close\r\n\r\n",
                    q->from, q->to - 1, SIZE);
                while (put(q->fd, payload, 65536))
                        ;
                return false;
        }
        if (str_eq(how, "busy"))
                return say(q->fd, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
        if (str_eq(how, "hangup"))
                return false;
        headers(q, "\"v1\"", 0, SIZE);
        if (str_eq(how, "slow")) {
                for (size_t at = 0; at < n; at += 100)
                        if (!put(q->fd, data + at, n - at < 100 ? n - at : 100) || hold(q->fd, 50))
                                return false;
                return true;
        }
        put(q->fd, data, str_eq(how, "silent") ? 0 : n / 2);
        if (str_eq(how, "stall") || str_eq(how, "silent"))
                hold(q->fd, 20000);
        if (str_eq(how, "reset"))
                (void) setsockopt(q->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        return false; /* "cut" */
}

/* "split.aa" and so on, and "odd.001": pieces of PIECE bytes. */
static bool serve_piece(Request *q) {
        bool letters = str_starts(q->path, "/split.");
        const char *digits = q->path + strlen(letters ? "/split." : "/odd.");
        size_t i = letters ? (size_t) (digits[0] - 'a') * 26 + (size_t) (digits[1] - 'a')
                           : strtoul(digits, NULL, 10) - 1;
        size_t total;

        if (i * PIECE >= SIZE)
                return say(q->fd, "HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n");
        total = SIZE - i * PIECE < PIECE ? SIZE - i * PIECE : PIECE;
        if (q->to > total)
                return say(q->fd, "HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n");
        return headers(q, letters ? "\"s\"" : "W/\"s\"", 0, total) &&
               put(q->fd, payload + i * PIECE + q->from, q->to - q->from);
}

static bool answer(Request *q) {
        char how[32] = "";

        if (str_starts(q->path, "/good"))
                return headers(q, "\"v1\"", 0, SIZE) && put(q->fd, payload + q->from, q->to - q->from);
        if (str_starts(q->path, "/steady")) { /* well, but there is time to look */
                headers(q, "\"v1\"", 0, SIZE);
                for (size_t at = q->from; at < q->to; at += 8192)
                        if (!put(q->fd, payload + at, q->to - at < 8192 ? q->to - at : 8192) ||
                            hold(q->fd, 10))
                                return false;
                return true;
        }
        if (str_starts(q->path, "/split.") || str_starts(q->path, "/odd."))
                return serve_piece(q);
        if (str_starts(q->path, "/loop"))
                return say(q->fd, "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n");
        if (str_starts(q->path, "/hop"))
                return say(q->fd, "HTTP/1.1 307 Go\r\nLocation: /good\r\nContent-Length: 3\r\n\r\nabc");
        if (str_starts(q->path, "/away"))
                return say(q->fd,
                           "HTTP/1.1 301 Go\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
        if (str_starts(q->path, "/larger"))
                return headers(q, "\"v1\"", 0, SIZE + 7) && put(q->fd, payload + q->from, q->to - q->from);
        if (sscanf(q->path, "/early-%31[a-z]", how) == 1)
                return misbehave(q, how);
        if (sscanf(q->path, "/late-%31[a-z]", how) == 1)
                return q->probe ? headers(q, "\"v1\"", 0, SIZE) && put(q->fd, payload, 1)
                                : misbehave(q, how);
        return say(q->fd, "HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n");
}

static void look(const char *text, const Request *q) {
        pthread_mutex_lock(&mutex);
        if (q->probe)
                strcpy(seen.first, text);
        else {
                seen.requests++;
                seen.asked += q->to - q->from;
                for (size_t i = 0; i < PARTS; i++)
                        seen.covering[i] += q->from <= i * PART && i * PART < q->to;
                seen.conditional = seen.conditional && strcasestr(text, "\r\nIf-Range: \"v1\"");
        }
        pthread_mutex_unlock(&mutex);
}

static void *serve_connection(void *userdata) {
        int fd = (int) (intptr_t) userdata;
        bool keep = true;

        while (keep) {
                Request q = { .fd = fd };
                char text[4096] = "";
                const char *range;
                size_t n = 0;

                while (n < sizeof text - 1 && !strstr(text, "\r\n\r\n")) {
                        ssize_t k = recv(fd, text + n, sizeof text - 1 - n, 0);

                        if (k <= 0)
                                break;
                        n += (size_t) k;
                        text[n] = 0;
                }
                range = strcasestr(text, "\r\nRange: bytes=");
                q.path = strchr(text, '/');
                if (!strstr(text, "\r\n\r\n") || !range || !q.path ||
                    sscanf(range + strlen("\r\nRange: bytes="), "%zu-%zu", &q.from, &q.to) != 2)
                        break;
                q.to++;
                q.probe = q.from == 0 && q.to == 1;
                look(text, &q);
                keep = answer(&q);
        }
        close(fd);
        return NULL;
}

static void *serve_all(void *userdata) {
        int fd = (int) (intptr_t) userdata, one = 1;

        for (;;) {
                int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
                pthread_t thread;

                if (c < 0)
                        continue;
                (void) setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                if (pthread_create(&thread, NULL, serve_connection, (void *) (intptr_t) c) == 0)
                        pthread_detach(thread);
                else
                        close(c);
        }
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

static int start_server(void **state) {
        pthread_t thread;
        int fd;

        for (size_t i = 0; i < SIZE; i++)
                payload[i] = (uint8_t) ((i * 2654435761u) >> 13);
        fd = listen_anywhere(&server_port);
        assert_int_equal(listen(fd, 64), 0);
        assert_int_equal(pthread_create(&thread, NULL, serve_all, (void *) (intptr_t) fd), 0);
        pthread_detach(thread);
        return 0;
}

/* Words that begin with '/' are paths of our server, but for those below /tmp; owned. */
static char **sources_of(const char *words) {
        cleanup_free_ char *copy = strdup(words);
        char **v = NULL, *rest = copy, *word;

        while ((word = strsep(&rest, " "))) {
                cleanup_free_ char *url = NULL;

                if (*word == '/' && !str_starts(word, "/tmp/"))
                        assert_true(asprintf(&url, "http://user:secret@127.0.0.1:%d%s?token=secret",
                                             server_port, word) > 0);
                assert_int_equal(strv_append(&v, url ?: word), 0);
        }
        return v;
}

static RangesOptions quick(char **sources) {
        return (RangesOptions){
                .sources = sources,
                .size = SIZE,
                .part_max = PART,
                .window = 8 * PART,
                .low_speed = 10000,
                .low_sec = 2,
                .connect_sec = 5,
                .retries = 2,
        };
}

static int open_words(const char *words, Ranges **ret, Fault *reterr) {
        cleanup_strv_ char **sources = sources_of(words);
        const RangesOptions options = quick(sources);

        return ranges_open(&options, ret, reterr);
}

typedef struct Taken {
        Ranges *ranges;
        uint8_t *data; /* SIZE */
        bool in_order;
        int result;
        Fault fault;
} Taken;

static void *take_all(void *userdata) {
        Taken *t = userdata;
        RangePart *part;
        size_t next = 0;

        while ((t->result = ranges_take(t->ranges, &part, &t->fault)) == 0) {
                if (memcmp(part->data, payload + part->offset, part->length) != 0) {
                        ranges_reject(t->ranges, part);
                        continue;
                }
                if (t->in_order && part->index != next++)
                        t->result = -EILSEQ;
                memcpy(t->data + part->offset, part->data, part->length);
                ranges_release(t->ranges, part);
                if (t->result != 0)
                        break;
        }
        return NULL;
}

static void assert_all_comes(Ranges *r, bool in_order) {
        cleanup_free_ uint8_t *data = calloc(1, SIZE);
        Taken t = { .ranges = r, .data = data, .in_order = in_order };

        take_all(&t);
        if (t.result != RANGES_E_END)
                fail_msg("%d: %s", t.result, fault_text(&t.fault, t.result));
        assert_memory_equal(data, payload, SIZE);
}

static void assert_trouble(Ranges *r, size_t mirror, const char *word) {
        cleanup_free_ char *text = ranges_mirror_trouble(r, mirror);

        if (!text || !strstr(text, word))
                fail_msg("expected '%s' in: %s", word, text ?: "(nothing)");
}

static void assert_whole(const char *words) {
        cleanup_(ranges_freep) Ranges *r = NULL;
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(open_words(words, &r, &fault), 0);
        assert_all_comes(r, false);
}

static void one_good_mirror_gives_every_byte_once(void **state) {
        cleanup_strv_ char **sources = sources_of("/good");
        RangesOptions options = quick(sources);
        cleanup_(ranges_freep) Ranges *r = NULL;
        cleanup_fault_ Fault fault = { 0 };
        RangesStats stats;

        seen_reset();
        options.per_mirror = 1; /* nobody helps when the machine is slow */
        assert_int_equal(ranges_open(&options, &r, &fault), 0);
        assert_int_equal(ranges_size(r), SIZE);
        assert_int_equal(ranges_n_parts(r), PARTS);
        assert_all_comes(r, false);
        ranges_stats(r, &stats);
        assert_true(stats.received >= SIZE);
        assert_int_equal(stats.rejected, 0);
        assert_int_equal(stats.mirrors_left, 1);
        assert_null(strstr(ranges_mirror_name(r, 0), "secret"));
        pthread_mutex_lock(&mutex);
        assert_true(seen.conditional);
        assert_null(strcasestr(seen.first, "Accept-Encoding"));
        for (size_t i = 0; i < PARTS; i++)
                assert_int_equal(seen.covering[i], 1);
        pthread_mutex_unlock(&mutex);
}

static void parts_come_in_order_through_a_window_of_one(void **state) {
        cleanup_strv_ char **sources = sources_of("/good /good2");
        RangesOptions options = quick(sources);

        options.in_order = true;
        for (unsigned slots = 1; slots < 8; slots += 3) {
                cleanup_(ranges_freep) Ranges *r = NULL;

                options.window = (uint64_t) slots * PART;
                assert_int_equal(ranges_open(&options, &r, NULL), 0);
                assert_all_comes(r, true);
        }
}

static void some_parts(size_t i, uint64_t *ret_offset, uint32_t *ret_length, void *userdata) {
        *ret_offset = 1000 + i * 100000;
        *ret_length = (uint32_t) (i % 2 ? PART : 777);
}

static void only_the_parts_that_are_wanted_are_asked_for(void **state) {
        cleanup_strv_ char **sources = sources_of("/good");
        RangesOptions options = quick(sources);
        cleanup_(ranges_freep) Ranges *r = NULL;
        cleanup_fault_ Fault fault = { 0 };
        RangePart *part;
        size_t n = 0;
        int k;

        seen_reset();
        options.part = some_parts;
        options.n_parts = 9;
        options.per_mirror = 1;
        assert_int_equal(ranges_open(&options, &r, NULL), 0);
        while ((k = ranges_take(r, &part, NULL)) == 0) {
                uint64_t offset;
                uint32_t length;

                some_parts(part->index, &offset, &length, NULL);
                assert_int_equal(part->offset, offset);
                assert_int_equal(part->length, length);
                assert_memory_equal(part->data, payload + offset, length);
                ranges_release(r, part);
                n++;
        }
        assert_int_equal(k, RANGES_E_END);
        assert_int_equal(n, 9);
        assert_int_equal(seen.asked, 5 * 777 + 4 * PART);
        r = ranges_free(r);
        options.n_parts = 11; /* beyond the end */
        assert_int_equal(ranges_open(&options, &r, &fault), -EINVAL);
        assert_says(&fault, "Part 10");
}

static void a_bad_mirror_beside_a_good_one_costs_no_byte(void **state) {
        static const struct {
                const char *path, *says;
        } rows[] = {
                { "/absent", "HTTP 404" },
                { "/loop", "redirects more than 5 times" },
                { "/away", "redirects to something that is not http or https" },
                { "/larger", "says the file has 1000007 bytes, expected 1000000" },
                { "/early-html", "HTML page" },
                { "/early-whole", "HTTP 200 with the whole file" },
                { "/early-endless", "sends more than" },
                { "/late-changed", "the file was changed meanwhile: its ETag was \"v1\" and is now \"v2\"" },
                { "/late-shifted", "Content-Range" },
                { "/late-grown", "says the file has 1000001 bytes" },
                { "/late-whole", "HTTP 200" },
                { "/late-html", "HTML page" },
                { "/late-zipped", "Content-Encoding 'gzip'" },
                { "/late-length", "its Content-Range says" },
                { "/late-endless", "sends more than" },
                { "/late-corrupt", "gave wrong bytes" },
                { "/late-cut", "closed the connection before the end" },
                { "/late-reset", "" },
                { "/late-hangup", "closed the connection" },
                { "/late-busy", "HTTP 503" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                cleanup_free_ char *words = NULL;
                bool met = false;

                assert_true(asprintf(&words, "%s /steady", rows[i].path) > 0);
                for (int round = 0; round < 20 && !met; round++) { /* the good one may have been faster */
                        cleanup_(ranges_freep) Ranges *r = NULL;
                        cleanup_free_ char *trouble = NULL;

                        assert_int_equal(open_words(words, &r, NULL), 0);
                        assert_all_comes(r, false);
                        assert_null(ranges_mirror_trouble(r, 1));
                        trouble = ranges_mirror_trouble(r, 0);
                        met = trouble != NULL;
                        if (met)
                                assert_trouble(r, 0, rows[i].says);
                }
                assert_true(met);
        }
}

static void a_mirror_that_stalls_does_not_hold_up_the_end(void **state) {
        assert_whole("/late-stall /good");
        assert_whole("/late-silent /good");
        assert_whole("/late-slow /good");
}

static void a_mirror_that_stalls_alone_is_given_up(void **state) {
        cleanup_(ranges_freep) Ranges *r = NULL;
        cleanup_fault_ Fault fault = { 0 };
        RangePart *part;

        assert_int_equal(open_words("/late-silent", &r, NULL), 0);
        assert_int_equal(ranges_take(r, &part, &fault), -EREMOTEIO);
        assert_says(&fault, "slower than 10000 bytes a second for 2 s");
}

static void without_a_good_mirror_every_reason_is_told(void **state) {
        cleanup_(ranges_freep) Ranges *r = NULL;
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(open_words("/absent /early-html /loop ftp://127.0.0.1/x", &r, &fault), -EINVAL);
        assert_says(&fault, "Source 4");
        assert_int_equal(
                open_words("/absent /early-html /loop http://127.0.0.1:1/x /tmp/absent/file", &r, &fault),
                -EREMOTEIO);
        assert_says(&fault, "mirror 1 http://127.0.0.1");
        assert_says(&fault, "/absent: HTTP 404");
        assert_says(&fault, "mirror 2 ");
        assert_says(&fault, "HTML page");
        assert_says(&fault, "redirects more than");
        assert_says(&fault, "Connection refused");
        assert_says(&fault, "mirror 5 /tmp/absent/file: No such file");
        assert_null(strstr(fault.text, "secret"));
}

static void bytes_that_all_give_wrong_end_it(void **state) {
        cleanup_(ranges_freep) Ranges *r = NULL;
        cleanup_fault_ Fault fault = { 0 };
        RangePart *part;
        int k;

        assert_int_equal(open_words("/good /good2", &r, NULL), 0);
        while ((k = ranges_take(r, &part, &fault)) == 0) {
                if (part->index == 3)
                        ranges_reject(r, part);
                else
                        ranges_release(r, part);
        }
        assert_int_equal(k, -EREMOTEIO);
        assert_says(&fault, "mirror 1 ");
        assert_says(&fault, "mirror 2 ");
        assert_says(&fault, "wrong bytes");
        assert_says(&fault, "196608");
        assert_int_equal(ranges_take(r, &part, NULL), -EREMOTEIO);
}

static void a_rejected_part_is_fetched_again_alone_and_elsewhere(void **state) {
        cleanup_(ranges_freep) Ranges *r = NULL;
        size_t wrong = SIZE_MAX, first = SIZE_MAX, n = 0;
        RangesStats stats;
        RangePart *part;
        int k;

        seen_reset();
        assert_int_equal(open_words("/good /good2", &r, NULL), 0);
        while ((k = ranges_take(r, &part, NULL)) == 0) {
                if (wrong == SIZE_MAX && part->index >= 5) {
                        wrong = part->index;
                        first = part->mirror;
                        ranges_reject(r, part);
                        continue;
                }
                if (part->index == wrong)
                        assert_int_not_equal(part->mirror, first);
                ranges_release(r, part);
                n++;
        }
        assert_int_equal(k, RANGES_E_END);
        assert_int_equal(n, PARTS);
        ranges_stats(r, &stats);
        assert_int_equal(stats.rejected, wrong == PARTS - 1 ? SIZE - (PARTS - 1) * PART : PART);
        pthread_mutex_lock(&mutex);
        assert_true(seen.covering[wrong] >= 2);
        pthread_mutex_unlock(&mutex);
}

static void no_more_than_the_window_is_held(void **state) {
        cleanup_(ranges_freep) Ranges *r = NULL;
        RangePart *parts[8], *part;

        seen_reset();
        assert_int_equal(open_words("/good", &r, NULL), 0);
        for (size_t i = 0; i < 8; i++)
                assert_int_equal(ranges_take(r, &parts[i], NULL), 0);
        pthread_mutex_lock(&mutex);
        for (size_t i = 0; i < PARTS; i++)
                assert_int_equal(seen.covering[i] > 0, i < 8);
        pthread_mutex_unlock(&mutex);
        for (size_t i = 0; i < 8; i++)
                assert_int_equal((uintptr_t) parts[i]->data % 4096, 0);
        for (size_t i = 0; i < 8; i++)
                ranges_release(r, parts[i]);
        assert_int_equal(ranges_take(r, &part, NULL), 0);
        ranges_release(r, part);
}

static void a_pause_holds_and_ends(void **state) {
        cleanup_(ranges_freep) Ranges *r = NULL;
        struct pollfd none = { .fd = -1 };
        uint64_t before = 1, after = 0;
        RangePart *part;

        seen_reset();
        assert_int_equal(open_words("/steady", &r, NULL), 0);
        assert_int_equal(ranges_take(r, &part, NULL), 0);
        ranges_pause(r, true);
        ranges_release(r, part);
        for (int i = 0; i < 100 && before != after; i++) { /* what the sockets hold still comes */
                RangesStats stats;

                before = after;
                (void) poll(&none, 0, 300);
                ranges_stats(r, &stats);
                after = stats.received;
        }
        assert_int_equal(before, after);
        assert_true(after < SIZE);
        (void) poll(&none, 0, 2500); /* longer than low_sec */
        ranges_pause(r, false);
        for (;;) {
                int k = ranges_take(r, &part, NULL);

                if (k == RANGES_E_END)
                        break;
                assert_int_equal(k, 0);
                assert_memory_equal(part->data, payload + part->offset, part->length);
                ranges_release(r, part);
        }
        assert_null(ranges_mirror_trouble(r, 0));
        assert_true(seen_sent() >= SIZE);
}

static void *cancel_it(void *userdata) {
        ranges_cancel(userdata);
        return NULL;
}

static void cancelling_wakes_who_takes(void **state) {
        cleanup_(ranges_freep) Ranges *r = NULL;
        cleanup_fault_ Fault fault = { 0 };
        RangePart *part;
        pthread_t thread;
        int k;

        assert_int_equal(open_words("/late-stall", &r, NULL), 0);
        assert_int_equal(pthread_create(&thread, NULL, cancel_it, r), 0);
        while ((k = ranges_take(r, &part, &fault)) == 0)
                ranges_release(r, part);
        assert_int_equal(k, -ECANCELED);
        pthread_join(thread, NULL);
        assert_int_equal(ranges_take(r, &part, NULL), -ECANCELED);
}

static bool is_cancelled(void *userdata) {
        return ++*(unsigned *) userdata > 2;
}

/* The mirror would be waited for much longer than this test may take. */
static void cancelling_ends_the_wait_for_the_first_answer(void **state) {
        cleanup_strv_ char **sources = sources_of("/early-silent");
        RangesOptions options = quick(sources);
        cleanup_(ranges_freep) Ranges *r = NULL;
        unsigned asked = 0;

        options.low_sec = 1000;
        options.cancelled = is_cancelled;
        options.cancelled_userdata = &asked;
        assert_int_equal(ranges_open(&options, &r, NULL), -ECANCELED);
        assert_int_equal(asked, 3);
}

static void a_mirror_without_ranges_gives_what_is_one_part(void **state) {
        static const char *const words[] = { "/early-whole", "/early-whole /late-cut",
                                             "/late-stall /early-whole", "/good /early-whole" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                for (uint64_t size = 0; size <= SIZE; size += SIZE) {
                        cleanup_strv_ char **sources = sources_of(words[i]);
                        RangesOptions options = quick(sources);
                        cleanup_(ranges_freep) Ranges *r = NULL;

                        options.size = size;
                        options.part_max = SIZE;
                        options.window = 2 * SIZE;
                        assert_int_equal(ranges_open(&options, &r, NULL), 0);
                        assert_int_equal(ranges_size(r), SIZE);
                        assert_all_comes(r, true);
                }
}

static void a_mirror_without_ranges_is_of_no_use_for_more(void **state) {
        for (uint64_t size = 0; size <= SIZE; size += SIZE) {
                cleanup_strv_ char **sources = sources_of("/early-whole");
                RangesOptions options = quick(sources);
                cleanup_(ranges_freep) Ranges *r = NULL;
                cleanup_fault_ Fault fault = { 0 };

                options.size = size;
                assert_int_equal(ranges_open(&options, &r, &fault), -EREMOTEIO);
                assert_says(&fault, "HTTP 206");
        }
}

static void who_was_given_up_is_told(void **state) {
        cleanup_(ranges_freep) Ranges *r = NULL;

        assert_int_equal(open_words("/early-html /good", &r, NULL), 0);
        assert_all_comes(r, false);
        assert_true(ranges_mirror_is_gone(r, 0));
        assert_false(ranges_mirror_is_gone(r, 1));
        assert_trouble(r, 0, "HTML page");
}

static void a_rate_is_not_exceeded(void **state) {
        cleanup_strv_ char **sources = sources_of("/good /good2");
        RangesOptions options = quick(sources);
        cleanup_(ranges_freep) Ranges *r = NULL;
        uint64_t begin_usec = now_monotonic_usec();

        options.limit_rate = 1000000;
        assert_int_equal(ranges_open(&options, &r, NULL), 0);
        assert_all_comes(r, false);
        assert_true(now_monotonic_usec() - begin_usec > USEC_PER_SEC / 2);
}

static void split_parts_are_one_file(void **state) {
        static const char *const names[] = { "/split.aa", "/odd.001", "/good /split.aa /odd.001" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                for (uint64_t size = 0; size <= SIZE; size += SIZE) {
                        cleanup_strv_ char **sources = sources_of(names[i]);
                        RangesOptions options = quick(sources);
                        cleanup_(ranges_freep) Ranges *r = NULL;
                        cleanup_fault_ Fault fault = { 0 };

                        options.size = size;
                        options.in_order = i == 1;
                        assert_int_equal(ranges_open(&options, &r, &fault), 0);
                        assert_int_equal(ranges_size(r), SIZE);
                        assert_all_comes(r, options.in_order);
                }
        }
}

static void the_size_is_what_the_first_good_mirror_says(void **state) {
        cleanup_strv_ char **sources = sources_of("/hop /absent");
        RangesOptions options = quick(sources);
        cleanup_(ranges_freep) Ranges *r = NULL;

        options.size = 0;
        assert_int_equal(ranges_open(&options, &r, NULL), 0);
        assert_int_equal(ranges_size(r), SIZE);
        assert_all_comes(r, false);
        assert_null(ranges_mirror_trouble(r, 0));
}

static void files_are_sources_too(void **state) {
        const Scratch *s = *state;
        cleanup_free_ char *words = NULL, *piece = NULL, *shorter = NULL;
        cleanup_(ranges_freep) Ranges *r = NULL;
        cleanup_fault_ Fault fault = { 0 };

        put_file(s->fd, "whole file", payload, SIZE, 0644);
        put_file(s->fd, "short", payload, SIZE - 1, 0644);
        for (size_t i = 0; i * PIECE < SIZE; i++) {
                char name[8];

                snprintf(name, sizeof name, "p.%02zu", i);
                put_file(s->fd, name, payload + i * PIECE,
                         SIZE - i * PIECE < PIECE ? SIZE - i * PIECE : PIECE, 0644);
        }
        assert_true(asprintf(&words, "file://%s/whole%%20file", s->path) > 0);
        assert_whole(words);
        assert_true(asprintf(&piece, "%s/p.00 /good", s->path) > 0);
        assert_whole(piece);
        assert_true(asprintf(&shorter, "%s/short", s->path) > 0);
        assert_int_equal(open_words(shorter, &r, &fault), -EREMOTEIO);
        assert_says(&fault, "says the file has 999999 bytes, expected 1000000");
}

static void three_threads_take_it_together(void **state) {
        cleanup_free_ uint8_t *data = calloc(1, SIZE);
        cleanup_(ranges_freep) Ranges *r = NULL;
        pthread_t threads[3];
        Taken taken[3];

        assert_int_equal(open_words("/late-corrupt /good /good2", &r, NULL), 0);
        for (size_t i = 0; i < 3; i++) {
                taken[i] = (Taken){ .ranges = r, .data = data };
                assert_int_equal(pthread_create(&threads[i], NULL, take_all, &taken[i]), 0);
        }
        for (size_t i = 0; i < 3; i++) {
                RangesStats stats;

                ranges_stats(r, &stats);
                pthread_join(threads[i], NULL);
                assert_int_equal(taken[i].result, RANGES_E_END);
        }
        assert_memory_equal(data, payload, SIZE);
}

/* What a part is of may be mixed when a mirror dies in it; then it must not be blamed on one, and must still
 * come. */
static void mirrors_that_break_off_and_lie_are_told_apart(void **state) {
        assert_whole("/late-cut /late-corrupt /good");
        assert_whole("/late-reset /late-cut /late-stall /good");
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
        pid_t pid;

        assert_true(asprintf(&command,
                             "cd %s && openssl req -x509 -newkey ed25519 -nodes -keyout key -out cert -days "
                             "2 -subj "
                             "/CN=localhost -addext subjectAltName=IP:127.0.0.1 >log 2>&1",
                             s->path) > 0);
        assert_int_equal(system(command), 0);
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

static void https_is_verified_and_never_left(void **state) {
        const Scratch *s = *state;
        cleanup_free_ char *down = NULL, *ca = NULL;
        cleanup_(ranges_freep) Ranges *r = NULL;
        cleanup_fault_ Fault fault = { 0 };
        char *sources[2] = { NULL, NULL };
        RangesOptions options = quick(sources);
        int port, status;
        pid_t pid = start_tls(s, &port);

        await_port(port);
        options.retries = 1;
        assert_true(asprintf(&down, "https://127.0.0.1:%d/down", port) > 0);
        assert_true(asprintf(&ca, "%s/cert", s->path) > 0);
        sources[0] = down;
        assert_int_equal(ranges_open(&options, &r, &fault), -EREMOTEIO);
        assert_says(&fault, "certificate");
        options.ca_file = ca;
        assert_int_equal(ranges_open(&options, &r, &fault), -EREMOTEIO);
        assert_says(&fault, "redirects from https to http://127.0.0.1");
        assert_says(&fault, "refused");
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_good_mirror_gives_every_byte_once),
                cmocka_unit_test(parts_come_in_order_through_a_window_of_one),
                cmocka_unit_test(only_the_parts_that_are_wanted_are_asked_for),
                cmocka_unit_test(a_bad_mirror_beside_a_good_one_costs_no_byte),
                cmocka_unit_test(a_mirror_that_stalls_does_not_hold_up_the_end),
                cmocka_unit_test(a_mirror_that_stalls_alone_is_given_up),
                cmocka_unit_test(without_a_good_mirror_every_reason_is_told),
                cmocka_unit_test(bytes_that_all_give_wrong_end_it),
                cmocka_unit_test(a_rejected_part_is_fetched_again_alone_and_elsewhere),
                cmocka_unit_test(no_more_than_the_window_is_held),
                cmocka_unit_test(a_pause_holds_and_ends),
                cmocka_unit_test(cancelling_wakes_who_takes),
                cmocka_unit_test(cancelling_ends_the_wait_for_the_first_answer),
                cmocka_unit_test(a_mirror_without_ranges_gives_what_is_one_part),
                cmocka_unit_test(a_mirror_without_ranges_is_of_no_use_for_more),
                cmocka_unit_test(who_was_given_up_is_told),
                cmocka_unit_test(a_rate_is_not_exceeded),
                cmocka_unit_test(split_parts_are_one_file),
                cmocka_unit_test(the_size_is_what_the_first_good_mirror_says),
                cmocka_unit_test_setup_teardown(files_are_sources_too, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(https_is_verified_and_never_left, scratch_new, scratch_free),
                cmocka_unit_test(three_threads_take_it_together),
                cmocka_unit_test(mirrors_that_break_off_and_lie_are_told_apart),
        };

        return cmocka_run_group_tests(tests, start_server, NULL);
}
