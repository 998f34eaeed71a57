#include "tests/unit/cmocka-all.h"
#include "config/set.h"
#include "util/durable.h"
#include "util/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#define GOOD                                                                                                \
        "family = evm\n"                                                                                    \
        "rpc = http://127.0.0.1:8545\n"                                                                     \
        "command = { \"bin/node\", \"--data\", \"{data}\" }\n"

static int parse(const char *text, NodeConfig **ret, Fault *reterr) {
        return node_config_parse("/etc/muster/nodes.d/n1.conf", text, strlen(text), 0, ret, reterr);
}

static NodeConfig *good(const char *more) {
        cleanup_free_ char *text = NULL;
        cleanup_fault_ Fault fault = { 0 };
        NodeConfig *config = NULL;
        int r;

        assert_true(asprintf(&text, "%s%s", GOOD, more) > 0);
        r = parse(text, &config, &fault);
        if (r < 0)
                fail_msg("%s", fault_text(&fault, r));
        return config;
}

/* @text has exactly one fault and it reads so. */
static void only_fault_at(int line_, const char *text, const char *expected) {
        cleanup_fault_ Fault fault = { 0 };
        NodeConfig *config = NULL;
        int r = parse(text, &config, &fault);

        if (r != -EINVAL || !strstr(fault_text(&fault, r), expected) || strchr(fault_text(&fault, r), '\n'))
                fail_msg("line %d: expected one fault with \"%s\", got %d: %s", line_, expected, r,
                         fault_text(&fault, r));
        assert_null(config);
}
#define only_fault(text, expected) only_fault_at(__LINE__, text, expected)
#define good_but(more, expected)   only_fault_at(__LINE__, GOOD more, "/etc/muster/nodes.d/n1.conf:" expected)

static void a_short_file_gets_its_defaults_from_the_family(void **state) {
        cleanup_(node_config_freep) NodeConfig *c = good("");

        assert_string_equal(c->name, "n1");
        assert_int_equal(strlen(c->digest), 64);
        assert_int_equal(c->mode, NODE_MODE_OBSERVE);
        assert_int_equal(c->role, NODE_ROLE_ACTIVE);
        assert_int_equal(c->signer, NODE_SIGNER_LOCAL);
        assert_int_equal(c->grants, 0);
        assert_string_equal(c->user, "validator-n1");
        assert_string_equal(c->data, "/var/lib/muster/nodes/n1/state/data");
        assert_string_equal(node_config_unit(c), "validator@n1.service");
        assert_true(node_config_is_managed(c));
        assert_int_equal(c->stop_signal, SIGTERM);
        assert_int_equal(c->stop_patience, 300 * USEC_PER_SEC);
        assert_false(c->kill);
        assert_int_equal(c->backup, BACKUP_NONE);
        assert_int_equal(c->poll, USEC_PER_SEC);
        assert_int_equal(c->probation.min_peers, -1);
        assert_true(c->probation.require_signing);
        assert_int_equal(strv_length(c->version_command), 1);
        assert_int_equal(strv_length(c->command), 3);
        assert_null(c->chain_id);
        assert_null(c->snapshot.prefix);
        assert_null(c->snapshot.signers);
        assert_true(c->snapshot.limit_rate == UINT64_MAX);
        assert_true(c->snapshot.seed);
}

