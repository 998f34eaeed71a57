/*
 * What the operator does to the unit while an upgrade is under way. systemctl
 * is theirs: what they stopped or masked meanwhile is not started behind their
 * back. Before the node was touched that ends the upgrade; afterwards what is
 * current stays so, with its permit, and the start is left to them.
 */
#include "daemon/upgrade-run.h"
#include "util/text.h"

#define STOPPED "the node was stopped by an operator meanwhile"
#define MASKED  "the unit was masked by an operator"

static bool is_masked(const UnitStatus *status) {
        return str_eq(status->load_state, "masked") || str_eq(status->unit_file_state, "masked") ||
               str_eq(status->unit_file_state, "masked-runtime");
}

/* Who asked for the upgrade of a node that was stopped wants it started; who stops it after our stop does
 * not. */
static bool is_stopped(const Upgrade *u) {
        const json_t *facts = u->job->facts;

        if (!u->node->facts.stopped_by_operator)
                return false;
        return upgrade_state_touches_node(u->job->state) ||
               (!json_bool(facts, "asked-while-stopped") && !json_bool(facts, "exited-at-height"));
}

const char *upgrade_operator_objects(const Upgrade *u) {
        const UnitStatus *status = node_unit(u->node);

        if (!status)
                return NULL;
        return is_masked(status) ? MASKED : is_stopped(u) ? STOPPED : NULL;
}

/* "systemctl unmask U, then systemctl start U" as far as it is needed. */
static char *way_to_start(const Upgrade *u) {
        const char *unit = node_config_unit(u->node->config);
        const UnitStatus *status = node_unit(u->node);
        char *text = NULL;

        if (asprintf(&text, "%s%s%s'systemctl start %s'",
                     status && is_masked(status) ? "'systemctl unmask " : "",
                     status && is_masked(status) ? unit : "",
                     status && is_masked(status) ? "' and then " : "", unit) < 0)
                return NULL;
        return text;
}

void upgrade_abort_for_operator(Upgrade *u, const char *objection) {
        cleanup_free_ char *way = way_to_start(u);

        upgrade_event(u, UPGRADE_EV_FAIL,
                      "%s, and an upgrade would start it again: %s first, then upgrade again", objection,
                      way ?: "start it");
}

void upgrade_leave_start_to_operator(Upgrade *u, const char *objection) {
        cleanup_free_ char *way = way_to_start(u);

        if (u->job->state == UPGRADE_ROLLING_BACK)
                upgrade_event(u, UPGRADE_EV_OK, "%s; version %s is current again, but %s: %s starts it",
                              u->job->reason, u->job->from, objection, way ?: "systemctl");
        else
                upgrade_event(u, UPGRADE_EV_GIVE_UP,
                              "%s: version %s is current, but was not started: %s starts it%s%s%s",
                              objection, u->job->version, way ?: "systemctl",
                              u->job->from ? ", 'musterctl rollback " : "",
                              u->job->from ? u->node->name : "", u->job->from ? "' goes back" : "");
}
