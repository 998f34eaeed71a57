#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"

static HttpConn *conn_free(HttpConn *c) {
        if (!c)
                return NULL;
        closep(&c->fd);
        free(c->in);
        free(c->out);
        free(c);
        return NULL;
}

int http_listen(HttpServer *s, const Endpoint *e) {
        s->listen_slot = -1;
        s->listen_fd = endpoint_listen(e);
        return s->listen_fd < 0 ? s->listen_fd : 0;
}

void http_close(HttpServer *s) {
        for (size_t i = 0; i < HTTP_CONNS_MAX; i++)
                s->conns[i] = conn_free(s->conns[i]);
        closep(&s->listen_fd);
        s->listen_fd = s->listen_slot = -1;
}

size_t http_fill(HttpServer *s, struct pollfd *fds, size_t max, uint64_t *wakeup_ms) {
        size_t n = 0;

        s->listen_slot = -1;
        if (s->listen_fd >= 0 && n < max) {
                s->listen_slot = (int) n;
                fds[n++] = (struct pollfd){ .fd = s->listen_fd, .events = POLLIN };
        }
        for (size_t i = 0; i < HTTP_CONNS_MAX; i++) {
                HttpConn *c = s->conns[i];
                bool later = c && c->out_len > 0 && c->answer_ms > 0;

                if (!c)
                        continue;
                c->slot = -1;
                if (later && c->answer_ms < *wakeup_ms)
                        *wakeup_ms = c->answer_ms;
                if (n == max)
                        continue;
                c->slot = (int) n;
                /* One request at a time: nothing more is read while an answer waits. A hangup is always
                 * seen. */
                fds[n++] = (struct pollfd){ .fd = c->fd,
                                            .events = c->out_len == 0 ? POLLIN
                                                      : later         ? 0
                                                                      : POLLOUT };
        }
        return n;
}

static const char *status_text(int status) {
        switch (status) {
        case 200:
                return "OK";
        case 404:
                return "Not Found";
        case 405:
                return "Method Not Allowed";
        default:
                return status < 500 ? "Bad Request" : "Internal Server Error";
        }
}

/* Takes @reply->body. False: out of memory. */
static bool queue_reply(HttpConn *c, HttpReply *reply, uint64_t now_ms) {
        cleanup_free_ char *body = TAKE_PTR(reply->body);
        size_t body_len = body ? strlen(body) : 0;
        int n;

        if (reply->status == 0) {
                c->mute = true;
                return true;
        }
        n = asprintf(&c->out,
                     "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s",
                     reply->status, status_text(reply->status), reply->type ?: "application/json",
                     body_len + reply->claim_extra, c->close_after ? "close" : "keep-alive", body ?: "");
        if (n < 0) {
                c->out = NULL;
                return false;
        }
        if (reply->claim_extra)
                c->close_after = true;
        c->out_len = (size_t) n;
        c->out_sent = 0;
        c->answer_ms = reply->delay_ms ? now_ms + reply->delay_ms : 0;
        return true;
}

