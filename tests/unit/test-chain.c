#include "tests/unit/cmocka-all.h"
#include "chain/family.h"
#include "chain/rfc3339.h"
#include "util/text.h"

#include <signal.h>

#define HASH_A        "0xbf3b0bacf0caf0a7f046465777b6a63314d560c9731fd2debf2bd922212bb65d"
#define ADDRESS_US    "0x52d41ca72af615a1ac3301b0a93efa222ecc7541"
#define ADDRESS_OTHER "0x00000000000000000000000000000000000000b2"
#define COMET_US      "A6D1AC5C0B58DC3B3DC1FF1E5E5D1C2F6B5A4E30"
#define COMET_OTHER   "0000AC5C0B58DC3B3DC1FF1E5E5D1C2F6B5A4E30"
#define COMET_HASH    "1F2E3D4C5B6A79880716253443526170FFEEDDCCBBAA99887766554433221100"
#define NO_METHOD                                                                                           \
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}"

/* One answer of a scripted node: what the request must contain, what it says to it. */
typedef struct Exchange {
        const char *asked;
        int status;
        const char *answer;
} Exchange;

/* Walks the whole poll against @script, in any order; what is not in it is "method not found". */
static int poll(const ChainFamily *family, const Exchange *script, ChainSample *sample, Fault *fault) {
        int r = 0;

        for (unsigned i = 0; i < 32; i++) {
                cleanup_request_ ChainRequest request = {};
                const Exchange *found = NULL;
                int s = family->request(sample, i, &request);

                if (s == 1)
                        return r;
                assert_int_equal(s, 0);
                for (const Exchange *e = script; e->asked && !found; e++)
                        if (strstr(request.body ?: request.path, e->asked))
                                found = e;
                s = family->absorb(sample, i, found ? found->status : 200, found ? found->answer : NO_METHOD,
                                   fault && !fault->text ? fault : NULL);
                if (s < 0 && r == 0)
                        r = s;
        }
        fail_msg("the sequence of requests does not end");
        return r;
}

#define RESULT(text) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":" text "}"
#define BLOCK(number)                                                                                       \
        RESULT("{\"hash\":\"" HASH_A "\",\"number\":\"" number "\",\"timestamp\":\"0x6b02ed96\","           \
               "\"miner\":\"" ADDRESS_OTHER "\",\"transactions\":[]}")

static void an_evm_node_tells_its_head(void **state) {
        static const Exchange script[] = {
                { "eth_getBlockByNumber\",\"params\":[\"latest\",false]", 200, BLOCK("0x4b4") },
                { "eth_syncing", 200, RESULT("false") },
                { "net_peerCount", 200, RESULT("\"0x7\"") },
                { "eth_chainId", 200, RESULT("\"0x7a69\"") },
                { "web3_clientVersion", 200, RESULT("\"anvil/v1.7.1\"") },
                {},
        };
        const ChainFamily *family = chain_family_by_name("evm");
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        assert_int_equal(poll(family, script, &s, NULL), 0);
        assert_true(s.answered);
        assert_int_equal(s.height, 1204);
        assert_int_equal(s.head_time, 0x6b02ed96);
        assert_string_equal(s.head_hash, HASH_A);
        assert_int_equal(s.syncing, TRI_NO);
        assert_int_equal(s.peers, 7);
        assert_string_equal(s.chain_id, "31337");
        assert_string_equal(s.client_version, "anvil/v1.7.1");
        assert_int_equal(s.signing, TRI_UNKNOWN);
        assert_int_equal(s.blocks_to_proposal, CHAIN_UNKNOWN);
}

static void a_syncing_evm_node_tells_its_target(void **state) {
        static const Exchange script[] = {
                { "getBlockByNumber", 200, BLOCK("0x0") },
                { "eth_syncing", 200,
                  RESULT("{\"startingBlock\":\"0x0\",\"currentBlock\":\"0x10\",\"highestBlock\":"
                         "\"0x400\"}") },
                {},
        };
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        assert_int_equal(poll(chain_family_by_name("evm"), script, &s, NULL), 0);
        assert_int_equal(s.syncing, TRI_YES);
        assert_int_equal(s.target, 1024);
        assert_int_equal(s.height, 0); /* genesis is a height: it was read */
}

