#include "tests/unit/loopback.h"
#include "health/monitor.h"

#include <inttypes.h>

/* An EVM node behind a loopback port. */
typedef struct Node {
        Loopback server;
        int64_t height;
        bool advances; /* one block each time it is asked for its head */
        char fork;     /* hashes begin with this digit */
        unsigned chain_id;
        Reply reply; /* REPLY_BODY: it works */
        const char *rubbish;
        unsigned addresses, heads, versions; /* how often it was asked */
} Node;

typedef struct Context {
        sd_event *event;
        HttpClient *client;
        Node node, one, two;
        NodeConfig config;
        ReferenceConfig references[2];
        Monitor *monitor;
        unsigned handled;
        Verdict awaited;
        bool reached;
        bool free_in_handler;
        unsigned probes;
} Context;

static Reply node_answer(Loopback *server, const char *request, char **text, void *userdata) {
        static const char zeros[] = "000000000000000000000000000000000000000000000000";
        const char *params = strstr(request, "\"params\":[\"0x");
        Node *n = userdata;
        int r;

        if (n->reply != REPLY_BODY) {
                *text = strdup(n->rubbish ?: "");
                return n->reply;
        }
        if (strstr(request, "\"latest\"")) {
                n->heads++;
                n->height += n->advances;
        }
        if (strstr(request, "_getBlockByNumber")) {
                int64_t height = params ? strtoll(params + 13, NULL, 16) : n->height;

                r = asprintf(text,
                             "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"number\":\"0x%" PRIx64
                             "\",\"hash\":\"0x%c%015" PRIx64 "%s\",\"timestamp\":\"0x1\"}}",
                             height, n->fork, height, zeros);
        } else if (strstr(request, "governance_nodeAddress"))
                r = asprintf(text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x%040x\"}",
                             n->addresses++ < 3 ? 0 : 0xa1);
        else if (strstr(request, "eth_chainId"))
                r = asprintf(text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x%x\"}", n->chain_id);
        else if (strstr(request, "net_peerCount"))
                r = asprintf(text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x4\"}");
        else if (strstr(request, "web3_clientVersion")) {
                n->versions++;
                r = asprintf(text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"toy/%u\"}", n->versions);
        } else
                r = asprintf(
                        text,
                        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no\"}}");
        assert_true(r > 0);
        return REPLY_BODY;
}

static void node_start(Context *c, Node *n, int64_t height) {
        *n = (Node){ .height = height, .fork = 'a', .chain_id = 31337 };
        loopback_start(&n->server, c->event, node_answer, n);
}

static char *node_url(const Node *n) {
        char *url = NULL;

        assert_true(asprintf(&url, "http://joe:s3cret@127.0.0.1:%u", n->server.port) > 0);
        return url;
}

static void on_sample(Monitor *monitor, bool changed, void *userdata) {
        Context *c = userdata;

        c->handled++;
        if (monitor_verdict(monitor, NULL, NULL) == c->awaited)
                c->reached = true;
        if (c->free_in_handler)
                c->monitor = monitor_free(monitor);
}

static int on_probe(void *userdata, const char *path) {
        Context *c = userdata;

        assert_string_equal(path, "/usr/bin/probe");
        c->probes++;
        return 0;
}

static int set_up(void **state) {
        Context *c = calloc(1, sizeof *c);

        assert_non_null(c);
        assert_true(sd_event_new(&c->event) >= 0);
        assert_return_code(http_client_new(&c->client, c->event), 0);
        node_start(c, &c->node, 1000);
        node_start(c, &c->one, 1000);
        node_start(c, &c->two, 1000);
        c->config = (NodeConfig){
                .name = strdup("toy"),
                .family = strdup("evm"),
                .chain_id = strdup("31337"),
                .rpc = node_url(&c->node),
                .poll = 20 * USEC_PER_MSEC,
                .rpc_timeout = 5 * USEC_PER_SEC,
                .stall_after = 300 * USEC_PER_MSEC,
                .probation = { .start_timeout = 500 * USEC_PER_MSEC },
                .references = c->references,
        };
        c->references[0] = (ReferenceConfig){ .name = strdup("pocket"),
                                              .provider = strdup("pocket"),
                                              .url = node_url(&c->one) };
        c->references[1] = (ReferenceConfig){ .name = strdup("ankr"),
                                              .provider = strdup("ankr"),
                                              .url = node_url(&c->two) };
        *state = c;
        return 0;
}

