/*
 * musterctl apply: what a node's configuration needs of root, made durable
 * step by step in an order that leaves nothing dangerous when it is cut off:
 * everything is checked before anything is written, the user and the
 * directories come before the drop-in that names them, and no node is started,
 * stopped or permitted. Running it again finishes what was begun.
 */
#include "musterctl/apply-dropin.h"
#include "musterctl/apply-systemd.h"
#include "musterctl/apply-tree.h"
#include "musterctl/args.h"
#include "musterctl/daemon.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "config/set.h"
#include "muster-build.h"
#include "util/text.h"

#include <sys/stat.h>

typedef struct Apply {
        const char *dir;
        bool dry_run, no_enable, prune;
        Systemd *systemd;
} Apply;

static void say_made(const NodeConfig *c, const NodeUser *user, char *const *made) {
        if (user->created)
                printf("%s: created user %s (uid %u)\n", c->name, c->user, user->uid);
        STRV_FOREACH (path, made)
                printf("%s: made " MUSTER_STATEDIR "/nodes/%s\n", c->name, *path);
}

/* A running node keeps what it was started with. */
static int say_restart(const Apply *apply, const NodeConfig *c, const DropinPlan *plan, Fault *reterr) {
        cleanup_free_ char *waiting = NULL;
        bool running;
        int r;

        if (!plan->found[DROPIN_VALIDATOR])
                return 0;
        r = dropin_plan_needs_restart(plan, &waiting);
        if (r < 0 || !waiting)
                return r;
        r = systemd_is_running(apply->systemd, node_config_unit(c), &running, reterr);
        if (r < 0 || !running)
                return r;
        printf("%s: is running and gets %s when it is started again: at the next upgrade, or by systemctl "
               "restart %s\n",
               c->name, waiting, node_config_unit(c));
        return 0;
}

static int write_dropins(const Apply *apply, const NodeConfig *c, const DropinPlan *plan, Fault *reterr) {
        int r;

        if (!dropin_plan_changes(plan))
                return 0;
        r = dropin_plan_write(plan, c->name, reterr);
        if (r < 0)
                return r;
        for (DropinUnit u = 0; u < _DROPIN_UNIT_MAX; u++) {
                cleanup_free_ char *unit = dropin_unit_name(u, c->name);

                if (!unit)
                        return -ENOMEM;
                if (plan->state[u] == DROPIN_EDITED)
                        printf("%s: kept what was edited as " MUSTER_UNITDROPINDIR "/%s.d/" DROPIN_NAME
                               ".edited; move it to: systemctl edit %s\n",
                               c->name, unit, unit);
                if (plan->state[u] != DROPIN_APPLIED)
                        printf("%s: wrote " MUSTER_UNITDROPINDIR "/%s.d/" DROPIN_NAME "\n", c->name, unit);
        }
        return say_restart(apply, c, plan, reterr);
}

static int enable(const Apply *apply, const NodeConfig *c, Fault *reterr) {
        bool changed = false;
        int r;

        if (apply->no_enable)
                return 0;
        r = systemd_enable(apply->systemd, node_config_unit(c), &changed, reterr);
        if (r >= 0 && changed)
                printf("%s: enabled %s\n", c->name, node_config_unit(c));
        return r;
}

static int apply_managed(const Apply *apply, const NodeConfig *c, Fault *reterr) {
        cleanup_dropin_plan_ DropinPlan plan = { 0 };
        cleanup_strv_ char **made = NULL;
        NodeUser user = { 0 };
        int r;

        r = dropin_plan(c, &plan, reterr);
        if (r < 0)
                return r;
        if (apply->dry_run) {
                if (dropin_plan_changes(&plan))
                        dropin_plan_print(&plan, c->name);
                else
                        printf("%s: the drop-ins are applied\n", c->name);
                return 0;
        }
        r = dropin_plan_verify(&plan, c->name, reterr);
        if (r >= 0)
                r = apply_user_ensure(c, &user, reterr);
        if (r >= 0) {
                r = apply_tree(c, &user, &made, reterr);
                say_made(c, &user, made);
        }
        if (r >= 0)
                r = write_dropins(apply, c, &plan, reterr);
        if (r >= 0)
                r = enable(apply, c, reterr);
        if (r >= 0 && !user.created && !made && !dropin_plan_changes(&plan))
                printf("%s: applied already\n", c->name);
        return r;
}

static int apply_entry(const Apply *apply, const NodeEntry *entry) {
        cleanup_fault_ Fault fault = { 0 };
        int r;

        if (!entry->config)
                return complain(-EINVAL, &(Fault){ entry->error });
        if (!node_config_is_managed(entry->config)) {
                printf("%s: observes %s, nothing to apply\n", entry->name, entry->config->unit);
                return CTL_OK;
        }
        r = apply_managed(apply, entry->config, &fault);
        if (r >= 0)
                return CTL_OK;
        fault_prefix(&fault, r, "%s", entry->name);
        return complain(r, &fault);
}

static const NodeEntry *find_entry(const ConfigSet *set, const char *name) {
        for (size_t i = 0; i < set->n_nodes; i++)
                if (str_eq(set->nodes[i].name, name))
                        return &set->nodes[i];
        return NULL;
}