static void every_key_reaches_its_field(void **state) {
        cleanup_(node_config_freep) NodeConfig *c = good(
                "chain_id = 8217\nnetwork='Kaia mainnet'\nmode=auto\ngrant={stage,rollback}\nrole=standby\n"
                "signer=remote\nenvironment={\"A=1\",\"B={name}\"}\nversion_command={version}\nuser=kcn\n"
                "data=/var/lib/muster/nodes/n1/state/disk/d\npoll=250ms\nrpc_timeout=2s\nstall_after=\"1h "
                "30min\"\n"
                "block_time=12s\nrestart_delay=0\ncapabilities={CAP_IPC_LOCK}\nprotect={\"a/"
                "*\",b}\ndrain_timeout=7s\n"
                "hook_timeout=8s\nstop{signal=INT patience=infinity kill=yes}\nlimits{nofile=64K memlock=2G "
                "nproc=infinity}\nbackup{policy=hook timeout=9s}\nprobation{start_timeout=1s duration=2s "
                "timeout=3s "
                "min_blocks=4 min_peers=5 max_restarts=6 require_references=false require_signing=no}\n"
                "snapshot{prefix=\"chain/data//\" signers=/etc/muster/s limit_rate=100M seed=no}\n"
                "reference a{url=\"https://a.example:1/x?y\" provider=p}\nreference "
                "b{url=\"http://[::1]:2\" "
                "provider=\"q r\"}\n");

        assert_string_equal(c->chain_id, "8217");
        assert_string_equal(c->network, "Kaia mainnet");
        assert_int_equal(c->mode, NODE_MODE_AUTO);
        assert_int_equal(c->grants, NODE_GRANT_STAGE | NODE_GRANT_ROLLBACK);
        assert_int_equal(c->role, NODE_ROLE_STANDBY);
        assert_int_equal(c->signer, NODE_SIGNER_REMOTE);
        assert_string_equal(c->environment[1], "B={name}");
        assert_string_equal(c->version_command[0], "version");
        assert_string_equal(c->user, "kcn");
        assert_string_equal(c->data, "/var/lib/muster/nodes/n1/state/disk/d");
        assert_int_equal(c->poll, 250 * USEC_PER_MSEC);
        assert_int_equal(c->rpc_timeout, 2 * USEC_PER_SEC);
        assert_int_equal(c->stall_after, 5400 * USEC_PER_SEC);
        assert_int_equal(c->block_time, 12 * USEC_PER_SEC);
        assert_int_equal(c->restart_delay, 0);
        assert_string_equal(c->capabilities[0], "CAP_IPC_LOCK");
        assert_string_equal(c->protect[0], "a/*");
        assert_int_equal(c->drain_timeout, 7 * USEC_PER_SEC);
        assert_int_equal(c->hook_timeout, 8 * USEC_PER_SEC);
        assert_int_equal(c->stop_signal, SIGINT);
        assert_true(c->stop_patience == UINT64_MAX);
        assert_true(c->kill);
        assert_int_equal(c->limit_nofile, 65536);
        assert_true(c->limit_memlock == (uint64_t) 2 << 30);
        assert_true(c->limit_nproc == UINT64_MAX);
        assert_int_equal(c->backup, BACKUP_HOOK);
        assert_int_equal(c->backup_timeout, 9 * USEC_PER_SEC);
        assert_int_equal(c->probation.start_timeout, 1 * USEC_PER_SEC);
        assert_int_equal(c->probation.duration, 2 * USEC_PER_SEC);
        assert_int_equal(c->probation.timeout, 3 * USEC_PER_SEC);
        assert_int_equal(c->probation.min_blocks, 4);
        assert_int_equal(c->probation.min_peers, 5);
        assert_int_equal(c->probation.max_restarts, 6);
        assert_false(c->probation.require_references);
        assert_false(c->probation.require_signing);
        assert_string_equal(c->snapshot.prefix, "chain/data");
        assert_string_equal(c->snapshot.signers, "/etc/muster/s");
        assert_int_equal(c->snapshot.limit_rate, 100 << 20);
        assert_false(c->snapshot.seed);
        assert_int_equal(c->n_references, 2);
        assert_string_equal(c->references[0].name, "a");
        assert_string_equal(c->references[0].url, "https://a.example:1/x?y");
        assert_string_equal(c->references[1].provider, "q r");
}