static int tear_down(void **state) {
        Context *c = *state;

        monitor_free(c->monitor);
        http_client_free(c->client);
        loopback_stop(&c->node.server);
        loopback_stop(&c->one.server);
        loopback_stop(&c->two.server);
        sd_event_unref(c->event);
        for (size_t i = 0; i < 2; i++) {
                free(c->references[i].name);
                free(c->references[i].provider);
                free(c->references[i].url);
        }
        free(c->config.name);
        free(c->config.family);
        free(c->config.chain_id);
        free(c->config.rpc);
        free(c->config.probe);
        free(c);
        return 0;
}

static void unit_is_active(Context *c) {
        UnitFacts facts = { .active = UNIT_ACTIVE_ACTIVE,
                            .sub = UNIT_SUB_RUNNING,
                            .permit = true,
                            .active_since_monotonic = now_monotonic_usec() };

        monitor_set_facts(c->monitor, &facts);
}

static void watch(Context *c) {
        assert_return_code(monitor_new(&c->monitor, c->event, c->client, &c->config, on_sample, on_probe, c),
                           0);
        unit_is_active(c);
}

static const char *reason(const Context *c) {
        const char *text;

        (void) monitor_verdict(c->monitor, &text, NULL);
        return text;
}

static void await_verdict(Context *c, Verdict verdict) {
        c->awaited = verdict;
        c->reached = monitor_verdict(c->monitor, NULL, NULL) == verdict;
        if (!loop_until(c->event, &c->reached, 10))
                fail_msg("no verdict '%s' within 10 s; it is: %s: %s", verdict_to_string(verdict),
                         verdict_to_string(monitor_verdict(c->monitor, NULL, NULL)), reason(c));
}

/* Lets the loop run until the handler was called @n more times. */
static void await_polls(Context *c, unsigned n) {
        unsigned goal = c->handled + n;
        uint64_t deadline = now_monotonic_usec() + 10 * USEC_PER_SEC;

        while (c->handled < goal && now_monotonic_usec() < deadline)
                assert_true(sd_event_run(c->event, 10 * USEC_PER_MSEC) >= 0);
        assert_true(c->handled >= goal);
}

static void a_node_that_advances_becomes_healthy(void **state) {
        const ChainSample *sample;
        Context *c = *state;
        uint64_t since;

        c->node.advances = true;
        watch(c);
        assert_int_equal(monitor_verdict(c->monitor, NULL, NULL), VERDICT_STARTING);
        await_verdict(c, VERDICT_HEALTHY);
        sample = monitor_sample(c->monitor);
        assert_true(sample->height > 1000);
        assert_int_equal(sample->peers, 4);
        assert_string_equal(sample->chain_id, "31337");
        assert_null(sample->error);
        assert_int_equal(monitor_verdict(c->monitor, NULL, &since), VERDICT_HEALTHY);
        assert_in_range(now_realtime_usec() - since, 0, 10 * USEC_PER_SEC);
}

static void fixed_facts_are_asked_again_only_of_a_new_process(void **state) {
        Context *c = *state;

        c->node.advances = true;
        watch(c);
        await_polls(c, 20);
        assert_int_equal(c->node.versions, 1);
        assert_string_equal(monitor_sample(c->monitor)->client_version, "toy/1");
        unit_is_active(c);
        await_polls(c, 5);
        assert_int_equal(c->node.versions, 2);
        assert_string_equal(monitor_sample(c->monitor)->client_version, "toy/2");
}

/* Else a council member that was just restarted would seem to sign nothing for a minute. */
static void an_address_that_the_node_does_not_know_yet_is_asked_again(void **state) {
        Context *c = *state;

        free(c->config.family);
        c->config.family = strdup("klaytn");
        c->node.advances = true;
        watch(c);
        await_polls(c, 10);
        assert_string_equal(monitor_sample(c->monitor)->validator,
                            "0x00000000000000000000000000000000000000a1");
        assert_int_equal(c->node.addresses, 4);
}

static void a_silent_rpc_is_given_up_in_time_and_never_asked_twice_at_once(void **state) {
        Context *c = *state;
        uint64_t began = now_monotonic_usec();

        c->config.rpc_timeout = 200 * USEC_PER_MSEC;
        c->node.reply = REPLY_SILENCE;
        watch(c);
        await_verdict(c, VERDICT_UNKNOWN);
        assert_in_range(now_monotonic_usec() - began, 500 * USEC_PER_MSEC, 3 * USEC_PER_SEC);
        assert_true(c->node.server.requests <= c->handled + 1);
        assert_int_equal(monitor_sample(c->monitor)->height, CHAIN_UNKNOWN);
        assert_non_null(strstr(reason(c), "no answer within"));
        assert_null(strstr(monitor_sample(c->monitor)->error, "s3cret"));
}

