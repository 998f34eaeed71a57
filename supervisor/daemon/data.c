/*
 * The node's data in an upgrade: kept before the switch, given back on the way
 * back, and the copy dropped at the end. What a crash leaves is told by the
 * job's facts, each durable with the next transition at the latest:
 *
 *     backup-begun   part of state/backup-JOB may be there
 *     backup         it is complete (reflink, copy)
 *     hook-backup    hooks.d/backup made one; hooks.d/restore brings it back
 *     start-asked    systemd may have been asked to start the new release
 *     executed       it is known to have been executed
 *     kept           the backup of an earlier upgrade that ended stuck: {"job","version","from"}
 *     give-back      of a rollback: the job whose backup is given back, not a new one made
 *     given-back     it is
 *     dropped        nothing is left to remove
 *
 * Before the new release was executed the data is what it was, and stays.
 */
#include "daemon/upgrade-run.h"
#include "muster-build.h"
#include "util/text.h"

#include <dirent.h>
#include <systemd/sd-journal.h>

#define HOOKS MUSTER_SYSCONFDIR "/hooks.d/"

int upgrade_check_backup_hook(const Upgrade *u, Fault *reterr) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;

        if (u->node->config->backup != BACKUP_HOOK || !u->job->from || json_str(u->job->facts, "give-back"))
                return 0;
        dir = opendir(HOOKS "backup");
        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        return 0;
        return fault_set(reterr, -ENOENT,
                         "backup = hook, but there is no script in " HOOKS
                         "backup: put one there, or set another "
                         "backup policy in %s",
                         u->node->config->path);
}

/* The worker's verbs on a backup, of this job or of the one that is given back. */
static json_t *backup_order(const Node *node, const UpgradeJob *job, const char *verb) {
        json_t *order = node_restore_order(node, job, verb);

        if (order && json_put_str(order, "upgrade", json_str(job->facts, "give-back") ?: job->id) < 0) {
                json_decref(order);
                return NULL;
        }
        return order;
}

/* --- kept ----------------------------------------------------------------- */

static void on_hook_backup(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok)
                upgrade_fail(u, "backup: %s", text);
        else if (json_array_size(json_object_get(result, "scripts")) == 0)
                upgrade_fail(u, "backup = hook, but there is no script in " HOOKS "backup");
        else if (json_put_bool(u->job->facts, "hook-backup", true) < 0)
                upgrade_fail(u, "out of memory");
        else
                upgrade_event(u, UPGRADE_EV_OK, "backup made by the operator's hook: %s", text);
}

static void on_backed_up(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok || json_put_bool(u->job->facts, "backup", true) < 0)
                upgrade_fail(u, "backup: %s", text);
        else
                upgrade_event(u, UPGRADE_EV_OK, "backup made: %s", text);
}

static void on_given_back_first(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok || json_put_bool(u->job->facts, "given-back", true) < 0)
                upgrade_fail(u, "the data could not be given back: %s", text);
        else
                upgrade_event(u, UPGRADE_EV_OK, "data given back: %s", text);
}

void upgrade_keep_data(Upgrade *u) {
        BackupPolicy policy = u->node->config->backup;
        json_t *order;

        if (json_str(u->job->facts, "give-back")) {
                upgrade_say(u, "giving the data back, signing state carried forward");
                upgrade_work(u, WORKER_RESTORE, backup_order(u->node, u->job, "restore"), UINT64_MAX,
                             on_given_back_first);
                return;
        }
        if (!u->job->from || policy == BACKUP_NONE) {
                upgrade_event(u, UPGRADE_EV_OK, "signing state guarded; no backup (%s)",
                              u->job->from ? "backup = none" : "first release");
                return;
        }
        upgrade_say(u, "making a backup (%s)", backup_policy_to_string(policy));
        if (policy == BACKUP_HOOK) {
                upgrade_hooks(u, "backup", on_hook_backup);
                return;
        }
        if (json_put_bool(u->job->facts, "backup-begun", true) < 0) {
                upgrade_fail(u, "out of memory");
                return;
        }
        order = backup_order(u->node, u->job, "backup");
        if (order && json_put_str(order, "policy", backup_policy_to_string(policy)) < 0) {
                json_decref(order);
                order = NULL;
        }
        upgrade_work(u, WORKER_RESTORE, order, u->node->config->backup_timeout, on_backed_up);
}

/* --- given back ----------------------------------------------------------- */

static void on_given_back(Upgrade *u, bool ok, const char *text, const json_t *result) {
        cleanup_free_ char *kept = NULL;

        if (ok) {
                u->then(u);
                return;
        }
        kept = upgrade_kept_note(u);
        upgrade_fail(
                u,
                "%s; the data could not be given back: %s; the node does not run; %s; mend the cause, then "
                "'musterctl rollback %s'",
                u->job->reason, text, kept ?: "the backup is kept", u->node->name);
}

