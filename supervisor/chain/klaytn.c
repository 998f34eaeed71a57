/*
 * Klaytn and Kaia. Methods are klay_*; Kaia v2 may answer to kaia_* alone, so
 * a head that klay_ does not find is asked again as kaia_, and the rest follows
 * in the dialect that answered.
 *
 * Signing: klay_getBlockWithConsensusInfoByNumber names the committee that was
 * drawn for a block, its proposer, and `committers`, the members whose committed
 * seals are in the header: recovered from signatures, so this is what we go by.
 * Not to be in a block's committee (22 of 30, say) is the draw, not silence, and
 * leaves `signing` unknown, and so does a node from before v1.9, which does not
 * tell the committers. The answer carries every transaction with its receipt:
 * of a block with many of them it is not asked.
 *
 * The next proposer is drawn by stake and randomness after the block before it:
 * the API does not tell it ahead, and blocks_to_proposal stays unknown.
 */
#include "chain/evm.h"
#include "chain/families.h"
#include "chain/jsonrpc.h"
#include "chain/step.h"
#include "util/text.h"

#include <inttypes.h>
#include <signal.h>
#include <strings.h>

#define ADDRESS_DIGITS 40

/* Beyond this the consensus information of one block is megabytes. */
#define LIGHT_BLOCK_TRANSACTIONS 200

typedef enum Dialect { DIALECT_KLAY, DIALECT_KAIA, _DIALECT_MAX } Dialect;

typedef enum Method {
        METHOD_HEAD,
        METHOD_SYNCING,
        METHOD_CHAIN_ID,
        METHOD_VERSION,
        METHOD_COUNCIL,
        METHOD_CONSENSUS,
        METHOD_ADDRESS,
        _METHOD_MAX,
} Method;

static const char *const methods[_DIALECT_MAX][_METHOD_MAX] = {
        [DIALECT_KLAY] = {
                [METHOD_HEAD] = "klay_getBlockByNumber",
                [METHOD_SYNCING] = "klay_syncing",
                [METHOD_CHAIN_ID] = "klay_chainID",
                [METHOD_VERSION] = "klay_clientVersion",
                [METHOD_COUNCIL] = "klay_getCouncil",
                [METHOD_CONSENSUS] = "klay_getBlockWithConsensusInfoByNumber",
                [METHOD_ADDRESS] = "klay_nodeAddress",
        },
        [DIALECT_KAIA] = {
                [METHOD_HEAD] = "kaia_getBlockByNumber",
                [METHOD_SYNCING] = "kaia_syncing",
                [METHOD_CHAIN_ID] = "kaia_chainID",
                [METHOD_VERSION] = "kaia_clientVersion",
                [METHOD_COUNCIL] = "kaia_getCouncil",
                [METHOD_CONSENSUS] = "kaia_getBlockWithConsensusInfoByNumber",
                [METHOD_ADDRESS] = "kaia_nodeAddress",
        },
};

static const char *method(const ChainSample *sample, Method m) {
        return methods[sample->dialect < _DIALECT_MAX ? sample->dialect : DIALECT_KLAY][m];
}

static int request_at(const ChainSample *sample, Method m, ChainRequest *ret) {
        char params[32];

        snprintf(params, sizeof params, "[\"0x%" PRIx64 "\"]", (uint64_t) sample->height);
        return jsonrpc_request(method(sample, m), params, ret);
}

static int request_head(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request(method(sample, METHOD_HEAD), "[\"latest\",false]", ret);
}

static int absorb_head(ChainSample *sample, int status, const char *body, Fault *reterr) {
        int r = evm_absorb_head(method(sample, METHOD_HEAD), sample, status, body, reterr);

        if (r > 0 && sample->dialect == DIALECT_KLAY) {
                sample->dialect = DIALECT_KAIA;
                chain_step_again(sample);
                return jsonrpc_optional(r, reterr);
        }
        if (r > 0) {
                sample->dialect = DIALECT_KLAY;
                return fault_set(
                        reterr, -EBADMSG,
                        "klay_getBlockByNumber, kaia_getBlockByNumber: the node knows neither or has "
                        "switched them off: set RPC_API to include \"klay\" and \"net\"");
        }
        return r;
}

static int request_syncing(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request(method(sample, METHOD_SYNCING), "[]", ret);
}

static int absorb_syncing(ChainSample *sample, int status, const char *body, Fault *reterr) {
        return jsonrpc_optional(
                evm_absorb_syncing(method(sample, METHOD_SYNCING), sample, status, body, reterr), reterr);
}

