#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"

static Peer *peer_free(Peer *p) {
        if (!p)
                return NULL;
        closep(&p->fd);
        free(p->in);
        free(p->out);
        free(p);
        return NULL;
}

static Peer *add(PeerSet *s, int fd, int target, uint64_t now_ms) {
        for (size_t i = 0; i < PEERS_MAX; i++) {
                Peer *p;

                if (s->peers[i])
                        continue;
                p = calloc(1, sizeof(*p));
                if (!p)
                        return NULL;
                p->fd = fd;
                p->phase = target < 0 ? PEER_OPEN : PEER_CONNECTING;
                p->target = target;
                p->heard_ms = now_ms;
                p->slot = -1;
                return s->peers[i] = p;
        }
        return NULL;
}

int peers_listen(PeerSet *s) {
        if (!s->self || s->listen_fd >= 0)
                return 0;
        s->listen_slot = -1;
        s->listen_fd = endpoint_listen(s->self);
        return s->listen_fd < 0 ? s->listen_fd : 0;
}

static void reap(PeerSet *s, uint64_t now_ms) {
        for (size_t i = 0; i < PEERS_MAX; i++) {
                Peer *p = s->peers[i];

                if (!p || (p->phase != PEER_DEAD && now_ms < p->heard_ms + PEER_SILENCE_MS))
                        continue;
                if (p->height || p->id[0])
                        log_info("lost peer %.10s %s", p->id, p->moniker);
                if (p->target >= 0)
                        s->redial_ms[p->target] = now_ms + PEER_REDIAL_MS;
                s->peers[i] = peer_free(p);
        }
}

static bool dialled(const PeerSet *s, int target) {
        for (size_t i = 0; i < PEERS_MAX; i++)
                if (s->peers[i] && s->peers[i]->target == target)
                        return true;
        return false;
}

uint64_t peers_tick(PeerSet *s, uint64_t now_ms) {
        reap(s, now_ms);
        for (size_t t = 0; t < s->n_targets; t++) {
                int fd;

                if (now_ms < s->redial_ms[t] || dialled(s, (int) t))
                        continue;
                s->redial_ms[t] = now_ms + PEER_REDIAL_MS;
                fd = endpoint_dial(&s->targets[t], s->self);
                if (fd >= 0 && !add(s, fd, (int) t, now_ms))
                        close(fd);
        }
        return now_ms + PEER_REDIAL_MS;
}

size_t peers_fill(PeerSet *s, struct pollfd *fds, size_t max) {
        size_t n = 0;

        s->listen_slot = -1;
        if (s->listen_fd >= 0 && n < max) {
                s->listen_slot = (int) n;
                fds[n++] = (struct pollfd){ .fd = s->listen_fd, .events = POLLIN };
        }
        for (size_t i = 0; i < PEERS_MAX; i++) {
                Peer *p = s->peers[i];

                if (!p)
                        continue;
                p->slot = -1;
                if (p->phase == PEER_DEAD || n == max)
                        continue;
                p->slot = (int) n;
                fds[n++] = (struct pollfd){
                        .fd = p->fd,
                        .events = (short) ((p->phase == PEER_CONNECTING ? 0 : POLLIN) |
                                           (p->phase == PEER_CONNECTING || p->out_len > 0 ? POLLOUT : 0)),
                };
        }
        return n;
}

static void flush(Peer *p) {
        ssize_t n;

        if (p->out_len == 0 || p->phase == PEER_DEAD || p->phase == PEER_CONNECTING)
                return;
        n = send(p->fd, p->out, p->out_len, MSG_NOSIGNAL);
        if (n < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        p->phase = PEER_DEAD;
                return;
        }
        p->out_len -= (size_t) n;
        memmove(p->out, p->out + n, p->out_len);
}

void peer_send(Peer *p, const char *text) {
        size_t len;
        char *out;

        if (!text)
                p->phase = PEER_DEAD;
        if (p->phase == PEER_DEAD)
                return;
        len = strlen(text);
        out = p->out_len + len <= PEER_OUT_MAX ? realloc(p->out, p->out_len + len) : NULL;
        if (!out) {
                p->phase = PEER_DEAD;
                return;
        }
        p->out = out;
        memcpy(p->out + p->out_len, text, len);
        p->out_len += len;
        flush(p);
}

