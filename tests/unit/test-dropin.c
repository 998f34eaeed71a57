#include "tests/unit/cmocka-all.h"
#include "unit/dropin.h"
#include "util/text.h"

#include <sys/stat.h>

#define SHORT "family = evm\nrpc = http://h\ncommand = { a }\n"

static NodeConfig *node(const char *text) {
        cleanup_fault_ Fault fault = { 0 };
        NodeConfig *config = NULL;
        int r = node_config_parse("/etc/muster/nodes.d/n1.conf", text, strlen(text), 0, &config, &fault);

        if (r < 0)
                fail_msg("%s", fault_text(&fault, r));
        return config;
}

static char *validator_of(const char *text) {
        cleanup_(node_config_freep) NodeConfig *c = node(text);
        cleanup_dropins_ Dropins dropins = { 0 };

        assert_int_equal(dropin_render(c, &dropins, NULL), 0);
        return TAKE_PTR(dropins.text[DROPIN_VALIDATOR]);
}

static void the_drop_ins_say_what_differs_by_node(void **state) {
        cleanup_(node_config_freep) NodeConfig *c = node(
                SHORT
                "chain_id=1\nuser=geth\nrole=rpc\nstop{signal=INT patience=90s "
                "kill=yes}\nrestart_delay=1500ms\n"
                "limits{nofile=2048 memlock=1G nproc=infinity}\ncapabilities={CAP_IPC_LOCK,CAP_NET_RAW}\n"
                "protect={a,\"b/*\"}\n");
        cleanup_dropins_ Dropins dropins = { 0 };
        const char *validator, *body;

        assert_int_equal(dropin_render(c, &dropins, NULL), 0);
        validator = dropins.text[DROPIN_VALIDATOR];
        assert_true(str_starts(
                validator, "# Written by musterctl apply from /etc/muster/nodes.d/n1.conf; do not edit: use "
                           "systemctl edit validator@n1.service\n# muster-config-digest: "));
        body = strstr(validator, "[Service]");
        assert_string_equal(body, "[Service]\n"
                                  "User=geth\n"
                                  "Group=geth\n"
                                  "ReadWritePaths=/var/lib/muster/nodes/n1/state\n"
                                  "KillSignal=SIGINT\n"
                                  "TimeoutStopSec=90s\n"
                                  "SendSIGKILL=yes\n"
                                  "RestartSec=1500000us\n"
                                  "LimitNOFILE=2048\n"
                                  "LimitMEMLOCK=1073741824\n"
                                  "LimitNPROC=infinity\n"
                                  "AmbientCapabilities=CAP_IPC_LOCK CAP_NET_RAW\n"
                                  "CapabilityBoundingSet=CAP_IPC_LOCK CAP_NET_RAW\n"
                                  "Environment=\"MUSTER_FAMILY=evm\"\n"
                                  "Environment=\"MUSTER_ROLE=rpc\"\n"
                                  "Environment=\"MUSTER_SIGNER=local\"\n"
                                  "Environment=\"MUSTER_DOMAIN=1\"\n"
                                  "Environment=\"MUSTER_DATA=/var/lib/muster/nodes/n1/state/data\"\n"
                                  "Environment=\"MUSTER_PROTECT=a:b/*\"\n");
        assert_string_equal(strstr(dropins.text[DROPIN_RESTORE], "[Service]"),
                            "[Service]\n"
                            "User=geth\n"
                            "Group=geth\n"
                            "ReadWritePaths=/var/lib/muster/nodes/n1/state\n");
        assert_string_equal(strstr(dropins.text[DROPIN_FETCH], "[Service]"),
                            "[Service]\n"
                            "User=geth\n"
                            "Group=geth\n"
                            "ReadWritePaths=/var/lib/muster/nodes/n1/state\n"
                            "ReadOnlyPaths=\"-/var/lib/muster/nodes/n1/state/data\"\n"
                            "ReadOnlyPaths=-/var/lib/muster/nodes/n1/state/guard\n"
                            "ReadWritePaths=\"-/var/lib/muster/nodes/n1/state/data/.muster-incoming\"\n");
}

/* SIGKILL is an explicit policy; without it the template's SendSIGKILL=no must stay. */
static void without_a_policy_nothing_is_ever_killed(void **state) {
        cleanup_free_ char *validator = validator_of(SHORT);

        assert_null(strstr(validator, "SendSIGKILL"));
        assert_null(strstr(validator, "Capabilit"));
}

static void values_cannot_break_out_of_their_line(void **state) {
        cleanup_free_ char *validator = validator_of(
                "family=cometbft\nrpc=http://h\ncommand={a}\nchain_id=\"a%n \\\"b\\\\ $HOME\"\n");

        assert_non_null(strstr(validator, "\nEnvironment=\"MUSTER_DOMAIN=a%%n \\\"b\\\\ $HOME\"\n"));
}

static void a_path_with_blanks_and_quotes_stays_one_path(void **state) {
        cleanup_(node_config_freep) NodeConfig *c =
                node(SHORT "data=\"/var/lib/muster/nodes/n1/state/a \\\"%i\"\n");
        cleanup_dropins_ Dropins dropins = { 0 };

        assert_int_equal(dropin_render(c, &dropins, NULL), 0);
        assert_non_null(strstr(dropins.text[DROPIN_FETCH],
                               "\nReadOnlyPaths=\"-/var/lib/muster/nodes/n1/state/a \\\"%%i\"\n"));
}