static void a_fault_names_file_line_key_and_what_was_expected(void **state) {
        good_but("mode = observer\n", "4: mode: expected observe, manual or auto, found 'observer'");
        good_but("\n# comment\n\nlimits {\n  nofile = many\n}\n",
                 "8: limits.nofile: expected a number such as");
        good_but("poll = 5m\n", "4: poll: expected a duration");
        good_but("poll = 99999999999999999999s\n", "4: poll: expected a duration");
        good_but("poll = 1ms\n", "4: poll: expected a duration from 50ms");
        good_but("limits { nofile = 18446744073709551616 }", "4: limits.nofile: expected a number");
        good_but("limits { memlock = 99999999999T }", "4: limits.memlock: expected a number");
        good_but("probation { min_blocks = -1 }", "4: probation.min_blocks: expected a number from 0");
        good_but("probation { require_signing = on }", "4: probation.require_signing: expected yes, no");
        good_but("stop { signal = SIGKILL }", "4: stop.signal: SIGKILL cannot ask a node to stop");
        good_but("stop { signal = 9 }", "4: stop.signal: SIGKILL cannot ask a node to stop");
        good_but("stop { signal = SIGCONT }", "4: stop.signal: expected a signal that ends a process");
        good_but("capabilities = { CAP_EVERYTHING }", "4: capabilities: expected a capability");
        good_but("role = \"active\nrpc\"\n", "5: role: contains a line end");
        good_but("network = \"\xff\"\n",
                 "4: network: contains a line end, a control character or bytes that are not");
        good_but("chain_id = 0x2019\n", "4: chain_id: expected a decimal number");
        good_but("mode = auto\n", "4: mode: auto does nothing without a grant");
        good_but("grant = { stage }\n", "4: grant: is for mode = auto");
        good_but("stall_after = 900ms\n", "4: stall_after: expected more than the time between polls, 1s");
        good_but("probation { timeout = 1s }\n", "4: probation.timeout: expected at least");
        only_fault("family = evm\ncommand = { a }\nrpc = ftp://h\n",
                   "n1.conf:3: rpc: expected http://HOST:PORT");
        only_fault("family = evm\ncommand = { a }\nrpc = http://h:0\n",
                   "n1.conf:3: rpc: expected http://HOST:PORT");
        only_fault("family = evm\ncommand = { a }\nrpc = http://u:p@h\n",
                   "n1.conf:3: rpc: expected http://HOST:PORT");
        only_fault("family = bitcoin\ncommand = { a }\n", "n1.conf:1: family: expected one of evm, klaytn");
}

static void what_is_missing_is_told_with_an_example(void **state) {
        only_fault("rpc = http://h\ncommand = { a }\n",
                   "n1.conf:1: family: is missing, expected one of evm");
        only_fault("family = evm\ncommand = { a }\n", "n1.conf:1: rpc: is missing");
        only_fault("family = evm\nrpc = http://h\n", "n1.conf:1: command: is missing");
        only_fault("family = exec\ncommand = { a }\n", "n1.conf:1: probe: is missing");
        only_fault("family = evm\nrpc = http://h\ncommand = { }\n", "n1.conf:3: command: is empty");
        good_but("reference a { provider = p }", "4: reference.url: is missing in 'a'");
        good_but("reference a { url = http://a }", "4: reference.provider: is missing in 'a'");
        good_but("probe = /x\n", "4: probe: is for family exec");
        good_but("probation { require_references = yes }",
                 "4: probation.require_references: is yes, but there is no reference");
}

/* Without a reference nothing can agree: asking for it by default rolled every upgrade back. */
static void agreement_is_asked_for_where_there_are_references(void **state) {
        cleanup_(node_config_freep) NodeConfig *without = good(""), *with = NULL, *off = NULL;

        with = good("reference a { url = http://a provider = p }\n");
        off = good("reference a { url = http://a provider = p }\nprobation { require_references = no }\n");
        assert_false(without->probation.require_references);
        assert_true(with->probation.require_references);
        assert_false(off->probation.require_references);
}

/* The high-water mark is kept by chain id: a signer without one could not be guarded. */
static void a_validator_that_keeps_signing_state_needs_its_chain_id(void **state) {
        cleanup_(node_config_freep) NodeConfig *c = NULL;

        only_fault("family = cometbft\nrpc = http://h\ncommand = { a }\n",
                   "n1.conf:1: chain_id: is missing");
        assert_int_equal(parse("family=cometbft\nrpc=http://h\ncommand={a}\nrole=sentry\n", &c, NULL), 0);
}

