/*
 * guarding: the stopped node's signing position becomes the high-water mark
 * that no later start may undercut, then the backup is made. The launcher has
 * recorded the position when the node stopped; a worker reads it where that
 * record is missing, as after a power cut.
 */
#include "daemon/mark.h"
#include "daemon/upgrade-run.h"
#include "util/text.h"

static void raise_mark(Upgrade *u, const SigningPosition *position) {
        cleanup_fault_ Fault fault = {};
        int r;

        r = node_raise_mark(u->node, position, &fault);
        if (r < 0)
                upgrade_fail(u, "%s", fault_text(&fault, r));
        else
                u->then(u);
}

static void on_guarded(Upgrade *u, bool ok, const char *text, const json_t *result) {
        const json_t *j = json_object_get(result, "position");
        SigningPosition position = SIGNING_POSITION_NONE;

        if (!ok) {
                upgrade_fail(u, "guard: %s", text);
                return;
        }
        if (json_is_object(j))
                position = (SigningPosition){
                        .height = json_integer_value(json_object_get(j, "height")),
                        .round = json_integer_value(json_object_get(j, "round")),
                        .step = json_integer_value(json_object_get(j, "step")),
                };
        raise_mark(u, &position);
}

void upgrade_take_position(Upgrade *u, UpgradeThen then) {
        SigningPosition position;

        u->then = then;
        if (!node_has_position(u->node))
                then(u);
        else if (node_stop_position(u->node, &position))
                raise_mark(u, &position);
        else
                upgrade_work(u, WORKER_RESTORE, upgrade_restore_order(u, "guard"), UINT64_MAX, on_guarded);
}

static void on_hook_backup(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok)
                upgrade_fail(u, "backup: %s", text);
        else if (json_array_size(json_object_get(result, "scripts")) == 0)
                upgrade_fail(u, "backup = hook, but there is no script in hooks.d/backup");
        else
                upgrade_event(u, UPGRADE_EV_OK, "backup made by the operator's hook: %s", text);
}

static void on_backed_up(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok || json_put_bool(u->job->facts, "backup", true) < 0)
                upgrade_fail(u, "backup: %s", text);
        else
                upgrade_event(u, UPGRADE_EV_OK, "backup made: %s", text);
}

static void begin_backup(Upgrade *u) {
        const NodeConfig *config = u->node->config;
        json_t *order;

        if (!u->job->from || config->backup == BACKUP_NONE) {
                upgrade_event(u, UPGRADE_EV_OK, "signing state guarded; no backup (%s)",
                              u->job->from ? "backup = none" : "first release");
                return;
        }
        upgrade_say(u, "making a backup (%s)", backup_policy_to_string(config->backup));
        if (config->backup == BACKUP_HOOK) {
                upgrade_hooks(u, "backup", on_hook_backup);
                return;
        }
        order = upgrade_restore_order(u, "backup");
        if (order && json_put_str(order, "policy", backup_policy_to_string(config->backup)) < 0) {
                json_decref(order);
                order = NULL;
        }
        upgrade_work(u, WORKER_RESTORE, order, config->backup_timeout, on_backed_up);
}

void upgrade_enter_guarding(Upgrade *u) {
        upgrade_say(u, "reading the signing state");
        upgrade_take_position(u, begin_backup);
}
