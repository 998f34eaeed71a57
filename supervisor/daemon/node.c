#include "daemon/mark.h"
#include "daemon/node.h"
#include "daemon/upgrade.h"
#include "muster-build.h"
#include "unit/launch-record.h"
#include "upgrade/links.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>

#define PROBE_MARGIN_USEC (5 * USEC_PER_SEC)

/* An earlier musterd, or a hand, left one beside the hold. */
static void node_finish_hold(Node *node) {
        cleanup_fault_ Fault fault = {};
        int r;

        if (!permit_exists(node->dirfd))
                return;
        r = permit_remove(node->dirfd, &fault);
        if (r < 0)
                sd_journal_print(LOG_ERR, "Node '%s' is held, but may be started: %s", node->name,
                                 fault_text(&fault, r));
}

int node_new(Daemon *daemon, const char *name, Node **ret) {
        cleanup_(node_freep) Node *node = calloc(1, sizeof *node);
        cleanup_free_ char *key = NULL;
        int r;

        if (!node)
                return -ENOMEM;
        node->dirfd = -1;
        node->daemon = daemon;
        node_mark_forget(node);
        if (str_replace(&node->name, name) < 0 || asprintf(&key, "hold.%s", name) < 0)
                return -ENOMEM;
        r = journal_get(daemon->journal, key, &node->hold, NULL);
        if (r >= 0)
                r = journal_last_job(daemon->journal, name, &node->last, NULL);
        if (r < 0)
                return r;
        if (node_open(node, NULL) >= 0 && node->hold)
                node_finish_hold(node);
        *ret = TAKE_PTR(node);
        return 0;
}

Node *node_free(Node *node) {
        if (!node)
                return NULL;
        upgrade_free(node->staging);
        upgrade_free(node->upgrade);
        upgrade_job_free(node->last);
        monitor_free(node->monitor);
        unit_watch_free(node->watch);
        node_config_free(node->config);
        json_decref(node->hold);
        if (node->dirfd >= 0)
                close(node->dirfd);
        free(node->config_error);
        free(node->shown_verdict);
        free(node->marked_invocation);
        free(node->name);
        free(node);
        return NULL;
}

int node_open(Node *node, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        struct stat st;

        if (node->dirfd >= 0 && fstat(node->dirfd, &st) == 0 && st.st_nlink > 0)
                return 0;
        if (asprintf(&path, MUSTER_STATEDIR "/nodes/%s", node->name) < 0)
                return -ENOMEM;
        if (node->dirfd >= 0)
                close(TAKE_FD(node->dirfd));
        node->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (node->dirfd < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s' (run 'musterctl apply %s' first)",
                                   path, node->name);
        return 0;
}

const UnitStatus *node_unit(const Node *node) {
        const UnitStatus *status = node->watch ? unit_watch_status(node->watch) : NULL;

        return status && status->known ? status : NULL;
}

/* --- what the unit does ------------------------------------------------ */

/* Whether an upgrade stops and starts the unit. */
static bool node_is_worked_on(const Node *node) {
        UpgradeState state = node->upgrade ? upgrade_job(node->upgrade)->state : _UPGRADE_NONE;

        return upgrade_state_touches_node(state) && state != UPGRADE_PROBATION;
}

/* systemd forgets how it ended as soon as it starts it again. */
static void node_remember_failure(UnitFacts *facts, const UnitStatus *status) {
        UnitResult result = unit_result_from_string(status->result);
        bool was_failure = facts->result != UNIT_RESULT_SUCCESS && facts->result != UNIT_RESULT_UNKNOWN;

        if (result != UNIT_RESULT_SUCCESS || unit_status_is_down(status) || status->n_restarts == 0)
                facts->failure = UNIT_RESULT_UNKNOWN;
        else if (was_failure) {
                facts->failure = facts->result;
                facts->failure_status = facts->exit_status;
        }
}

