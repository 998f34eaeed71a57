/*
 * A node file becomes a NodeConfig in three steps: the schema's setters take
 * the values, defaults fill what was not named, and then what only shows when
 * all keys are known is checked. Nothing is kept of a file that has a fault.
 */
#include "chain/family.h"
#include "config/node-keys.h"
#include "config/value.h"
#include "crypto/sha256.h"
#include "util/name.h"
#include "util/text.h"
#include "muster-build.h"

#include <inttypes.h>

typedef struct NodeReading {
        ConfigFile file;
        NodeConfig *config;
        const ChainFamily *family;
} NodeReading;

static unsigned line_of(const NodeReading *reading, const char *section, const char *key) {
        return config_file_line(&reading->file, section, key, NULL);
}

static bool has(const NodeReading *reading, const char *section, const char *key) {
        return line_of(reading, section, key) > 0;
}

static int name_from_path(NodeReading *reading, const char *path) {
        const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        cleanup_fault_ Fault fault = { 0 };
        size_t n = strlen(base);
        NodeConfig *c = reading->config;

        if (str_ends(base, ".conf"))
                n -= strlen(".conf");
        else
                fault_list_add(&reading->file.faults, 1, NULL, "the file's name does not end in .conf");
        c->name = strndup(base, n);
        c->path = strdup(path);
        if (!c->name || !c->path)
                return -ENOMEM;
        if (name_check(c->name, "the node name", &fault) < 0)
                fault_list_add(&reading->file.faults, 1, NULL, "%s", fault_text(&fault, -EINVAL));
        return 0;
}

static void preset(NodeConfig *c) {
        c->rpc_timeout = 5 * USEC_PER_SEC;
        c->restart_delay = 5 * USEC_PER_SEC;
        c->stop_signal = 15;
        c->stop_patience = 3600 * USEC_PER_SEC;
        c->limit_nofile = 1048576;
        c->limit_memlock = UINT64_MAX;
        c->limit_nproc = UINT64_MAX;
        c->backup_timeout = 1800 * USEC_PER_SEC;
        c->drain_timeout = 120 * USEC_PER_SEC;
        c->hook_timeout = 60 * USEC_PER_SEC;
        c->snapshot = (SnapshotConfig){ .limit_rate = UINT64_MAX, .seed = true };
        c->probation = (ProbationConfig){
                .start_timeout = 300 * USEC_PER_SEC,
                .duration = 180 * USEC_PER_SEC,
                .timeout = 1800 * USEC_PER_SEC,
                .min_blocks = 10,
                .min_peers = -1,
                .require_signing = true,
        };
}

/* "validator-NAME" cut to 31 characters; '.' may stand in a node's name and not in a user's. */
static int default_user(NodeConfig *c) {
        if (asprintf(&c->user, "validator-%.21s", c->name) < 0) {
                c->user = NULL;
                return -ENOMEM;
        }
        for (char *p = c->user; *p; p++)
                if (*p == '.')
                        *p = '-';
        return 0;
}

static int default_version_command(NodeConfig *c, const ChainFamily *family) {
        c->version_command = calloc(1, sizeof *c->version_command);
        if (!c->version_command)
                return -ENOMEM;
        for (const char *const *a = family->version_arguments; a && *a; a++)
                if (strv_append(&c->version_command, *a) < 0)
                        return -ENOMEM;
        return 0;
}

static uint64_t at_least(uint64_t value, uint64_t least) {
        return value > least ? value : least;
}

static int fill_defaults(NodeReading *reading, uint64_t default_poll) {
        NodeConfig *c = reading->config;
        int r = 0;

        if (!c->user)
                r = default_user(c);
        if (r >= 0 && !c->data && asprintf(&c->data, MUSTER_STATEDIR "/nodes/%s/state/data", c->name) < 0) {
                c->data = NULL;
                r = -ENOMEM;
        }
        if (r >= 0 && !c->network && c->chain_id)
                r = str_replace(&c->network, c->chain_id);
        if (r >= 0 && reading->family && !c->version_command)
                r = default_version_command(c, reading->family);
        if (r < 0)
                return r;
        if (!c->poll)
                c->poll = default_poll
                                  ?: c->block_time ? at_least(c->block_time / 3, 100 * USEC_PER_MSEC)
                                                   : USEC_PER_SEC;
        if (!c->stall_after)
                c->stall_after =
                        at_least(3 * c->poll, c->block_time ? at_least(10 * c->block_time, 15 * USEC_PER_SEC)
                                                            : 60 * USEC_PER_SEC);
        if (reading->family && !has(reading, "stop", "signal"))
                c->stop_signal = reading->family->stop_signal;
        if (reading->family && !has(reading, "stop", "patience"))
                c->stop_patience = reading->family->stop_patience;
        if (!has(reading, "probation", "require_references"))
                c->probation.require_references = c->n_references > 0;
        snprintf(c->unit_buffer, sizeof c->unit_buffer, "validator@%.64s.service", c->name);
        return 0;
}

