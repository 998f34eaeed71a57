#pragma once
/*
 * A small HTTP server on a loopback port, inside the test's own event loop: the
 * client under test talks over real sockets, and what the server does (answer,
 * stay silent, send rubbish, never end) is decided request by request.
 */
#include "tests/unit/cmocka-all.h"
#include "util/text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#define LOOPBACK_REQUEST_MAX 16384
#define LOOPBACK_CONNECTIONS 64

typedef enum Reply {
        REPLY_BODY,            /* status 200 with the text as body; the connection stays open */
        REPLY_RAW,             /* the text as it is */
        REPLY_RAW_CLOSE,       /* the text as it is, then the end */
        REPLY_SILENCE,         /* nothing, for ever */
        REPLY_ENDLESS_BODY,    /* the text first, then bytes without end */
        REPLY_ENDLESS_HEADERS, /* header lines without end */
} Reply;

typedef struct Loopback Loopback;
typedef struct LoopbackConnection LoopbackConnection;

/* Looks at @request (the whole of it) and fills in the answer; *text is freed. */
typedef Reply (*Responder)(Loopback *server, const char *request, char **text, void *userdata);

struct LoopbackConnection {
        Loopback *server;
        int fd;
        sd_event_source *source;
        char in[LOOPBACK_REQUEST_MAX];
        size_t n_in;
        Reply reply;
        bool busy; /* a request came and was not answered in full */
};

struct Loopback {
        sd_event *event;
        int fd;
        sd_event_source *source;
        unsigned port;
        Responder responder;
        void *userdata;
        LoopbackConnection *connections[LOOPBACK_CONNECTIONS];
        unsigned accepted, requests;
        char last[LOOPBACK_REQUEST_MAX];
};

static inline void loopback_drop(LoopbackConnection *c) {
        for (size_t i = 0; i < LOOPBACK_CONNECTIONS; i++)
                if (c->server->connections[i] == c)
                        c->server->connections[i] = NULL;
        sd_event_source_disable_unref(c->source);
        close(c->fd);
        free(c);
}

static inline void loopback_write(LoopbackConnection *c, const char *text) {
        size_t left = strlen(text);

        while (left > 0) {
                ssize_t n = send(c->fd, text, left, MSG_NOSIGNAL);

                if (n < 0)
                        return; /* the client has had enough */
                text += n;
                left -= (size_t) n;
        }
}

static inline void loopback_answer(LoopbackConnection *c) {
        cleanup_free_ char *text = NULL, *framed = NULL;
        Loopback *server = c->server;

        server->requests++;
        strcpy(server->last, c->in);
        c->busy = true;
        c->reply = server->responder(server, c->in, &text, server->userdata);
        c->n_in = 0;
        switch (c->reply) {
        case REPLY_BODY:
                assert_true(asprintf(&framed, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                                     strlen(text), text) > 0);
                loopback_write(c, framed);
                c->busy = false;
                return;
        case REPLY_RAW:
                loopback_write(c, text);
                c->busy = false;
                return;
        case REPLY_RAW_CLOSE:
                loopback_write(c, text);
                loopback_drop(c);
                return;
        case REPLY_ENDLESS_BODY:
                loopback_write(c, text);
                assert_true(sd_event_source_set_io_events(c->source, EPOLLIN | EPOLLOUT) >= 0);
                return;
        case REPLY_ENDLESS_HEADERS:
                loopback_write(c, "HTTP/1.1 200 OK\r\n");
                assert_true(sd_event_source_set_io_events(c->source, EPOLLIN | EPOLLOUT) >= 0);
                return;
        case REPLY_SILENCE:
                return;
        }
}

static inline bool loopback_complete(const LoopbackConnection *c) {
        const char *end = strstr(c->in, "\r\n\r\n"), *length = strcasestr(c->in, "\r\nContent-Length: ");

        if (!end)
                return false;
        return strlen(end + 4) >= (length && length < end ? strtoul(length + 18, NULL, 10) : 0);
}

static inline int loopback_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        LoopbackConnection *c = userdata;
        static const char junk[] =
                "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
        ssize_t n;

        if (revents & EPOLLOUT)
                (void) !send(c->fd, junk, sizeof junk - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (!(revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return 0;
        n = recv(fd, c->in + c->n_in, sizeof c->in - c->n_in - 1, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
                return 0;
        if (n <= 0) {
                loopback_drop(c);
                return 0;
        }
        c->n_in += (size_t) n;
        c->in[c->n_in] = '\0';
        if (!c->busy && loopback_complete(c))
                loopback_answer(c);
        return 0;
}

static inline int loopback_on_accept(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        LoopbackConnection *c = calloc(1, sizeof *c);
        Loopback *server = userdata;

        assert_non_null(c);
        c->server = server;
        c->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(c->fd >= 0);
        server->accepted++;
        for (size_t i = 0; i < LOOPBACK_CONNECTIONS; i++)
                if (!server->connections[i]) {
                        server->connections[i] = c;
                        assert_true(sd_event_add_io(server->event, &c->source, c->fd, EPOLLIN,
                                                    loopback_on_io, c) >= 0);
                        return 0;
                }
        fail_msg("more than %d connections", LOOPBACK_CONNECTIONS);
        return 0;
}

static inline void loopback_start(Loopback *server, sd_event *event, Responder responder, void *userdata) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t length = sizeof address;

        *server = (Loopback){ .event = event, .responder = responder, .userdata = userdata };
        server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(server->fd >= 0);
        assert_return_code(bind(server->fd, (struct sockaddr *) &address, sizeof address), errno);
        assert_return_code(listen(server->fd, 64), errno);
        assert_return_code(getsockname(server->fd, (struct sockaddr *) &address, &length), errno);
        server->port = ntohs(address.sin_port);
        assert_true(sd_event_add_io(event, &server->source, server->fd, EPOLLIN, loopback_on_accept,
                                    server) >= 0);
}

static inline void loopback_stop(Loopback *server) {
        for (size_t i = 0; i < LOOPBACK_CONNECTIONS; i++)
                if (server->connections[i])
                        loopback_drop(server->connections[i]);
        sd_event_source_disable_unref(server->source);
        close(server->fd);
}

/* Runs the loop until *done or @seconds have passed; returns *done. */
static inline bool loop_until(sd_event *event, const bool *done, unsigned seconds) {
        uint64_t deadline = now_monotonic_usec() + seconds * USEC_PER_SEC;

        while (!*done && now_monotonic_usec() < deadline)
                assert_true(sd_event_run(event, 10 * USEC_PER_MSEC) >= 0);
        return *done;
}
