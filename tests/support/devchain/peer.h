#pragma once
/*
 * Connections to other nodes: lines of text over TCP. Dials the given targets
 * and accepts on the given address, nothing else; no peer discovery. Two nodes
 * that list each other keep two connections, what arrives twice is harmless.
 *
 * Bounds: PEERS_MAX connections, PEER_LINE_MAX bytes a line, PEER_OUT_MAX bytes
 * waiting to be sent, PEER_SILENCE_MS without a byte; beyond any the connection
 * is closed.
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "key.h"

#define PEERS_MAX        96
#define PEER_TARGETS_MAX 64
#define PEER_LINE_MAX    (1024 * 1024)
#define PEER_OUT_MAX     (4 * 1024 * 1024)
#define PEER_SILENCE_MS  6000
#define PEER_REDIAL_MS   500

typedef enum PeerPhase {
        PEER_CONNECTING,
        PEER_OPEN,  /* bytes may flow, who it is is not known yet */
        PEER_READY, /* it said hello; set by the owner */
        PEER_DEAD,  /* closed at the next peers_tick() or peers_service() */
} PeerPhase;

typedef struct Peer {
        int fd;
        PeerPhase phase;
        int target; /* index of what we dialled, -1: it came to us */
        uint64_t heard_ms;
        int slot; /* in the pollfd array of this turn, -1: none */
        char *in, *out;
        size_t in_len, out_len;

        /* What it said of itself; the owner's. */
        char id[KEY_ADDRESS_HEX], address[KEY_ADDRESS_HEX], moniker[64], version[64], ip[ENDPOINT_TEXT_MAX];
        uint64_t height;
} Peer;

typedef struct PeerSet {
        int listen_fd, listen_slot;
        const Endpoint *self; /* NULL: accepts nobody */
        const Endpoint *targets;
        size_t n_targets;
        uint64_t redial_ms[PEER_TARGETS_MAX];
        Peer *peers[PEERS_MAX];

        void (*on_open)(Peer *p, void *userdata);
        void (*on_line)(Peer *p, char *line, size_t len,
                        void *userdata); /* without newline, NUL-terminated */
        void *userdata;
} PeerSet;

/* Opens the listening socket, if not open. 0 or -errno. */
int peers_listen(PeerSet *s);

/* Drops what is dead or silent, dials what is missing. Returns when it wants to be called next. */
uint64_t peers_tick(PeerSet *s, uint64_t now_ms);

/* Adds to @fds (room for @max) what to wait for, returns how many. */
size_t peers_fill(PeerSet *s, struct pollfd *fds, size_t max);
void peers_service(PeerSet *s, const struct pollfd *fds, uint64_t now_ms);

/* Sends @text, which ends in a newline; never blocks. NULL (out of memory while making it) drops the peer.
 */
void peer_send(Peer *p, const char *text);
/* To everybody who is ready but @except (may be NULL). */
void peers_broadcast(PeerSet *s, const char *text, const Peer *except);

/* Ready peers, each node counted once; fills @ret (room for PEERS_MAX) if not NULL. */
size_t peers_ready(const PeerSet *s, const Peer **ret);

/* Closes every connection and the listener. */
void peers_close(PeerSet *s);
