/*
 * Ethereum execution clients and everything that speaks eth_*: geth and its
 * forks, erigon, reth, nethermind, the rollups, anvil.
 *
 * The chain does not tell through these methods who signed what: council,
 * signing and proposal slots stay unknown.
 */
#include "chain/evm.h"
#include "chain/families.h"
#include "chain/jsonrpc.h"
#include "chain/step.h"
#include "util/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>

#define HASH_DIGITS 64
#define VERSION_MAX 256

int evm_hex_text(const char *method, const char *what, const json_t *value, size_t digits, char **field,
                 Fault *reterr) {
        const char *text = json_string_value(value);
        char buffer[JSONRPC_EXCERPT_MAX];
        bool good = text && str_starts(text, "0x") && strlen(text) == digits + 2;

        for (size_t i = 2; good && text[i]; i++)
                good = isxdigit((unsigned char) text[i]);
        if (!good)
                return fault_set(reterr, -EBADMSG, "%s: expected %s as \"0x\" and %zu hex digits, got %s",
                                 method, what, digits, jsonrpc_excerpt(buffer, value));
        return str_replace(field, text);
}

int evm_absorb_head(const char *method, ChainSample *sample, int status, const char *body, Fault *reterr) {
        cleanup_json_ json_t *block = NULL;
        cleanup_free_ char *hash = NULL;
        int64_t height, timestamp;
        int r;

        r = jsonrpc_result(method, status, body, false, &block, reterr);
        if (r != 0)
                return r;
        r = jsonrpc_quantity(method, "number", json_object_get(block, "number"), &height, reterr);
        if (r == 0)
                r = evm_hex_text(method, "hash", json_object_get(block, "hash"), HASH_DIGITS, &hash, reterr);
        if (r == 0)
                r = jsonrpc_quantity(method, "timestamp", json_object_get(block, "timestamp"), &timestamp,
                                     reterr);
        if (r < 0)
                return r;
        sample->answered = true;
        sample->height = height;
        sample->head_time = timestamp;
        free(sample->head_hash);
        sample->head_hash = TAKE_PTR(hash);
        if (json_is_array(json_object_get(block, "transactions")))
                sample->head_transactions =
                        (int64_t) json_array_size(json_object_get(block, "transactions"));
        return 0;
}

int evm_absorb_syncing(const char *method, ChainSample *sample, int status, const char *body,
                       Fault *reterr) {
        cleanup_json_ json_t *result = NULL;
        char buffer[JSONRPC_EXCERPT_MAX];
        int64_t target = CHAIN_UNKNOWN;
        int r;

        r = jsonrpc_result(method, status, body, false, &result, reterr);
        if (r != 0)
                return r;
        if (json_is_boolean(result)) {
                sample->syncing = json_is_true(result) ? TRI_YES : TRI_NO;
                return 0;
        }
        if (!json_is_object(result))
                return fault_set(reterr, -EBADMSG, "%s: expected false or an object, got %s", method,
                                 jsonrpc_excerpt(buffer, result));
        sample->syncing = TRI_YES;
        if (!json_object_get(result, "highestBlock")) /* some tell only of stages */
                return 0;
        r = jsonrpc_quantity(method, "highestBlock", json_object_get(result, "highestBlock"), &target,
                             reterr);
        sample->target = r < 0 ? CHAIN_UNKNOWN : target;
        return r;
}

int evm_absorb_peers(const char *method, ChainSample *sample, int status, const char *body, Fault *reterr) {
        cleanup_json_ json_t *result = NULL;
        int64_t peers;
        int r;

        r = jsonrpc_result(method, status, body, false, &result, reterr);
        if (r != 0)
                return r;
        if (json_is_integer(result)) /* a few clients write it so */
                r = jsonrpc_decimal(method, "the number of peers", result, &peers, reterr);
        else
                r = jsonrpc_quantity(method, "the number of peers", result, &peers, reterr);
        if (r == 0)
                sample->peers = peers;
        return r;
}