static void methods_that_are_off_leave_their_fields_unknown(void **state) {
        static const Exchange script[] = { { "eth_getBlockByNumber", 200, BLOCK("0x4b4") }, {} };
        cleanup_fault_ Fault fault = {};
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        assert_int_equal(poll(chain_family_by_name("evm"), script, &s, &fault), 0);
        assert_null(fault.text);
        assert_true(s.answered);
        assert_int_equal(s.height, 1204);
        assert_int_equal(s.syncing, TRI_UNKNOWN);
        assert_int_equal(s.peers, CHAIN_UNKNOWN);
        assert_null(s.chain_id);
        assert_null(s.client_version);
}

static void a_head_that_cannot_be_asked_for_is_an_error_that_says_what_to_do(void **state) {
        static const Exchange nothing[] = { {} };
        cleanup_fault_ Fault evm = {}, klaytn = {};
        cleanup_sample_ ChainSample s, t;

        chain_sample_init(&s);
        chain_sample_init(&t);
        assert_int_equal(poll(chain_family_by_name("evm"), nothing, &s, &evm), -EBADMSG);
        assert_non_null(strstr(evm.text, "the \"eth\" API must be on"));
        assert_false(s.answered);
        assert_int_equal(poll(chain_family_by_name("klaytn"), nothing, &t, &klaytn), -EBADMSG);
        assert_non_null(strstr(klaytn.text, "RPC_API"));
        assert_false(t.answered);
}

/* Everything that a broken node, a proxy or a liar may send for a head: it is never read as a height. */
static void a_height_that_could_not_be_read_is_unknown_and_never_zero(void **state) {
        static const struct {
                int status;
                const char *body, *words;
        } bad[] = {
                { 200, "", "expected a JSON-RPC answer" },
                { 200, "<html><body>502 Bad Gateway</body></html>", "got '<html>" },
                { 502, "<html>502 Bad Gateway</html>", "HTTP status 502" },
                { 200, "{\"jsonrpc\":\"2.0\",\"id\":1,\"resu", "expected a JSON-RPC answer" },
                { 200, "[]", "expected a JSON object" },
                { 200, "7", "expected a JSON object" },
                { 200, "{}", "\"id\"" },
                { 200, "{\"jsonrpc\":\"2.0\",\"id\":1}", "expected \"result\"" },
                { 200, RESULT("null"), "expected \"result\", got null" },
                { 200, RESULT("7"), "expected number" },
                { 200, RESULT("{}"), "got nothing" },
                { 200, RESULT("{\"number\":null}"), "got null" },
                { 200, BLOCK("1204"), "expected number as a number like \"0x1f\", got \"1204\"" },
                { 200, BLOCK("0x"), "expected number" },
                { 200, BLOCK("-0x1"), "expected number" },
                { 200, BLOCK("0x4b4 "), "expected number" },
                { 200, BLOCK("0x4000000000000001"), "absurd" },
                { 200, BLOCK("0xffffffffffffffffff"), "absurd" },
                { 200, RESULT("{\"number\":1204,\"hash\":\"" HASH_A "\",\"timestamp\":\"0x1\"}"),
                  "got 1204" },
                { 200, RESULT("{\"number\":\"0x4b4\",\"hash\":\"0x12\",\"timestamp\":\"0x1\"}"),
                  "64 hex digits" },
                { 200, RESULT("{\"number\":\"0x4b4\",\"hash\":\"" HASH_A "\",\"timestamp\":true}"),
                  "expected timestamp" },
                { 200, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}", "request 1" },
                { 200,
                  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"header not "
                  "found\"}}",
                  "error -32000: header not found" },
                { 200, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":\"busy\"}", "reports an error: \"busy\"" },
                { 429, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":429,\"message\":\"slow down\"}}",
                  "slow down" },
        };
        static const char *const families[] = { "evm", "klaytn" };

        for (size_t f = 0; f < ELEMENTSOF(families); f++)
                for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                        const ChainFamily *family = chain_family_by_name(families[f]);
                        cleanup_fault_ Fault fault = {};
                        cleanup_sample_ ChainSample s;

                        chain_sample_init(&s);
                        assert_int_equal(family->absorb(&s, 0, bad[i].status, bad[i].body, &fault),
                                         -EBADMSG);
                        assert_false(s.answered);
                        assert_int_equal(s.height, CHAIN_UNKNOWN);
                        assert_null(s.head_hash);
                        assert_non_null(strstr(fault.text, "_getBlockByNumber"));
                        if (!strstr(fault.text, bad[i].words))
                                fail_msg("'%s' does not say '%s'", fault.text, bad[i].words);
                }
}

