#include "daemon/daemon.h"
#include "daemon/node.h"
#include "daemon/upgrade.h"
#include "muster-build.h"
#include "util/text.h"

#include <inttypes.h>
#include <systemd/sd-journal.h>

#define JOURNAL_PATH MUSTER_STATEDIR "/journal/journal.db"
#define FREEZE_KEY   "freeze"

Node *daemon_node(Daemon *daemon, const char *name) {
        for (size_t i = 0; i < daemon->n_nodes; i++)
                if (str_eq(daemon->nodes[i]->name, name))
                        return daemon->nodes[i];
        return NULL;
}

/* Keeps the list sorted by name. */
static int daemon_add_node(Daemon *daemon, const char *name, Node **ret) {
        cleanup_(node_freep) Node *node = NULL;
        Node **larger;
        size_t at = 0;
        int r;

        r = node_new(daemon, name, &node);
        if (r < 0)
                return r;
        larger = reallocarray(daemon->nodes, daemon->n_nodes + 1, sizeof *larger);
        if (!larger)
                return -ENOMEM;
        daemon->nodes = larger;
        while (at < daemon->n_nodes && strcmp(larger[at]->name, name) < 0)
                at++;
        memmove(larger + at + 1, larger + at, (daemon->n_nodes - at) * sizeof *larger);
        daemon->n_nodes++;
        *ret = larger[at] = TAKE_PTR(node);
        return 0;
}

static void daemon_drop_node(Daemon *daemon, size_t i) {
        Node *node = daemon->nodes[i];

        memmove(daemon->nodes + i, daemon->nodes + i + 1, (--daemon->n_nodes - i) * sizeof *daemon->nodes);
        if (daemon->observer.node_gone)
                daemon->observer.node_gone(node, daemon->observer.userdata);
        node->probe = worker_run_cancel(node->probe); /* their reports would go to a node that is gone */
        node->drop = worker_run_cancel(node->drop);
        node_free(node);
}

static bool entry_exists(const ConfigSet *set, const char *name) {
        for (size_t i = 0; i < set->n_nodes; i++)
                if (str_eq(set->nodes[i].name, name))
                        return true;
        return false;
}

static void record_broken(Daemon *daemon, const char *node, const char *error, const Caller *by) {
        JournalEvent event = { .node = node,
                               .kind = "config",
                               .to = "broken",
                               .text = error,
                               .by = by,
                               .height = CHAIN_UNKNOWN };

        daemon_record(daemon, &event);
}

/* While muster.conf is broken, what it said for nodes that say nothing stays. */
static bool stays_as_it_was(const ConfigSet *set, const Node *node, const NodeEntry *entry) {
        return set->main_error && node->config && entry->config &&
               str_eq(node->config->digest, entry->config->digest);
}

/* The entry's error tells afterwards why its file is not in force. */
static int daemon_take_entry(Daemon *daemon, const ConfigSet *set, NodeEntry *entry, const Caller *by) {
        Node *node = daemon_node(daemon, entry->name);
        int r;

        if (!node) {
                r = daemon_add_node(daemon, entry->name, &node);
                if (r < 0)
                        return r;
        }
        if (entry->error && !str_eq(entry->error, node->config_error))
                record_broken(daemon, entry->name, entry->error, by);
        if (stays_as_it_was(set, node, entry))
                r = node_configure(node, NULL, NULL);
        else
                r = node_configure(node, TAKE_PTR(entry->config), entry->error);
        return r < 0 || entry->error ? r : str_replace(&entry->error, node->config_error);
}

/* A file that is gone ends the watching, unless something is under way there. */
static void daemon_drop_vanished(Daemon *daemon, const ConfigSet *set) {
        for (size_t i = daemon->n_nodes; i-- > 0;) {
                Node *node = daemon->nodes[i];

                if (entry_exists(set, node->name))
                        continue;
                if (node->staging || node->upgrade)
                        (void) str_replace(&node->config_error, "its file is gone from nodes.d");
                else
                        daemon_drop_node(daemon, i);
        }
}

static int daemon_take_config(Daemon *daemon, ConfigSet *set, const Caller *by) {
        int r;

        for (size_t i = 0; i < set->n_nodes; i++) {
                r = daemon_take_entry(daemon, set, &set->nodes[i], by);
                if (r < 0)
                        return r;
        }
        daemon_drop_vanished(daemon, set);
        if (daemon->observer.nodes_changed)
                daemon->observer.nodes_changed(daemon, daemon->observer.userdata);
        return 0;
}

