/* The verbs of restore jobs on a node's trees, without the orders' files around them. */
#include "tests/unit/trees.h"
#include "archive/path.h"
#include "restore/fetch-work.h"
#include "restore/verbs.h"
#include "snapshot/exchange.h"
#include "snapshot/incoming.h"

#define JOB "restore-7"

typedef struct Bench {
        Host host;
        Work work;
} Bench;

static int set_up(void **state) {
        Bench *b = calloc(1, sizeof *b);

        *state = b;
        if (!b || host_init(&b->host) < 0)
                return -1;
        b->work = (Work){ .name = "cosmos-1",
                          .order = json_pack("{s:s}", "restore", JOB),
                          .result = json_object(),
                          .state = b->host.state,
                          .family = chain_family_by_name("cometbft"),
                          .subject = b->host.subject,
                          .node_fd = b->host.node_fd,
                          .state_fd = b->host.state_fd };
        return strv_append(&b->work.protect, operators_patterns[0]);
}

static int tear_down(void **state) {
        Bench *b = *state;
        int r;

        json_decref(b->work.order);
        json_decref(b->work.result);
        strv_free(b->work.protect);
        free(b->work.text);
        r = host_done(&b->host);
        free(b);
        return r;
}

static void arrive(Bench *b) {
        Host *h = &b->host;
        Incoming in = { .job = JOB, .data_name = "data", .state = h->state, .subject = &h->subject };
        cleanup_fd_ int fd = -1;
        bool already;

        assert_done(h, incoming_open(&in, &fd, &already, &h->fault));
        put(h, "incoming", "data/db/first", "snapshot");
        put(h, "incoming", "data/db/second", "snapshot");
        assert_done(h, incoming_complete(&in, fd, NULL, &h->fault));
}

static void nothing_of_the_nodes_own_comes_with_a_snapshot_or_goes_into_one(void **state) {
        static const char *const own[] = { KEY_FILE, STATE_FILE, "config/config.toml", "config/deep/er",
                                           "slashing/db" };
        Bench *b = *state;
        cleanup_strv_ char **protect = NULL;

        assert_int_equal(fetch_patterns(&b->work, &protect), 0);
        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                if (!path_is_protected(own[i], true, protect))
                        fail_msg("'%s' is not protected", own[i]);
        assert_false(path_is_protected("data/blockstore.db/CURRENT", true, protect));
        assert_false(path_is_protected("wasm/code", true, protect));
}

static void the_configuration_stays_the_nodes_own_there_and_back(void **state) {
        Bench *b = *state;
        Host *h = &b->host;

        put_data(h, "before", 20);
        put(h, "data", "config/config.toml", "mine");
        arrive(b);
        put(h, "incoming", "config/app.toml", "theirs");
        assert_done(h, work_exchange(&b->work, &h->fault));
        assert_whole(h, "data", "snapshot");
        assert_content(h, "data", "config/config.toml", "mine");
        assert_content(h, "data", "config/app.toml", "missing");
        assert_content(h, "set-aside-" JOB, "config/app.toml", "theirs");

        put(h, "data", "config/config.toml", "mine, edited during probation");
        assert_done(h, work_exchange_back(&b->work, &h->fault));
        assert_whole(h, "data", "before");
        assert_content(h, "data", "config/config.toml", "mine, edited during probation");
}

/* Configuration that lives in /etc, by one file or as a whole. */
static void links_to_outside_are_carried_as_links(void **state) {
        Bench *b = *state;
        Host *h = &b->host;
        char outside[128], target[128] = { 0 };

        put_data(h, "before", 20);
        put(h, "outside", "app.toml", "mine");
        snprintf(outside, sizeof outside, "%s/outside", h->state);
        assert_int_equal(symlinkat("../../outside/app.toml", h->state_fd, "data/config/app.toml"), 0);
        assert_int_equal(symlinkat(outside, h->state_fd, "data/config/more"), 0);
        arrive(b);
        assert_done(h, work_exchange(&b->work, &h->fault));
        assert_whole(h, "data", "snapshot");
        assert_content(h, "data", "config/app.toml", "mine");
        assert_true(readlinkat(h->state_fd, "data/config/more", target, sizeof target - 1) > 0);
        assert_string_equal(target, outside);
}

static void a_link_into_the_data_itself_is_not_carried(void **state) {
        Bench *b = *state;
        Host *h = &b->host;

        put_data(h, "before", 20);
        put(h, "data", "elsewhere/app.toml", "mine");
        assert_int_equal(symlinkat("../elsewhere/app.toml", h->state_fd, "data/config/app.toml"), 0);
        arrive(b);
        assert_int_equal(work_exchange(&b->work, &h->fault), -ELOOP);
        assert_says(&h->fault, "config/app.toml");
        assert_whole(h, "data", "before");
        assert_false(is_there(h, "incoming/config/app.toml"));
}

static void the_guard_does_not_read_half_an_exchange(void **state) {
        Bench *b = *state;
        Host *h = &b->host;

        put_data(h, "before", 20);
        assert_done(h, work_guard(&b->work, &h->fault));
        put(h, ".", EXCHANGE_JOURNAL, "of whomever");
        assert_int_equal(work_guard(&b->work, &h->fault), GUARD_E_REFUSED);
        assert_says(&h->fault, "half exchanged");
        assert_true(json_bool(b->work.result, "half_done"));
}

/* Else the next job would make an empty directory where the data is to come back to. */
static void no_exchange_begins_while_the_data_of_another_is_away(void **state) {
        Bench *b = *state;
        Host *h = &b->host;

        put_data(h, "before", 20);
        arrive(b);
        assert_int_equal(renameat(h->state_fd, "data", h->state_fd, "backup-1.old"), 0);
        assert_int_equal(work_exchange(&b->work, &h->fault), -EBUSY);
        assert_says(&h->fault, "half exchanged");
        assert_false(is_there(h, "data"));
        assert_whole(h, "incoming", "snapshot");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                        nothing_of_the_nodes_own_comes_with_a_snapshot_or_goes_into_one, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_configuration_stays_the_nodes_own_there_and_back, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(links_to_outside_are_carried_as_links, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_link_into_the_data_itself_is_not_carried, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(the_guard_does_not_read_half_an_exchange, set_up, tear_down),
                cmocka_unit_test_setup_teardown(no_exchange_begins_while_the_data_of_another_is_away, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
