/*
 * A crash anywhere here loses nothing: the job's row says which state was
 * entered, every entry action may run again, and node_resume() runs it.
 */
#include "daemon/upgrade-run.h"
#include "muster-build.h"
#include "util/text.h"

#include <stdarg.h>
#include <systemd/sd-journal.h>

#define JOURNAL_RETRY_USEC (2 * USEC_PER_SEC)

/* NULL: as an upgrade. */
static const UpgradeThen restore_entries[_UPGRADE_STATE_MAX] = {
        [UPGRADE_FETCHING] = restore_enter_fetching,   [UPGRADE_VERIFYING] = restore_enter_verifying,
        [UPGRADE_STAGED] = restore_enter_staged,       [UPGRADE_GUARDING] = restore_enter_guarding,
        [UPGRADE_SWITCHING] = restore_enter_switching, [UPGRADE_ROLLING_BACK] = restore_enter_rolling_back,
};

static const UpgradeThen snapshot_entries[_UPGRADE_STATE_MAX] = {
        [UPGRADE_FETCHING] = snapshot_enter_fetching,
        [UPGRADE_VERIFYING] = snapshot_enter_verifying,
};

static const UpgradeThen entries[_UPGRADE_STATE_MAX] = {
        [UPGRADE_FETCHING] = upgrade_enter_fetching,
        [UPGRADE_VERIFYING] = upgrade_enter_verifying,
        [UPGRADE_STAGED] = upgrade_enter_staged,
        [UPGRADE_ARMED] = upgrade_enter_armed,
        [UPGRADE_DRAINING] = upgrade_enter_draining,
        [UPGRADE_STOPPING] = upgrade_enter_stopping,
        [UPGRADE_GUARDING] = upgrade_enter_guarding,
        [UPGRADE_SWITCHING] = upgrade_enter_switching,
        [UPGRADE_STARTING] = upgrade_enter_starting,
        [UPGRADE_PROBATION] = upgrade_enter_probation,
        [UPGRADE_ROLLING_BACK] = upgrade_enter_rolling_back,
};

static void run_entry(Upgrade *u) {
        const UpgradeThen *own = u->job->kind == JOB_RESTORE    ? restore_entries
                                 : u->job->kind == JOB_SNAPSHOT ? snapshot_entries
                                                                : entries;

        (own[u->job->state] ?: entries[u->job->state])(u);
}

static const UpgradeThen samples[_UPGRADE_STATE_MAX] = {
        [UPGRADE_FETCHING] = restore_check_node,
        [UPGRADE_ARMED] = upgrade_armed_check,
        [UPGRADE_DRAINING] = upgrade_draining_check,
        [UPGRADE_PROBATION] = upgrade_probation_check,
        [UPGRADE_ROLLING_BACK] = upgrade_rolling_back_check,
};

const UpgradeJob *upgrade_job(const Upgrade *u) {
        return u->job;
}

const char *upgrade_progress(const Upgrade *u) {
        return worker_run_progress(u->run) ?: u->progress;
}

static void upgrade_disarm(Upgrade *u) {
        u->timer = sd_event_source_disable_unref(u->timer);
        u->deadline = sd_event_source_disable_unref(u->deadline);
        /* A stop goes on; a start that was not carried out yet is not wanted any more. */
        u->unit_job = u->starting ? unit_job_withdraw(u->unit_job) : unit_job_free(u->unit_job);
        u->starting = NULL;
        u->run = worker_run_cancel(u->run);
        u->on_unit = NULL;
        u->step = 0;
        u->hooks_done = false;
        free(TAKE_PTR(u->progress));
}

Upgrade *upgrade_free(Upgrade *u) {
        if (!u)
                return NULL;
        u->run = NULL; /* its worker goes on; the pool owns the run */
        u->unit_job = unit_job_free(u->unit_job);
        upgrade_disarm(u);
        free(u->owed_reason);
        upgrade_job_free(u->job);
        free(u);
        return NULL;
}

static void on_notify_done(bool ok, const char *text, const json_t *result, void *userdata) {
        if (!ok)
                sd_journal_print(LOG_WARNING, "A notify hook failed, ignoring: %s", text);
}