void node_update_facts(Node *node) {
        const UnitStatus *status = node_unit(node);
        UnitFacts *facts = &node->facts;
        bool first = facts->active == UNIT_ACTIVE_UNKNOWN;

        if (!status || !node->config)
                return;
        node_remember_failure(facts, status);
        facts->active = unit_active_from_string(status->active_state);
        facts->sub = unit_sub_from_string(status->sub_state);
        facts->result = unit_result_from_string(status->result);
        facts->n_restarts = status->n_restarts;
        facts->active_since_monotonic = status->active_enter_monotonic;
        facts->exit_status = status->exec_main_status;
        facts->job = status->job != 0;
        facts->permit =
                !node_config_is_managed(node->config) || node->dirfd < 0 || permit_exists(node->dirfd);
        /* Down without a failure, and not by us: somebody stopped it. What was so before musterd started
         * counts too. */
        if (!unit_status_is_down(status)) {
                facts->stopped_by_operator = false;
                node->was_up = true;
        } else if (node->foreign_job || (first && !node_is_worked_on(node)))
                facts->stopped_by_operator = facts->result == UNIT_RESULT_SUCCESS && status->load_state &&
                                             (status->active_enter_realtime > 0 || node->was_up);
        node->foreign_job = false;
        if (node->monitor)
                monitor_set_facts(node->monitor, facts);
}

static void on_unit_changed(UnitWatch *watch, void *userdata) {
        Node *node = userdata;

        node_update_facts(node);
        node_mark_stop(node);
        if (node->upgrade)
                upgrade_on_unit(node->upgrade);
        node_changed(node);
}

void node_attach(Node *node) {
        node->watch = unit_watch_free(node->watch);
        if (!node->daemon->units || !node->config)
                return;
        if (unit_watch_new(node->daemon->units, node_config_unit(node->config), on_unit_changed, node,
                           &node->watch) < 0)
                sd_journal_print(LOG_ERR, "Failed to watch unit '%s'", node_config_unit(node->config));
        node_drop_backup(node, node->last); /* a crash may have come between the end and the removal */
}

/* --- what the chain says ------------------------------------------------ */

static void on_sample(Monitor *monitor, bool changed, void *userdata) {
        Node *node = userdata;

        node_mark_signed(node);
        if (node->upgrade)
                upgrade_on_sample(node->upgrade);
        node_changed(node);
}

static void on_probe_done(bool ok, const char *text, const json_t *result, void *userdata) {
        Node *node = userdata;

        node->probe = NULL;
        if (node->monitor)
                monitor_absorb_probe(node->monitor, ok ? json_str(result, "stdout") ?: "" : NULL,
                                     ok ? NULL : text);
}

/* Family exec: the operator's script runs in the hook worker, never in this process. */
static int on_probe_wanted(void *userdata, const char *path) {
        Node *node = userdata;
        cleanup_json_ json_t *order = NULL;
        int r = -ENOMEM;

        if (node->probe)
                return -EBUSY;
        order = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}, s:o}", "verb", "probe", "path", path, "event",
                          "probe", "environment", "MUSTER_NODE", node->name, "MUSTER_RPC",
                          node->config->rpc ?: "", "timeout_usec", json_usec(node->config->rpc_timeout));
        if (order)
                r = worker_run(node->daemon->workers, WORKER_HOOK, node->name, "probe", order,
                               node->config->rpc_timeout + PROBE_MARGIN_USEC, on_probe_done, node,
                               &node->probe);
        return r;
}

/* What was learnt of the node stays true when its file changed in something else. */
static int node_replace_monitor(Node *node) {
        cleanup_(monitor_freep) Monitor *old = TAKE_PTR(node->monitor);
        int r;

        node->probe = worker_run_cancel(node->probe);
        r = monitor_new(&node->monitor, node->daemon->event, node->daemon->http, node->config, on_sample,
                        on_probe_wanted, node);
        if (r < 0)
                return r;
        if (old)
                monitor_inherit(node->monitor, old);
        node_update_facts(node);
        return 0;
}

/* The key that says what the node is, if it differs; NULL: none. */
static const char *changed_identity(const NodeConfig *a, const NodeConfig *b) {
        return !str_eq(node_config_unit(a), node_config_unit(b)) ? "unit"
               : !str_eq(a->family, b->family)                   ? "family"
               : !str_eq(a->chain_id, b->chain_id)               ? "chain_id"
               : !str_eq(a->user, b->user)                       ? "user"
               : !str_eq(a->data, b->data)                       ? "data"
               : a->signer != b->signer                          ? "signer"
                                                                 : NULL;
}

/* Half an upgrade for one node and half for another: never. */
static int node_refuse_change(Node *node, const NodeConfig *config) {
        const char *key = node->upgrade && node->config && node_config_is_managed(node->config)
                                  ? changed_identity(node->config, config)
                                  : NULL;

        if (!key)
                return 0;
        free(TAKE_PTR(node->config_error));
        if (asprintf(&node->config_error,
                     "%s: %s: it may not change while the %s is '%s'; 'musterctl reload' after its end",
                     config->path, key, job_kind_to_string(upgrade_job(node->upgrade)->kind),
                     upgrade_state_to_string(upgrade_job(node->upgrade)->state)) < 0) {
                node->config_error = NULL;
                return -ENOMEM;
        }
        return 1;
}

