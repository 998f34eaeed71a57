#include "config/node-keys.h"
#include "chain/family.h"
#include "config/setter.h"
#include "config/value.h"
#include "util/name.h"
#include "util/text.h"

#include <errno.h>
#include <stddef.h>

#define MSEC           USEC_PER_MSEC
#define SEC            USEC_PER_SEC
#define HOUR           (3600 * SEC)
#define DAY            (24 * HOUR)
#define REFERENCES_MAX 64

static int set_family(void *target, const ConfigKey *key, const char *title, const char *value,
                      Fault *reterr) {
        if (!chain_family_by_name(value))
                return fault_set(reterr, -EINVAL, "expected one of %s, found '%s'", chain_family_names(),
                                 value);
        return config_set_text(target, key, title, value, reterr);
}

static int set_mode(void *target, const ConfigKey *key, const char *title, const char *value,
                    Fault *reterr) {
        for (NodeMode mode = 0; mode < _NODE_MODE_MAX; mode++)
                if (str_eq(value, node_mode_to_string(mode))) {
                        ((NodeConfig *) target)->mode = mode;
                        return 0;
                }
        return fault_set(reterr, -EINVAL, "expected observe, manual or auto, found '%s'", value);
}

static int set_role(void *target, const ConfigKey *key, const char *title, const char *value,
                    Fault *reterr) {
        for (NodeRole role = 0; role < _NODE_ROLE_MAX; role++)
                if (str_eq(value, node_role_to_string(role))) {
                        ((NodeConfig *) target)->role = role;
                        return 0;
                }
        return fault_set(reterr, -EINVAL, "expected active, standby, sentry or rpc, found '%s'", value);
}

static int set_signer(void *target, const ConfigKey *key, const char *title, const char *value,
                      Fault *reterr) {
        for (NodeSigner signer = 0; signer < _NODE_SIGNER_MAX; signer++)
                if (str_eq(value, node_signer_to_string(signer))) {
                        ((NodeConfig *) target)->signer = signer;
                        return 0;
                }
        return fault_set(reterr, -EINVAL, "expected local or remote, found '%s'", value);
}

static int set_policy(void *target, const ConfigKey *key, const char *title, const char *value,
                      Fault *reterr) {
        for (BackupPolicy policy = 0; policy < _BACKUP_POLICY_MAX; policy++)
                if (str_eq(value, backup_policy_to_string(policy))) {
                        ((NodeConfig *) target)->backup = policy;
                        return 0;
                }
        return fault_set(reterr, -EINVAL, "expected none, reflink, copy or hook, found '%s'", value);
}

static int add_grant(void *target, const ConfigKey *key, const char *title, const char *value,
                     Fault *reterr) {
        static const char *const names[] = { "stage", "stop", "start", "rollback" }; /* bits of NodeGrant */

        for (unsigned i = 0; i < ELEMENTSOF(names); i++)
                if (str_eq(value, names[i])) {
                        ((NodeConfig *) target)->grants |= 1u << i;
                        return 0;
                }
        return fault_set(reterr, -EINVAL, "expected any of stage, stop, start, rollback, found '%s'", value);
}

static int set_unit(void *target, const ConfigKey *key, const char *title, const char *value,
                    Fault *reterr) {
        int r = value_check_unit(value, reterr);

        return r < 0 ? r : config_set_text(target, key, title, value, reterr);
}

static int set_user(void *target, const ConfigKey *key, const char *title, const char *value,
                    Fault *reterr) {
        int r = value_check_user(value, reterr);

        return r < 0 ? r : config_set_text(target, key, title, value, reterr);
}

/* A release keeps its own files beside the binary. */
static bool is_release_file(const char *path) {
        return str_eq(path, "arguments") || str_eq(path, "environment") || str_eq(path, "MANIFEST");
}

static int expand_check(const NodeConfig *config, const char *value, Fault *reterr) {
        cleanup_free_ char *expanded = NULL;

        return node_config_expand(config, "", value, &expanded, reterr);
}

static int add_command(void *target, const ConfigKey *key, const char *title, const char *value,
                       Fault *reterr) {
        NodeConfig *config = target;
        bool first = strv_length(config->command) == 0;
        int r;

        /* Kept even if it is wrong, or the next one would be taken for the binary. */
        r = config_append(target, key, value, reterr);
        if (r < 0)
                return r;
        if (!first)
                return expand_check(config, value, reterr);
        if (value_check_relative_path(value, NULL) < 0 || strpbrk(value, "{}") || is_release_file(value))
                return fault_set(
                        reterr, -EINVAL,
                        "begins with the binary's path inside of the release, such as bin/kcn: expected a "
                        "relative path without '..', '.', '//' and placeholders, found '%s'",
                        value);
        return 0;
}

