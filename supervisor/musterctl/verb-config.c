/*
 * musterctl config: what musterd would read, read here in the same way. Needs
 * neither musterd nor root.
 */
#include "musterctl/args.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "config/set.h"
#include "muster-build.h"
#include "util/text.h"

#include <inttypes.h>
#include <signal.h>

/* Whether @path is muster.conf and not the file of a node. */
static bool is_main_file(const char *path) {
        const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

        return str_eq(base, "muster.conf");
}

static int check_file(const char *path, Fault *reterr) {
        cleanup_(node_config_freep) NodeConfig *config = NULL;
        MainConfig main;

        if (!is_main_file(path))
                return node_config_read(path, &config, reterr);
        /* Its absence is no fault, but who names it means that it is there. */
        if (access(path, F_OK) < 0)
                return fault_errno(reterr, -errno, "Failed to read '%s'", path);
        return main_config_read(path, &main, reterr);
}

static int check_files(char *const *paths) {
        int status = CTL_OK;

        STRV_FOREACH (path, paths) {
                cleanup_fault_ Fault fault = { 0 };
                int r = check_file(*path, &fault);

                if (r < 0)
                        status = complain(r, &fault);
        }
        if (status == CTL_OK) {
                size_t n = strv_length(paths);

                printf("%zu file%s, no faults\n", n, n == 1 ? "" : "s");
        }
        return status;
}

static int check_dir(const char *dir) {
        cleanup_(config_set_freep) ConfigSet *set = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r, status = CTL_OK;

        r = config_set_read(dir, &set, &fault);
        if (r < 0)
                return complain(r, &fault);
        if (set->main_error)
                status = complain(-EINVAL, &(Fault){ set->main_error });
        for (size_t i = 0; i < set->n_nodes; i++)
                if (set->nodes[i].error)
                        status = complain(-EINVAL, &(Fault){ set->nodes[i].error });
        if (status == CTL_OK)
                printf("%zu node%s, no faults\n", set->n_nodes, set->n_nodes == 1 ? "" : "s");
        return status;
}

static void put_key(const char *key, const char *value) {
        printf("%-28s = ", key);
        text_put(stdout, &(Screen){ .utf8 = true }, value, 0);
        putchar('\n');
}

static void put_text(const char *key, const char *value) {
        put_key(key, value ?: "(not set)");
}

static void put_duration(const char *key, uint64_t usec) {
        char text[DURATION_TEXT_MAX];

        put_key(key, format_duration(text, usec));
}

static void put_number(const char *key, uint64_t number) {
        char text[24];

        snprintf(text, sizeof text, "%" PRIu64, number);
        put_key(key, number == UINT64_MAX ? "infinity" : text);
}

static void put_bool(const char *key, bool value) {
        put_key(key, value ? "yes" : "no");
}

/* As it would be written in the file. */
static void put_list(const char *key, char *const *list) {
        printf("%-28s = {", key);
        STRV_FOREACH (s, list) {
                printf(" \"");
                for (const char *p = *s; *p; p++) {
                        if (strchr("\"\\$", *p))
                                putchar('\\');
                        putchar(*p);
                }
                printf("\"%s", s[1] ? "," : "");
        }
        printf(" }\n");
}

static void put_grants(unsigned grants) {
        static const char *const names[] = { "stage", "stop", "start", "rollback" };

        printf("%-28s = {", "grant");
        for (unsigned i = 0; i < ELEMENTSOF(names); i++)
                if (grants & 1u << i)
                        printf(" %s%s", names[i], grants >> (i + 1) ? "," : "");
        printf(" }\n");
}

static void show_identity(const NodeConfig *c) {
        put_text("family", c->family);
        put_text("chain_id", c->chain_id);
        put_text("network", c->network);
        put_text("mode", node_mode_to_string(c->mode));
        put_text("role", node_role_to_string(c->role));
        put_text("signer", node_signer_to_string(c->signer));
        put_text("unit", node_config_unit(c));
        if (c->probe)
                put_text("probe", c->probe);
        put_text("rpc", c->rpc);
        put_duration("poll", c->poll);
        put_duration("rpc_timeout", c->rpc_timeout);
        put_duration("stall_after", c->stall_after);
        if (c->block_time)
                put_duration("block_time", c->block_time);
        else
                put_text("block_time", NULL);
        put_duration("hook_timeout", c->hook_timeout);
}

