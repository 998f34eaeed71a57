/*
 * Talking to peers: who is there, passing news on, and catching up by asking
 * one peer after the other for the blocks that we lack.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "message.h"
#include "node.h"

#define STATUS_MS          1000
#define ASK_RETRY_MS       1000
#define BEHIND_PATIENCE_MS 200 /* the votes for a block are usually right behind the news of it */
#define BEHIND_MAX         3   /* further behind than this is catching up */

uint64_t gossip_best(const Node *node) {
        const Peer *ready[PEERS_MAX];
        size_t n = peers_ready(&node->peers, ready);
        uint64_t best = 0;

        for (size_t i = 0; i < n; i++)
                if (ready[i]->height > best)
                        best = ready[i]->height;
        return best;
}

void gossip_status(Node *node) {
        cleanup_free_ char *line = message_status(node->store.head.height, node->consensus.round);

        peers_broadcast(&node->peers, line, NULL);
        node->status_due_ms = clock_mono_ms() + STATUS_MS;
}

static void on_open(Peer *p, void *userdata) {
        const Node *node = userdata;
        cleanup_free_ char *line =
                message_hello(node->store.genesis.hash, node->id, node->key.address, node->options->moniker,
                              node->release->version, node->store.head.height);

        peer_send(p, line);
}

static void on_hello(Node *node, Peer *p, const Message *m) {
        cleanup_free_ char *status = NULL;

        if (strcmp(m->chain, node->store.genesis.hash) != 0) {
                log_warn("peer %s is of another chain, closing", p->ip);
                p->phase = PEER_DEAD;
                return;
        }
        if (strcmp(m->id, node->id) == 0)
                log_warn("peer %s has our own node id", p->ip);
        strcpy(p->id, m->id);
        strcpy(p->address, m->address);
        strcpy(p->moniker, m->moniker);
        strcpy(p->version, m->version);
        p->height = m->height;
        if (p->phase == PEER_OPEN) {
                p->phase = PEER_READY;
                log_info("peer %.10s %s version=%s height=%" PRIu64, p->id, p->moniker, p->version,
                         p->height);
        }
        status = message_status(node->store.head.height, node->consensus.round);
        peer_send(p, status);
}

static void on_get(Node *node, Peer *p, const Message *m) {
        json_t *blocks = json_array();
        cleanup_free_ char *line = NULL;

        for (uint64_t h = m->height;
             h >= 1 && h < m->height + m->count && h < m->height + MESSAGE_BLOCKS_MAX; h++) {
                Block b;

                if (store_read(&node->store, h, &b) != 0 || b.local)
                        break;
                if (json_array_append_new(blocks, message_block(&b)) < 0)
                        break;
        }
        line = message_blocks(blocks);
        peer_send(p, line);
}

static void on_blocks(Node *node, const Message *m) {
        uint64_t before = node->store.head.height;
        const FaultRule *slow = node_fault(node, FAULT_SLOW_SYNC);
        json_t *line;
        size_t i;

        json_array_foreach (m->blocks, i, line) {
                const char *text = json_string_value(line);
                Block b;

                if (!text || !block_parse(text, &b))
                        return;
                if (b.height <= node->store.head.height)
                        continue;
                if (b.height != node->store.head.height + 1 || node_adopt(node, &b) != 0)
                        break;
        }
        if (node->store.head.height == before)
                return;
        if (node_next_height(node) < 0)
                node_die(node, "disk", 1);
        node->ask_due_ms = slow ? clock_mono_ms() + 1000 : 0;
        if (node->phase == NODE_RUNNING || slow || json_array_size(m->blocks) == MESSAGE_BLOCKS_MAX)
                log_info("followed height=%" PRIu64 " hash=%.12s best=%" PRIu64, node->store.head.height,
                         node->store.head.hash, gossip_best(node));
}