static void rubbish_is_named_with_the_endpoint(void **state) {
        static const char *const rubbish[] = {
                "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n<html>ha!\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"jsonrpc\"",
                "\x16\x03\x01 this is not HTTP",
        };
        Context *c = *state;

        c->node.reply = REPLY_RAW_CLOSE;
        for (size_t i = 0; i < ELEMENTSOF(rubbish); i++) {
                c->node.rubbish = rubbish[i];
                if (!c->monitor)
                        watch(c);
                await_polls(c, 3);
                assert_false(monitor_sample(c->monitor)->answered);
                assert_int_equal(monitor_sample(c->monitor)->height, CHAIN_UNKNOWN);
                assert_non_null(strstr(monitor_sample(c->monitor)->error, "http://joe:***@127.0.0.1:"));
        }
        c->node.reply = REPLY_BODY;
        c->node.advances = true;
        await_verdict(c, VERDICT_HEALTHY);
}

static void a_stall_is_told_from_the_references(void **state) {
        const ReferenceView *references;
        Context *c = *state;

        c->config.n_references = 2;
        c->node.advances = c->one.advances = c->two.advances = true;
        watch(c);
        await_verdict(c, VERDICT_HEALTHY);
        c->node.advances = false;
        await_verdict(c, VERDICT_LOCAL_STALL);
        assert_non_null(strstr(reason(c), "has not moved for"));
        assert_non_null(strstr(reason(c), "references: pocket "));
        assert_int_equal(monitor_references(c->monitor, &references), 2);
        assert_string_equal(references[1].name, "ankr");
        assert_true(references[1].sample->height > 1000);
        assert_true(references[1].advanced_at > 0);
}

static void a_fork_is_told_from_the_hashes(void **state) {
        const ReferenceView *references;
        ReferenceVote vote;
        Context *c = *state;
        size_t n;

        c->config.n_references = 2;
        c->node.advances = c->one.advances = c->two.advances = true;
        c->node.fork = 'b';
        watch(c);
        await_verdict(c, VERDICT_FORKED);
        assert_non_null(strstr(reason(c), "our hash is 0xb"));
        assert_non_null(strstr(reason(c), "2 of 2 references have 0xa"));
        c->node.fork = 'a';
        await_verdict(c, VERDICT_HEALTHY);
        n = monitor_references(c->monitor, &references);
        vote = reference_vote(references, n);
        assert_int_equal(vote.agreement, AGREEMENT_SAME);
}

static void a_reference_of_another_chain_is_no_witness(void **state) {
        const ReferenceView *references;
        Context *c = *state;

        c->config.n_references = 1;
        c->one.chain_id = 1;
        c->one.height = 900000;
        c->node.advances = true;
        watch(c);
        await_verdict(c, VERDICT_HEALTHY);
        await_polls(c, 10);
        (void) monitor_references(c->monitor, &references);
        assert_false(references[0].sample->answered);
        assert_non_null(strstr(references[0].sample->error, "it is of chain 1, expected 31337"));
        assert_int_equal(monitor_verdict(c->monitor, NULL, NULL), VERDICT_HEALTHY);
}

static void heights_of_another_chain_are_none(void **state) {
        Context *c = *state;

        c->node.advances = true;
        c->node.chain_id = 1;
        watch(c);
        await_polls(c, 5);
        assert_int_equal(monitor_sample(c->monitor)->height, CHAIN_UNKNOWN);
        assert_int_equal(monitor_verdict(c->monitor, NULL, NULL), VERDICT_UNKNOWN);
        assert_non_null(strstr(reason(c), "answers for chain 1, expected 31337"));
}

static void a_head_that_leaps_is_believed_only_the_second_time(void **state) {
        Context *c = *state;

        c->node.advances = true;
        watch(c);
        await_verdict(c, VERDICT_HEALTHY);
        c->node.height = 1000000;
        await_polls(c, 1);
        assert_int_equal(monitor_sample(c->monitor)->height, CHAIN_UNKNOWN);
        assert_non_null(
                strstr(monitor_sample(c->monitor)->error, "to 1000001: not believed until a second poll"));
        assert_int_equal(monitor_verdict(c->monitor, NULL, NULL),
                         VERDICT_HEALTHY); /* one poll that is lost */
        c->node.height = 1010;             /* it was rubbish */
        await_polls(c, 1);
        assert_int_equal(monitor_sample(c->monitor)->height, 1011);
        c->node.height = 1000000;
        await_polls(c, 2);
        assert_int_equal(monitor_sample(c->monitor)->height, 1000002);
}