static int config_faults(const ConfigSet *set, Fault *reterr) {
        int r = 0;

        if (set->main_error)
                r = fault_set(reterr, -EBADMSG, "%s", set->main_error);
        for (size_t i = 0; i < set->n_nodes; i++)
                if (set->nodes[i].error)
                        r = r < 0 ? fault_prefix(reterr, r, "%s\n", set->nodes[i].error)
                                  : fault_set(reterr, -EBADMSG, "%s", set->nodes[i].error);
        return r;
}

int daemon_reload(Daemon *daemon, const Caller *by, Fault *reterr) {
        cleanup_(config_set_freep) ConfigSet *set = NULL;
        JournalEvent event = { .kind = "config", .to = "reloaded", .by = by, .height = CHAIN_UNKNOWN };
        char count[32];
        int r, faults;

        r = config_set_read(MUSTER_SYSCONFDIR, &set, reterr);
        if (r < 0)
                return r;
        if (set->main_error && daemon->config) /* the old main configuration stays */
                set->main = daemon->config->main;
        if (set->main_error && !(daemon->config && str_eq(set->main_error, daemon->config->main_error)))
                record_broken(daemon, NULL, set->main_error, by);
        r = daemon_take_config(daemon, set, by);
        if (r < 0)
                return r;
        faults = config_faults(set, reterr);
        config_set_free(daemon->config);
        daemon->config = TAKE_PTR(set);
        snprintf(count, sizeof count, "%zu node%s", daemon->n_nodes, daemon->n_nodes == 1 ? "" : "s");
        event.text = count;
        if (faults == 0)
                daemon_record(daemon, &event);
        return faults;
}

static int on_unfinished(UpgradeJob *job, void *userdata) {
        cleanup_(upgrade_job_freep) UpgradeJob *owned = job;
        Daemon *daemon = userdata;
        Node *node = daemon_node(daemon, job->node);
        int r;

        if (!node) {
                r = daemon_add_node(daemon, job->node, &node);
                if (r >= 0)
                        r = str_replace(&node->config_error, "its file is gone from nodes.d");
                if (r < 0)
                        return r;
        }
        return node_resume(node, TAKE_PTR(owned));
}

int daemon_new(sd_event *event, Daemon **ret, Fault *reterr) {
        cleanup_(daemon_freep) Daemon *daemon = calloc(1, sizeof *daemon);
        cleanup_fault_ Fault broken = {};
        int r;

        if (!daemon)
                return -ENOMEM;
        daemon->event = sd_event_ref(event);
        r = journal_open(JOURNAL_PATH, &daemon->journal, reterr);
        if (r >= 0)
                r = journal_get(daemon->journal, FREEZE_KEY, &daemon->freeze, reterr);
        if (r >= 0)
                r = http_client_new(&daemon->http, event);
        if (r >= 0)
                r = worker_pool_new(event, &daemon->workers);
        if (r < 0)
                return r;
        r = daemon_reload(daemon, NULL, &broken);
        if (r < 0 && !daemon->config) /* a broken file is shown at its node; an unreadable directory is not
                                         survivable */
                return fault_set(reterr, r, "%s", fault_text(&broken, r));
        *ret = TAKE_PTR(daemon);
        return 0;
}

int daemon_resume(Daemon *daemon, Fault *reterr) {
        if (daemon->config->main.journal_keep < UINT64_MAX &&
            now_realtime_usec() > daemon->config->main.journal_keep)
                (void) journal_expire(daemon->journal,
                                      now_realtime_usec() - daemon->config->main.journal_keep, NULL);
        return journal_unfinished_jobs(daemon->journal, on_unfinished, daemon, reterr);
}

Daemon *daemon_free(Daemon *daemon) {
        if (!daemon)
                return NULL;
        daemon->observer = (DaemonObserver){ 0 };
        for (size_t i = 0; i < daemon->n_nodes; i++)
                node_free(daemon->nodes[i]);
        free(daemon->nodes);
        worker_pool_free(daemon->workers);
        unit_manager_free(daemon->units);
        http_client_free(daemon->http);
        config_set_free(daemon->config);
        json_decref(daemon->freeze);
        journal_close(daemon->journal);
        sd_event_unref(daemon->event);
        free(daemon);
        return NULL;
}

static void on_foreign_job(const char *unit, void *userdata) {
        Daemon *daemon = userdata;

        for (size_t i = 0; i < daemon->n_nodes; i++) {
                Node *node = daemon->nodes[i];

                if (node->watch && str_eq(node_config_unit(node->config), unit)) {
                        node->foreign_job = true;
                        (void) unit_watch_refresh(node->watch);
                }
        }
}

