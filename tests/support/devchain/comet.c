/*
 * CometBFT's RPC with its field names: heights are strings, hashes and
 * addresses upper-case, an absent signature has flag 1.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "rpc.h"

#define FLAG_ABSENT 1
#define FLAG_COMMIT 2

typedef json_t *(*CometMethod)(const RpcView *v, const char *height, RpcError *ret_error);

static json_t *upper(const char *digits) {
        char text[SHA256_HEX];
        size_t i;

        for (i = 0; digits[i] && i < sizeof(text) - 1; i++)
                text[i] = (char) toupper(digits[i]);
        text[i] = '\0';
        return json_string(text);
}

static json_t *number(uint64_t n) {
        return json_sprintf("%" PRIu64, n);
}

static json_t *when(uint64_t ms) {
        char text[CLOCK_TEXT_MAX];

        clock_format(ms, text);
        return json_string(text);
}

static json_t *app_hash(const Block *b) {
        char text[64], digest[SHA256_HEX];
        int n = snprintf(text, sizeof(text), "app|%" PRIu64 "|%" PRIx64, b->height, b->app);

        sha256_hex(text, (size_t) n, digest);
        return upper(digest);
}

static json_t *digest_of(const char *what, uint64_t n) {
        char text[64], digest[SHA256_HEX];
        int len = snprintf(text, sizeof(text), "%s|%" PRIu64, what, n);

        sha256_hex(text, (size_t) len, digest);
        return upper(digest);
}

/* Height argument, the head without one. */
static bool find_block(const RpcView *v, const char *height, Block *ret, RpcError *ret_error) {
        char *end = NULL, text[128];
        uint64_t h = v->head.height;

        if (height) {
                h = strtoull(height, &end, 10);
                if (*end || *height == '-' || h == 0) {
                        rpc_fail(ret_error, -32603, "Internal error",
                                 "height must be greater than 0, but got a bad height");
                        return false;
                }
        }
        if (h == v->head.height) {
                *ret = v->head;
                return true;
        }
        if (store_read(&v->node->store, h, ret) == 0)
                return true;
        snprintf(text, sizeof(text),
                 "height %" PRIu64 " must be less than or equal to the current blockchain height %" PRIu64,
                 h, v->head.height);
        rpc_fail(ret_error, -32603, "Internal error", text);
        return false;
}

static json_t *pub_key(const Key *key) {
        return json_pack("{s:s, s:s}", "type", "tendermint/PubKeyEd25519", "value", key->pub);
}

static json_t *node_info(const RpcView *v, const char *id, const char *moniker, const char *version,
                         const char *listen) {
        return json_pack("{s:{s:s, s:s, s:s}, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}}",
                         "protocol_version", "p2p", "8", "block", "11", "app", "1", "id", id, "listen_addr",
                         listen, "network", v->chain_id, "version", version, "channels",
                         "40202122233038606100", "moniker", moniker, "other", "tx_index", "off",
                         "rpc_address", v->node->options->rpc.text);
}

static json_t *sync_info(const RpcView *v) {
        const Block *genesis = &v->node->store.genesis;
        Block first = *genesis;

        (void) store_read(&v->node->store, v->head.height > 0 ? 1 : 0, &first);
        return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b}", "latest_block_hash",
                         v->head.height ? upper(v->head.hash) : json_string(""), "latest_app_hash",
                         app_hash(&v->head), "latest_block_height", v->comet_height, "latest_block_time",
                         when(v->head.time_ms), "earliest_block_hash",
                         first.height ? upper(first.hash) : json_string(""), "earliest_app_hash",
                         app_hash(&first), "earliest_block_height", number(first.height),
                         "earliest_block_time", when(first.time_ms), "catching_up",
                         v->node->phase == NODE_SYNCING);
}

static json_t *status(const RpcView *v, const char *height, RpcError *ret_error) {
        const Node *node = v->node;

        (void) height;
        (void) ret_error;
        return json_pack("{s:o, s:o, s:{s:s, s:o, s:s}}", "node_info",
                         node_info(v, node->id, node->options->moniker, node->release->version,
                                   node->options->has_p2p ? node->options->p2p.text : ""),
                         "sync_info", sync_info(v), "validator_info", "address", node->key.address,
                         "pub_key", pub_key(&node->key), "voting_power",
                         node_is_validator(node) ? "1" : "0");
}