int node_configure(Node *node, NodeConfig *config, const char *error) {
        bool was_managed = node->config && node_config_is_managed(node->config), same_unit;
        int r;

        r = str_replace(&node->config_error, error);
        if (r < 0 || !config) {
                node_config_free(config);
                return r;
        }
        /* The default of `poll` comes from muster.conf. */
        if (node->config && str_eq(node->config->digest, config->digest) &&
            node->config->poll == config->poll) {
                node_config_free(config);
                return 0;
        }
        r = node_refuse_change(node, config);
        if (r != 0) {
                node_config_free(config);
                return r < 0 ? r : 0;
        }
        same_unit = node->config && str_eq(node_config_unit(node->config), node_config_unit(config));
        if (node->config && !str_eq(node->config->chain_id, config->chain_id))
                node_mark_forget(node);
        node_config_free(node->config);
        node->config = config;
        (void) node_open(node, NULL);
        if (!same_unit) {
                node->monitor = monitor_free(node->monitor); /* it knows another unit */
                node->facts = (UnitFacts){};
                node->was_up = false;
                node_attach(node);
        }
        r = node_replace_monitor(node);
        if (r < 0)
                return r;
        if (was_managed || !node_config_is_managed(config))
                return 0;
        if (node->staging)
                upgrade_continue(node->staging);
        if (node->upgrade)
                upgrade_continue(node->upgrade);
        return 0;
}

/* --- what people see ----------------------------------------------------- */

static void on_notified(bool ok, const char *text, const json_t *result, void *userdata) {
        if (!ok)
                sd_journal_print(LOG_WARNING, "A notify hook failed, ignoring: %s", text);
}

/*
 * What an upgrade does to the unit is told by its transitions; before systemd, and the RPC of a node that
 * runs, were asked there is no verdict.
 */
static bool verdict_is_noise(const Node *node) {
        return node->facts.active == UNIT_ACTIVE_UNKNOWN ||
               (unit_facts_running(&node->facts) && !monitor_has_asked(node->monitor)) ||
               node_is_worked_on(node);
}

/* "down" of a node that the guard refused to start: its own words. NULL: another cause. */
static char *refusal(const Node *node, Verdict verdict) {
        cleanup_launch_record_ LaunchRecord record = { 0 };
        cleanup_fd_ int dir = -1;
        char *text;

        if (verdict != VERDICT_DOWN || node->facts.exit_status != LAUNCH_REFUSED_STATUS)
                return NULL;
        dir = node_run_dir_open(node->name, NULL);
        if (dir < 0 || launch_record_read(dir, &record, NULL) < 0 || !record.refused ||
            asprintf(&text, "the guard refused to start it: %s", record.reason ?: "no reason given") < 0)
                return NULL;
        return text;
}

static void node_record_verdict(Node *node) {
        cleanup_free_ char *refused = NULL;
        const char *reason, *name;
        Verdict verdict;
        JournalEvent event;

        if (!node->monitor || verdict_is_noise(node))
                return;
        verdict = monitor_verdict(node->monitor, &reason, NULL);
        name = verdict_to_string(verdict);
        if (str_eq(name, node->shown_verdict))
                return;
        refused = refusal(node, verdict);
        event = (JournalEvent){ .node = node->name,
                                .kind = verdict_is_good(verdict) || verdict == VERDICT_HELD ? "verdict"
                                                                                            : "alarm",
                                .from = node->shown_verdict,
                                .to = name,
                                .text = refused ?: reason,
                                .height = monitor_sample(node->monitor)->height };
        daemon_record(node->daemon, &event);
        (void) str_replace(&node->shown_verdict, name);
        if (str_eq(event.kind, "alarm"))
                (void) node_run_hooks(node, "notify", NULL, on_notified, NULL, NULL);
}

void node_changed(Node *node) {
        const DaemonObserver *o = &node->daemon->observer;

        node_record_verdict(node);
        if (o->node_changed)
                o->node_changed(node, o->userdata);
}

void node_record_act(Node *node, const char *job, const Caller *by, const char *format, ...) {
        cleanup_free_ char *text = NULL;
        JournalEvent event = {
                .node = node->name, .job = job, .kind = "act", .by = by, .height = CHAIN_UNKNOWN
        };
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        event.text = text;
        daemon_record(node->daemon, &event);
}

/* --- may we? --------------------------------------------------------------- */