static int request_peers(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request("net_peerCount", "[]", ret);
}

static int absorb_peers(ChainSample *sample, int status, const char *body, Fault *reterr) {
        return jsonrpc_optional(evm_absorb_peers("net_peerCount", sample, status, body, reterr), reterr);
}

static int request_chain_id(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request(method(sample, METHOD_CHAIN_ID), "[]", ret);
}

static int absorb_chain_id(ChainSample *sample, int status, const char *body, Fault *reterr) {
        return jsonrpc_optional(
                evm_absorb_chain_id(method(sample, METHOD_CHAIN_ID), sample, status, body, reterr), reterr);
}

static int request_version(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request(method(sample, METHOD_VERSION), "[]", ret);
}

static int absorb_version(ChainSample *sample, int status, const char *body, Fault *reterr) {
        return jsonrpc_optional(
                evm_absorb_version(method(sample, METHOD_VERSION), sample, status, body, reterr), reterr);
}

static int absorb_address(const char *name, ChainSample *sample, int status, const char *body,
                          Fault *reterr) {
        cleanup_json_ json_t *result = NULL;
        cleanup_free_ char *address = NULL;
        int r;

        r = jsonrpc_result(name, status, body, false, &result, reterr);
        if (r != 0)
                return jsonrpc_optional(r, reterr);
        r = evm_hex_text(name, "our address", result, ADDRESS_DIGITS, &address, reterr);
        if (r < 0)
                return r;
        if (strspn(address + 2, "0") == ADDRESS_DIGITS) { /* the node has not loaded its key yet */
                sample->unsettled = true;
                return 0;
        }
        sample->unsettled = false; /* the other way to ask may have said so */
        free(sample->validator);
        sample->validator = TAKE_PTR(address);
        return 0;
}

static int request_governance_address(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request("governance_nodeAddress", "[]", ret);
}

static int absorb_governance_address(ChainSample *sample, int status, const char *body, Fault *reterr) {
        return absorb_address("governance_nodeAddress", sample, status, body, reterr);
}

static bool address_is_unknown(const ChainSample *sample) {
        return !sample->validator;
}

/* The "governance" API is often off; since v1.10 the same is found under klay_. */
static int request_own_address(const ChainSample *sample, ChainRequest *ret) {
        return jsonrpc_request(method(sample, METHOD_ADDRESS), "[]", ret);
}

static int absorb_own_address(ChainSample *sample, int status, const char *body, Fault *reterr) {
        return absorb_address(method(sample, METHOD_ADDRESS), sample, status, body, reterr);
}

static bool address_and_height_known(const ChainSample *sample) {
        return sample->validator && sample->height >= 0;
}

/* Whether @address is in the array; -EBADMSG where it is no array of addresses. */
static int among(const char *name, const char *what, const json_t *array, const char *address, bool *ret,
                 Fault *reterr) {
        char buffer[JSONRPC_EXCERPT_MAX];
        const json_t *item;
        bool found = false;
        size_t i;

        if (!json_is_array(array))
                return fault_set(reterr, -EBADMSG, "%s: expected %s as an array of addresses, got %s", name,
                                 what, jsonrpc_excerpt(buffer, array));
        json_array_foreach (array, i, item) {
                const char *text = json_string_value(item);

                if (!text || strlen(text) != ADDRESS_DIGITS + 2)
                        return fault_set(reterr, -EBADMSG, "%s: expected an address in %s, got %s", name,
                                         what, jsonrpc_excerpt(buffer, item));
                found = found || strcasecmp(text, address) == 0;
        }
        *ret = found;
        return 0;
}

static int request_council(const ChainSample *sample, ChainRequest *ret) {
        return request_at(sample, METHOD_COUNCIL, ret);
}

static int absorb_council(ChainSample *sample, int status, const char *body, Fault *reterr) {
        const char *name = method(sample, METHOD_COUNCIL);
        cleanup_json_ json_t *result = NULL;
        bool found;
        int r;

        r = jsonrpc_result(name, status, body, false, &result, reterr);
        if (r != 0)
                return jsonrpc_optional(r, reterr);
        r = among(name, "the council", result, sample->validator, &found, reterr);
        if (r == 0)
                sample->in_council = found ? TRI_YES : TRI_NO;
        return r;
}