static void a_command_stays_inside_its_release(void **state) {
        static const char *const bad[] = { "/bin/sh", "../sh", "a/../../sh",  "./sh",
                                           "a//b",    "",      "{release}/x", "MANIFEST" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_free_ char *text = NULL;

                assert_true(asprintf(&text, "family=evm\nrpc=http://h\ncommand={\"%s\"}\n", bad[i]) > 0);
                only_fault(text, "n1.conf:3: command: begins with the binary's path");
        }
        only_fault("family=evm\nrpc=http://h\ncommand={a,\n\"x\\ny\"}\n",
                   "n1.conf:4: command: contains a line end");
        only_fault("family=evm\nrpc=http://h\ncommand={a,\"{home}/x\"}\n", "'{home}' is no placeholder");
        only_fault("family=evm\nrpc=http://h\ncommand={a,\"{data\"}\n", "'{data' is no placeholder");
}

static void a_node_never_runs_as_root_or_as_muster(void **state) {
        good_but("user = root\n", "4: user: 'root' must not run a node");
        good_but("user = muster\n", "4: user: 'muster' must not run a node");
        good_but("user = muster-stage\n", "4: user: 'muster-stage' must not run a node");
        good_but("user = nobody\n", "4: user: 'nobody' must not run a node");
        good_but("user = 0\n", "4: user: expected a user name");
        good_but("user = \"a b\"\n", "4: user: expected a user name");
        good_but("user = a.b\n", "4: user: expected a user name");
}

static void the_environment_cannot_reach_around_the_release(void **state) {
        good_but("environment = { \"LD_PRELOAD=/tmp/x.so\" }",
                 "4: environment: 'LD_PRELOAD' would make the loader");
        good_but("environment = { \"LD_LIBRARY_PATH=/tmp\" }",
                 "4: environment: 'LD_LIBRARY_PATH' would make the");
        good_but("environment = { \"MUSTER_SIGNER=remote\" }",
                 "4: environment: 'MUSTER_SIGNER' is not for nodes");
        good_but("environment = { \"A B=1\" }", "4: environment: expected KEY=VALUE");
        good_but("environment = { \"A=1\", \"A=2\" }", "4: environment: 'A' is set twice");
}

static void data_lies_below_the_state_that_the_node_may_write(void **state) {
        good_but("data = /srv/node\n",
                 "4: data: expected a directory below '/var/lib/muster/nodes/n1/state/'");
        good_but("data = /var/lib/muster/nodes/n2/state/data\n", "4: data: expected a directory below");
        good_but("data = /var/lib/muster/nodes/n1/state\n", "4: data: expected a directory below");
        good_but("data = /var/lib/muster/nodes/n1/state/guard\n",
                 "4: data: '/var/lib/muster/nodes/n1/state/guard' is");
        good_but("data = /var/lib/muster/nodes/n1/state/../releases\n",
                 "4: data: expected an absolute path without");
        good_but("data = state/data\n", "4: data: expected an absolute path");
        good_but("protect = { \"../x\" }", "4: protect: expected a file or pattern below");
        good_but("protect = { \"a:b\" }", "4: protect: expected a file or pattern below");
}

static void a_snapshot_comes_from_inside_of_its_archive(void **state) {
        good_but("snapshot { prefix = \"/data\" }", "4: snapshot.prefix: expected the directory inside");
        good_but("snapshot { prefix = \"../data\" }", "4: snapshot.prefix: expected the directory inside");
        good_but("snapshot { prefix = \"a/../b\" }", "4: snapshot.prefix: expected the directory inside");
        good_but("snapshot { prefix = \"a//b\" }", "4: snapshot.prefix: expected the directory inside");
        good_but("snapshot { prefix = \"/\" }", "4: snapshot.prefix: expected the directory inside");
        good_but("snapshot { prefix = \"\" }", "4: snapshot.prefix: expected the directory inside");
        good_but("snapshot { signers = signers }", "4: snapshot.signers: expected an absolute path");
        good_but("snapshot { limit_rate = 10 }",
                 "4: snapshot.limit_rate: expected infinity or a number from");
        good_but("snapshot { seed = perhaps }", "4: snapshot.seed: expected");
        good_but("data = /var/lib/muster/nodes/n1/state/snapshots\n",
                 "4: data: '/var/lib/muster/nodes/n1/state/snapshots' is");
        good_but("data = /var/lib/muster/nodes/n1/state/set-aside-1\n",
                 "4: data: '/var/lib/muster/nodes/n1/state/set-aside-1' is");
}

