#include "config/node.h"
#include "util/text.h"

static const char *const mode_names[_NODE_MODE_MAX] = {
        [NODE_MODE_OBSERVE] = "observe",
        [NODE_MODE_MANUAL] = "manual",
        [NODE_MODE_AUTO] = "auto",
};

static const char *const role_names[_NODE_ROLE_MAX] = {
        [NODE_ROLE_ACTIVE] = "active",
        [NODE_ROLE_STANDBY] = "standby",
        [NODE_ROLE_SENTRY] = "sentry",
        [NODE_ROLE_RPC] = "rpc",
};

static const char *const signer_names[_NODE_SIGNER_MAX] = {
        [NODE_SIGNER_LOCAL] = "local",
        [NODE_SIGNER_REMOTE] = "remote",
};

static const char *const policy_names[_BACKUP_POLICY_MAX] = {
        [BACKUP_NONE] = "none",
        [BACKUP_REFLINK] = "reflink",
        [BACKUP_COPY] = "copy",
        [BACKUP_HOOK] = "hook",
};

const char *node_mode_to_string(NodeMode mode) {
        return mode_names[mode];
}

const char *node_role_to_string(NodeRole role) {
        return role_names[role];
}

const char *node_signer_to_string(NodeSigner signer) {
        return signer_names[signer];
}

const char *backup_policy_to_string(BackupPolicy policy) {
        return policy_names[policy];
}

NodeConfig *node_config_free(NodeConfig *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < config->n_references; i++) {
                free(config->references[i].name);
                free(config->references[i].url);
                free(config->references[i].provider);
        }
        free(config->references);
        free(config->name);
        free(config->path);
        free(config->digest);
        free(config->family);
        free(config->chain_id);
        free(config->network);
        free(config->unit);
        strv_free(config->command);
        strv_free(config->environment);
        strv_free(config->version_command);
        free(config->user);
        free(config->data);
        free(config->rpc);
        free(config->probe);
        strv_free(config->capabilities);
        strv_free(config->protect);
        free(config->snapshot.prefix);
        free(config->snapshot.signers);
        free(config);
        return NULL;
}

bool node_config_is_managed(const NodeConfig *config) {
        return !config->unit;
}

const char *node_config_unit(const NodeConfig *config) {
        return config->unit ?: config->unit_buffer;
}

/* What the placeholder that @text begins with stands for; *ret_length is its length. NULL: there is none
 * such. */
static const char *placeholder(const NodeConfig *config, const char *release_dir, const char *text,
                               size_t *ret_length) {
        const struct {
                const char *name, *value;
        } known[] = {
                { "{{", "{" },
                { "{data}", config->data },
                { "{release}", release_dir },
                { "{name}", config->name },
        };

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (str_starts(text, known[i].name)) {
                        *ret_length = strlen(known[i].name);
                        return known[i].value ?: "";
                }
        return NULL;
}

int node_config_expand(const NodeConfig *config, const char *release_dir, const char *text, char **ret,
                       Fault *reterr) {
        cleanup_free_ char *expanded = NULL;
        cleanup_fclose_ FILE *f = NULL;
        size_t size;

        f = open_memstream(&expanded, &size);
        if (!f)
                return -ENOMEM;
        while (*text) {
                size_t n = strcspn(text, "{"), length;
                const char *value;

                fwrite(text, 1, n, f);
                text += n;
                if (!*text)
                        break;
                value = placeholder(config, release_dir, text, &length);
                if (!value)
                        return fault_set(reterr, -EINVAL,
                                         "'%.*s' is no placeholder: expected {data}, {release} or {name}, "
                                         "or '{{' for a "
                                         "brace",
                                         (int) strcspn(text, "}") + 1, text);
                fputs(value, f);
                text += length;
        }
        /* Closing may move the buffer: only then it is ours to hand on. */
        if (fclose(TAKE_PTR(f)) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(expanded);
        return 0;
}
