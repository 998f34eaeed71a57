#include "endpoint.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"

int endpoint_parse(const char *text, Endpoint *ret) {
        const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                        .ai_socktype = SOCK_STREAM };
        char host[ENDPOINT_TEXT_MAX], *name = host, *colon;
        struct addrinfo *found = NULL;
        Endpoint e = {};

        if (snprintf(e.text, sizeof(e.text), "%s", text) >= (int) sizeof(e.text))
                return -EINVAL;
        memcpy(host, e.text, sizeof(host));
        colon = strrchr(host, ':');
        if (!colon || !colon[1])
                return -EINVAL;
        *colon = '\0';
        if (*name == '[' && colon[-1] == ']') {
                colon[-1] = '\0';
                name++;
        }
        if (getaddrinfo(name, colon + 1, &hints, &found) != 0)
                return -EINVAL;
        memcpy(&e.addr, found->ai_addr, found->ai_addrlen);
        e.addr_len = found->ai_addrlen;
        freeaddrinfo(found);
        *ret = e;
        return 0;
}

static int open_socket(const Endpoint *e) {
        int fd = socket(e->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* accepted sockets inherit it */
        return fd;
}

int endpoint_listen(const Endpoint *e) {
        cleanup_fd_ int fd = open_socket(e);

        if (fd < 0)
                return fd;
        if (bind(fd, (const struct sockaddr *) &e->addr, e->addr_len) < 0 || listen(fd, 64) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static void clear_port(struct sockaddr_storage *addr) {
        if (addr->ss_family == AF_INET6)
                ((struct sockaddr_in6 *) addr)->sin6_port = 0;
        else
                ((struct sockaddr_in *) addr)->sin_port = 0;
}

int endpoint_dial(const Endpoint *e, const Endpoint *from) {
        cleanup_fd_ int fd = open_socket(e);

        if (fd < 0)
                return fd;
        if (from && from->addr.ss_family == e->addr.ss_family) {
                struct sockaddr_storage source = from->addr;

                clear_port(&source);
                if (bind(fd, (struct sockaddr *) &source, from->addr_len) < 0)
                        return -errno;
        }
        if (connect(fd, (const struct sockaddr *) &e->addr, e->addr_len) < 0 && errno != EINPROGRESS)
                return -errno;
        return TAKE_FD(fd);
}
