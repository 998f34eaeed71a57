#pragma once
/*
 * ADDR:PORT (numeric, [v6]:PORT too) and the sockets made of it. All sockets
 * are non-blocking and close-on-exec. Functions return -errno on failure.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#define ENDPOINT_TEXT_MAX 64

typedef struct Endpoint {
        struct sockaddr_storage addr;
        socklen_t addr_len;
        char text[ENDPOINT_TEXT_MAX];
} Endpoint;

int endpoint_parse(const char *text, Endpoint *ret);

/* Returns a listening socket. */
int endpoint_listen(const Endpoint *e);

/* Returns a socket whose connect(2) is under way. @from: source address (its port is not used), or NULL. */
int endpoint_dial(const Endpoint *e, const Endpoint *from);