static void an_observed_unit_has_no_key_that_says_how_it_runs(void **state) {
        cleanup_(node_config_freep) NodeConfig *c = NULL;

        only_fault(
                "family=evm\nrpc=http://h\nunit=kcnd.service\ncommand={a}\n",
                "n1.conf:4: command: only a node that muster runs has it, but unit = kcnd.service (line 3)");
        only_fault("family=evm\nrpc=http://h\nunit=kcnd.service\nstop {\n patience=1s\n}\n",
                   "n1.conf:4: stop: only a node that muster runs has it");
        only_fault("family=evm\nrpc=http://h\nunit=kcnd.service\nmode=manual\n",
                   "n1.conf:4: mode: unit = kcnd.service is");
        only_fault("family=evm\nrpc=http://h\nunit=kcnd\n",
                   "n1.conf:3: unit: expected the name of a service");
        only_fault("family=evm\nrpc=http://h\nunit=a/../b.service\n",
                   "n1.conf:3: unit: expected the name of a service");
        only_fault("family=evm\nrpc=http://h\nunit=validator@n2.service\n",
                   "n1.conf:3: unit: 'validator@n2.service' is");
        assert_int_equal(parse("family=evm\nrpc=http://h\nunit=geth@main.service\n", &c, NULL), 0);
        assert_false(node_config_is_managed(c));
        assert_string_equal(node_config_unit(c), "geth@main.service");
}

static void nothing_unknown_or_repeated_is_taken_silently(void **state) {
        good_but("stall_aftr = 5s\n", "4: stall_aftr: unknown key");
        good_but("limits { nofiles = { 5, 6 } }\n", "4: nofiles: unknown key in section 'limits'");
        good_but("probaton {\n timeout = 5s\n}\n", "4: probaton: unknown key");
        good_but("references a {\n url = x\n}\n", "4: references: unknown key");
        good_but("include(\"/etc/passwd\")\n", "4: include: unknown key");
        good_but("limits|nofile = 5000\n", "4: limits|nofile: unknown key");
        good_but("mode = manual\nmode = observe\n", "5: mode: was already set in line 4");
        good_but("limits { nproc = 100 }\nlimits { nofile = 500 }\n",
                 "5: limits: was already opened in line 4");
        good_but("reference a { url=http://a provider=p }\nreference a { url=http://b provider=p }\n",
                 "5: reference: a was already opened in line 4");
        good_but("command += { \"more\" }\ncommand = { \"other\" }\n",
                 "5: command: was already set in line 3");
        good_but("stall_after = 1h 30min\n", "4: '30min' follows a value on its line: put values");
        good_but("role += rpc\n", "4: role: is a list, expected one value");
        good_but("role = { rpc }\n", "4: role: is a list, expected one value");
        good_but("limits = 5\n", "4: limits: '=' follows, expected limits { ... }");
        good_but("reference { url = x }\n", "4: reference: '{' follows, expected reference NAME { ... }");
        good_but("reference \"a/b\" { url = http://x provider = p }\n",
                 "4: reference: the reference's name 'a/b' is not");
        good_but("protect = { a b }\n", "4: protect: expected strings with commas between them");
}

/* See the top of scan.c: each of these is silent or worse in libconfuse. */
static void traps_of_the_parser_are_faults(void **state) {
        cleanup_(node_config_freep) NodeConfig *c = NULL;

        assert_int_equal(setenv("MUSTER_TEST_TRAP", "rpc", 1), 0);
        good_but("network = \"${MUSTER_TEST_TRAP}\"\n", "4: '${' is not replaced by variables");
        good_but("protect = { foo/*bar }\n", "4: '*' outside of quotes");
        good_but("network = \"a\\0b\"\n", "4: '\\0': numeric escapes are not allowed");
        good_but("network = \"a\\x00b\"\n", "4: '\\x': numeric escapes are not allowed");
        good_but("network = \"open\n", "4: a string that begins here does not end");
        good_but("network = 'open\n", "4: a string that begins here does not end");
        good_but("/* open\n", "4: a comment that begins here does not end");
        good_but("limits {\n nofile = 500\n", "4: limits: the '{' of this section is never closed");
        good_but("protect = {\n a,\n", "4: protect: the '{' of this list is never closed");
        good_but("limits { nproc = 100\n nofile = \"open\n", "5: a string that begins here does not end");
        good_but("}\n", "4: '}' stands where a key was expected");
        good_but("network = \n", "4: network: the end of the file follows '=', expected a value");
        /* and an open string must not leak into the next file */
        c = good("network = '${HOME} \"x\"' # a comment\nprotect = { # in a list\n \"a\", // here too\n /* "
                 "and\n"
                 " here */ \"b\",\n}\n");
        assert_string_equal(c->network, "${HOME} \"x\"");
        assert_int_equal(strv_length(c->protect), 2);
        assert_int_equal(unsetenv("MUSTER_TEST_TRAP"), 0);
}