static void rubbish_in_one_answer_spoils_only_its_own_field(void **state) {
        static const Exchange script[] = {
                { "eth_getBlockByNumber", 200, BLOCK("0x4b4") },
                { "eth_syncing", 200, RESULT("\"maybe\"") },
                { "net_peerCount", 200, RESULT("\"many\"") },
                { "eth_chainId", 200, RESULT("\"0x7a69\"") },
                { "web3_clientVersion", 200, RESULT("\"an\\u001b[31mvil\"") },
                {},
        };
        cleanup_fault_ Fault fault = {};
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        assert_int_equal(poll(chain_family_by_name("evm"), script, &s, &fault), -EBADMSG);
        assert_non_null(strstr(fault.text, "eth_syncing: expected false or an object, got \"maybe\""));
        assert_int_equal(s.height, 1204);
        assert_int_equal(s.syncing, TRI_UNKNOWN);
        assert_int_equal(s.peers, CHAIN_UNKNOWN);
        assert_string_equal(s.chain_id, "31337");
        assert_null(s.client_version); /* no escape sequences onto a terminal */
}

static void only_what_is_wanted_is_asked_for(void **state) {
        const ChainFamily *family = chain_family_by_name("evm");
        cleanup_sample_ ChainSample earlier, s;
        cleanup_request_ ChainRequest request = {};

        chain_sample_init(&earlier);
        chain_sample_init(&s);
        assert_int_equal(str_replace(&earlier.chain_id, "31337"), 0);
        s.want = 0;
        assert_int_equal(chain_sample_carry(&s, &earlier), 0);
        assert_int_equal(family->absorb(&s, 0, 200, BLOCK("0x4b4"), NULL), 0);
        assert_int_equal(family->request(&s, 1, &request), 1);
        assert_string_equal(s.chain_id, "31337");
}

#define CONSENSUS(committee, committers)                                                                    \
        RESULT("{\"number\":\"0x4b4\",\"proposer\":\"" ADDRESS_OTHER "\",\"committee\":[" committee "],"    \
               "\"committers\":[" committers "],\"transactions\":[]}")

static void a_klaytn_validator_is_signing_when_its_seal_is_in_the_block(void **state) {
        static const Exchange script[] = {
                { "klay_getBlockByNumber", 200, BLOCK("0x4b4") },
                { "klay_syncing", 200, RESULT("false") },
                { "net_peerCount", 200, RESULT("\"0x3\"") },
                { "klay_chainID", 200, RESULT("\"0x2019\"") },
                { "klay_clientVersion", 200, RESULT("\"Klaytn/v1.12.1/linux-amd64/go1.20\"") },
                { "governance_nodeAddress", 200, RESULT("\"" ADDRESS_US "\"") },
                { "klay_getCouncil\",\"params\":[\"0x4b4\"]", 200,
                  RESULT("[\"" ADDRESS_OTHER "\",\"0x52D41CA72AF615A1AC3301B0A93EFA222ECC7541\"]") },
                { "klay_getBlockWithConsensusInfoByNumber\",\"params\":[\"0x4b4\"]", 200,
                  CONSENSUS("\"" ADDRESS_OTHER "\",\"" ADDRESS_US "\"", "\"" ADDRESS_US "\"") },
                {},
        };
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        assert_int_equal(poll(chain_family_by_name("klaytn"), script, &s, NULL), 0);
        assert_string_equal(s.chain_id, "8217");
        assert_string_equal(s.validator, ADDRESS_US);
        assert_int_equal(s.in_council, TRI_YES);
        assert_int_equal(s.signing, TRI_YES);
        assert_int_equal(s.signed_height, 1204);
        assert_string_equal(s.proposer, ADDRESS_OTHER);
        assert_int_equal(s.peers, 3);
}