/* The value of header @name in @head (which ends in an empty line), or NULL. */
static const char *header(const char *head, const char *name) {
        size_t len = strlen(name);

        for (const char *line = strstr(head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n"))
                if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
                        return line + 3 + len + strspn(line + 3 + len, " \t");
        return NULL;
}

/* Splits "METHOD PATH[?QUERY] HTTP/1.x"; false if it is not that. */
static bool split_request_line(char *head, HttpRequest *ret, bool *ret_old) {
        char *end = strstr(head, "\r\n"), *path, *version, *query;

        *end = '\0';
        path = strchr(head, ' ');
        version = path ? strchr(path + 1, ' ') : NULL;
        if (!version || strncmp(version + 1, "HTTP/1.", 7) != 0)
                return false;
        *path++ = '\0';
        *version++ = '\0';
        *ret_old = version[7] == '0';
        query = strchr(path, '?');
        if (query)
                *query++ = '\0';
        ret->method = head;
        ret->path = path;
        ret->query = query ?: "";
        return true;
}

static void refuse(HttpConn *c, int status, uint64_t now_ms) {
        HttpReply reply = { .status = status, .type = "text/plain" };

        c->in_len = 0;
        c->close_after = true;
        if (!queue_reply(c, &reply, now_ms))
                c->mute = true;
}

/* Answers the first whole request in the buffer, if there is one. */
static void process(HttpServer *s, HttpConn *c, uint64_t now_ms) {
        const char *length, *connection;
        HttpRequest request = {};
        HttpReply reply = { .status = 200 };
        size_t head_len, body_len, total;
        char *body, saved;
        bool old;

        if (c->out_len > 0 || c->in_len == 0)
                return;
        c->in[c->in_len] = '\0';
        body = strstr(c->in, "\r\n\r\n");
        if (!body) {
                if (c->in_len >= HTTP_REQUEST_MAX)
                        refuse(c, 400, now_ms);
                return;
        }
        body += 4;
        head_len = (size_t) (body - c->in);
        saved = *body;
        *body = '\0';
        length = header(c->in, "Content-Length");
        connection = header(c->in, "Connection");
        body_len = length ? strtoul(length, NULL, 10) : 0;
        *body = saved;
        if (body_len > HTTP_REQUEST_MAX - head_len) {
                refuse(c, 413, now_ms);
                return;
        }
        total = head_len + body_len;
        if (c->in_len < total)
                return;

        c->close_after = connection && strncasecmp(connection, "close", 5) == 0;
        if (!split_request_line(c->in, &request, &old)) {
                refuse(c, 400, now_ms);
                return;
        }
        c->close_after = c->close_after || old;
        saved = c->in[total];
        c->in[total] = '\0';
        request.body = body;
        request.body_len = body_len;
        s->handle(&request, &reply, s->userdata);
        c->in[total] = saved;
        c->in_len -= total;
        memmove(c->in, c->in + total, c->in_len);
        if (!queue_reply(c, &reply, now_ms))
                refuse(c, 500, now_ms);
}

/* False: the connection is over. */
static bool receive(HttpServer *s, HttpConn *c, uint64_t now_ms) {
        ssize_t n;

        if (!c->in)
                c->in = malloc(HTTP_REQUEST_MAX + 1);
        if (!c->in)
                return false;
        if (c->mute)
                c->in_len = 0; /* silence takes whatever comes */
        n = recv(c->fd, c->in + c->in_len, HTTP_REQUEST_MAX - c->in_len, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return true;
        if (n <= 0)
                return false;
        c->heard_ms = now_ms;
        c->in_len += (size_t) n;
        if (!c->mute)
                process(s, c, now_ms);
        return true;
}

static bool transmit(HttpServer *s, HttpConn *c, uint64_t now_ms) {
        ssize_t n;

        if (c->out_len == 0 || c->answer_ms > now_ms)
                return true;
        n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        c->answer_ms = 0;
        c->out_sent += (size_t) n;
        if (c->out_sent < c->out_len)
                return true;
        free(c->out);
        c->out = NULL;
        c->out_len = 0;
        if (c->close_after)
                return false;
        process(s, c, now_ms); /* pipelined requests */
        return true;
}

static void accept_one(HttpServer *s, uint64_t now_ms) {
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        size_t place = 0;
        HttpConn *c;

        if (fd < 0)
                return;
        for (size_t i = 0; i < HTTP_CONNS_MAX; i++) {
                if (!s->conns[i]) {
                        place = i;
                        break;
                }
                if (s->conns[i]->heard_ms < s->conns[place]->heard_ms)
                        place = i;
        }
        s->conns[place] = conn_free(s->conns[place]);
        c = calloc(1, sizeof(*c));
        if (!c) {
                close(fd);
                return;
        }
        *c = (HttpConn){ .fd = fd, .slot = -1, .heard_ms = now_ms };
        s->conns[place] = c;
}

void http_service(HttpServer *s, const struct pollfd *fds, uint64_t now_ms) {
        for (size_t i = 0; i < HTTP_CONNS_MAX; i++) {
                HttpConn *c = s->conns[i];
                bool alive = true;
                short got;

                if (!c)
                        continue;
                got = c->slot >= 0 ? fds[c->slot].revents : 0;
                if (got & (POLLERR | POLLHUP))
                        alive = false;
                else if (got & POLLIN)
                        alive = receive(s, c, now_ms);
                if (alive)
                        alive = transmit(s, c, now_ms);
                if (!alive || now_ms > c->heard_ms + HTTP_IDLE_MS)
                        s->conns[i] = conn_free(c);
        }
        if (s->listen_slot >= 0 && fds[s->listen_slot].revents)
                accept_one(s, now_ms);
}