/* The job is over: it becomes the node's last, and the operator's notify hooks hear of it. */
static void upgrade_finish(Upgrade *u) {
        Node *node = u->node;

        if (node->staging == u)
                node->staging = NULL;
        if (node->upgrade == u)
                node->upgrade = NULL;
        if (node->monitor && !node->upgrade)
                monitor_set_urgent(node->monitor, false);
        (void) node_run_hooks(node, "notify", u->job, on_notify_done, NULL, NULL);
        if (u->job->kind == JOB_RESTORE)
                (void) worker_pause_write(WORKER_FETCH, node->name, NULL,
                                          NULL); /* the next one's would wait */
        if (!job_kind_is_aside(u->job->kind)) {
                upgrade_job_free(node->last);
                node->last = TAKE_PTR(u->job);
                node_drop_backup(node, node->last);
        }
        upgrade_free(u);
        node_changed(node);
}

static int64_t head_height(const Upgrade *u) {
        return u->node->monitor ? monitor_sample(u->node->monitor)->height : CHAIN_UNKNOWN;
}

/* A job waits where it is while no configuration says that the unit is muster's to touch. */
static bool upgrade_is_parked(Upgrade *u) {
        const NodeConfig *config = u->node->config;

        if (config && node_config_is_managed(config))
                return false;
        if (config)
                upgrade_say(u,
                            "waits: %s says that node '%s' is the existing unit %s, which is only observed",
                            config->path, u->node->name, config->unit);
        else
                upgrade_say(u, "waits: node '%s' has no readable configuration", u->node->name);
        return true;
}

static void upgrade_enter(Upgrade *u) {
        Node *node = u->node;

        if (upgrade_job_is_over(u->job)) {
                upgrade_finish(u);
                return;
        }
        node_changed(node);
        if (!upgrade_is_parked(u))
                run_entry(u);
}

static void upgrade_retry_owed(Upgrade *u);

static void upgrade_move(Upgrade *u, UpgradeState next, const char *reason) {
        cleanup_fault_ Fault fault = {};
        JournalEvent row;
        int r;

        upgrade_disarm(u);
        r = journal_transition(u->node->daemon->journal, u->job, next, reason, head_height(u), &row, &fault);
        if (r < 0) {
                u->owed = next;
                (void) str_replace(&u->owed_reason, reason);
                upgrade_say(u, "%s; trying again: free some space or mend the disk", fault_text(&fault, r));
                sd_journal_print(LOG_ERR, "%s: upgrade '%s' waits in '%s'", fault_text(&fault, r),
                                 u->job->id, upgrade_state_to_string(u->job->state));
                upgrade_after(u, JOURNAL_RETRY_USEC, upgrade_retry_owed);
                return;
        }
        daemon_publish(u->node->daemon, &row);
        upgrade_enter(u);
}

static void upgrade_retry_owed(Upgrade *u) {
        cleanup_free_ char *reason = TAKE_PTR(u->owed_reason);

        upgrade_move(u, u->owed, reason ?: "");
}

static void upgrade_apply(Upgrade *u, UpgradeEvent event, const char *reason) {
        UpgradeState next = _UPGRADE_NONE;

        if (upgrade_fsm_next(u->job->state, event, &next) != 0)
                sd_journal_print(LOG_ERR,
                                 "Failed to move job '%s' on from '%s': no transition for event %d (%s)",
                                 u->job->id, upgrade_state_to_string(u->job->state), (int) event, reason);
        else
                upgrade_move(u, next, reason);
}

void upgrade_rest(Upgrade *u, const char *format, ...) {
        cleanup_free_ char *reason = NULL;
        va_list ap;

        va_start(ap, format);
        reason = str_vformat(format, ap);
        va_end(ap);
        upgrade_move(u, u->job->state, reason ?: "");
}

void upgrade_event(Upgrade *u, UpgradeEvent event, const char *format, ...) {
        cleanup_free_ char *reason = NULL;
        va_list ap;

        va_start(ap, format);
        reason = str_vformat(format, ap);
        va_end(ap);
        upgrade_apply(u, event, reason ?: "");
}

