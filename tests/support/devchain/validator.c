/*
 * What consensus does in the world, for this node: sign (or not), remember,
 * send, make final.
 */
#include <inttypes.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "message.h"
#include "node.h"

uint64_t validator_app(const Node *node, uint64_t height) {
        const FaultRule *rule = faults_active(node->faults, FAULT_FORK, height, clock_mono_ms());

        return rule ? fault_number(rule, 0xf0f0) : 0;
}

static bool sign(SignPosition to, const char *hash, void *userdata) {
        Node *node = userdata;

        if (node->phase != NODE_RUNNING || node_fault(node, FAULT_NO_SIGN))
                return false;
        if (signer_advance(&node->signer, to, hash) != 0)
                return false;
        witness_vote(&node->witness, node->key.address, to.height, to.round, to.step, hash);
        return true;
}

static bool save_lock(uint32_t round, const Block *b, void *userdata) {
        Node *node = userdata;

        return signer_save_lock(&node->signer, round, b) == 0;
}

static void make_block(uint32_t round, uint64_t last_commit, Block *ret, void *userdata) {
        const Node *node = userdata;
        const Block *head = &node->store.head;
        Block b = {
                .height = head->height + 1,
                .time_ms = clock_real_ms(),
                .proposer = (uint32_t) node->consensus.self,
                .round = round,
                .last_commit = last_commit,
                .app = validator_app(node, head->height + 1),
        };

        if (b.time_ms <= head->time_ms)
                b.time_ms = head->time_ms + 1;
        strcpy(b.parent, head->hash);
        block_seal(&b, node->store.chain_id);
        *ret = b;
}

static bool acceptable(const Block *b, void *userdata) {
        const Node *node = userdata;
        const Block *head = &node->store.head;

        return b->height == head->height + 1 && b->time_ms > head->time_ms &&
               strcmp(b->parent, head->hash) == 0 && b->app == validator_app(node, b->height) &&
               block_verify(b, node->store.chain_id);
}

static void send_proposal(uint64_t height, const Proposal *p, void *userdata) {
        Node *node = userdata;
        cleanup_free_ char *line = message_proposal(height, p);

        peers_broadcast(&node->peers, line, NULL);
}

static void send_vote(const Vote *v, void *userdata) {
        Node *node = userdata;
        cleanup_free_ char *line = message_vote(v);

        peers_broadcast(&node->peers, line, NULL);
}

static void round_entered(uint64_t height, uint32_t round, void *userdata) {
        const Node *node = userdata;

        if (node->phase == NODE_RUNNING && round > 0 && (round < 4 || round % 16 == 0))
                log_info("no quorum for height=%" PRIu64 ", round=%u peers=%zu", height, round,
                         peers_ready(&node->peers, NULL));
        gossip_status(userdata);
}

static void commit(const Block *b, void *userdata) {
        Node *node = userdata;
        const Block *head = &node->store.head;

        if (node_adopt(node, b) != 0)
                return;
        if (node_next_height(node) < 0)
                node_die(node, "disk", 1);
        log_info("final height=%" PRIu64 " hash=%.12s round=%u proposer=%u signers=%u/%u peers=%zu%s",
                 head->height, head->hash, head->seen_round, head->proposer, block_signers(head->seen),
                 node->consensus.n, peers_ready(&node->peers, NULL), head->local ? " forked" : "");
}

static void double_sign(const Vote *v, const char *other_hash, void *userdata) {
        const Node *node = userdata;

        log_error("double sign by validator %u at height=%" PRIu64 " round=%u step=%d: %.12s and %.12s",
                  v->validator, v->height, v->round, (int) v->step, other_hash, v->hash);
        witness_double_sign(&node->witness, v->height, v->round, v->step, v->validator, other_hash, v->hash);
}

void validator_init(Node *node) {
        static const ConsensusOps ops = {
                .sign = sign,
                .save_lock = save_lock,
                .make_block = make_block,
                .acceptable = acceptable,
                .send_proposal = send_proposal,
                .send_vote = send_vote,
                .round_entered = round_entered,
                .commit = commit,
                .double_sign = double_sign,
        };
        Consensus *c = &node->consensus;

        *c = (Consensus){
                .ops = &ops,
                .userdata = node,
                .n = node->options->validators,
                .self = -1,
                .block_time = node->options->block_time_ms,
        };
        for (uint32_t i = 0; i < c->n; i++) {
                key_genesis(&node->validators[i], node->options->chain_id, i);
                if (strcmp(node->validators[i].address, node->key.address) == 0)
                        c->self = i;
        }
}