/* What the configuration alone says. */
static int node_check_mode(const Node *node, Fault *reterr) {
        const NodeConfig *config = node->config;

        if (!config)
                return fault_set(reterr, DAEMON_E_REFUSED, "node '%s' has no readable configuration: %s",
                                 node->name, node->config_error ?: "musterctl config check");
        if (!node_config_is_managed(config))
                return fault_set(
                        reterr, DAEMON_E_REFUSED,
                        "node '%s' is the existing unit %s, which is only observed: upgrade and hold need a "
                        "node that muster runs (remove 'unit' from %s and run 'musterctl apply')",
                        node->name, config->unit, config->path);
        if (config->mode == NODE_MODE_OBSERVE)
                return fault_set(
                        reterr, DAEMON_E_REFUSED,
                        "node '%s' is in mode observe, where no unit method is called: set mode = manual in "
                        "%s and run 'musterctl reload'",
                        node->name, config->path);
        return 0;
}

int node_may_act(const Node *node, const Caller *by, unsigned grant, Fault *reterr) {
        const NodeConfig *config = node->config;
        int r;

        r = node_check_mode(node, reterr);
        if (r != 0)
                return r;
        if (node->daemon->freeze)
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "this host is frozen (%s): 'musterctl thaw' first",
                                 json_str(node->daemon->freeze, "reason") ?: "");
        if (by->uid == UID_NOBODY_KNOWN &&
            (config->mode != NODE_MODE_AUTO || (config->grants & grant) != grant))
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "node '%s' does not grant this to muster by itself", node->name);
        return 0;
}

/* --- hold ------------------------------------------------------------------ */

static int node_store_hold(Node *node, json_t *hold, const Caller *by, const char *text, Fault *reterr) {
        cleanup_json_ json_t *owned = hold;
        cleanup_free_ char *key = NULL;
        JournalEvent event = { .node = node->name,
                               .kind = "act",
                               .to = hold ? "held" : "unheld",
                               .text = text,
                               .by = by,
                               .height = CHAIN_UNKNOWN };
        int r;

        if (asprintf(&key, "hold.%s", node->name) < 0)
                return -ENOMEM;
        r = journal_set(node->daemon->journal, key, hold, &event, reterr);
        if (r < 0)
                return r;
        json_decref(node->hold);
        node->hold = TAKE_PTR(owned);
        daemon_publish(node->daemon, &event);
        return 0;
}

static int node_hold_check(Node *node, Fault *reterr) {
        int r;

        r = node_check_mode(node, reterr);
        if (r != 0)
                return r;
        if (node->upgrade && upgrade_state_touches_node(upgrade_job(node->upgrade)->state))
                return fault_set(reterr, DAEMON_E_BUSY, "an upgrade is '%s': wait for its end, or cancel it",
                                 upgrade_state_to_string(upgrade_job(node->upgrade)->state));
        r = node_open(node, reterr);
        return r < 0 ? r : 0;
}

int node_hold(Node *node, const Caller *by, Fault *reterr) {
        json_t *hold;
        int r;

        r = node_hold_check(node, reterr);
        if (r != 0)
                return r;
        hold = json_pack("{s:s, s:I, s:I}", "reason", by->why ?: "", "uid", (json_int_t) by->uid,
                         "since_usec", (json_int_t) now_realtime_usec());
        if (!hold)
                return -ENOMEM;
        /* The permit first: after a power cut systemd starts what has one before musterd has read its
         * journal. */
        r = permit_remove(node->dirfd, reterr);
        if (r < 0)
                json_decref(hold);
        else
                r = node_store_hold(node, hold, by, "not started again until 'musterctl unhold'", reterr);
        node_update_facts(node);
        if (node->upgrade)
                upgrade_on_unit(node->upgrade);
        node_changed(node);
        return r;
}

int node_unhold(Node *node, const Caller *by, Fault *reterr) {
        cleanup_free_ char *current = NULL;
        int r;

        if (node->daemon->freeze)
                return fault_set(reterr, DAEMON_E_REFUSED, "this host is frozen: 'musterctl thaw' first");
        r = node_hold_check(node, reterr);
        if (r != 0)
                return r;
        r = release_link_read(node->dirfd, "current", &current, reterr);
        if (r < 0)
                return r;
        /* The permit last: a crash in between leaves a node without one, which the next unhold writes. */
        r = node_store_hold(node, NULL, by, "may start again", reterr);
        if (r >= 0 && current)
                r = permit_write(node->dirfd, reterr);
        node_update_facts(node);
        node_changed(node);
        return r;
}