static Tristate klaytn_signing(const char *consensus, int64_t *ret_signed) {
        const Exchange script[] = {
                { "klay_getBlockByNumber", 200, BLOCK("0x4b4") },
                { "governance_nodeAddress", 200, RESULT("\"" ADDRESS_US "\"") },
                { "klay_getCouncil", 200, RESULT("[\"" ADDRESS_US "\"]") },
                { "klay_getBlockWithConsensusInfoByNumber", 200, consensus },
                {},
        };
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        (void) poll(chain_family_by_name("klaytn"), script, &s, NULL);
        *ret_signed = s.signed_height;
        return s.signing;
}

static void not_being_drawn_into_the_committee_is_not_silence(void **state) {
        int64_t height;

        assert_int_equal(
                klaytn_signing(CONSENSUS("\"" ADDRESS_OTHER "\"", "\"" ADDRESS_OTHER "\""), &height),
                TRI_UNKNOWN);
        assert_int_equal(height, CHAIN_UNKNOWN);
        assert_int_equal(klaytn_signing(CONSENSUS("\"" ADDRESS_US "\"", "\"" ADDRESS_OTHER "\""), &height),
                         TRI_NO);
        assert_int_equal(height, CHAIN_UNKNOWN);
        assert_int_equal(klaytn_signing(CONSENSUS("\"" ADDRESS_US "\"", "7"), &height), TRI_UNKNOWN);
        assert_int_equal(height, CHAIN_UNKNOWN);
        /* A node from before "committers": the committee is all that is told, and proves no signature. */
        assert_int_equal(klaytn_signing(RESULT("{\"number\":\"0x4b4\",\"proposer\":\"" ADDRESS_OTHER
                                               "\",\"committee\":[\"" ADDRESS_US "\"]}"),
                                        &height),
                         TRI_UNKNOWN);
        assert_int_equal(height, CHAIN_UNKNOWN);
        assert_int_equal(klaytn_signing(RESULT("{\"number\":\"0x4b4\",\"proposer\":\"" ADDRESS_US
                                               "\",\"committee\":[\"" ADDRESS_US "\"]}"),
                                        &height),
                         TRI_YES);
        assert_int_equal(height, 1204);
}

static void a_kaia_node_is_asked_in_its_own_words(void **state) {
        static const Exchange script[] = {
                { "kaia_getBlockByNumber", 200, BLOCK("0x4b4") },
                { "kaia_syncing", 200, RESULT("false") },
                { "kaia_chainID", 200, RESULT("\"0x2019\"") },
                { "kaia_nodeAddress", 200, RESULT("\"" ADDRESS_US "\"") },
                { "kaia_getCouncil", 200, RESULT("[]") },
                {},
        };
        const ChainFamily *family = chain_family_by_name("klaytn");
        cleanup_request_ ChainRequest request = {}, next = {};
        cleanup_sample_ ChainSample s, later;

        chain_sample_init(&s);
        assert_int_equal(poll(family, script, &s, NULL), 0);
        assert_int_equal(s.height, 1204);
        assert_string_equal(s.chain_id, "8217");
        assert_int_equal(s.in_council, TRI_NO);
        assert_int_equal(family->request_hash(&s, 1200, &request), 0);
        assert_non_null(strstr(request.body, "\"kaia_getBlockByNumber\",\"params\":[\"0x4b0\",false]"));
        chain_sample_init(&later);
        assert_int_equal(chain_sample_carry(&later, &s), 0);
        assert_int_equal(family->request(&later, 0, &next), 0); /* not klay_ first, every time */
        assert_non_null(strstr(next.body, "kaia_getBlockByNumber"));
}

static void a_klaytn_node_without_a_key_has_no_address(void **state) {
        static const Exchange script[] = {
                { "klay_getBlockByNumber", 200, BLOCK("0x4b4") },
                { "governance_nodeAddress", 200, RESULT("\"0x0000000000000000000000000000000000000000\"") },
                { "klay_getCouncil", 200, RESULT("[\"" ADDRESS_US "\"]") },
                {},
        };
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        assert_int_equal(poll(chain_family_by_name("klaytn"), script, &s, NULL), 0);
        assert_null(s.validator);
        assert_int_equal(s.in_council, TRI_UNKNOWN);
}