static void missing(NodeReading *reading, const char *key, const char *expected) {
        if (!reading->file.cut && !has(reading, NULL, key))
                fault_list_add(&reading->file.faults, 1, key, "is missing, expected %s", expected);
}

/* A key that was given empty: `command = {}`. */
static void empty(NodeReading *reading, const char *key, char *const *list, const char *expected) {
        if (has(reading, NULL, key) && strv_length(list) == 0)
                fault_list_add(&reading->file.faults, line_of(reading, NULL, key), key,
                               "is empty, expected %s", expected);
}

static void check_family(NodeReading *reading) {
        NodeConfig *c = reading->config;
        uint64_t id;

        if (!has(reading, NULL, "family") && !reading->file.cut)
                fault_list_add(&reading->file.faults, 1, "family", "is missing, expected one of %s",
                               chain_family_names());
        if (!reading->family)
                return;
        if (str_eq(c->family, "exec"))
                missing(reading, "probe", "the absolute path of your probe script");
        else {
                missing(reading, "rpc", "the node's address, such as \"http://127.0.0.1:8551\"");
                if (has(reading, NULL, "probe"))
                        fault_list_add(&reading->file.faults, line_of(reading, NULL, "probe"), "probe",
                                       "is for family exec, expected rpc for family %s", c->family);
        }
        if (c->chain_id && (str_eq(c->family, "evm") || str_eq(c->family, "klaytn")) &&
            parse_u64(c->chain_id, &id) < 0)
                fault_list_add(&reading->file.faults, line_of(reading, NULL, "chain_id"), "chain_id",
                               "expected a decimal number for family %s, found '%s'", c->family,
                               c->chain_id);
}

/* Signing state is kept by signing domain: without the chain's name it cannot be guarded. */
static void check_domain(NodeReading *reading) {
        NodeConfig *c = reading->config;

        if (!reading->family || !reading->family->parse_position || c->signer != NODE_SIGNER_LOCAL)
                return;
        if (c->role == NODE_ROLE_ACTIVE || c->role == NODE_ROLE_STANDBY)
                missing(reading, "chain_id", "the chain's id: what a validator signed is guarded by it");
}

static bool is_reserved_sibling(const char *name) {
        static const char *const reserved[] = { "guard",     "incoming",  "old",
                                                "rehearsal", "snapshots", "exchanging" };

        for (size_t i = 0; i < ELEMENTSOF(reserved); i++) {
                size_t n = strlen(reserved[i]);

                if (strncmp(name, reserved[i], n) == 0 && (!name[n] || name[n] == '/'))
                        return true;
        }
        return str_starts(name, "backup-") || str_starts(name, "set-aside-");
}

static void check_data(NodeReading *reading) {
        NodeConfig *c = reading->config;
        cleanup_free_ char *below = NULL;
        size_t n;

        if (!has(reading, NULL, "data") || value_check_path(c->data, NULL) < 0)
                return;
        if (asprintf(&below, MUSTER_STATEDIR "/nodes/%s/state/", c->name) < 0) {
                below = NULL;
                reading->file.faults.oom = true;
                return;
        }
        n = strlen(below);
        if (strncmp(c->data, below, n) != 0)
                fault_list_add(&reading->file.faults, line_of(reading, NULL, "data"), "data",
                               "expected a directory below '%s', found '%s': mount or move the data there",
                               below, c->data);
        else if (is_reserved_sibling(c->data + n))
                fault_list_add(&reading->file.faults, line_of(reading, NULL, "data"), "data",
                               "'%s' is muster's own, expected another name, such as '%sdata'", c->data,
                               below);
}

static void check_managed(NodeReading *reading) {
        NodeConfig *c = reading->config;

        missing(reading, "command",
                "{ \"BINARY\", \"ARGUMENT\", ... }, or 'unit' to observe an existing service");
        empty(reading, "command", c->command, "the binary and its arguments");
        empty(reading, "version_command", c->version_command, "arguments such as \"--version\"");
        check_domain(reading);
        check_data(reading);
        if (c->mode == NODE_MODE_AUTO && !c->grants && !reading->file.cut)
                fault_list_add(&reading->file.faults, line_of(reading, NULL, "mode"), "mode",
                               "auto does nothing without a grant, expected grant = { \"stage\", \"stop\", "
                               "\"start\", "
                               "\"rollback\" } or some of them");
        if (c->mode != NODE_MODE_AUTO && c->grants)
                fault_list_add(&reading->file.faults, line_of(reading, NULL, "grant"), "grant",
                               "is for mode = auto, found mode = %s", node_mode_to_string(c->mode));
}

