/*
 * CometBFT and Tendermint nodes, asked by GET on the RPC address. Most wrap
 * the answer as JSON-RPC, Sei's fork sends it bare: both are taken.
 *
 * A node that has no block yet (fresh, or before state sync) says height "0"
 * with an empty hash: that is no height, and stays unknown.
 *
 * Signing: the commit for the newest block is what this node has seen of it so
 * far and may miss a late signature of ours; the one before is final. So the
 * newest is asked first, and only if we are not in it, the one before decides.
 *
 * /status tells our address and voting power, so membership needs no list of
 * validators. The next proposers are drawn by priorities of the whole set; that is not
 * asked for, and blocks_to_proposal stays unknown.
 */
#include "chain/families.h"
#include "chain/jsonrpc.h"
#include "chain/rfc3339.h"
#include "chain/step.h"
#include "util/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <strings.h>

#define ADDRESS_DIGITS 40
#define HASH_DIGITS    64
#define TEXT_MAX       128

/* types/block.go, BlockIDFlagCommit: voted for the block that was committed */
#define BLOCK_ID_FLAG_COMMIT 2

/* types/priv_validator: propose, prevote, precommit */
#define STEP_MAX 3

static int get(ChainRequest *ret, const char *path) {
        cleanup_request_ ChainRequest request = { .path = strdup(path) };

        if (!request.path)
                return -ENOMEM;
        *ret = request;
        request = (ChainRequest){};
        return 0;
}

/* GET answers: a path that is not there is a method that is not there. */
static int result(const char *path, int status, const char *body, json_t **ret, Fault *reterr) {
        if (status == 404)
                return fault_set(reterr, JSONRPC_E_NO_METHOD, "%s: the node answers 404, not found", path);
        return jsonrpc_result(path, status, body, true, ret, reterr);
}

static int hex_text(const char *path, const char *what, const json_t *value, size_t digits, char **field,
                    Fault *reterr) {
        const char *text = json_string_value(value);
        char buffer[JSONRPC_EXCERPT_MAX];
        bool good = text && strlen(text) == digits;

        for (size_t i = 0; good && i < digits; i++)
                good = isxdigit((unsigned char) text[i]);
        if (!good)
                return fault_set(reterr, -EBADMSG, "%s: expected %s as %zu hex digits, got %s", path, what,
                                 digits, jsonrpc_excerpt(buffer, value));
        return str_replace(field, text);
}

static int request_status(const ChainSample *sample, ChainRequest *ret) {
        return get(ret, "/status");
}

/* sync_info: the head, and whether it is the chain's */
static int absorb_sync_info(ChainSample *sample, const json_t *info, Fault *reterr) {
        const json_t *height_text = json_object_get(info, "latest_block_height"),
                     *time_text = json_object_get(info, "latest_block_time"),
                     *catching_up = json_object_get(info, "catching_up");
        cleanup_free_ char *hash = NULL;
        char buffer[JSONRPC_EXCERPT_MAX];
        int64_t height, head_time;
        int r;

        r = jsonrpc_decimal("/status", "sync_info.latest_block_height", height_text, &height, reterr);
        if (r < 0)
                return r;
        if (!json_is_boolean(catching_up))
                return fault_set(reterr, -EBADMSG,
                                 "/status: expected sync_info.catching_up as true or false, got %s",
                                 jsonrpc_excerpt(buffer, catching_up));
        if (height > 0) {
                r = hex_text("/status", "sync_info.latest_block_hash",
                             json_object_get(info, "latest_block_hash"), HASH_DIGITS, &hash, reterr);
                if (r < 0)
                        return r;
                if (parse_rfc3339(json_string_value(time_text), &head_time) < 0)
                        return fault_set(reterr, -EBADMSG,
                                         "/status: expected sync_info.latest_block_time as a time like "
                                         "\"2026-11-22T14:05:09Z\", got %s",
                                         jsonrpc_excerpt(buffer, time_text));
                sample->height = height;
                sample->head_time = head_time < 0 ? CHAIN_UNKNOWN : head_time;
                free(sample->head_hash);
                sample->head_hash = TAKE_PTR(hash);
        }
        sample->syncing = json_is_true(catching_up) ? TRI_YES : TRI_NO;
        sample->answered = true;
        return 0;
}