#define COMET(text) "{\"jsonrpc\":\"2.0\",\"id\":-1,\"result\":" text "}"
#define STATUS_OBJECT(height, power, catching_up)                                                           \
        "{\"node_info\":{\"network\":\"toy-1\",\"version\":\"0.38.17\"},"                                   \
        "\"sync_info\":{\"latest_block_hash\":\"" COMET_HASH "\",\"latest_block_height\":\"" height "\","   \
        "\"latest_block_time\":\"2026-11-22T14:05:09.123456789Z\",\"catching_up\":" catching_up "},"        \
        "\"validator_info\":{\"address\":\"" COMET_US "\",\"voting_power\":\"" power "\"}}"
#define COMMIT(height, flag, address)                                                                       \
        COMET("{\"signed_header\":{\"header\":{\"proposer_address\":\"" COMET_OTHER                         \
              "\"},\"commit\":{\"height\":\"" height "\",\"block_id\":{\"hash\":\"" COMET_HASH              \
              "\"},\"signatures\":[{\"block_id_flag\":1,\"validator_address\":\"\"},"                       \
              "{\"block_id_flag\":" flag ",\"validator_address\":\"" address "\"}]}},\"canonical\":true}")

static void a_cometbft_validator_is_signing_when_it_is_in_the_commit(void **state) {
        static const Exchange script[] = {
                { "/status", 200, COMET(STATUS_OBJECT("1204", "10", "false")) },
                { "/net_info", 200, COMET("{\"listening\":true,\"n_peers\":\"3\",\"peers\":[]}") },
                { "/abci_info", 200, COMET("{\"response\":{\"version\":\"1.2.3\"}}") },
                { "/commit?height=1204", 200, COMMIT("1204", "2", COMET_US) },
                {},
        };
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        assert_int_equal(poll(chain_family_by_name("cometbft"), script, &s, NULL), 0);
        assert_true(s.answered);
        assert_int_equal(s.height, 1204);
        assert_int_equal(s.head_time, 1795356309);
        assert_string_equal(s.head_hash, COMET_HASH);
        assert_int_equal(s.syncing, TRI_NO);
        assert_int_equal(s.peers, 3);
        assert_string_equal(s.chain_id, "toy-1");
        assert_string_equal(s.client_version, "1.2.3 (cometbft/0.38.17)");
        assert_string_equal(s.validator, COMET_US);
        assert_string_equal(s.proposer, COMET_OTHER);
        assert_int_equal(s.in_council, TRI_YES);
        assert_int_equal(s.signing, TRI_YES);
        assert_int_equal(s.signed_height, 1204);
}

static Tristate comet_signing(const char *power_status, const char *newest, const char *final,
                              int64_t *ret_signed) {
        const Exchange script[] = {
                { "/status", 200, power_status },
                { "/commit?height=1204", 200, newest },
                { "/commit?height=1203", 200, final },
                {},
        };
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        (void) poll(chain_family_by_name("cometbft"), script, &s, NULL);
        *ret_signed = s.signed_height;
        return s.signing;
}

static void a_late_signature_is_looked_for_in_the_final_commit(void **state) {
        static const char validator[] = COMET(STATUS_OBJECT("1204", "10", "false"));
        static const char sentry[] = COMET(STATUS_OBJECT("1204", "0", "false"));
        int64_t height;

        assert_int_equal(comet_signing(validator, COMMIT("1204", "2", COMET_OTHER),
                                       COMMIT("1203", "2", COMET_US), &height),
                         TRI_YES);
        assert_int_equal(height, 1203);
        assert_int_equal(comet_signing(validator, COMMIT("1204", "2", COMET_OTHER),
                                       COMMIT("1203", "2", COMET_OTHER), &height),
                         TRI_NO);
        assert_int_equal(height, CHAIN_UNKNOWN);
        assert_int_equal(comet_signing(validator, COMMIT("1204", "3", COMET_US),
                                       COMMIT("1203", "1", COMET_US), &height),
                         TRI_NO);
        assert_int_equal(
                comet_signing(sentry, COMMIT("1204", "2", COMET_US), COMMIT("1203", "2", COMET_US), &height),
                TRI_UNKNOWN);
        /* The commit of another height says nothing about the one that was asked for. */
        assert_int_equal(comet_signing(validator, COMMIT("1190", "2", COMET_US),
                                       COMMIT("1190", "2", COMET_US), &height),
                         TRI_UNKNOWN);
        assert_int_equal(height, CHAIN_UNKNOWN);
}