static json_t *net_info(const RpcView *v, const char *height, RpcError *ret_error) {
        const Peer *ready[PEERS_MAX];
        size_t n = peers_ready(&v->node->peers, ready);
        json_t *list = json_array();

        (void) height;
        (void) ret_error;
        for (size_t i = 0; i < n; i++)
                json_array_append_new(
                        list, json_pack("{s:o, s:b, s:s}", "node_info",
                                        node_info(v, ready[i]->id, ready[i]->moniker, ready[i]->version, ""),
                                        "is_outbound", ready[i]->target >= 0, "remote_ip", ready[i]->ip));
        return json_pack("{s:b, s:[s], s:o, s:o}", "listening", v->node->peers.listen_fd >= 0, "listeners",
                         "Listener(@)", "n_peers", number(n), "peers", list);
}

static json_t *validators(const RpcView *v, const char *height, RpcError *ret_error) {
        json_t *list;
        Block b;

        if (!find_block(v, height, &b, ret_error))
                return NULL;
        list = json_array();
        for (uint32_t i = 0; i < v->node->consensus.n; i++)
                json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s}", "address",
                                                      v->node->validators[i].address, "pub_key",
                                                      pub_key(&v->node->validators[i]), "voting_power", "1",
                                                      "proposer_priority", "0"));
        return json_pack("{s:o, s:o, s:o, s:o}", "block_height", number(b.height), "validators", list,
                         "count", number(v->node->consensus.n), "total", number(v->node->consensus.n));
}

static json_t *block_id(const char *hash) {
        return json_pack("{s:o, s:{s:i, s:o}}", "hash", upper(hash), "parts", "total", 1, "hash",
                         upper(hash));
}

static json_t *header(const RpcView *v, const Block *b) {
        const Key *proposer = &v->node->validators[b->proposer % v->node->consensus.n];
        bool has_parent = b->height > 1;
        json_t *o = json_object();

        json_object_set_new(o, "version", json_pack("{s:s}", "block", "11"));
        json_object_set_new(o, "chain_id", json_string(v->chain_id));
        json_object_set_new(o, "height",
                            b->height == v->head.height ? json_string(v->comet_height) : number(b->height));
        json_object_set_new(o, "time", when(b->time_ms));
        json_object_set_new(o, "last_block_id", block_id(has_parent ? b->parent : ""));
        json_object_set_new(o, "last_commit_hash", digest_of("commit", b->last_commit));
        json_object_set_new(o, "data_hash", digest_of("data", 0));
        json_object_set_new(o, "validators_hash", digest_of("validators", v->node->consensus.n));
        json_object_set_new(o, "next_validators_hash", digest_of("validators", v->node->consensus.n));
        json_object_set_new(o, "consensus_hash", digest_of("consensus", 0));
        json_object_set_new(o, "app_hash", app_hash(b));
        json_object_set_new(o, "last_results_hash", digest_of("results", 0));
        json_object_set_new(o, "evidence_hash", digest_of("evidence", 0));
        json_object_set_new(o, "proposer_address", json_string(proposer->address));
        return o;
}

/* The signatures on a block: @mask says whose. */
static json_t *commit_of(const RpcView *v, uint64_t height, const char *hash, uint32_t round, uint64_t mask,
                         uint64_t time_ms) {
        json_t *list = json_array();

        for (uint32_t i = 0; i < v->node->consensus.n; i++) {
                char text[2 * SHA256_HEX];
                uint8_t digest[SHA256_SIZE];
                char signature[64];

                if (!(mask >> i & 1)) {
                        json_array_append_new(list,
                                              json_pack("{s:i, s:s, s:s, s:n}", "block_id_flag", FLAG_ABSENT,
                                                        "validator_address", "", "timestamp",
                                                        "0001-01-01T00:00:00Z", "signature"));
                        continue;
                }
                snprintf(text, sizeof(text), "%s%s", v->node->validators[i].address, hash);
                sha256(text, strlen(text), digest);
                key_base64(digest, sizeof(digest), signature);
                json_array_append_new(list, json_pack("{s:i, s:s, s:o, s:s}", "block_id_flag", FLAG_COMMIT,
                                                      "validator_address", v->node->validators[i].address,
                                                      "timestamp", when(time_ms), "signature", signature));
        }
        return json_pack("{s:o, s:i, s:o, s:o}", "height", number(height), "round", (int) round, "block_id",
                         block_id(hash), "signatures", list);
}