static int add_argument(void *target, const ConfigKey *key, const char *title, const char *value,
                        Fault *reterr) {
        return config_append(target, key, value, reterr);
}

static int add_environment(void *target, const ConfigKey *key, const char *title, const char *value,
                           Fault *reterr) {
        NodeConfig *config = target;
        size_t n = strcspn(value, "=") + 1;
        int r = value_check_environment(value, reterr);

        if (r >= 0)
                r = expand_check(config, value, reterr);
        if (r < 0)
                return r;
        STRV_FOREACH (other, config->environment)
                if (strncmp(*other, value, n) == 0)
                        return fault_set(reterr, -EINVAL, "'%.*s' is set twice, expected once", (int) n - 1,
                                         value);
        return config_append(target, key, value, reterr);
}

static int add_capability(void *target, const ConfigKey *key, const char *title, const char *value,
                          Fault *reterr) {
        int r = value_check_capability(value, reterr);

        return r < 0 ? r : config_append(target, key, value, reterr);
}

static int add_pattern(void *target, const ConfigKey *key, const char *title, const char *value,
                       Fault *reterr) {
        int r = value_check_pattern(value, reterr);

        return r < 0 ? r : config_append(target, key, value, reterr);
}

/* "data/" and "data" are the same directory. */
static int set_prefix(void *target, const ConfigKey *key, const char *title, const char *value,
                      Fault *reterr) {
        cleanup_free_ char *prefix = strdup(value);
        size_t n;

        if (!prefix)
                return -ENOMEM;
        for (n = strlen(prefix); n > 0 && prefix[n - 1] == '/'; n--)
                prefix[n - 1] = 0;
        if (value_check_relative_path(prefix, NULL) < 0)
                return fault_set(reterr, -EINVAL,
                                 "expected the directory inside of the archive that is the data directory, "
                                 "such as \"data/\", without '..', '.' and '//', found '%s'",
                                 value);
        return str_replace(&((NodeConfig *) target)->snapshot.prefix, prefix);
}

static int set_min_peers(void *target, const ConfigKey *key, const char *title, const char *value,
                         Fault *reterr) {
        uint64_t count;

        if (parse_u64(value, &count) < 0 || count > key->max)
                return fault_set(reterr, -EINVAL, "expected a number of peers from 0 to 10000, found '%s'",
                                 value);
        ((NodeConfig *) target)->probation.min_peers = (int64_t) count;
        return 0;
}

ReferenceConfig *node_config_reference(NodeConfig *config, const char *name) {
        ReferenceConfig *larger;
        char *copy;

        for (size_t i = 0; i < config->n_references; i++)
                if (str_eq(config->references[i].name, name))
                        return &config->references[i];
        copy = strdup(name);
        if (!copy)
                return NULL;
        larger = reallocarray(config->references, config->n_references + 1, sizeof *larger);
        if (!larger) {
                free(copy);
                return NULL;
        }
        config->references = larger;
        config->references[config->n_references] = (ReferenceConfig){ .name = copy };
        return &config->references[config->n_references++];
}

static int set_reference(void *target, const ConfigKey *key, const char *title, const char *value,
                         Fault *reterr) {
        NodeConfig *config = target;
        ReferenceConfig *reference;

        if (config->n_references >= REFERENCES_MAX)
                return fault_set(reterr, -EINVAL, "expected at most %d references", REFERENCES_MAX - 1);
        reference = node_config_reference(config, title);
        if (!reference)
                return -ENOMEM;
        if (str_eq(key->name, "url")) {
                int r = value_check_url(value, reterr);

                return r < 0 ? r : str_replace(&reference->url, value);
        }
        if (!*value)
                return fault_set(reterr, -EINVAL,
                                 "is empty, expected who runs it, such as \"aws eu-west-1\"");
        return str_replace(&reference->provider, value);
}

#define AT(field_) .offset = offsetof(NodeConfig, field_)

