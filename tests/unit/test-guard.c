/* The guard against what it must refuse, with the real CometBFT family's files. */
#include "tests/unit/scratch.h"
#include "chain/family.h"
#include "guard/check.h"
#include "guard/match.h"
#include "guard/spares.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

#define STATE_FILE    "data/data/priv_validator_state.json"
#define KEY_FILE      "data/config/priv_validator_key.json"
#define NODE_KEY_FILE "data/config/node_key.json"

typedef struct Host {
        Scratch *scratch;
        char data[96];
        int node_fd, state_fd;
        GuardSubject subject;
        GuardReport report;
        Fault fault;
} Host;

/* In the node's directory: state/, and below it data/. */
static int set_up(void **state) {
        const ChainFamily *family = chain_family_by_name("cometbft");
        Host *h = calloc(1, sizeof *h);

        if (!h || !family)
                return -1;
        if (scratch_new((void **) &h->scratch) < 0)
                return -1;
        snprintf(h->data, sizeof h->data, "%s/state/data", h->scratch->path);
        h->node_fd = h->scratch->fd;
        if (mkdirat(h->node_fd, "state", 0700) < 0)
                return -1;
        h->state_fd = openat(h->node_fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        h->subject = (GuardSubject){ .node = "cosmos-1",
                                     .data = h->data,
                                     .domain = "test-1",
                                     .role = "active",
                                     .signer = "local",
                                     .node_dirfd = h->node_fd,
                                     .state_dirfd = h->state_fd,
                                     .starting = true };
        chain_family_subject(family, &h->subject);
        *state = h;
        return h->state_fd < 0 ? -1 : 0;
}

static int tear_down(void **state) {
        Host *h = *state;
        int r;

        close(h->state_fd);
        r = scratch_free((void **) &h->scratch);
        fault_done(&h->fault);
        free(h);
        return r;
}

static void put(Host *h, const char *path, const char *text) {
        char directory[128];
        cleanup_fd_ int fd = -1;

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                snprintf(directory, sizeof directory, "%.*s", (int) (slash - path), path);
                assert_true(mkdirat(h->state_fd, directory, 0700) >= 0 || errno == EEXIST);
        }
        fd = openat(h->state_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static void put_height(Host *h, int height, int round, int step) {
        char text[128];

        snprintf(text, sizeof text, "{\"height\":\"%d\",\"round\":%d,\"step\":%d}\n", height, round, step);
        put(h, STATE_FILE, text);
}

static void put_node(Host *h) {
        put(h, KEY_FILE, "signing key");
        put(h, NODE_KEY_FILE, "node key");
        put_height(h, 100, 0, 3);
}

static void raise_mark(Host *h, const char *domain, int64_t height) {
        assert_int_equal(highwater_raise(h->node_fd, domain, &(SigningPosition){ height, 0, 3 }, NULL, NULL),
                         0);
}

static int check(Host *h) {
        fault_done(&h->fault);
        return guard_check(&h->subject, &h->report, &h->fault);
}

static void assert_refused(Host *h, const char *reason) {
        assert_int_equal(check(h), GUARD_E_REFUSED);
        assert_non_null(h->fault.text);
        if (!strstr(h->fault.text, reason))
                fail_msg("expected '%s' in: %s", reason, h->fault.text);
}

static void positions_are_ordered_by_height_then_round_then_step(void **state) {
        static const SigningPosition order[] = {
                { -1, 9, 9 }, { 0, 0, 0 }, { 5, 0, 1 }, { 5, 0, 3 }, { 5, 1, 0 }, { 6, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                for (size_t j = 0; j < ELEMENTSOF(order); j++) {
                        int c = signing_position_compare(&order[i], &order[j]);

                        assert_true(i < j ? c < 0 : i > j ? c > 0 : c == 0);
                }
        assert_int_equal(signing_position_compare(&order[0], &SIGNING_POSITION_NONE), 0);
}

static void a_mark_only_rises_and_keeps_its_chain(void **state) {
        Host *h = *state;
        cleanup_highwater_ Highwater mark = { 0 };
        bool raised;

        assert_int_equal(highwater_read(h->node_fd, &mark, NULL), -ENOENT);
        raise_mark(h, "test-1", 50);
        assert_int_equal(
                highwater_raise(h->node_fd, "test-1", &(SigningPosition){ 49, 9, 3 }, &raised, NULL), 0);
        assert_false(raised);
        assert_int_equal(
                highwater_raise(h->node_fd, "test-2", &(SigningPosition){ 60, 0, 0 }, &raised, &h->fault),
                -EXDEV);
        assert_non_null(strstr(h->fault.text, "test-1"));
        assert_int_equal(
                highwater_raise(h->node_fd, "test-1", &(SigningPosition){ 50, 1, 0 }, &raised, NULL), 0);
        assert_true(raised);
        assert_int_equal(highwater_read(h->node_fd, &mark, NULL), 0);
        assert_string_equal(mark.domain, "test-1");
        assert_true(mark.position.height == 50 && mark.position.round == 1 && mark.position.step == 0);
}

/* Every truncation of a mark must be seen: a shorter number is a lower mark. */
static void a_truncated_mark_is_never_believed(void **state) {
        static const char good[] = "muster-highwater/1\ndomain: test-1\nheight: 123\nround: 0\nstep: 3\n";
        Host *h = *state;

        put_node(h);
        for (size_t n = 0; n < strlen(good); n++) {
                cleanup_highwater_ Highwater mark = { 0 };

                assert_int_equal(durable_write(h->node_fd, "highwater", good, n, 0644), 0);
                assert_int_equal(highwater_read(h->node_fd, &mark, NULL), -EBADMSG);
                assert_refused(h, "damaged");
        }
        assert_int_equal(durable_write(h->node_fd, "highwater", good, strlen(good), 0644), 0);
        assert_refused(h, "went back");
}

static void a_first_start_is_allowed_and_remembered(void **state) {
        Host *h = *state;
        cleanup_highwater_ Highwater last = { 0 };

        assert_int_equal(check(h), 0); /* not even a data directory yet */
        assert_int_equal(h->report.position.height, -1);
        put_node(h);
        assert_int_equal(check(h), 0);
        assert_int_equal(h->report.position.height, 100);
        assert_int_equal(h->report.n_keys, 2);
        assert_int_equal(highwater_read_at(h->state_fd, "guard/last", &last, NULL), 0);
        assert_int_equal(last.position.height, 100);
}

static void a_state_below_the_mark_or_below_the_last_one_is_refused(void **state) {
        Host *h = *state;

        put_node(h);
        assert_int_equal(check(h), 0);
        put_height(h, 100, 0, 2);
        assert_refused(h, "went back: it says height 100 round 0 step 2");
        put_height(h, 150, 0, 1);
        assert_int_equal(check(h), 0);
        raise_mark(h, "test-1", 151);
        assert_refused(h, "signed up to height 151");
        put_height(h, 151, 0, 3);
        assert_int_equal(check(h), 0);
}

static void a_missing_or_garbled_state_is_refused_once_something_was_signed(void **state) {
        static const char *const garbage[] = { "", "{", "{\"height\":\"\"}", "null", "{\"height\":\"-5\"}" };
        Host *h = *state;

        put_node(h);
        for (size_t i = 0; i < ELEMENTSOF(garbage); i++) {
                put(h, STATE_FILE, garbage[i]);
                assert_refused(h, "damaged");
        }
        assert_int_equal(unlinkat(h->state_fd, STATE_FILE, 0), 0);
        assert_int_equal(check(h), 0);
        raise_mark(h, "test-1", 7);
        assert_refused(h, "is missing");
        assert_non_null(strstr(h->fault.text, "restore it"));
}

static void a_remote_signer_guards_itself_but_wants_no_local_key(void **state) {
        Host *h = *state;

        h->subject.signer = "remote";
        raise_mark(h, "test-1", 500);
        put(h, NODE_KEY_FILE, "node key");
        assert_int_equal(check(h), 0);
        assert_true(h->report.at_signer);
        assert_int_equal(unlinkat(h->state_fd, "guard/keyless", 0), 0); /* else it would be a spare */
        put(h, KEY_FILE, "signing key");
        assert_refused(h, "signer = remote, but the signing key");
}

static void another_chains_mark_is_refused_by_name(void **state) {
        Host *h = *state;

        put_node(h);
        raise_mark(h, "other-9", 5);
        assert_refused(h, "of chain 'other-9', but this node is configured for 'test-1'");
}

/* The mark that musterd wrote for the new chain makes our own old one history. */
static void a_new_domain_agreed_in_the_mark_retires_the_old_last(void **state) {
        Host *h = *state;
        cleanup_highwater_ Highwater last = { 0 };

        put_node(h);
        assert_int_equal(check(h), 0);
        h->subject.domain = "test-2";
        put_height(h, 3, 0, 0);
        assert_refused(h, "state/guard/last");
        raise_mark(h, "test-2", 2);
        assert_int_equal(check(h), 0);
        assert_int_equal(highwater_read_at(h->state_fd, "guard/last", &last, NULL), 0);
        assert_string_equal(last.domain, "test-2");
        assert_int_equal(last.position.height, 3);
}

static void an_unnamed_chain_never_loosens_a_mark(void **state) {
        Host *h = *state;

        put_node(h);
        raise_mark(h, "test-1", 200);
        h->subject.domain = "";
        assert_refused(h, "went back");
}

static void a_missing_or_changed_key_is_refused_until_it_is_accepted(void **state) {
        Host *h = *state;
        cleanup_key_files_ KeyFiles before = { 0 }, now = { 0 };

        put_node(h);
        assert_int_equal(check(h), 0);
        put(h, NODE_KEY_FILE, "another node key");
        assert_refused(h, "config/node_key.json' changed since the last start");
        assert_int_equal(unlinkat(h->state_fd, NODE_KEY_FILE, 0), 0);
        assert_refused(h, "config/node_key.json' is missing");
        assert_non_null(strstr(h->fault.text, "muster-restore accept-keys cosmos-1"));
        put(h, NODE_KEY_FILE, "node key");
        assert_int_equal(check(h), 0);
        assert_int_equal(unlinkat(h->state_fd, NODE_KEY_FILE, 0), 0);
        assert_int_equal(guard_accept_keys(&h->subject, &before, &now, NULL), 0);
        assert_int_equal(before.n, 2);
        assert_int_equal(now.n, 1);
        assert_int_equal(check(h), 0);
}

static void a_refused_start_records_nothing(void **state) {
        Host *h = *state;
        struct stat st;

        put_node(h);
        raise_mark(h, "test-1", 1000);
        assert_refused(h, "went back");
        assert_true(fstatat(h->state_fd, "guard", &st, 0) < 0 && errno == ENOENT);
}

static void a_damaged_record_of_keys_does_not_let_a_new_key_in(void **state) {
        Host *h = *state;

        put_node(h);
        assert_int_equal(check(h), 0);
        put(h, "guard/keys", "0123  config/node_key.json\n");
        assert_int_equal(check(h), -EBADMSG);
        assert_non_null(strstr(h->fault.text, "line 1"));
}

static void a_standby_never_starts_with_the_signing_key(void **state) {
        Host *h = *state;

        put_node(h);
        h->subject.role = "standby";
        assert_refused(h, "A standby must not hold the signing key");
        assert_int_equal(unlinkat(h->state_fd, KEY_FILE, 0), 0);
        raise_mark(h, "test-1", 1000); /* what the active host signed does not matter without a key */
        assert_int_equal(check(h), 0);
}

/* CometBFT makes a key for itself in every role; a standby that restarts with that one signs for nobody. */
static void a_key_that_the_node_made_for_itself_is_a_spare(void **state) {
        const struct timespec old[2] = { { .tv_sec = 1600000000 }, { .tv_sec = 1600000000 } };
        Host *h = *state;

        h->subject.role = "sentry";
        h->subject.starting = false; /* a mere look opens no window */
        put(h, NODE_KEY_FILE, "node key");
        assert_int_equal(check(h), 0);
        put(h, KEY_FILE, "put here while the node was stopped");
        assert_refused(h, "A sentry must not hold the signing key");
        assert_int_equal(unlinkat(h->state_fd, KEY_FILE, 0), 0);
        h->subject.starting = true;
        assert_int_equal(check(h), 0);
        put(h, KEY_FILE, "the validator's key, moved here with its time");
        assert_int_equal(utimensat(h->state_fd, KEY_FILE, old, 0), 0);
        assert_refused(h, "A sentry must not hold the signing key");
        put(h, KEY_FILE, "made by the node");
        put_height(h, 0, 0, 0);
        assert_int_equal(check(h), 0);
        assert_int_equal(check(h), 0);
}

static void a_key_that_comes_long_after_the_start_is_no_spare(void **state) {
        Host *h = *state;
        cleanup_free_ char *text = NULL;
        char past[32];
        uint64_t since;

        h->subject.role = "standby";
        put(h, NODE_KEY_FILE, "node key");
        assert_int_equal(check(h), 0);
        assert_int_equal(read_small_file(h->state_fd, "guard/keyless", 64, &text, NULL), 0);
        text[strcspn(text, "\n")] = 0;
        assert_int_equal(parse_u64(text, &since), 0);
        snprintf(past, sizeof past, "%llu\n", (unsigned long long) (since - SPARE_WINDOW));
        put(h, "guard/keyless", past);
        put(h, KEY_FILE, "the validator's key");
        assert_refused(h, "must not hold the signing key");
        put(h, "guard/keyless", text);
        assert_int_equal(check(h), 0); /* in the window: a spare */
        put(h, "guard/keyless", past);
        assert_int_equal(check(h), 0); /* and stays one */
        put(h, KEY_FILE, "the validator's key in its place");
        assert_refused(h, "must not hold the signing key");
}

static void a_stop_raises_the_last_position_and_never_lowers_it(void **state) {
        Host *h = *state;
        cleanup_highwater_ Highwater last = { 0 };
        SigningPosition position;

        put_node(h);
        assert_int_equal(guard_record_stop(&h->subject, &position, NULL), 0);
        assert_int_equal(position.height, 100);
        put_height(h, 90, 0, 0);
        assert_int_equal(guard_record_stop(&h->subject, &position, NULL), 0);
        assert_int_equal(highwater_read_at(h->state_fd, "guard/last", &last, NULL), 0);
        assert_int_equal(last.position.height, 100);
}

static void patterns_name_files_below_the_directory_only(void **state) {
        static const char *const patterns[] = { "config/*.json", "keys", "a*/b?", NULL };
        static const char *const outside[] = { "../highwater", NULL }, *const absolute[] = { "/etc/passwd",
                                                                                             NULL };
        Host *h = *state;
        cleanup_strv_ char **paths = NULL;

        put(h, "config/x.json", "");
        put(h, "config/y.toml", "");
        put(h, "keys/deep/k", "");
        put(h, "ab/b1", "");
        put(h, "ab/b22", "");
        assert_int_equal(symlinkat("nowhere", h->state_fd, "config/z.json"), 0);
        assert_int_equal(match_files(h->state_fd, patterns, &paths, NULL), 0);
        assert_int_equal(strv_length(paths), 3);
        assert_true(strv_contains(paths, "config/x.json"));
        assert_true(strv_contains(paths, "keys/deep/k"));
        assert_true(strv_contains(paths, "ab/b1"));
        assert_int_equal(match_files(h->state_fd, outside, &paths, NULL), -EINVAL);
        assert_int_equal(match_files(h->state_fd, absolute, &paths, NULL), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(positions_are_ordered_by_height_then_round_then_step),
                TEST(a_mark_only_rises_and_keeps_its_chain),
                TEST(a_truncated_mark_is_never_believed),
                TEST(a_first_start_is_allowed_and_remembered),
                TEST(a_state_below_the_mark_or_below_the_last_one_is_refused),
                TEST(a_missing_or_garbled_state_is_refused_once_something_was_signed),
                TEST(a_remote_signer_guards_itself_but_wants_no_local_key),
                TEST(another_chains_mark_is_refused_by_name),
                TEST(a_new_domain_agreed_in_the_mark_retires_the_old_last),
                TEST(an_unnamed_chain_never_loosens_a_mark),
                TEST(a_missing_or_changed_key_is_refused_until_it_is_accepted),
                TEST(a_refused_start_records_nothing),
                TEST(a_damaged_record_of_keys_does_not_let_a_new_key_in),
                TEST(a_standby_never_starts_with_the_signing_key),
                TEST(a_key_that_the_node_made_for_itself_is_a_spare),
                TEST(a_key_that_comes_long_after_the_start_is_no_spare),
                TEST(a_stop_raises_the_last_position_and_never_lowers_it),
                TEST(patterns_name_files_below_the_directory_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