/* What the next block says about @b counts; for the head only what this node has seen. */
static json_t *commit(const RpcView *v, const char *height, RpcError *ret_error) {
        bool canonical = false;
        uint64_t mask;
        Block b, next;

        if (!find_block(v, height, &b, ret_error))
                return NULL;
        mask = b.seen;
        if (b.height < v->head.height && store_read(&v->node->store, b.height + 1, &next) == 0) {
                canonical = true;
                mask = next.last_commit;
        }
        return json_pack("{s:{s:o, s:o}, s:b}", "signed_header", "header", header(v, &b), "commit",
                         commit_of(v, b.height, b.hash, b.seen_round, mask, b.time_ms), "canonical",
                         canonical);
}

static json_t *block(const RpcView *v, const char *height, RpcError *ret_error) {
        Block b, parent = {};

        if (!find_block(v, height, &b, ret_error))
                return NULL;
        if (b.height > 0)
                (void) store_read(&v->node->store, b.height - 1, &parent);
        return json_pack("{s:o, s:{s:o, s:{s:[]}, s:{s:[]}, s:o}}", "block_id", block_id(b.hash), "block",
                         "header", header(v, &b), "data", "txs", "evidence", "evidence", "last_commit",
                         commit_of(v, parent.height, parent.height ? parent.hash : "", parent.seen_round,
                                   b.last_commit, parent.time_ms));
}

static json_t *abci_info(const RpcView *v, const char *height, RpcError *ret_error) {
        uint8_t digest[SHA256_SIZE];
        char app[64];

        (void) height;
        (void) ret_error;
        sha256(v->head.hash, strlen(v->head.hash), digest);
        key_base64(digest, sizeof(digest), app);
        return json_pack("{s:{s:s, s:s, s:s, s:s, s:s}}", "response", "data", "devchain", "version",
                         v->node->release->version, "app_version", "1", "last_block_height", v->comet_height,
                         "last_block_app_hash", app);
}

static json_t *consensus_state(const RpcView *v, const char *height, RpcError *ret_error) {
        const Consensus *c = &v->node->consensus;

        (void) height;
        (void) ret_error;
        return json_pack("{s:{s:o, s:o, s:i, s:i}}", "round_state", "height/round/step",
                         json_sprintf("%" PRIu64 "/%u/%d", c->head.height + 1, c->round, (int) c->step),
                         "height", number(c->head.height + 1), "round", (int) c->round, "step",
                         (int) c->step);
}

static json_t *health(const RpcView *v, const char *height, RpcError *ret_error) {
        (void) v;
        (void) height;
        (void) ret_error;
        return json_object();
}

static const struct {
        const char *name;
        CometMethod call;
} methods[] = {
        { "status", status },
        { "net_info", net_info },
        { "validators", validators },
        { "commit", commit },
        { "block", block },
        { "abci_info", abci_info },
        { "health", health },
        { "consensus_state", consensus_state },
        { "dump_consensus_state", consensus_state },
};

bool comet_knows(const char *method) {
        for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
                if (strcmp(methods[i].name, method) == 0)
                        return true;
        return false;
}

json_t *comet_call(const RpcView *v, const char *method, const char *height, RpcError *ret_error) {
        for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
                if (strcmp(methods[i].name, method) == 0)
                        return methods[i].call(v, height, ret_error);
        return rpc_fail(ret_error, -32601, "Method not found", NULL);
}
