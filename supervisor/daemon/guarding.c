/*
 * guarding: the stopped node's signing position becomes the high-water mark
 * that no later start may undercut, then the backup is made. The launcher has
 * recorded the position when the node stopped; a worker reads it where that
 * record is missing, as after a power cut.
 */
#include "chain/family.h"
#include "daemon/upgrade-run.h"
#include "unit/launch-record.h"
#include "util/text.h"

static void raise_highwater(Upgrade *u, const SigningPosition *position) {
        const char *domain = u->node->config->chain_id;
        char text[SIGNING_POSITION_TEXT_MAX];
        cleanup_fault_ Fault fault = {};
        int r = 0;

        if (position->height >= 0 && domain)
                r = highwater_raise(u->node->dirfd, domain, position, NULL, &fault);
        if (r < 0) {
                upgrade_fail(u, "the high-water mark could not be raised to %s: %s",
                             signing_position_format(text, position), fault_text(&fault, r));
                return;
        }
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
        raise_highwater(u, &position);
}

/* The launcher's own record of the stop, if it is of the process that we stopped. */
static bool stop_record_position(Upgrade *u, SigningPosition *ret) {
        cleanup_stop_record_ StopRecord record = { 0 };
        const UnitStatus *status = node_unit(u->node);
        cleanup_fd_ int dir = -1;

        dir = node_run_dir_open(u->node->name, NULL);
        if (dir < 0 || stop_record_read(dir, &record, NULL) < 0 || !status ||
            !str_eq(record.invocation, status->invocation))
                return false;
        *ret = record.position;
        return true;
}

void upgrade_take_position(Upgrade *u, UpgradeThen then) {
        const ChainFamily *family = chain_family_by_name(u->node->config->family);
        SigningPosition position = SIGNING_POSITION_NONE;

        u->then = then;
        if (!family->parse_position || u->node->config->signer == NODE_SIGNER_REMOTE)
                then(u);
        else if (stop_record_position(u, &position) && position.height >= 0)
                raise_highwater(u, &position);
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