static const ConfigKey keys[] = {
        { .name = "family", .set = set_family, AT(family) },
        { .name = "chain_id", .set = config_set_text, AT(chain_id) },
        { .name = "network", .set = config_set_text, AT(network) },
        { .name = "mode", .set = set_mode },
        { .name = "grant", .set = add_grant, .list = true },
        { .name = "role", .set = set_role },
        { .name = "signer", .set = set_signer },
        { .name = "unit", .set = set_unit, AT(unit) },
        { .name = "command", .set = add_command, AT(command), .list = true },
        { .name = "environment", .set = add_environment, AT(environment), .list = true },
        { .name = "version_command", .set = add_argument, AT(version_command), .list = true },
        { .name = "user", .set = set_user, AT(user) },
        { .name = "data", .set = config_set_path, AT(data) },
        { .name = "rpc", .set = config_set_url, AT(rpc) },
        { .name = "probe", .set = config_set_path, AT(probe) },
        { .name = "poll", .set = config_set_duration, AT(poll), .min = 50 * MSEC, .max = HOUR },
        { .name = "rpc_timeout",
          .set = config_set_duration,
          AT(rpc_timeout),
          .min = 50 * MSEC,
          .max = HOUR },
        { .name = "stall_after",
          .set = config_set_duration,
          AT(stall_after),
          .min = 100 * MSEC,
          .max = 30 * DAY },
        { .name = "block_time", .set = config_set_duration, AT(block_time), .min = MSEC, .max = DAY },
        { .name = "restart_delay", .set = config_set_duration, AT(restart_delay), .min = 0, .max = DAY },
        { .name = "capabilities", .set = add_capability, AT(capabilities), .list = true },
        { .name = "protect", .set = add_pattern, AT(protect), .list = true },
        { .name = "drain_timeout",
          .set = config_set_duration,
          AT(drain_timeout),
          .min = 0,
          .max = 30 * DAY },
        { .name = "hook_timeout",
          .set = config_set_duration,
          AT(hook_timeout),
          .min = 100 * MSEC,
          .max = 30 * DAY },

        { "stop", "signal", config_set_signal, AT(stop_signal) },
        { "stop", "patience", config_set_duration, AT(stop_patience), .min = SEC, .max = UINT64_MAX },
        { "stop", "kill", config_set_bool, AT(kill) },

        { "limits", "nofile", config_set_size, AT(limit_nofile), .min = 256, .max = 1 << 30 },
        { "limits", "memlock", config_set_size, AT(limit_memlock), .min = 0, .max = (uint64_t) 1 << 50 },
        { "limits", "nproc", config_set_size, AT(limit_nproc), .min = 64, .max = 1 << 22 },

        { "backup", "policy", set_policy },
        { "backup", "timeout", config_set_duration, AT(backup_timeout), .min = SEC, .max = 30 * DAY },

        { "snapshot", "prefix", set_prefix },
        { "snapshot", "signers", config_set_path, AT(snapshot.signers) },
        { "snapshot", "limit_rate", config_set_size, AT(snapshot.limit_rate), .min = 1024,
          .max = (uint64_t) 1 << 50 },
        { "snapshot", "seed", config_set_bool, AT(snapshot.seed) },

        { "probation", "start_timeout", config_set_duration, AT(probation.start_timeout), .min = 100 * MSEC,
          .max = 30 * DAY },
        { "probation", "duration", config_set_duration, AT(probation.duration), .min = 0, .max = 30 * DAY },
        { "probation", "timeout", config_set_duration, AT(probation.timeout), .min = 100 * MSEC,
          .max = 90 * DAY },
        { "probation", "min_blocks", config_set_count, AT(probation.min_blocks), .min = 0, .max = 1000000 },
        { "probation", "min_peers", set_min_peers, .min = 0, .max = 10000 },
        { "probation", "max_restarts", config_set_count, AT(probation.max_restarts), .min = 0, .max = 1000 },
        { "probation", "require_references", config_set_bool, AT(probation.require_references) },
        { "probation", "require_signing", config_set_bool, AT(probation.require_signing) },

        { "reference", "url", set_reference },
        { "reference", "provider", set_reference },
};

const ConfigSchema node_schema = { keys, ELEMENTSOF(keys), "reference" };

int node_managed_key(size_t index, const char **ret_section, const char **ret_key) {
        static const struct {
                const char *section, *key;
        } managed[] = {
                { NULL, "grant" },         { NULL, "command" },
                { NULL, "environment" },   { NULL, "version_command" },
                { NULL, "user" },          { NULL, "restart_delay" },
                { NULL, "capabilities" },  { NULL, "protect" },
                { NULL, "drain_timeout" }, { "stop", NULL },
                { "limits", NULL },        { "backup", NULL },
                { "probation", NULL },     { "snapshot", NULL },
        };

        if (index >= ELEMENTSOF(managed))
                return -ENOENT;
        *ret_section = managed[index].section;
        *ret_key = managed[index].key;
        return 0;
}
