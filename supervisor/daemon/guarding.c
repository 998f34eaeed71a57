/*
 * guarding: the stopped node's signing position becomes the high-water mark
 * that no later start may undercut, then the data is kept (data.c). The launcher has
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

        if (!ok && json_bool(result, "half_done") && u->job->state == UPGRADE_ROLLING_BACK) {
                u->then(u); /* the way back finishes the exchange and asks the marks itself */
                return;
        }
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
        cleanup_fault_ Fault fault = {};
        SigningPosition position;
        int r;

        u->then = then;
        r = node_mark_seen(u->node, &fault);
        if (r < 0)
                upgrade_fail(u, "%s", fault_text(&fault, r));
        else if (!node_has_position(u->node))
                then(u);
        else if (node_stop_position(u->node, &position))
                raise_mark(u, &position);
        else
                upgrade_work(u, WORKER_RESTORE, upgrade_restore_order(u, "guard"), UINT64_MAX, on_guarded);
}

void upgrade_enter_guarding(Upgrade *u) {
        upgrade_say(u, "reading the signing state");
        upgrade_take_position(u, upgrade_keep_data);
}
