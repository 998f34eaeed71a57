/*
 * Ethereum's JSON-RPC and Klaytn's (kaia_* is klay_* there since v2), with the
 * field names and error texts of geth and kcn.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rpc.h"

typedef json_t *(*EvmMethod)(const RpcView *v, json_t *params, RpcError *ret_error);

static json_t *hex(uint64_t n) {
        return json_sprintf("0x%" PRIx64, n);
}

static json_t *hash(const char *digits) {
        return json_sprintf("0x%s", digits);
}

static json_t *address(const Key *key) {
        char text[KEY_ADDRESS_HEX];

        for (int i = 0; i < KEY_ADDRESS_HEX; i++)
                text[i] = (char) tolower(key->address[i]);
        return json_sprintf("0x%s", text);
}

/* 1 found, 0 no such block, -1 error set. */
static int find_block(const RpcView *v, json_t *params, Block *ret, RpcError *ret_error) {
        const char *tag = json_string_value(json_array_get(params, 0));
        uint64_t height;
        char *end;

        if (!tag && json_array_size(params) > 0) {
                rpc_fail(ret_error, -32602,
                         "invalid argument 0: json: cannot unmarshal non-string into Go value", NULL);
                return -1;
        }
        if (!tag || strcmp(tag, "latest") == 0 || strcmp(tag, "pending") == 0 || strcmp(tag, "safe") == 0 ||
            strcmp(tag, "finalized") == 0) {
                *ret = v->head;
                return 1;
        }
        height = strtoull(strncmp(tag, "0x", 2) == 0 ? tag + 2 : "", &end, 16);
        if (strcmp(tag, "earliest") == 0)
                height = 0;
        else if (!tag[0] || tag[1] != 'x' || !tag[2] || *end) {
                rpc_fail(ret_error, -32602, "invalid argument 0: hex string without 0x prefix", NULL);
                return -1;
        }
        return store_read(&v->node->store, height, ret) == 0;
}

static json_t *block_number(const RpcView *v, json_t *params, RpcError *ret_error) {
        (void) params;
        (void) ret_error;
        return json_string(v->evm_height);
}

static json_t *describe(const RpcView *v, const Block *b) {
        const Key *miner = &v->node->validators[b->proposer % v->node->consensus.n];
        json_t *o = json_object();

        json_object_set_new(o, "number",
                            b->height == v->head.height ? json_string(v->evm_height) : hex(b->height));
        json_object_set_new(o, "hash", hash(b->hash));
        json_object_set_new(o, "parentHash", hash(b->parent));
        json_object_set_new(o, "timestamp", hex(b->time_ms / 1000));
        json_object_set_new(o, "miner", address(miner));
        json_object_set_new(o, "reward", address(miner));
        json_object_set_new(o, "difficulty", json_string("0x1"));
        json_object_set_new(o, "blockscore", json_string("0x1"));
        json_object_set_new(o, "gasLimit", json_string("0x1c9c380"));
        json_object_set_new(o, "gasUsed", json_string("0x0"));
        json_object_set_new(o, "extraData", json_string("0x"));
        json_object_set_new(o, "size", hex(BLOCK_LINE));
        json_object_set_new(o, "transactions", json_array());
        json_object_set_new(o, "uncles", json_array());
        return o;
}

static json_t *block_by_number(const RpcView *v, json_t *params, RpcError *ret_error) {
        int found;
        Block b;

        if (json_array_size(params) == 0)
                return rpc_fail(ret_error, -32602, "missing value for required argument 0", NULL);
        found = find_block(v, params, &b, ret_error);
        if (found < 0)
                return NULL;
        return found ? describe(v, &b) : json_null();
}

static json_t *council(const RpcView *v, json_t *params, RpcError *ret_error) {
        json_t *list;
        int found;
        Block b;

        found = find_block(v, params, &b, ret_error);
        if (found < 0)
                return NULL;
        if (!found)
                return rpc_fail(ret_error, -32000, "unknown block", NULL);
        list = json_array();
        for (uint32_t i = 0; i < v->node->consensus.n; i++)
                json_array_append_new(list, address(&v->node->validators[i]));
        return list;
}

/* Who signed @b: what the next block says counts, for the head what this node has seen. */
static json_t *committers(const RpcView *v, const Block *b) {
        json_t *list = json_array();
        uint64_t mask = b->seen;
        Block next;

        if (b->height < v->head.height && store_read(&v->node->store, b->height + 1, &next) == 0)
                mask = next.last_commit;
        for (uint32_t i = 0; i < v->node->consensus.n; i++)
                if (mask >> i & 1)
                        json_array_append_new(list, address(&v->node->validators[i]));
        return list;
}