int evm_absorb_chain_id(const char *method, ChainSample *sample, int status, const char *body,
                        Fault *reterr) {
        cleanup_json_ json_t *result = NULL;
        cleanup_free_ char *text = NULL;
        int64_t id;
        int r;

        r = jsonrpc_result(method, status, body, false, &result, reterr);
        if (r == 0)
                r = jsonrpc_quantity(method, "the chain id", result, &id, reterr);
        if (r != 0)
                return r;
        if (asprintf(&text, "%" PRId64, id) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        free(sample->chain_id);
        sample->chain_id = TAKE_PTR(text);
        return 0;
}

int evm_absorb_version(const char *method, ChainSample *sample, int status, const char *body,
                       Fault *reterr) {
        cleanup_json_ json_t *result = NULL;
        int r;

        r = jsonrpc_result(method, status, body, false, &result, reterr);
        if (r != 0)
                return r;
        return jsonrpc_text(method, "the client's version", result, VERSION_MAX, &sample->client_version,
                            reterr);
}

int evm_absorb_hash(const char *method, int status, const char *body, char **ret_hash, Fault *reterr) {
        cleanup_json_ json_t *block = NULL;
        int r;

        r = jsonrpc_result(method, status, body, false, &block, reterr);
        if (r > 0)
                return -EBADMSG;
        if (r < 0)
                return r;
        return evm_hex_text(method, "hash", json_object_get(block, "hash"), HASH_DIGITS, ret_hash, reterr);
}

int evm_request_block(const char *method, int64_t height, ChainRequest *ret) {
        char params[64];

        snprintf(params, sizeof params, "[\"0x%" PRIx64 "\",false]", (uint64_t) height);
        return jsonrpc_request(method, params, ret);
}

static int request_head(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request("eth_getBlockByNumber", "[\"latest\",false]", ret);
}

static int absorb_head(ChainSample *sample, int status, const char *body, Fault *reterr) {
        int r = evm_absorb_head("eth_getBlockByNumber", sample, status, body, reterr);

        if (r > 0)
                return fault_set(
                        reterr, -EBADMSG,
                        "eth_getBlockByNumber: the node does not know this method or has switched it "
                        "off: the \"eth\" API must be on for the RPC address that muster asks");
        return r;
}

static int request_syncing(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request("eth_syncing", "[]", ret);
}

static int absorb_syncing(ChainSample *sample, int status, const char *body, Fault *reterr) {
        return jsonrpc_optional(evm_absorb_syncing("eth_syncing", sample, status, body, reterr), reterr);
}

static int request_peers(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request("net_peerCount", "[]", ret);
}

static int absorb_peers(ChainSample *sample, int status, const char *body, Fault *reterr) {
        return jsonrpc_optional(evm_absorb_peers("net_peerCount", sample, status, body, reterr), reterr);
}

static int request_chain_id(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request("eth_chainId", "[]", ret);
}

static int absorb_chain_id(ChainSample *sample, int status, const char *body, Fault *reterr) {
        return jsonrpc_optional(evm_absorb_chain_id("eth_chainId", sample, status, body, reterr), reterr);
}

static int request_version(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request("web3_clientVersion", "[]", ret);
}

static int absorb_version(ChainSample *sample, int status, const char *body, Fault *reterr) {
        return jsonrpc_optional(evm_absorb_version("web3_clientVersion", sample, status, body, reterr),
                                reterr);
}

static const ChainStep steps[] = {
        { 0, NULL, request_head, absorb_head },
        { CHAIN_WANT_STATE, NULL, request_syncing, absorb_syncing },
        { CHAIN_WANT_STATE, NULL, request_peers, absorb_peers },
        { CHAIN_WANT_CHAIN_ID, NULL, request_chain_id, absorb_chain_id },
        { CHAIN_WANT_VERSION, NULL, request_version, absorb_version },
};

static int evm_request(const ChainSample *sample, unsigned i, ChainRequest *ret) {
        return chain_steps_request(steps, ELEMENTSOF(steps), sample, i, ret);
}

static int evm_absorb(ChainSample *sample, unsigned i, int status, const char *body, Fault *reterr) {
        return chain_steps_absorb(steps, ELEMENTSOF(steps), sample, i, status, body, reterr);
}

static int evm_request_hash(const ChainSample *sample, int64_t height, ChainRequest *ret) {
        return evm_request_block("eth_getBlockByNumber", height, ret);
}

static int evm_family_absorb_hash(int status, const char *body, char **ret_hash, Fault *reterr) {
        return evm_absorb_hash("eth_getBlockByNumber", status, body, ret_hash, reterr);
}

static const char *const version_arguments[] = { "--version", NULL };

/* geth's layout first, then what reth, erigon and bor call the same things. */
static const char *const key_files[] = {
        "geth/nodekey",   "bor/nodekey", "nodekey",       "discovery-secret", "keystore/*",
        "geth/jwtsecret", "jwtsecret",   "bor/jwtsecret", "jwt.hex",          NULL,
};

static const char *const state_files[] = { NULL };
static const char *const own_files[] = { "config.toml", "static-nodes.json", "geth/static-nodes.json",
                                         "geth/config.toml", NULL };

const ChainFamily chain_family_evm = {
        .name = "evm",
        .stop_signal = SIGTERM,
        .stop_patience = 5 * 60 * USEC_PER_SEC,
        .version_arguments = version_arguments,
        .key_files = key_files,
        .state_files = state_files,
        .own_files = own_files,
        .request = evm_request,
        .absorb = evm_absorb,
        .request_hash = evm_request_hash,
        .absorb_hash = evm_family_absorb_hash,
};