void daemon_attach(Daemon *daemon, sd_bus *bus) {
        UnitManager *old = TAKE_PTR(daemon->units);

        worker_pool_attach(daemon->workers, NULL);
        for (size_t i = 0; i < daemon->n_nodes; i++)
                daemon->nodes[i]->watch = unit_watch_free(daemon->nodes[i]->watch);
        unit_manager_free(old);
        if (!bus)
                return;
        if (unit_manager_new(bus, &daemon->units) < 0) {
                sd_journal_print(LOG_ERR, "Failed to talk to systemd over the bus");
                return;
        }
        unit_manager_on_foreign_job(daemon->units, on_foreign_job, daemon);
        for (size_t i = 0; i < daemon->n_nodes; i++)
                node_attach(daemon->nodes[i]);
        worker_pool_attach(daemon->workers, daemon->units);
}

static int daemon_store_freeze(Daemon *daemon, json_t *freeze, const Caller *by, const char *text,
                               Fault *reterr) {
        cleanup_json_ json_t *owned = freeze;
        JournalEvent event = { .kind = "act",
                               .to = freeze ? "frozen" : "thawed",
                               .text = text,
                               .by = by,
                               .height = CHAIN_UNKNOWN };
        int r;

        r = journal_set(daemon->journal, FREEZE_KEY, freeze, &event, reterr);
        if (r < 0)
                return r;
        json_decref(daemon->freeze);
        daemon->freeze = TAKE_PTR(owned);
        daemon_publish(daemon, &event);
        if (daemon->observer.nodes_changed)
                daemon->observer.nodes_changed(daemon, daemon->observer.userdata);
        return 0;
}

int daemon_freeze(Daemon *daemon, const Caller *by, Fault *reterr) {
        json_t *freeze;

        freeze = json_pack("{s:s, s:I, s:I}", "reason", by->why ?: "", "uid", (json_int_t) by->uid,
                           "since_usec", (json_int_t) now_realtime_usec());
        if (!freeze)
                return -ENOMEM;
        return daemon_store_freeze(daemon, freeze, by, "nothing new is begun on this host until thaw",
                                   reterr);
}

int daemon_thaw(Daemon *daemon, const Caller *by, Fault *reterr) {
        int r;

        if (!daemon->freeze)
                return fault_set(reterr, DAEMON_E_REFUSED, "this host is not frozen");
        r = daemon_store_freeze(daemon, NULL, by, "acts are possible again", reterr);
        for (size_t i = 0; r >= 0 && i < daemon->n_nodes; i++)
                if (daemon->nodes[i]->upgrade)
                        upgrade_on_unit(daemon->nodes[i]->upgrade);
        return r;
}

int daemon_describe(Daemon *daemon, json_t **ret) {
        cleanup_json_ json_t *nodes = json_array();
        json_t *j;

        if (!nodes)
                return -ENOMEM;
        for (size_t i = 0; i < daemon->n_nodes; i++) {
                json_t *node;

                if (node_describe(daemon->nodes[i], &node) < 0 || json_array_append_new(nodes, node) < 0)
                        return -ENOMEM;
        }
        j = json_pack("{s:s, s:b, s:s?, s:s?, s:O}", "version", MUSTER_VERSION, "frozen",
                      daemon->freeze != NULL, "freeze_reason",
                      daemon->freeze ? json_str(daemon->freeze, "reason") : NULL, "config_error",
                      daemon->config->main_error, "nodes", nodes);
        if (!j)
                return -ENOMEM;
        *ret = j;
        return 0;
}

char *daemon_status_text(Daemon *daemon) {
        size_t good = 0;
        char *text = NULL;

        for (size_t i = 0; i < daemon->n_nodes; i++)
                if (daemon->nodes[i]->upgrade) {
                        const UpgradeJob *job = upgrade_job(daemon->nodes[i]->upgrade);

                        if (asprintf(&text, "%s: %s of version %s is %s", job->node,
                                     job_kind_to_string(job->kind), job->version,
                                     upgrade_state_to_string(job->state)) < 0)
                                return NULL;
                        return text;
                }
        for (size_t i = 0; i < daemon->n_nodes; i++)
                good += daemon->nodes[i]->monitor &&
                        verdict_is_good(monitor_verdict(daemon->nodes[i]->monitor, NULL, NULL));
        if (daemon->n_nodes == 1 && daemon->nodes[0]->monitor)
                return asprintf(&text, "%s: %s%s", daemon->nodes[0]->name,
                                verdict_to_string(monitor_verdict(daemon->nodes[0]->monitor, NULL, NULL)),
                                daemon->freeze ? ", frozen" : "") < 0
                               ? NULL
                               : text;
        return asprintf(&text, "%zu of %zu nodes well%s", good, daemon->n_nodes,
                        daemon->freeze ? ", frozen" : "") < 0
                       ? NULL
                       : text;
}