const char *upgrade_no_way_back(const Upgrade *u, bool asked) {
        const json_t *facts = u->job->facts;

        if (u->job->state == UPGRADE_ROLLING_BACK || !upgrade_state_touches_node(u->job->state))
                return NULL;
        if (!u->job->from)
                return "there is no earlier release to go back to";
        if (json_bool(facts, "one-way") && upgrade_may_have_run(u))
                return "the upgrade is one-way and its data may be migrated";
        if (!asked && json_bool(facts, "no-rollback"))
                return "going back by itself was forbidden (--no-rollback)";
        return NULL;
}

/* What a person can do who finds an upgrade that may not go back. */
static char *way_out(const Upgrade *u) {
        const char *node = u->node->name, *from = u->job->from;
        char *text = NULL;
        int r;

        if (u->job->kind == JOB_RESTORE)
                return restore_kept_note(u->node, u->job);
        if (!from)
                r = asprintf(
                        &text,
                        "mend the cause, then 'systemctl start %s', or stage and upgrade to another version",
                        node_config_unit(u->node->config));
        else if (json_bool(u->job->facts, "one-way"))
                r = asprintf(&text,
                             "upgrade to a version that mends it, or restore data that %s can read, then "
                             "'musterctl "
                             "upgrade %s %s'",
                             from, node, from);
        else
                r = asprintf(&text, "'musterctl rollback %s' goes back", node);
        return r < 0 ? NULL : text;
}

void upgrade_fail(Upgrade *u, const char *format, ...) {
        cleanup_free_ char *reason = NULL;
        const char *stays = upgrade_no_way_back(u, false);
        va_list ap;

        va_start(ap, format);
        reason = str_vformat(format, ap);
        va_end(ap);
        if (stays) {
                cleanup_free_ char *kept = upgrade_kept_note(u), *out = way_out(u);

                upgrade_event(u, UPGRADE_EV_GIVE_UP, "%s; %s, so the node was left as it is: %s%s%s",
                              reason ?: "failed", stays, out ?: "a person is needed", kept ? "; " : "",
                              kept ?: "");
        } else if (u->job->state == UPGRADE_ROLLING_BACK && reason && !str_starts(reason, u->job->reason))
                upgrade_event(u, UPGRADE_EV_FAIL, "%s; going back failed: %s", u->job->reason, reason);
        else
                upgrade_apply(u, UPGRADE_EV_FAIL, reason ?: "failed");
}

void upgrade_say(Upgrade *u, const char *format, ...) {
        char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        free(u->progress);
        u->progress = text;
}

static int on_upgrade_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Upgrade *u = userdata;

        u->timer = sd_event_source_disable_unref(u->timer);
        u->on_timer(u);
        return 0;
}

static int on_upgrade_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        Upgrade *u = userdata;

        u->deadline = sd_event_source_disable_unref(u->deadline);
        u->on_deadline(u);
        return 0;
}

static void arm(Upgrade *u, sd_event_source **source, uint64_t usec, sd_event_time_handler_t handler) {
        int r;

        *source = sd_event_source_disable_unref(*source);
        if (usec == UINT64_MAX)
                return;
        r = sd_event_add_time_relative(u->node->daemon->event, source, CLOCK_MONOTONIC, usec, USEC_PER_MSEC,
                                       handler, u);
        if (r < 0) {
                sd_journal_print(LOG_CRIT, "Failed to arm a timer: %s; ending, to be started again",
                                 strerror(-r));
                (void) sd_event_exit(u->node->daemon->event, EXIT_FAILURE);
        }
}

void upgrade_after(Upgrade *u, uint64_t usec, UpgradeThen then) {
        u->on_timer = then;
        arm(u, &u->timer, usec, on_upgrade_timer);
}

void upgrade_until(Upgrade *u, uint64_t usec, UpgradeThen then) {
        u->on_deadline = then;
        arm(u, &u->deadline, usec, on_upgrade_deadline);
}

static void on_work_done(bool ok, const char *text, const json_t *result, void *userdata) {
        Upgrade *u = userdata;

        u->run = NULL;
        u->work_done(u, ok, text, result);
}

void upgrade_work(Upgrade *u, WorkerKind kind, json_t *order, uint64_t timeout_usec, UpgradeWorkDone done) {
        cleanup_json_ json_t *owned = order;
        int r = -ENOMEM;

        u->work_done = done;
        if (owned)
                r = worker_run(u->node->daemon->workers, kind, u->node->name, u->job->id, owned,
                               timeout_usec, on_work_done, u, &u->run);
        if (r < 0)
                done(u, false, strerror(-r), NULL);
}