static void on_consensus(Node *node, Peer *p, Message *m, const char *text, uint64_t now_ms) {
        cleanup_free_ char *line = NULL;
        bool news;

        if (m->kind == MESSAGE_PROPOSAL)
                news = consensus_on_proposal(&node->consensus, m->height, &m->proposal, now_ms);
        else
                news = consensus_on_vote(&node->consensus, &m->vote, now_ms);
        if (news && asprintf(&line, "%s\n", text) >= 0)
                peers_broadcast(&node->peers, line, p);
}

static void on_line(Peer *p, char *text, size_t len, void *userdata) {
        uint64_t now_ms = clock_mono_ms();
        Node *node = userdata;
        bool stalled = node_fault(node, FAULT_STALL);
        Message m = {};

        if (message_parse(text, len, &m) < 0 || (p->phase != PEER_READY && m.kind != MESSAGE_HELLO)) {
                log_warn("peer %s does not speak our language, closing", p->ip);
                p->phase = PEER_DEAD;
                message_done(&m);
                return;
        }
        switch (m.kind) {
        case MESSAGE_HELLO:
                on_hello(node, p, &m);
                break;
        case MESSAGE_STATUS:
                p->height = m.height;
                if (node->phase == NODE_RUNNING && !stalled)
                        consensus_on_round(&node->consensus, m.height + 1, m.round, now_ms);
                break;
        case MESSAGE_PROPOSAL:
        case MESSAGE_VOTE:
                if (node->phase == NODE_RUNNING && !stalled)
                        on_consensus(node, p, &m, text, now_ms);
                break;
        case MESSAGE_GET:
                on_get(node, p, &m);
                break;
        case MESSAGE_BLOCKS:
                if (!stalled)
                        on_blocks(node, &m);
                break;
        case _MESSAGE_MAX:
                break;
        }
        message_done(&m);
}

static void ask(Node *node, uint64_t now_ms) {
        const FaultRule *slow = node_fault(node, FAULT_SLOW_SYNC);
        uint64_t count = slow ? fault_number(slow, 10) : MESSAGE_BLOCKS_MAX;
        cleanup_free_ char *line = message_get(node->store.head.height + 1, count);
        Peer *ahead[PEERS_MAX];
        size_t n = 0;

        for (size_t i = 0; i < PEERS_MAX; i++) {
                Peer *p = node->peers.peers[i];

                if (p && p->phase == PEER_READY && p->height > node->store.head.height)
                        ahead[n++] = p;
        }
        if (n == 0)
                return;
        peer_send(ahead[now_ms % n], line); /* another one each time: a peer may have nothing for us */
        node->ask_due_ms = now_ms + ASK_RETRY_MS;
}

void gossip_catch_up(Node *node, uint64_t now_ms) {
        uint64_t head = node->store.head.height, best = gossip_best(node);

        if (best <= head) {
                node->behind_since_ms = 0;
                if (node->phase != NODE_SYNCING ||
                    (peers_ready(&node->peers, NULL) == 0 && node->consensus.n > 1))
                        return;
                if (head > node->sync_start)
                        log_info("caught up from height=%" PRIu64 " to height=%" PRIu64 " hash=%.12s",
                                 node->sync_start, head, node->store.head.hash);
                node->phase = NODE_RUNNING;
                return;
        }
        if (node->behind_since_ms == 0)
                node->behind_since_ms = now_ms;
        if (node->foreign)
                node->phase = NODE_RUNNING;
        else if (node->phase == NODE_RUNNING && best > head + BEHIND_MAX) {
                log_info("catching up from height=%" PRIu64 " to height=%" PRIu64, head, best);
                node->sync_start = head;
                node->phase = NODE_SYNCING;
        }
        if (now_ms >= node->ask_due_ms &&
            (node->phase == NODE_SYNCING || now_ms >= node->behind_since_ms + BEHIND_PATIENCE_MS))
                ask(node, now_ms);
}

void gossip_init(Node *node) {
        node->peers = (PeerSet){
                .listen_fd = -1,
                .listen_slot = -1,
                .self = node->options->has_p2p ? &node->options->p2p : NULL,
                .targets = node->options->peers,
                .n_targets = node->options->n_peers,
                .on_open = on_open,
                .on_line = on_line,
                .userdata = node,
        };
}