/* validator_info is absent on nodes that hold no key. */
static int absorb_validator_info(ChainSample *sample, const json_t *info, Fault *reterr) {
        int64_t power;
        int r;

        if (!info || json_is_null(info))
                return 0;
        r = hex_text("/status", "validator_info.address", json_object_get(info, "address"), ADDRESS_DIGITS,
                     &sample->validator, reterr);
        if (r == 0)
                r = jsonrpc_decimal("/status", "validator_info.voting_power",
                                    json_object_get(info, "voting_power"), &power, reterr);
        if (r == 0)
                sample->in_council = power > 0 ? TRI_YES : TRI_NO;
        return r;
}

static int absorb_node_info(ChainSample *sample, const json_t *info, Fault *reterr) {
        cleanup_free_ char *version = NULL, *text = NULL;
        int r;

        r = jsonrpc_text("/status", "node_info.network", json_object_get(info, "network"), TEXT_MAX,
                         &sample->chain_id, reterr);
        if (r < 0 || !(sample->want & CHAIN_WANT_VERSION) || !json_object_get(info, "version"))
                return r;
        r = jsonrpc_text("/status", "node_info.version", json_object_get(info, "version"), TEXT_MAX,
                         &version, reterr);
        if (r < 0)
                return r;
        if (asprintf(&text, "cometbft/%s", version) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return str_replace(&sample->client_version, text);
}

static int absorb_status(ChainSample *sample, int status, const char *body, Fault *reterr) {
        cleanup_json_ json_t *answer = NULL;
        int r, s;

        r = result("/status", status, body, &answer, reterr);
        if (r > 0)
                return fault_set(reterr, -EBADMSG,
                                 "/status: the node does not know this path: is this a CometBFT RPC address "
                                 "(rpc.laddr, often port 26657)?");
        if (r < 0)
                return r;
        r = absorb_sync_info(sample, json_object_get(answer, "sync_info"), reterr);
        if (r < 0)
                return r;
        r = absorb_node_info(sample, json_object_get(answer, "node_info"), reterr);
        s = absorb_validator_info(sample, json_object_get(answer, "validator_info"), r < 0 ? NULL : reterr);
        return r < 0 ? r : s;
}

static int request_net_info(const ChainSample *sample, ChainRequest *ret) {
        return get(ret, "/net_info");
}

static int absorb_net_info(ChainSample *sample, int status, const char *body, Fault *reterr) {
        cleanup_json_ json_t *answer = NULL;
        int64_t peers;
        int r;

        r = result("/net_info", status, body, &answer, reterr);
        if (r != 0)
                return jsonrpc_optional(r, reterr);
        r = jsonrpc_decimal("/net_info", "n_peers", json_object_get(answer, "n_peers"), &peers, reterr);
        if (r == 0)
                sample->peers = peers;
        return r;
}

static int request_abci_info(const ChainSample *sample, ChainRequest *ret) {
        return get(ret, "/abci_info");
}

/* The application's own version, where it tells one: that is what an upgrade changes. */
static int absorb_abci_info(ChainSample *sample, int status, const char *body, Fault *reterr) {
        cleanup_free_ char *version = NULL, *text = NULL;
        cleanup_json_ json_t *answer = NULL;
        const json_t *value;
        int r;

        r = result("/abci_info", status, body, &answer, reterr);
        if (r != 0)
                return jsonrpc_optional(r, reterr);
        value = json_object_get(json_object_get(answer, "response"), "version");
        if (!value || (json_is_string(value) && json_string_length(value) == 0))
                return 0;
        r = jsonrpc_text("/abci_info", "response.version", value, TEXT_MAX, &version, reterr);
        if (r < 0)
                return r;
        if (asprintf(&text, "%s (%s)", version, sample->client_version ?: "cometbft") < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return str_replace(&sample->client_version, text);
}

static bool may_have_signed(const ChainSample *sample) {
        return sample->validator && sample->height > 0 && sample->in_council == TRI_YES;
}

static int request_commit_at(int64_t height, ChainRequest *ret) {
        char path[64];

        snprintf(path, sizeof path, "/commit?height=%" PRId64, height);
        return get(ret, path);
}

static int request_commit(const ChainSample *sample, ChainRequest *ret) {
        return request_commit_at(sample->height, ret);
}

static bool signature_is_ours(const json_t *signature, const char *address) {
        const json_t *flag = json_object_get(signature, "block_id_flag");
        const char *signer = json_str(signature, "validator_address");

        return json_is_integer(flag) && json_integer_value(flag) == BLOCK_ID_FLAG_COMMIT && signer &&
               strcasecmp(signer, address) == 0;
}

/* Whether our signature is in the commit for the asked height. */
static int absorb_commit_at(ChainSample *sample, int64_t asked, int status, const char *body,
                            bool *ret_found, Fault *reterr) {
        cleanup_json_ json_t *answer = NULL;
        const json_t *commit, *signatures, *signature, *proposer;
        char buffer[JSONRPC_EXCERPT_MAX];
        bool found = false;
        int64_t height;
        size_t i;
        int r;

        r = result("/commit", status, body, &answer, reterr);
        if (r != 0)
                return r;
        commit = json_object_get(json_object_get(answer, "signed_header"), "commit");
        r = jsonrpc_decimal("/commit", "signed_header.commit.height", json_object_get(commit, "height"),
                            &height, reterr);
        if (r < 0)
                return r;
        if (height != asked)
                return fault_set(reterr, -EBADMSG,
                                 "/commit: asked for the commit of height %" PRId64 ", got that of %" PRId64,
                                 asked, height);
        signatures = json_object_get(commit, "signatures");
        if (!json_is_array(signatures))
                return fault_set(reterr, -EBADMSG,
                                 "/commit: expected signed_header.commit.signatures as an array, got %s",
                                 jsonrpc_excerpt(buffer, signatures));
        proposer = json_object_get(json_object_get(json_object_get(answer, "signed_header"), "header"),
                                   "proposer_address");
        if (proposer && !sample->proposer) { /* the newest is asked for first */
                r = hex_text("/commit", "signed_header.header.proposer_address", proposer, ADDRESS_DIGITS,
                             &sample->proposer, reterr);
                if (r < 0)
                        return r;
        }
        json_array_foreach (signatures, i, signature)
                found = found || signature_is_ours(signature, sample->validator);
        if (found) {
                sample->signing = TRI_YES;
                sample->signed_height = height;
        }
        *ret_found = found;
        return 0;
}

static int absorb_commit(ChainSample *sample, int status, const char *body, Fault *reterr) {
        bool found;

        return jsonrpc_optional(absorb_commit_at(sample, sample->height, status, body, &found, reterr),
                                reterr);
}

static bool final_commit_decides(const ChainSample *sample) {
        return may_have_signed(sample) && sample->signing == TRI_UNKNOWN && sample->height > 1;
}

static int request_final_commit(const ChainSample *sample, ChainRequest *ret) {
        return request_commit_at(sample->height - 1, ret);
}

static int absorb_final_commit(ChainSample *sample, int status, const char *body, Fault *reterr) {
        bool found;
        int r = absorb_commit_at(sample, sample->height - 1, status, body, &found, reterr);

        if (r == 0 && !found)
                sample->signing = TRI_NO;
        return jsonrpc_optional(r, reterr);
}

static const ChainStep steps[] = {
        { 0, NULL, request_status, absorb_status },
        { CHAIN_WANT_STATE, NULL, request_net_info, absorb_net_info },
        { CHAIN_WANT_VERSION, NULL, request_abci_info, absorb_abci_info },
        { CHAIN_WANT_DUTY, may_have_signed, request_commit, absorb_commit },
        { CHAIN_WANT_DUTY, final_commit_decides, request_final_commit, absorb_final_commit },
};

static int cometbft_request(const ChainSample *sample, unsigned i, ChainRequest *ret) {
        return chain_steps_request(steps, ELEMENTSOF(steps), sample, i, ret);
}

static int cometbft_absorb(ChainSample *sample, unsigned i, int status, const char *body, Fault *reterr) {
        return chain_steps_absorb(steps, ELEMENTSOF(steps), sample, i, status, body, reterr);
}

static int cometbft_request_hash(const ChainSample *sample, int64_t height, ChainRequest *ret) {
        return request_commit_at(height, ret);
}

static int cometbft_absorb_hash(int status, const char *body, char **ret_hash, Fault *reterr) {
        cleanup_json_ json_t *answer = NULL;
        const json_t *commit;
        int r;

        r = result("/commit", status, body, &answer, reterr);
        if (r > 0)
                return -EBADMSG;
        if (r < 0)
                return r;
        commit = json_object_get(json_object_get(answer, "signed_header"), "commit");
        return hex_text("/commit", "signed_header.commit.block_id.hash",
                        json_object_get(json_object_get(commit, "block_id"), "hash"), HASH_DIGITS, ret_hash,
                        reterr);
}

/* One number of priv_validator_state.json, which writes some as strings. */
static int position_number(const json_t *state, const char *key, bool as_string, bool as_number, int64_t max,
                           int64_t *ret, Fault *reterr) {
        const json_t *value = json_object_get(state, key);
        char buffer[JSONRPC_EXCERPT_MAX];
        uint64_t n = 0;
        int r = -EINVAL;

        if (as_string && json_is_string(value))
                r = parse_u64(json_string_value(value), &n);
        else if (as_number && json_is_integer(value) && json_integer_value(value) >= 0) {
                n = (uint64_t) json_integer_value(value);
                r = 0;
        }
        if (r < 0 || n > (uint64_t) max)
                return fault_set(reterr, -EBADMSG,
                                 "\"%s\": expected a number from 0 to %" PRId64 "%s, got %s", key, max,
                                 !as_number ? " written as a string" : "", jsonrpc_excerpt(buffer, value));
        *ret = (int64_t) n;
        return 0;
}

static int cometbft_parse_position(const char *text, SigningPosition *ret, Fault *reterr) {
        cleanup_json_ json_t *state = NULL;
        char why[JSONRPC_EXCERPT_MAX];
        SigningPosition position;
        json_error_t error;
        int r;

        state = json_loads(text, JSON_REJECT_DUPLICATES, &error);
        if (!state)
                return fault_set(reterr, -EBADMSG, "line %d column %d: expected a JSON object: %s",
                                 error.line, error.column, jsonrpc_excerpt_text(why, error.text));
        if (!json_is_object(state))
                return fault_set(reterr, -EBADMSG,
                                 "expected a JSON object with \"height\", \"round\" and \"step\"");
        r = position_number(state, "height", true, false, CHAIN_NUMBER_MAX, &position.height, reterr);
        if (r == 0)
                r = position_number(state, "round", true, true, INT32_MAX, &position.round, reterr);
        if (r == 0)
                r = position_number(state, "step", false, true, STEP_MAX, &position.step, reterr);
        if (r < 0)
                return r;
        *ret = position;
        return 0;
}

static const char *const version_arguments[] = { "version", NULL };
static const char *const key_files[] = { "config/priv_validator_key.json", "config/node_key.json", NULL };
static const char *const consensus_key_files[] = { "config/priv_validator_key.json", NULL };
static const char *const state_files[] = { "data/priv_validator_state.json", NULL };
static const char *const own_files[] = { "config", NULL };

const ChainFamily chain_family_cometbft = {
        .name = "cometbft",
        .stop_signal = SIGTERM,
        .stop_patience = 5 * 60 * USEC_PER_SEC,
        .version_arguments = version_arguments,
        .key_files = key_files,
        .consensus_key_files = consensus_key_files,
        .state_files = state_files,
        .own_files = own_files,
        .request = cometbft_request,
        .absorb = cometbft_absorb,
        .request_hash = cometbft_request_hash,
        .absorb_hash = cometbft_absorb_hash,
        .parse_position = cometbft_parse_position,
};