static void an_answer_without_envelope_is_taken_from_cometbft_forks(void **state) {
        static const Exchange script[] = { { "/status", 200, STATUS_OBJECT("1204", "10", "true") }, {} };
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        assert_int_equal(poll(chain_family_by_name("cometbft"), script, &s, NULL), 0);
        assert_int_equal(s.height, 1204);
        assert_int_equal(s.syncing, TRI_YES);
}

static void a_cometbft_node_without_a_block_has_no_height(void **state) {
        static const char fresh[] = COMET("{\"node_info\":{\"network\":\"toy-1\",\"version\":\"0.38.17\"},"
                                          "\"sync_info\":{\"latest_block_hash\":\"\","
                                          "\"latest_block_height\":\"0\",\"latest_block_time\":\"0001-01-"
                                          "01T00:00:00Z\",\"catching_up\":true}}");
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        assert_int_equal(chain_family_by_name("cometbft")->absorb(&s, 0, 200, fresh, NULL), 0);
        assert_true(s.answered);
        assert_int_equal(s.height, CHAIN_UNKNOWN);
        assert_int_equal(s.syncing, TRI_YES);
}

static void a_cometbft_status_that_is_not_exactly_right_is_unknown(void **state) {
        static const struct {
                int status;
                const char *body, *words;
        } bad[] = {
                { 404, "404 page not found", "26657" },
                { 500,
                  "{\"jsonrpc\":\"2.0\",\"id\":-1,\"error\":{\"code\":-32603,\"message\":\"Internal "
                  "error\",\"data\":\"no\"}}",
                  "Internal error: no" },
                { 200, "<html>", "/status: expected" },
                { 200, COMET("{}"), "latest_block_height" },
                { 200, COMET("null"), "got null" },
                { 200, COMET(STATUS_OBJECT("-5", "10", "false")), "latest_block_height" },
                { 200, COMET(STATUS_OBJECT("9223372036854775807", "10", "false")), "absurd" },
                { 200, COMET(STATUS_OBJECT("1204", "10", "\"no\"")), "catching_up" },
                { 200,
                  COMET("{\"sync_info\":{\"latest_block_height\":\"7\",\"latest_block_hash\":\"xyz\","
                        "\"catching_up\":false}}"),
                  "64 hex digits" },
                { 200,
                  COMET("{\"sync_info\":{\"latest_block_height\":\"7\",\"latest_block_hash\":\"" COMET_HASH
                        "\",\"catching_up\":false,\"latest_block_time\":\"today\"}}"),
                  "latest_block_time" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = {};
                cleanup_sample_ ChainSample s;

                chain_sample_init(&s);
                assert_int_equal(
                        chain_family_by_name("cometbft")->absorb(&s, 0, bad[i].status, bad[i].body, &fault),
                        -EBADMSG);
                assert_false(s.answered);
                assert_int_equal(s.height, CHAIN_UNKNOWN);
                if (!strstr(fault.text, bad[i].words))
                        fail_msg("'%s' does not say '%s'", fault.text, bad[i].words);
        }
}

static void hashes_are_asked_for_at_a_height(void **state) {
        static const struct {
                const char *family, *request, *answer, *hash;
        } cases[] = {
                { "evm", "[\"0x4b4\",false]", BLOCK("0x4b4"), HASH_A },
                { "klaytn", "klay_getBlockByNumber\",\"params\":[\"0x4b4\",false]", BLOCK("0x4b4"), HASH_A },
                { "cometbft", "/commit?height=1204", COMMIT("1204", "2", COMET_US), COMET_HASH },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const ChainFamily *family = chain_family_by_name(cases[i].family);
                cleanup_request_ ChainRequest request = {};
                cleanup_free_ char *hash = NULL, *none = NULL;
                cleanup_sample_ ChainSample s;

                chain_sample_init(&s);
                assert_int_equal(family->request_hash(&s, 1204, &request), 0);
                assert_non_null(strstr(request.body ?: request.path, cases[i].request));
                assert_int_equal(family->absorb_hash(200, cases[i].answer, &hash, NULL), 0);
                assert_string_equal(hash, cases[i].hash);
                assert_true(family->absorb_hash(200, RESULT("null"), &none, NULL) <
                            0); /* pruned, or not there yet */
                assert_true(family->absorb_hash(200, NO_METHOD, &none, NULL) < 0);
                assert_null(none);
        }
        assert_null(chain_family_by_name("exec")->request_hash);
}

static void an_operators_probe_is_read_strictly(void **state) {
        static const struct {
                const char *text, *words;
        } bad[] = {
                { "", "expected one JSON object" },
                { "1204", "expected one JSON object" },
                { "[1204]", "expected one JSON object" },
                { "{\"height\":1204} trailing", "expected one JSON object" },
                { "{\"height\":1204,\"height\":1205}", "expected one JSON object" },
                { "{\"peers\":4}", "no \"height\"" },
                { "{\"height\":\"1204\"}", "\"height\": expected a whole number" },
                { "{\"height\":-1}", "\"height\": expected a whole number" },
                { "{\"height\":12.5}", "\"height\": expected a whole number" },
                { "{\"height\":4611686018427387905}", "\"height\": expected a whole number" },
                { "{\"height\":1204,\"pears\":4}", "\"pears\" that muster does not know" },
                { "{\"height\":1204,\"syncing\":\"no\"}", "\"syncing\": expected true, false or null" },
                { "{\"height\":1204,\"chain_id\":7}", "\"chain_id\" as a text" },
        };
        const ChainFamily *family = chain_family_by_name("exec");
        cleanup_request_ ChainRequest request = {};
        cleanup_sample_ ChainSample s;

        chain_sample_init(&s);
        assert_int_equal(family->request(&s, 0, &request), 1);
        assert_int_equal(
                family->absorb(&s, 0, 200,
                               "{\"height\":1204,\"head_hash\":\"abc\",\"syncing\":false,\"peers\":null,"
                               "\"version\":\"toy 1\",\"signing\":true,\"signed_height\":1203}\n",
                               NULL),
                0);
        assert_true(s.answered);
        assert_int_equal(s.height, 1204);
        assert_int_equal(s.syncing, TRI_NO);
        assert_int_equal(s.peers, CHAIN_UNKNOWN);
        assert_int_equal(s.signing, TRI_YES);
        assert_string_equal(s.client_version, "toy 1");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = {};
                cleanup_sample_ ChainSample t;

                chain_sample_init(&t);
                assert_int_equal(family->absorb(&t, 0, 200, bad[i].text, &fault), -EBADMSG);
                assert_false(t.answered);
                assert_int_equal(t.height, CHAIN_UNKNOWN); /* not even the good members of a bad answer */
                if (!strstr(fault.text, bad[i].words))
                        fail_msg("'%s' does not say '%s'", fault.text, bad[i].words);
        }
}