static void comments_do_not_move_line_numbers(void **state) {
        good_but("# one\n# two\n// three\n/* four\nfive */\nprotect = {\n # seven\n}\nmode = x\n",
                 "12: mode: expected");
}

static size_t count_lines(const char *s) {
        size_t n = 1;

        for (; *s; s++)
                n += *s == '\n';
        return n;
}

static void all_faults_of_a_file_are_told_at_once(void **state) {
        cleanup_fault_ Fault fault = { 0 };
        NodeConfig *c = NULL;
        const char *text =
                "famly = evm\nmode = x\nrpc = y\nlimits {\n nofile = z\n what = 1\n}\ncommand = { /x }\n";
        const char *told;

        assert_int_equal(parse(text, &c, &fault), -EINVAL);
        told = fault_text(&fault, -EINVAL);
        assert_int_equal(count_lines(told), 7);
        for (const char *const *part =
                     (const char *const[]){
                             "n1.conf:1: famly:", "n1.conf:1: family: is missing",
                             "n1.conf:2: mode:", "n1.conf:3: rpc:", "n1.conf:5: limits.nofile:",
                             "n1.conf:6: what:", "n1.conf:8: command:", NULL };
             *part; part++) {
                const char *at = strstr(told, *part);

                if (!at)
                        fail_msg("\"%s\" is not in: %s", *part, told);
        }
        assert_true(strstr(told, "2: mode") < strstr(told, "5: limits")); /* by line */
}

static void a_flood_of_faults_ends_with_their_number(void **state) {
        cleanup_fault_ Fault fault = { 0 };
        char text[4000] = GOOD;
        NodeConfig *c = NULL;

        for (unsigned i = 0; i < 100; i++)
                snprintf(text + strlen(text), sizeof text - strlen(text), "what%u = 1\n", i);
        assert_int_equal(parse(text, &c, &fault), -EINVAL);
        assert_int_equal(count_lines(fault.text), 21);
        assert_non_null(strstr(fault.text, "n1.conf: and 80 more"));
}

static void a_binary_file_is_refused(void **state) {
        static const char text[] = "family = evm\nrpc = \0x\n";
        cleanup_fault_ Fault fault = { 0 };
        NodeConfig *c = NULL;

        assert_int_equal(node_config_parse("n1.conf", text, sizeof text - 1, 0, &c, &fault), -EINVAL);
        assert_string_equal(fault.text, "n1.conf:2: byte 0x00 at offset 19: expected a text file");
}

static void placeholders_are_replaced(void **state) {
        cleanup_(node_config_freep) NodeConfig *c = good("");
        cleanup_free_ char *text = NULL;

        assert_int_equal(node_config_expand(c, "/r/1", "{release}/x:{data}:{name}:{{name}", &text, NULL), 0);
        assert_string_equal(text, "/r/1/x:/var/lib/muster/nodes/n1/state/data:n1:{name}");
}

/* --- files --- */

static char *make_dir(void) {
        char *dir = strdup("/tmp/test-config.XXXXXX");

        assert_non_null(dir);
        assert_non_null(mkdtemp(dir));
        return dir;
}

static void put(const char *dir, const char *name, const char *text) {
        cleanup_free_ char *path = NULL;
        cleanup_fclose_ FILE *f = NULL;

        assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
        f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
}

static void make_nodes_d(const char *dir) {
        cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/nodes.d", dir) > 0);
        assert_int_equal(mkdir(path, 0755), 0);
}

