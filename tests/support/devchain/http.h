#pragma once
/*
 * A small HTTP/1.1 server for the poll loop: GET and POST, keep-alive, bodies
 * with Content-Length. HTTP_CONNS_MAX connections (the one idle longest makes
 * room), HTTP_REQUEST_MAX bytes a request, HTTP_IDLE_MS without a byte.
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"

#define HTTP_CONNS_MAX   64
#define HTTP_REQUEST_MAX (256 * 1024)
#define HTTP_IDLE_MS     60000

typedef struct HttpRequest {
        const char *method, *path, *query; /* @query without "?", "" if there is none */
        const char *body;                  /* NUL-terminated */
        size_t body_len;
} HttpRequest;

typedef struct HttpReply {
        int status; /* 0: never answer */
        const char *type;
        char *body; /* owned; NULL: empty */
        uint64_t delay_ms;
        size_t claim_extra; /* Content-Length says this much more than there is, then the connection closes
                             */
} HttpReply;

typedef struct HttpConn {
        int fd, slot;
        char *in, *out;
        size_t in_len, out_len, out_sent;
        uint64_t heard_ms, answer_ms;
        bool close_after, mute;
} HttpConn;

typedef struct HttpServer {
        int listen_fd, listen_slot;
        HttpConn *conns[HTTP_CONNS_MAX];
        void (*handle)(const HttpRequest *request, HttpReply *reply, void *userdata);
        void *userdata;
} HttpServer;

int http_listen(HttpServer *s, const Endpoint *e);
void http_close(HttpServer *s);

/* Adds to @fds (room for @max) what to wait for; lowers *@wakeup_ms to the time of a delayed answer. */
size_t http_fill(HttpServer *s, struct pollfd *fds, size_t max, uint64_t *wakeup_ms);
void http_service(HttpServer *s, const struct pollfd *fds, uint64_t now_ms);