static void on_hook_restored(Upgrade *u, bool ok, const char *text, const json_t *result) {
        bool none = ok && json_array_size(json_object_get(result, "scripts")) == 0;

        if (ok && !none)
                u->then(u);
        else
                upgrade_fail(
                        u,
                        "%s; the data could not be given back: %s; the node does not run: bring back by "
                        "hand what "
                        "hooks.d/backup made, never an older signing state, then 'musterctl upgrade %s %s'",
                        u->job->reason, none ? "there is no script in " HOOKS "restore" : text,
                        u->node->name, u->job->from);
}

void upgrade_give_data_back(Upgrade *u, UpgradeThen then) {
        const json_t *facts = u->job->facts;

        if (!upgrade_may_have_run(u)) {
                then(u);
                return;
        }
        u->then = then;
        if (json_bool(facts, "one-way"))
                upgrade_fail(
                        u,
                        "%s; version %s was executed meanwhile, and the upgrade is one-way: its data may be "
                        "migrated. 'musterctl unhold %s' and 'systemctl start %s' keep version %s",
                        u->job->reason, u->job->version, u->node->name, node_config_unit(u->node->config),
                        u->job->version);
        else if (json_bool(facts, "backup")) {
                upgrade_say(u, "giving the data back, signing state carried forward");
                upgrade_work(u, WORKER_RESTORE, backup_order(u->node, u->job, "restore"), UINT64_MAX,
                             on_given_back);
        } else if (json_bool(facts, "hook-backup")) {
                upgrade_say(u, "giving the data back by the operator's hook");
                upgrade_hooks(u, "restore", on_hook_restored);
        } else
                then(u);
}

char *upgrade_kept_note(const Upgrade *u) {
        char *text = NULL;

        if (u->job->kind == JOB_RESTORE)
                return restore_kept_note(u->node, u->job);
        if (!json_bool(u->job->facts, "backup") ||
            asprintf(&text, "the data of before is kept in " MUSTER_STATEDIR "/nodes/%s/state/backup-%s",
                     u->node->name, u->job->id) < 0)
                return NULL;
        return text;
}

char *upgrade_data_note(const Upgrade *u) {
        const UpgradeJob *job = u->job;
        char *text = NULL;

        if (job->kind == JOB_RESTORE || json_bool(job->facts, "backup") ||
            json_bool(job->facts, "hook-backup") || !upgrade_may_have_run(u))
                return NULL;
        if (asprintf(&text,
                     "the data is as version %s left it (no backup was made): if %s refuses it, go forward "
                     "with "
                     "'musterctl upgrade %s VERSION', or put data there that %s can read, never an older "
                     "signing "
                     "state",
                     job->version, job->from, u->node->name, job->from) < 0)
                return NULL;
        return text;
}

/* --- dropped -------------------------------------------------------------- */

static void on_dropped(bool ok, const char *text, const json_t *result, void *userdata) {
        Node *node = userdata;
        cleanup_fault_ Fault fault = {};
        int r;

        node->drop = NULL;
        if (!ok) {
                sd_journal_print(
                        LOG_WARNING,
                        "What an ended job of node '%s' kept of its data was not removed, ignoring: %s",
                        node->name, text);
                return;
        }
        if (!node->last || !str_eq(node->last->id, node->drop_job))
                return;
        r = json_put_bool(node->last->facts, "dropped", true);
        if (r >= 0)
                r = journal_save_facts(node->daemon->journal, node->last, &fault);
        if (r < 0)
                sd_journal_print(LOG_WARNING, "%s, ignoring: the removal is done again at the next start",
                                 fault_text(&fault, r));
}

/* A stuck node's copy stays for the person. */
static bool has_leftovers(const UpgradeJob *job) {
        if (!job || !upgrade_job_is_over(job) || json_bool(job->facts, "dropped"))
                return false;
        if (job->kind == JOB_RESTORE)
                return restore_has_leftovers(job);
        return job->state != UPGRADE_STUCK &&
               (json_bool(job->facts, "backup-begun") || json_bool(job->facts, "given-back"));
}

void node_drop_backup(Node *node, const UpgradeJob *job) {
        cleanup_json_ json_t *order = NULL;

        if (!has_leftovers(job) || node->drop || !node->config || !node_config_is_managed(node->config) ||
            node->config->mode == NODE_MODE_OBSERVE)
                return;
        order = job->kind == JOB_RESTORE ? restore_drop_order(node, job)
                                         : backup_order(node, job, "discard");
        memcpy(node->drop_job, job->id, sizeof node->drop_job);
        if (order)
                (void) worker_run(node->daemon->workers, WORKER_RESTORE, node->name, job->id, order, 0,
                                  on_dropped, node, &node->drop);
}