/* A NodeConfig that did not come through the parser. */
static void a_line_end_is_refused_even_here(void **state) {
        cleanup_(node_config_freep) NodeConfig *c = node(SHORT);
        cleanup_dropins_ Dropins dropins = { 0 };
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(str_replace(&c->chain_id, "x\nExecStart=/bin/sh"), 0);
        assert_int_equal(dropin_render(c, &dropins, &fault), -EINVAL);
        assert_non_null(strstr(fault.text, "line end"));
        assert_null(dropins.text[DROPIN_VALIDATOR]);
}

static void an_observed_unit_gets_no_drop_in(void **state) {
        cleanup_(node_config_freep) NodeConfig *c = node("family=evm\nrpc=http://h\nunit=x.service\n");
        cleanup_dropins_ Dropins dropins = { 0 };

        assert_int_equal(dropin_render(c, &dropins, NULL), -EINVAL);
}

static void a_forgotten_apply_is_told_from_an_edit(void **state) {
        cleanup_free_ char *now = validator_of(SHORT), *before = validator_of(SHORT "user=other\n");
        cleanup_free_ char *edited = NULL, *longer = NULL;

        assert_int_equal(dropin_compare(now, strlen(now), now), DROPIN_APPLIED);
        assert_int_equal(dropin_compare(before, strlen(before), now), DROPIN_STALE);
        assert_int_equal(dropin_compare(NULL, 0, now), DROPIN_MISSING);
        edited = strdup(now);
        assert_non_null(edited);
        *strstr(edited, "User=validator-n1") = 'u';
        assert_int_equal(dropin_compare(edited, strlen(edited), now), DROPIN_EDITED);
        assert_true(asprintf(&longer, "%s\nUser=root\n", now) > 0);
        assert_int_equal(dropin_compare(longer, strlen(longer), now), DROPIN_EDITED);
        assert_int_equal(dropin_compare("", 0, now), DROPIN_EDITED);
        assert_int_equal(dropin_compare(now, strlen(now) / 2, now), DROPIN_EDITED); /* cut off */
        /* bytes behind a NUL count too */
        longer[strlen(now)] = 0;
        assert_int_equal(dropin_compare(longer, strlen(now) + 3, now), DROPIN_EDITED);
}

/* What systemd does not see needs no apply. */
static void a_change_that_the_unit_does_not_see_is_not_stale(void **state) {
        cleanup_free_ char *now = validator_of(SHORT),
                           *before = validator_of(SHORT "poll=9s\nstall_after=1h\n");

        assert_int_equal(dropin_compare(before, strlen(before), now), DROPIN_APPLIED);
}

static void put(const char *dir, const char *below, const char *text) {
        cleanup_free_ char *path = NULL, *file = NULL;
        cleanup_fclose_ FILE *f = NULL;

        assert_true(asprintf(&path, "%s/%s", dir, below) > 0);
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        assert_true(asprintf(&file, "%s/muster.conf", path) > 0);
        f = fopen(file, "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
}

static void clear(const char *dir, const char *below) {
        cleanup_free_ char *path = NULL, *file = NULL;

        assert_true(asprintf(&path, "%s/%s", dir, below) > 0);
        assert_true(asprintf(&file, "%s/muster.conf", path) > 0);
        assert_int_equal(unlink(file), 0);
        assert_int_equal(rmdir(path), 0);
}

static void every_unit_must_have_its_own(void **state) {
        cleanup_(node_config_freep) NodeConfig *c = node(SHORT), *other = node(SHORT "user=other\n");
        cleanup_dropins_ Dropins dropins = { 0 };
        char dir[] = "/tmp/test-dropin.XXXXXX";
        DropinState found;

        assert_non_null(mkdtemp(dir));
        assert_int_equal(dropin_render(c, &dropins, NULL), 0);
        assert_int_equal(dropin_check_in(dir, c, &found, NULL), 0);
        assert_int_equal(found, DROPIN_MISSING);
        put(dir, "validator@n1.service.d", dropins.text[DROPIN_VALIDATOR]);
        assert_int_equal(dropin_check_in(dir, c, &found, NULL), 0);
        assert_int_equal(found, DROPIN_MISSING);
        put(dir, "muster-restore@n1.service.d", dropins.text[DROPIN_RESTORE]);
        assert_int_equal(dropin_check_in(dir, c, &found, NULL), 0);
        assert_int_equal(found, DROPIN_MISSING);
        put(dir, "muster-fetch@n1.service.d", dropins.text[DROPIN_FETCH]);
        assert_int_equal(dropin_check_in(dir, c, &found, NULL), 0);
        assert_int_equal(found, DROPIN_APPLIED);
        assert_int_equal(dropin_check_in(dir, other, &found, NULL), 0);
        assert_int_equal(found, DROPIN_STALE);
        put(dir, "muster-restore@n1.service.d", "[Service]\nUser=root\n");
        assert_int_equal(dropin_check_in(dir, other, &found, NULL), 0);
        assert_int_equal(found, DROPIN_EDITED);
        assert_string_equal(dropin_state_to_string(found), "edited");
        clear(dir, "validator@n1.service.d");
        clear(dir, "muster-restore@n1.service.d");
        clear(dir, "muster-fetch@n1.service.d");
        assert_int_equal(rmdir(dir), 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_drop_ins_say_what_differs_by_node),
                cmocka_unit_test(without_a_policy_nothing_is_ever_killed),
                cmocka_unit_test(values_cannot_break_out_of_their_line),
                cmocka_unit_test(a_path_with_blanks_and_quotes_stays_one_path),
                cmocka_unit_test(a_line_end_is_refused_even_here),
                cmocka_unit_test(an_observed_unit_gets_no_drop_in),
                cmocka_unit_test(a_forgotten_apply_is_told_from_an_edit),
                cmocka_unit_test(a_change_that_the_unit_does_not_see_is_not_stale),
                cmocka_unit_test(every_unit_must_have_its_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