static void show_managed(const NodeConfig *c) {
        char name[16];

        snprintf(name, sizeof name, "SIG%s", sigabbrev_np(c->stop_signal));
        put_grants(c->grants);
        put_list("command", c->command);
        put_list("environment", c->environment);
        put_list("version_command", c->version_command);
        put_text("user", c->user);
        put_text("data", c->data);
        put_list("capabilities", c->capabilities);
        put_list("protect", c->protect);
        put_duration("restart_delay", c->restart_delay);
        put_duration("drain_timeout", c->drain_timeout);
        put_text("stop.signal", name);
        put_duration("stop.patience", c->stop_patience);
        put_bool("stop.kill", c->kill);
        put_number("limits.nofile", c->limit_nofile);
        put_number("limits.memlock", c->limit_memlock);
        put_number("limits.nproc", c->limit_nproc);
        put_text("backup.policy", backup_policy_to_string(c->backup));
        put_duration("backup.timeout", c->backup_timeout);
}

static void show_probation(const ProbationConfig *p) {
        put_duration("probation.start_timeout", p->start_timeout);
        put_duration("probation.duration", p->duration);
        put_duration("probation.timeout", p->timeout);
        put_number("probation.min_blocks", p->min_blocks);
        if (p->min_peers >= 0)
                put_number("probation.min_peers", (uint64_t) p->min_peers);
        else
                put_text("probation.min_peers", NULL);
        put_number("probation.max_restarts", p->max_restarts);
        put_bool("probation.require_references", p->require_references);
        put_bool("probation.require_signing", p->require_signing);
}

static void show_references(const NodeConfig *c) {
        for (size_t i = 0; i < c->n_references; i++) {
                const ReferenceConfig *r = &c->references[i];
                char key[96];

                snprintf(key, sizeof key, "reference %s.url", r->name);
                put_text(key, r->url);
                snprintf(key, sizeof key, "reference %s.provider", r->name);
                put_text(key, r->provider);
        }
}

static int show(const char *dir, const char *node) {
        cleanup_(config_set_freep) ConfigSet *set = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r;

        r = config_set_read(dir, &set, &fault);
        if (r < 0)
                return complain(r, &fault);
        for (size_t i = 0; i < set->n_nodes; i++) {
                const NodeEntry *entry = &set->nodes[i];

                if (!str_eq(entry->name, node))
                        continue;
                if (!entry->config)
                        return complain(-EINVAL, &(Fault){ entry->error });
                show_identity(entry->config);
                if (node_config_is_managed(entry->config)) {
                        show_managed(entry->config);
                        show_probation(&entry->config->probation);
                }
                show_references(entry->config);
                return CTL_OK;
        }
        r = fault_set(&fault, -ENOENT, "There is no node '%s': '%s/nodes.d/%s.conf' does not exist", node,
                      dir, node);
        return complain(r, &fault);
}

int verb_config(int argc, char *argv[]) {
        const char *dir = MUSTER_SYSCONFDIR;
        const ArgOption options[] = { { "dir", 0, ARG_TEXT, "DIR", "read DIR instead of " MUSTER_SYSCONFDIR,
                                        &dir } };
        const ArgSpec spec = {
                "config",
                options,
                ELEMENTSOF(options),
                1,
                -1,
                "musterctl config check           checks all files\n"
                "musterctl config check FILE...   checks these\n"
                "musterctl config show NODE       prints a node's values, defaults included"
        };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        if (str_eq(operands[0], "check"))
                return operands[1] ? check_files(operands + 1) : check_dir(dir);
        if (!str_eq(operands[0], "show"))
                return usage_error("config", "unknown command '%s', expected check or show", operands[0]);
        if (!operands[1] || operands[2])
                return usage_error("config", "expected one node: musterctl config show NODE");
        return show(dir, operands[1]);
}