static bool in_council_and_light(const ChainSample *sample) {
        return address_and_height_known(sample) && sample->in_council != TRI_NO && sample->height > 0 &&
               sample->head_transactions >= 0 && sample->head_transactions <= LIGHT_BLOCK_TRANSACTIONS;
}

static int request_consensus(const ChainSample *sample, ChainRequest *ret) {
        return request_at(sample, METHOD_CONSENSUS, ret);
}

static int absorb_consensus(ChainSample *sample, int status, const char *body, Fault *reterr) {
        const char *name = method(sample, METHOD_CONSENSUS);
        bool in_committee, committed = false, proposed;
        cleanup_json_ json_t *block = NULL;
        const json_t *committers;
        int64_t height;
        int r;

        r = jsonrpc_result(name, status, body, false, &block, reterr);
        if (r != 0)
                return jsonrpc_optional(r, reterr);
        r = jsonrpc_quantity(name, "number", json_object_get(block, "number"), &height, reterr);
        if (r == 0)
                r = evm_hex_text(name, "\"proposer\"", json_object_get(block, "proposer"), ADDRESS_DIGITS,
                                 &sample->proposer, reterr);
        if (r < 0)
                return r;
        r = among(name, "\"committee\"", json_object_get(block, "committee"), sample->validator,
                  &in_committee, reterr);
        committers = json_object_get(block, "committers"); /* before v1.9 there were none */
        if (r == 0 && committers)
                r = among(name, "\"committers\"", committers, sample->validator, &committed, reterr);
        if (r < 0)
                return r;
        proposed = strcasecmp(sample->proposer, sample->validator) == 0;
        if (proposed || committed)
                sample->signed_height = height;
        if (proposed || committed)
                sample->signing = TRI_YES;
        else if (in_committee && committers)
                sample->signing = TRI_NO;
        return 0;
}

static const ChainStep steps[] = {
        { 0, NULL, request_head, absorb_head },
        { CHAIN_WANT_STATE, NULL, request_syncing, absorb_syncing },
        { CHAIN_WANT_STATE, NULL, request_peers, absorb_peers },
        { CHAIN_WANT_CHAIN_ID, NULL, request_chain_id, absorb_chain_id },
        { CHAIN_WANT_VERSION, NULL, request_version, absorb_version },
        { CHAIN_WANT_ADDRESS, NULL, request_governance_address, absorb_governance_address },
        { CHAIN_WANT_ADDRESS, address_is_unknown, request_own_address, absorb_own_address },
        { CHAIN_WANT_DUTY, address_and_height_known, request_council, absorb_council },
        { CHAIN_WANT_DUTY, in_council_and_light, request_consensus, absorb_consensus },
};

static int klaytn_request(const ChainSample *sample, unsigned i, ChainRequest *ret) {
        return chain_steps_request(steps, ELEMENTSOF(steps), sample, i, ret);
}

static int klaytn_absorb(ChainSample *sample, unsigned i, int status, const char *body, Fault *reterr) {
        return chain_steps_absorb(steps, ELEMENTSOF(steps), sample, i, status, body, reterr);
}

static int klaytn_request_hash(const ChainSample *sample, int64_t height, ChainRequest *ret) {
        return evm_request_block(method(sample, METHOD_HEAD), height, ret);
}

static int klaytn_absorb_hash(int status, const char *body, char **ret_hash, Fault *reterr) {
        return evm_absorb_hash("klay_getBlockByNumber", status, body, ret_hash, reterr);
}

static const char *const version_arguments[] = { "version", NULL };

/* A node whose nodekey or bls-nodekey is missing makes a new one without a word. */
static const char *const key_files[] = {
        "nodekey", "klay/nodekey", "bls-nodekey", "klay/bls-nodekey", "keystore/*", NULL,
};

static const char *const state_files[] = { NULL };
static const char *const own_files[] = { "static-nodes.json", "klay/static-nodes.json", "trusted-nodes.json",
                                         "klay/trusted-nodes.json", NULL };

const ChainFamily chain_family_klaytn = {
        .name = "klaytn",
        .stop_signal = SIGTERM,
        .stop_patience = 15 * 60 * USEC_PER_SEC,
        .version_arguments = version_arguments,
        .key_files = key_files,
        .state_files = state_files,
        .own_files = own_files,
        .request = klaytn_request,
        .absorb = klaytn_absorb,
        .request_hash = klaytn_request_hash,
        .absorb_hash = klaytn_absorb_hash,
};