static json_t *block_with_consensus(const RpcView *v, json_t *params, RpcError *ret_error) {
        const Key *proposer;
        json_t *o;
        int found;
        Block b;

        found = find_block(v, params, &b, ret_error);
        if (found < 0)
                return NULL;
        if (!found)
                return rpc_fail(ret_error, -32000, "the block does not exist", NULL);
        proposer = &v->node->validators[b.proposer % v->node->consensus.n];
        o = describe(v, &b);
        json_object_set_new(o, "proposer", address(proposer));
        json_object_set_new(o, "originProposer", address(proposer));
        json_object_set_new(o, "round", json_integer(b.seen_round));
        json_object_set_new(o, "committee", council(v, NULL, ret_error));
        json_object_set_new(o, "committers", committers(v, &b));
        return o;
}

static json_t *syncing(const RpcView *v, json_t *params, RpcError *ret_error) {
        uint64_t best = gossip_best(v->node);

        (void) params;
        (void) ret_error;
        if (v->node->phase != NODE_SYNCING)
                return json_false();
        return json_pack("{s:o, s:s, s:o}", "startingBlock", hex(v->node->sync_start), "currentBlock",
                         v->evm_height, "highestBlock", hex(best > v->head.height ? best : v->head.height));
}

/* A chain id that is a number is that number; any other has the number of a private network. */
static uint64_t chain_number(const RpcView *v) {
        char *end;
        uint64_t n = strtoull(v->chain_id, &end, 10);

        return *end ? 1337 : n;
}

static json_t *chain_id(const RpcView *v, json_t *params, RpcError *ret_error) {
        (void) params;
        (void) ret_error;
        return hex(chain_number(v));
}

static json_t *net_version(const RpcView *v, json_t *params, RpcError *ret_error) {
        (void) params;
        (void) ret_error;
        return json_sprintf("%" PRIu64, chain_number(v));
}

static json_t *peer_count(const RpcView *v, json_t *params, RpcError *ret_error) {
        (void) params;
        (void) ret_error;
        return hex(peers_ready(&v->node->peers, NULL));
}

static json_t *client_version(const RpcView *v, json_t *params, RpcError *ret_error) {
        (void) params;
        (void) ret_error;
        return json_sprintf("devchain/v%s/linux-amd64/gcc", v->node->release->version);
}

static json_t *node_address(const RpcView *v, json_t *params, RpcError *ret_error) {
        (void) params;
        (void) ret_error;
        return address(&v->node->key);
}

static json_t *node_info(const RpcView *v, json_t *params, RpcError *ret_error) {
        (void) params;
        (void) ret_error;
        return json_pack("{s:s, s:o, s:s}", "id", v->node->id, "name", client_version(v, NULL, NULL),
                         "listenAddr", v->node->options->has_p2p ? v->node->options->p2p.text : "");
}

static const struct {
        const char *name;
        EvmMethod call;
} methods[] = {
        { "eth_blockNumber", block_number },
        { "eth_getBlockByNumber", block_by_number },
        { "eth_syncing", syncing },
        { "eth_chainId", chain_id },
        { "net_peerCount", peer_count },
        { "net_version", net_version },
        { "web3_clientVersion", client_version },
        { "klay_blockNumber", block_number },
        { "klay_getBlockByNumber", block_by_number },
        { "klay_syncing", syncing },
        { "klay_chainID", chain_id },
        { "klay_chainId", chain_id },
        { "klay_getCouncil", council },
        { "klay_getCommittee", council },
        { "klay_getBlockWithConsensusInfoByNumber", block_with_consensus },
        { "klay_clientVersion", client_version },
        { "istanbul_getValidators", council },
        { "governance_nodeAddress", node_address },
        { "admin_nodeInfo", node_info },
};

json_t *evm_call(const RpcView *v, const char *method, json_t *params, RpcError *ret_error) {
        char name[64], text[160];

        snprintf(name, sizeof(name), "%s", method);
        if (strncmp(name, "kaia_", 5) == 0)
                memcpy(name, "klay_", 5);
        for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
                if (strcmp(methods[i].name, name) == 0)
                        return methods[i].call(v, params, ret_error);
        snprintf(text, sizeof(text), "the method %.64s does not exist/is not available", method);
        return rpc_fail(ret_error, -32601, text, NULL);
}