static void an_operators_probe_is_asked_through_the_hook(void **state) {
        Context *c = *state;

        free(c->config.family);
        c->config.family = strdup("exec");
        c->config.probe = strdup("/usr/bin/probe");
        watch(c);
        for (int i = 0; i < 3; i++) {
                unsigned asked = c->probes;
                char text[64];

                for (int k = 0; k < 200 && c->probes == asked; k++)
                        assert_true(sd_event_run(c->event, 10 * USEC_PER_MSEC) >= 0);
                assert_int_equal(c->probes, asked + 1); /* never two at once */
                snprintf(text, sizeof text, "{\"height\":%d}", 70 + i);
                monitor_absorb_probe(c->monitor, text, NULL);
                assert_int_equal(monitor_sample(c->monitor)->height, 70 + i);
        }
        assert_int_equal(monitor_verdict(c->monitor, NULL, NULL), VERDICT_HEALTHY);
        monitor_absorb_probe(c->monitor, "{\"height\":99}", NULL); /* nobody asked */
        assert_int_equal(monitor_sample(c->monitor)->height, 72);
        monitor_poll_now(c->monitor);
        monitor_absorb_probe(c->monitor, NULL, "exit status 1");
        assert_string_equal(monitor_sample(c->monitor)->error, "/usr/bin/probe: exit status 1");
}

static void a_probe_of_the_old_process_does_not_speak_for_the_new_one(void **state) {
        Context *c = *state;

        free(c->config.family);
        c->config.family = strdup("exec");
        c->config.probe = strdup("/usr/bin/probe");
        watch(c);
        monitor_poll_now(c->monitor);
        assert_int_equal(c->probes, 1);
        unit_is_active(c);
        monitor_absorb_probe(c->monitor, "{\"height\":99}", NULL);
        assert_int_equal(monitor_sample(c->monitor)->height, CHAIN_UNKNOWN);
}

static void it_backs_off_while_the_unit_is_down_and_is_quick_when_it_is_urgent(void **state) {
        UnitFacts down = { .active = UNIT_ACTIVE_INACTIVE, .permit = true };
        uint64_t began;
        Context *c = *state;

        c->config.poll = 2 * USEC_PER_SEC;
        c->node.advances = true;
        watch(c);
        await_polls(c, 1);
        monitor_set_urgent(c->monitor, true);
        began = now_monotonic_usec();
        await_polls(c, 4);
        assert_in_range(now_monotonic_usec() - began, 700 * USEC_PER_MSEC, 1900 * USEC_PER_MSEC);
        monitor_free(TAKE_PTR(c->monitor));

        c->config.poll = 50 * USEC_PER_MSEC;
        c->node.reply = REPLY_RAW_CLOSE;
        watch(c);
        monitor_set_facts(c->monitor, &down);
        await_polls(c, 3);
        began = now_monotonic_usec();
        await_polls(c, 3);
        assert_in_range(now_monotonic_usec() - began, 500 * USEC_PER_MSEC,
                        1500 * USEC_PER_MSEC); /* 3 times 4 times 50 ms */
        c->node.reply = REPLY_BODY;
        began = now_monotonic_usec();
        unit_is_active(c);
        await_polls(c, 3);
        assert_in_range(now_monotonic_usec() - began, 0, 200 * USEC_PER_MSEC);
}

static void the_handler_may_free_the_monitor(void **state) {
        Context *c = *state;

        c->config.n_references = 2;
        c->node.advances = c->one.advances = c->two.advances = true;
        watch(c);
        await_polls(c, 2);
        c->free_in_handler = true;
        await_polls(c, 1);
        assert_null(c->monitor);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_node_that_advances_becomes_healthy, set_up, tear_down),
                cmocka_unit_test_setup_teardown(fixed_facts_are_asked_again_only_of_a_new_process, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(an_address_that_the_node_does_not_know_yet_is_asked_again,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        a_silent_rpc_is_given_up_in_time_and_never_asked_twice_at_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(rubbish_is_named_with_the_endpoint, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_stall_is_told_from_the_references, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_fork_is_told_from_the_hashes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_reference_of_another_chain_is_no_witness, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(heights_of_another_chain_are_none, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_head_that_leaps_is_believed_only_the_second_time, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(an_operators_probe_is_asked_through_the_hook, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_probe_of_the_old_process_does_not_speak_for_the_new_one,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        it_backs_off_while_the_unit_is_down_and_is_quick_when_it_is_urgent, set_up,
                        tear_down),
                cmocka_unit_test_setup_teardown(the_handler_may_free_the_monitor, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