static int apply_nodes(const Apply *apply, const ConfigSet *set, char *const *names) {
        int status = CTL_OK;

        STRV_FOREACH (name, names) {
                const NodeEntry *entry = find_entry(set, *name);
                cleanup_fault_ Fault fault = { 0 };

                if (entry)
                        status = apply_entry(apply, entry) ?: status;
                else
                        status = complain(fault_set(&fault, -ENOENT,
                                                    "There is no node '%s': '%s/nodes.d/%s.conf' does not "
                                                    "exist",
                                                    *name, apply->dir, *name),
                                          &fault);
        }
        for (size_t i = 0; !*names && i < set->n_nodes; i++)
                status = apply_entry(apply, &set->nodes[i]) ?: status;
        return status;
}

/* A node without its drop-in would be started as nobody: never while it runs. */
static int prune_node(const Apply *apply, const char *node, Fault *reterr) {
        cleanup_free_ char *unit = dropin_unit_name(DROPIN_VALIDATOR, node);
        bool running;
        int r;

        if (!unit)
                return -ENOMEM;
        r = systemd_is_running(apply->systemd, unit, &running, reterr);
        if (r < 0)
                return r;
        if (running)
                return fault_set(
                        reterr, -EBUSY,
                        "%s has no configuration and is running: its drop-ins stay until: systemctl "
                        "stop %s",
                        node, unit);
        r = systemd_disable(apply->systemd, unit, reterr);
        if (r >= 0)
                r = dropin_remove(node, reterr);
        if (r >= 0)
                printf("%s: disabled %s and removed its drop-ins; user and " MUSTER_STATEDIR
                       "/nodes/%s stay\n",
                       node, unit, node);
        return r;
}

/* A broken file is a file: that node is not pruned. */
static int prune(const Apply *apply, const ConfigSet *set) {
        cleanup_strv_ char **nodes = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r, status = CTL_OK;

        r = dropin_list(&nodes, &fault);
        if (r < 0)
                return complain(r, &fault);
        STRV_FOREACH (node, nodes) {
                if (find_entry(set, *node))
                        continue;
                if (!apply->prune || apply->dry_run) {
                        printf("%s: has drop-ins and no configuration%s\n", *node,
                               apply->prune ? ", would be removed" : "; --prune removes them");
                        continue;
                }
                r = prune_node(apply, *node, &fault);
                if (r < 0)
                        status = complain(r, &fault);
        }
        return status;
}

/* systemd first: musterd looks at what systemd has. */
static int tell(const Apply *apply) {
        cleanup_(daemon_freep) Daemon *daemon = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r;

        r = systemd_reload(apply->systemd, &fault);
        if (r < 0)
                return complain(r, &fault);
        r = daemon_open(&daemon, &fault);
        if (r == 0)
                r = daemon_manage(daemon, "Reload", &fault);
        if (r == 0)
                printf("musterd has read its configuration\n");
        if (r == 0 || r == CTL_AWAY)
                return CTL_OK;
        return complain(r, &fault);
}

static int apply_all(Apply *apply, char *const *names) {
        cleanup_(config_set_freep) ConfigSet *set = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r, status;

        r = config_set_read(apply->dir, &set, &fault);
        if (r >= 0 && !apply->dry_run)
                r = systemd_open(&apply->systemd, &fault);
        if (r < 0)
                return complain(r, &fault);
        if (set->n_nodes == 0)
                printf("No nodes: write %s/nodes.d/NAME.conf\n", apply->dir);
        status = apply_nodes(apply, set, names);
        if (!*names)
                status = prune(apply, set) ?: status;
        if (!apply->dry_run)
                status = tell(apply) ?: status;
        return status;
}

int verb_apply(int argc, char *argv[]) {
        Apply apply = { .dir = MUSTER_SYSCONFDIR };
        const ArgOption options[] = {
                { "dry-run", 'n', ARG_FLAG, NULL, "print what would change in the drop-ins, do nothing",
                  &apply.dry_run },
                { "no-enable", 0, ARG_FLAG, NULL, "do not let the nodes start at boot", &apply.no_enable },
                { "prune", 0, ARG_FLAG, NULL, "remove drop-ins of nodes that have no file any more",
                  &apply.prune },
                { "dir", 0, ARG_TEXT, "DIR", "read DIR instead of " MUSTER_SYSCONFDIR, &apply.dir },
        };
        const ArgSpec spec = {
                "apply",
                options,
                ELEMENTSOF(options),
                0,
                -1,
                "Makes each node's user and directories, writes its unit's settings, enables it and\n"
                "lets systemd and musterd read them. Starts, stops and restarts nothing."
        };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        if (settings.json)
                return usage_error("apply",
                                   "--json: apply prints text only, musterctl list --json has the result");
        if (apply.prune && *operands)
                return usage_error("apply", "--prune looks at all nodes: expected no names with it");
        if (!apply.dry_run && geteuid() != 0) {
                (void) complain(CTL_DENIED,
                                &(Fault){ (char *) "apply makes users and writes units: run with sudo" });
                return CTL_DENIED;
        }
        (void) umask(0022);
        r = apply_all(&apply, operands);
        systemd_free(apply.systemd);
        return r;
}