void peers_broadcast(PeerSet *s, const char *text, const Peer *except) {
        for (size_t i = 0; i < PEERS_MAX; i++)
                if (s->peers[i] && s->peers[i] != except && s->peers[i]->phase == PEER_READY)
                        peer_send(s->peers[i], text);
}

static void note_ip(Peer *p) {
        struct sockaddr_storage addr = {};
        socklen_t len = sizeof(addr);

        if (getpeername(p->fd, (struct sockaddr *) &addr, &len) < 0)
                return;
        if (addr.ss_family == AF_INET6)
                inet_ntop(AF_INET6, &((struct sockaddr_in6 *) &addr)->sin6_addr, p->ip, sizeof(p->ip));
        else
                inet_ntop(AF_INET, &((struct sockaddr_in *) &addr)->sin_addr, p->ip, sizeof(p->ip));
}

static void finish_connect(PeerSet *s, Peer *p, uint64_t now_ms) {
        socklen_t len = sizeof(int);
        int error = 0;

        if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
                p->phase = PEER_DEAD;
                return;
        }
        p->phase = PEER_OPEN;
        p->heard_ms = now_ms;
        note_ip(p);
        s->on_open(p, s->userdata);
}

/* Hands over every whole line in the buffer. */
static void deliver(PeerSet *s, Peer *p) {
        size_t start = 0;

        while (p->phase != PEER_DEAD) {
                char *newline = memchr(p->in + start, '\n', p->in_len - start);
                size_t len;

                if (!newline)
                        break;
                *newline = '\0';
                len = (size_t) (newline - (p->in + start));
                s->on_line(p, p->in + start, len, s->userdata);
                start += len + 1;
        }
        p->in_len -= start;
        memmove(p->in, p->in + start, p->in_len);
        if (p->in_len >= PEER_LINE_MAX)
                p->phase = PEER_DEAD;
}

static void receive(PeerSet *s, Peer *p, uint64_t now_ms) {
        const size_t chunk = 64 * 1024;
        char *in = realloc(p->in, p->in_len + chunk);
        ssize_t n;

        if (!in) {
                p->phase = PEER_DEAD;
                return;
        }
        p->in = in;
        n = recv(p->fd, p->in + p->in_len, chunk, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                p->phase = PEER_DEAD;
                return;
        }
        p->heard_ms = now_ms;
        p->in_len += (size_t) n;
        deliver(s, p);
}

static void accept_one(PeerSet *s, uint64_t now_ms) {
        cleanup_fd_ int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        Peer *p;

        if (fd < 0)
                return;
        p = add(s, fd, -1, now_ms);
        if (!p)
                return;
        TAKE_FD(fd);
        note_ip(p);
        s->on_open(p, s->userdata);
}

void peers_service(PeerSet *s, const struct pollfd *fds, uint64_t now_ms) {
        for (size_t i = 0; i < PEERS_MAX; i++) {
                Peer *p = s->peers[i];
                short got = p && p->slot >= 0 ? fds[p->slot].revents : 0;

                if (!got || p->phase == PEER_DEAD)
                        continue;
                if (p->phase == PEER_CONNECTING) {
                        finish_connect(s, p, now_ms);
                        continue;
                }
                if (got & POLLOUT)
                        flush(p);
                if (got & (POLLIN | POLLHUP | POLLERR))
                        receive(s, p, now_ms);
        }
        if (s->listen_slot >= 0 && fds[s->listen_slot].revents)
                accept_one(s, now_ms);
        reap(s, now_ms);
}

size_t peers_ready(const PeerSet *s, const Peer **ret) {
        const Peer *found[PEERS_MAX];
        size_t n = 0;

        for (size_t i = 0; i < PEERS_MAX; i++) {
                const Peer *p = s->peers[i];
                bool twice = false;

                if (!p || p->phase != PEER_READY)
                        continue;
                for (size_t k = 0; k < n; k++)
                        twice = twice || strcmp(found[k]->id, p->id) == 0;
                if (!twice)
                        found[n++] = p;
        }
        if (ret)
                memcpy(ret, found, n * sizeof(*found));
        return n;
}

void peers_close(PeerSet *s) {
        for (size_t i = 0; i < PEERS_MAX; i++)
                s->peers[i] = peer_free(s->peers[i]);
        closep(&s->listen_fd);
        s->listen_fd = -1;
        s->listen_slot = -1;
}