static void a_cometbft_signing_state_is_read_strictly(void **state) {
        static const char *const bad[] = {
                "",
                "{}",
                "[]",
                "null",
                "{\"height\":\"5\",\"round\":0}",
                "{\"height\":5,\"round\":0,\"step\":1}",
                "{\"height\":\"-5\",\"round\":0,\"step\":1}",
                "{\"height\":\"05\",\"round\":0,\"step\":1}",
                "{\"height\":\"5\",\"round\":-1,\"step\":1}",
                "{\"height\":\"5\",\"round\":0,\"step\":4}",
                "{\"height\":\"5\",\"round\":0,\"step\":\"1\"}",
                "{\"height\":\"5\",\"round\":0,\"step\":1}{}",
                "{\"height\":\"5\",\"height\":\"9\",\"round\":0,\"step\":1}",
                "{\"height\":\"9223372036854775808\",\"round\":0,\"step\":1}",
                "{\"height\":\"5\",\"round\":0,\"step\":1",
        };
        const ChainFamily *family = chain_family_by_name("cometbft");
        SigningPosition p = SIGNING_POSITION_NONE;

        assert_int_equal(
                family->parse_position("{\n  \"height\": \"1204\",\n  \"round\": 2,\n  \"step\": 3,\n"
                                       "  \"signature\": \"c2ln\",\n  \"signbytes\": \"AB\"\n}\n",
                                       &p, NULL),
                0);
        assert_int_equal(p.height, 1204);
        assert_int_equal(p.round, 2);
        assert_int_equal(p.step, 3);
        assert_int_equal(family->parse_position("{\"height\":\"7\",\"round\":\"1\",\"step\":2}", &p, NULL),
                         0); /* before v0.34 */
        assert_int_equal(p.round, 1);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = {};

                if (family->parse_position(bad[i], &p, &fault) != -EBADMSG)
                        fail_msg("'%s' was taken as a position", bad[i]);
                assert_non_null(fault.text);
                assert_int_equal(p.height, 7);
        }
}