static void check_observed(NodeReading *reading) {
        NodeConfig *c = reading->config;
        const char *section, *key;

        for (size_t i = 0; node_managed_key(i, &section, &key) >= 0; i++) {
                unsigned line = line_of(reading, section, key);

                if (line)
                        fault_list_add(&reading->file.faults, line, key ?: section,
                                       "only a node that muster runs has it, but unit = %s (line %u) is "
                                       "only observed: "
                                       "remove one of the two",
                                       c->unit, line_of(reading, NULL, "unit"));
        }
        if (c->mode != NODE_MODE_OBSERVE)
                fault_list_add(&reading->file.faults, line_of(reading, NULL, "mode"), "mode",
                               "unit = %s is only observed, expected mode = observe", c->unit);
}

static void check_durations(NodeReading *reading) {
        NodeConfig *c = reading->config;
        ProbationConfig *p = &c->probation;
        char text[DURATION_TEXT_MAX];

        if (c->stall_after <= c->poll)
                fault_list_add(&reading->file.faults, line_of(reading, NULL, "stall_after") ?: 1,
                               "stall_after", "expected more than the time between polls, %s",
                               format_duration(text, c->poll));
        if (p->timeout < p->start_timeout + p->duration)
                fault_list_add(
                        &reading->file.faults,
                        line_of(reading, "probation", "timeout") ?: line_of(reading, "probation", NULL),
                        "probation.timeout", "expected at least start_timeout and duration together, %s",
                        format_duration(text, p->start_timeout + p->duration));
}

static int check_references(NodeReading *reading) {
        for (size_t i = 0; i < reading->file.n_seen; i++) {
                const ConfigSeen *seen = &reading->file.seen[i];
                cleanup_fault_ Fault fault = { 0 };
                ReferenceConfig *reference;

                if (seen->key || !seen->title)
                        continue;
                if (name_check(seen->title, "the reference's name", &fault) < 0)
                        fault_list_add(&reading->file.faults, seen->line, "reference", "%s",
                                       fault_text(&fault, -EINVAL));
                reference = node_config_reference(reading->config, seen->title);
                if (!reference)
                        return -ENOMEM;
                if (reading->file.cut)
                        continue;
                if (!config_file_line(&reading->file, "reference", "url", seen->title))
                        fault_list_add(&reading->file.faults, seen->line, "reference.url",
                                       "is missing in '%s', expected the endpoint's address", seen->title);
                if (!config_file_line(&reading->file, "reference", "provider", seen->title))
                        fault_list_add(&reading->file.faults, seen->line, "reference.provider",
                                       "is missing in '%s', expected who runs it: one provider's outage "
                                       "must not look "
                                       "like the chain's",
                                       seen->title);
        }
        return 0;
}

/* Else every upgrade would wait for an agreement that cannot come, and be rolled back. */
static void check_agreement(NodeReading *reading) {
        NodeConfig *c = reading->config;

        if (c->probation.require_references && c->n_references == 0 && !reading->file.cut)
                fault_list_add(
                        &reading->file.faults, line_of(reading, "probation", "require_references"),
                        "probation.require_references",
                        "is yes, but there is no reference to agree with: add 'reference NAME { url = ... "
                        "provider = ... }', or set it to no");
}

static int check(NodeReading *reading) {
        check_family(reading);
        if (has(reading, NULL, "unit"))
                check_observed(reading);
        else
                check_managed(reading);
        check_durations(reading);
        check_agreement(reading);
        return check_references(reading);
}

static int digest_text(NodeConfig *c, const char *text, size_t size) {
        c->digest = malloc(SHA256_HEX_SIZE);
        return c->digest ? sha256_buffer_hex(text, size, c->digest) : -ENOMEM;
}

int node_config_parse(const char *path, const char *text, size_t size, uint64_t default_poll,
                      NodeConfig **ret, Fault *reterr) {
        cleanup_(node_config_freep) NodeConfig *config = calloc(1, sizeof *config);
        cleanup_free_ char *copy = malloc(size + 1);
        NodeReading reading = { .file.faults.path = path, .config = config };
        int r;

        if (!config || !copy)
                return -ENOMEM;
        memcpy(copy, text, size);
        copy[size] = 0;
        preset(config);
        r = digest_text(config, text, size);
        if (r >= 0)
                r = name_from_path(&reading, path);
        if (r >= 0)
                r = config_file_parse(&reading.file, &node_schema, copy, size, config);
        if (r >= 0) {
                reading.family = config->family ? chain_family_by_name(config->family) : NULL;
                r = fill_defaults(&reading, default_poll);
        }
        if (r >= 0)
                r = check(&reading);
        if (r >= 0)
                r = fault_list_report(&reading.file.faults, reterr);
        config_file_done(&reading.file);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(config);
        return 0;
}

int node_config_read_poll(const char *path, uint64_t default_poll, NodeConfig **ret, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = config_file_load(path, &text, &size, reterr);
        if (r < 0)
                return r;
        return node_config_parse(path, text, size, default_poll, ret, reterr);
}

int node_config_read(const char *path, NodeConfig **ret, Fault *reterr) {
        return node_config_read_poll(path, 0, ret, reterr);
}