/* Two levels are all that these tests make. */
static void remove_dir(const char *path) {
        cleanup_closedir_ DIR *d = opendir(path);

        assert_non_null(d);
        for (struct dirent *e; (e = readdir(d));) {
                cleanup_free_ char *below = NULL;

                if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
                        continue;
                assert_true(asprintf(&below, "%s/%s", path, e->d_name) > 0);
                if (unlink(below) < 0)
                        remove_dir(below);
        }
        assert_int_equal(rmdir(path), 0);
}

static void one_broken_node_leaves_the_others_alone(void **state) {
        cleanup_(config_set_freep) ConfigSet *set = NULL;
        cleanup_free_ char *dir = make_dir();

        make_nodes_d(dir);
        put(dir, "muster.conf", "poll = 7s\n");
        put(dir, "nodes.d/b.conf", GOOD);
        put(dir, "nodes.d/a.conf", "family = \"open\n");
        put(dir, "nodes.d/c.conf", GOOD "poll = 2s\n");
        put(dir, "nodes.d/-x.conf", GOOD);
        put(dir, "nodes.d/.hidden.conf", "?");
        put(dir, "nodes.d/readme", "?");
        assert_int_equal(config_set_read(dir, &set, NULL), 0);
        assert_null(set->main_error);
        assert_int_equal(set->n_nodes, 4);
        assert_string_equal(set->nodes[0].name, "-x");
        assert_non_null(strstr(set->nodes[0].error, "node name '-x' is not valid"));
        assert_string_equal(set->nodes[1].name, "a");
        assert_null(set->nodes[1].config);
        assert_non_null(strstr(set->nodes[1].error, "/nodes.d/a.conf:1: a string that begins here"));
        assert_null(set->nodes[2].error);
        assert_int_equal(set->nodes[2].config->poll, 7 * USEC_PER_SEC);
        assert_int_equal(set->nodes[3].config->poll, 2 * USEC_PER_SEC);
        remove_dir(dir);
}

static void a_broken_main_file_keeps_defaults_and_nodes(void **state) {
        cleanup_(config_set_freep) ConfigSet *set = NULL;
        cleanup_free_ char *dir = make_dir();

        make_nodes_d(dir);
        put(dir, "muster.conf", "journal_keep = 9d\npoll = never\n");
        put(dir, "nodes.d/a.conf", GOOD);
        assert_int_equal(config_set_read(dir, &set, NULL), 0);
        assert_non_null(strstr(set->main_error, "/muster.conf:2: poll: expected a duration"));
        assert_int_equal(set->main.journal_keep, 400 * 86400 * USEC_PER_SEC);
        assert_non_null(set->nodes[0].config);
        remove_dir(dir);
}

static void two_nodes_never_share_user_or_unit(void **state) {
        cleanup_(config_set_freep) ConfigSet *set = NULL;
        cleanup_free_ char *dir = make_dir();

        make_nodes_d(dir);
        put(dir, "nodes.d/a.conf", GOOD "user = same\n");
        put(dir, "nodes.d/b.conf", GOOD "user = same\n");
        put(dir, "nodes.d/c.conf", "family=evm\nrpc=http://h\nunit=x.service\n");
        put(dir, "nodes.d/d.conf", "family=evm\nrpc=http://h\nunit=x.service\n");
        assert_int_equal(config_set_read(dir, &set, NULL), 0);
        assert_non_null(set->nodes[0].config);
        assert_null(set->nodes[1].config);
        assert_non_null(strstr(set->nodes[1].error, "b.conf:1: user: 'same' is node 'a''s already"));
        assert_non_null(set->nodes[2].config);
        assert_non_null(strstr(set->nodes[3].error, "d.conf:1: unit: 'x.service' is node 'c''s already"));
        remove_dir(dir);
}

static void no_nodes_is_an_empty_set_and_no_directory_an_error(void **state) {
        cleanup_(config_set_freep) ConfigSet *set = NULL;
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *dir = make_dir();

        assert_int_equal(config_set_read(dir, &set, NULL), 0);
        assert_int_equal(set->n_nodes, 0);
        remove_dir(dir);
        assert_int_equal(config_set_read(dir, &set, &fault), -ENOENT);
        assert_non_null(strstr(fault.text, dir));
}