static void block_times_are_read_in_every_zone(void **state) {
        int64_t t;

        assert_int_equal(parse_rfc3339("1970-01-01T00:00:01Z", &t), 0);
        assert_int_equal(t, 1);
        assert_int_equal(parse_rfc3339("2026-11-22T16:05:09.5+02:00", &t), 0);
        assert_int_equal(t, 1795356309);
        assert_int_equal(parse_rfc3339("2026-11-22T14:05:09", &t), -EINVAL);
        assert_int_equal(parse_rfc3339("2026-11-22T14:05:09.Z", &t), -EINVAL);
        assert_int_equal(parse_rfc3339("2026-13-22T14:05:09Z", &t), -EINVAL);
        assert_int_equal(parse_rfc3339("2026-11-22T14:05:09Zx", &t), -EINVAL);
        assert_int_equal(parse_rfc3339(NULL, &t), -EINVAL);
}

/* Configuration defaults and the guard rely on these. */
static void every_family_says_how_to_stop_it_and_what_to_protect(void **state) {
        static const char *const names[] = { "evm", "klaytn", "cometbft", "exec" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const ChainFamily *family = chain_family_by_name(names[i]);

                assert_non_null(family);
                assert_string_equal(family->name, names[i]);
                assert_non_null(strstr(chain_family_names(), names[i]));
                assert_int_equal(family->stop_signal, SIGTERM);
                assert_true(family->stop_patience >= 5 * 60 * USEC_PER_SEC);
                assert_non_null(family->version_arguments);
                assert_non_null(family->key_files);
                assert_non_null(family->state_files);
                assert_int_equal(!family->parse_position, family->state_files[0] == NULL);
        }
        assert_null(chain_family_by_name("dogecoin"));
        assert_null(chain_family_by_name(NULL));
        assert_string_equal(chain_family_by_name("cometbft")->state_files[0],
                            "data/priv_validator_state.json");
        assert_true(strv_contains((char *const *) chain_family_by_name("klaytn")->key_files,
                                  "klay/bls-nodekey"));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_evm_node_tells_its_head),
                cmocka_unit_test(a_syncing_evm_node_tells_its_target),
                cmocka_unit_test(methods_that_are_off_leave_their_fields_unknown),
                cmocka_unit_test(a_head_that_cannot_be_asked_for_is_an_error_that_says_what_to_do),
                cmocka_unit_test(a_height_that_could_not_be_read_is_unknown_and_never_zero),
                cmocka_unit_test(rubbish_in_one_answer_spoils_only_its_own_field),
                cmocka_unit_test(only_what_is_wanted_is_asked_for),
                cmocka_unit_test(a_klaytn_validator_is_signing_when_its_seal_is_in_the_block),
                cmocka_unit_test(not_being_drawn_into_the_committee_is_not_silence),
                cmocka_unit_test(a_kaia_node_is_asked_in_its_own_words),
                cmocka_unit_test(a_klaytn_node_without_a_key_has_no_address),
                cmocka_unit_test(a_cometbft_validator_is_signing_when_it_is_in_the_commit),
                cmocka_unit_test(a_late_signature_is_looked_for_in_the_final_commit),
                cmocka_unit_test(an_answer_without_envelope_is_taken_from_cometbft_forks),
                cmocka_unit_test(a_cometbft_node_without_a_block_has_no_height),
                cmocka_unit_test(a_cometbft_status_that_is_not_exactly_right_is_unknown),
                cmocka_unit_test(hashes_are_asked_for_at_a_height),
                cmocka_unit_test(an_operators_probe_is_read_strictly),
                cmocka_unit_test(a_cometbft_signing_state_is_read_strictly),
                cmocka_unit_test(block_times_are_read_in_every_zone),
                cmocka_unit_test(every_family_says_how_to_stop_it_and_what_to_protect),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