void upgrade_hooks(Upgrade *u, const char *event, UpgradeWorkDone done) {
        int r;

        u->work_done = done;
        r = node_run_hooks(u->node, event, u->job, on_work_done, u, &u->run);
        if (r < 0)
                done(u, false, strerror(-r), NULL);
}

json_t *node_restore_order(const Node *node, const UpgradeJob *job, const char *verb) {
        const NodeConfig *config = node->config;
        cleanup_json_ json_t *order = NULL;

        order = json_pack("{s:s, s:s, s:s, s:s++, s:s, s:s?, s:s, s:s, s:s+++}", "verb", verb, "family",
                          config->family, "data", config->data, "state", MUSTER_STATEDIR "/nodes/",
                          node->name, "/state", "upgrade", job->id, "domain", config->chain_id, "role",
                          node_role_to_string(config->role), "signer", node_signer_to_string(config->signer),
                          "release", MUSTER_STATEDIR "/nodes/", node->name, "/releases/", job->version);
        if (!order || json_put_strv(order, "protect", config->protect) < 0)
                return NULL;
        return TAKE_PTR(order);
}

uint64_t upgrade_hooks_pause(uint64_t patience) {
        uint64_t pause = patience / 10;

        return pause < USEC_PER_SEC ? USEC_PER_SEC : pause > 5 * USEC_PER_SEC ? 5 * USEC_PER_SEC : pause;
}

json_t *upgrade_restore_order(Upgrade *u, const char *verb) {
        return node_restore_order(u->node, u->job, verb);
}

void upgrade_on_sample(Upgrade *u) {
        if (samples[u->job->state] && !u->owed_reason && !upgrade_is_parked(u))
                samples[u->job->state](u);
}

void upgrade_on_unit(Upgrade *u) {
        if (u->on_unit)
                u->on_unit(u);
}

static int upgrade_new(Node *node, UpgradeJob *job, Upgrade **ret) {
        Upgrade *u = calloc(1, sizeof *u);

        if (!u)
                return -ENOMEM;
        u->node = node;
        u->job = job;
        u->seen_height = CHAIN_UNKNOWN;
        *ret = u;
        return 0;
}

/* Journal row first, then the first entry action. Takes @job. */
int upgrade_launch(Node *node, UpgradeJob *job, Upgrade **slot, const Caller *by, char ret_job[static 17],
                   Fault *reterr) {
        cleanup_(upgrade_job_freep) UpgradeJob *owned = job;
        JournalEvent row;
        Upgrade *u;
        int r;

        r = upgrade_new(node, owned, &u);
        if (r < 0)
                return r;
        r = journal_add_job(node->daemon->journal, owned, &row, reterr);
        if (r < 0) {
                u->job = NULL;
                upgrade_free(u);
                return r;
        }
        owned = NULL;
        memcpy(ret_job, u->job->id, sizeof u->job->id);
        daemon_publish(node->daemon, &row);
        if (json_str(u->job->facts, "source"))
                node_record_act(node, u->job->id, by, "%s %s asked for", job_kind_to_string(u->job->kind),
                                json_str(u->job->facts, "source"));
        else
                node_record_act(node, u->job->id, by, "%s of version %s asked for",
                                job_kind_to_string(u->job->kind), u->job->version);
        *slot = u;
        upgrade_enter(u);
        return 0;
}

int node_resume(Node *node, UpgradeJob *job) {
        Upgrade **slot = job_kind_is_aside(job->kind) ? &node->staging : &node->upgrade;
        Upgrade *u;
        int r;

        r = upgrade_new(node, job, &u);
        if (r < 0) {
                upgrade_job_free(job);
                return r;
        }
        *slot = u;
        upgrade_continue(u);
        return 0;
}

void upgrade_continue(Upgrade *u) {
        const UpgradeJob *job = u->job;

        if (upgrade_is_parked(u))
                return;
        sd_journal_print(LOG_NOTICE, "Resuming the %s of node '%s' to version %s in '%s'",
                         job_kind_to_string(job->kind), u->node->name, job->version,
                         upgrade_state_to_string(job->state));
        run_entry(u);
}