static void a_file_that_everybody_may_write_is_refused(void **state) {
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *dir = make_dir(), *path = NULL;
        NodeConfig *c = NULL;

        put(dir, "n1.conf", GOOD);
        assert_true(asprintf(&path, "%s/n1.conf", dir) > 0);
        assert_int_equal(chmod(path, 0666), 0);
        assert_int_equal(node_config_read(path, &c, &fault), -EINVAL);
        assert_non_null(strstr(fault.text, "chmod o-w"));
        remove_dir(dir);
}

static void a_huge_file_is_refused_before_it_is_read(void **state) {
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *dir = make_dir(), *path = NULL;
        NodeConfig *c = NULL;

        put(dir, "n1.conf", GOOD);
        assert_true(asprintf(&path, "%s/n1.conf", dir) > 0);
        assert_int_equal(truncate(path, 300 * 1024), 0);
        assert_int_equal(node_config_read(path, &c, &fault), -EFBIG);
        assert_non_null(strstr(fault.text, "expected at most 256 KiB"));
        remove_dir(dir);
}

/* What people copy must be right as it stands. */
static void every_example_is_valid_as_it_stands(void **state) {
        cleanup_free_ char *dir = strndup(__FILE__, (size_t) (strrchr(__FILE__, '/') - __FILE__));
        cleanup_free_ char *examples = NULL;
        cleanup_closedir_ DIR *d = NULL;
        unsigned n = 0;

        assert_true(asprintf(&examples, "%s/../../packaging/examples", dir) > 0);
        d = opendir(examples);
        assert_non_null(d);
        for (struct dirent *e; (e = readdir(d));) {
                cleanup_(node_config_freep) NodeConfig *c = NULL;
                cleanup_fault_ Fault fault = { 0 };
                cleanup_free_ char *path = NULL;
                MainConfig main;
                int r;

                if (!str_ends(e->d_name, ".conf"))
                        continue;
                assert_true(asprintf(&path, "%s/%s", examples, e->d_name) > 0);
                r = str_eq(e->d_name, "muster.conf") ? main_config_read(path, &main, &fault)
                                                     : node_config_read(path, &c, &fault);
                if (r < 0)
                        fail_msg("%s", fault_text(&fault, r));
                n++;
        }
        assert_int_equal(n, 5);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_short_file_gets_its_defaults_from_the_family),
                cmocka_unit_test(every_key_reaches_its_field),
                cmocka_unit_test(a_fault_names_file_line_key_and_what_was_expected),
                cmocka_unit_test(what_is_missing_is_told_with_an_example),
                cmocka_unit_test(agreement_is_asked_for_where_there_are_references),
                cmocka_unit_test(a_validator_that_keeps_signing_state_needs_its_chain_id),
                cmocka_unit_test(a_command_stays_inside_its_release),
                cmocka_unit_test(a_node_never_runs_as_root_or_as_muster),
                cmocka_unit_test(the_environment_cannot_reach_around_the_release),
                cmocka_unit_test(data_lies_below_the_state_that_the_node_may_write),
                cmocka_unit_test(a_snapshot_comes_from_inside_of_its_archive),
                cmocka_unit_test(an_observed_unit_has_no_key_that_says_how_it_runs),
                cmocka_unit_test(nothing_unknown_or_repeated_is_taken_silently),
                cmocka_unit_test(traps_of_the_parser_are_faults),
                cmocka_unit_test(comments_do_not_move_line_numbers),
                cmocka_unit_test(all_faults_of_a_file_are_told_at_once),
                cmocka_unit_test(a_flood_of_faults_ends_with_their_number),
                cmocka_unit_test(a_binary_file_is_refused),
                cmocka_unit_test(placeholders_are_replaced),
                cmocka_unit_test(one_broken_node_leaves_the_others_alone),
                cmocka_unit_test(a_broken_main_file_keeps_defaults_and_nodes),
                cmocka_unit_test(two_nodes_never_share_user_or_unit),
                cmocka_unit_test(no_nodes_is_an_empty_set_and_no_directory_an_error),
                cmocka_unit_test(a_file_that_everybody_may_write_is_refused),
                cmocka_unit_test(a_huge_file_is_refused_before_it_is_read),
                cmocka_unit_test(every_example_is_valid_as_it_stands),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
