/*
 * rolling-back: stop, take the signing position, give the data back (data.c),
 * point `current` back, start, see it alive. Every step is idempotent and finds
 * out for itself whether it was done: after a crash they all run again from the
 * first.
 *
 * The signing state only moves forward: the worker carries the live one into
 * the data that comes back, and the launcher refuses anything below the mark.
 */
#include "daemon/upgrade-run.h"
#include "upgrade/links.h"
#include "util/text.h"

#include <inttypes.h>

enum {
        ROLLBACK_STOPPING,
        ROLLBACK_WAITING, /* the old release runs: is it alive? */
};

static bool answered_before(const Upgrade *u) {
        return json_bool(json_object_get(u->job->facts, "baseline"), "answered");
}

void upgrade_rolling_back_check(Upgrade *u) {
        const ChainSample *sample = monitor_sample(u->node->monitor);

        if (u->step != ROLLBACK_WAITING || !sample->answered || sample->at_monotonic < u->start_monotonic)
                return;
        if (!upgrade_node_runs(u, u->job->from))
                return;
        upgrade_event(u, UPGRADE_EV_OK, "%s; version %s runs again, head %" PRId64, u->job->reason,
                      u->job->from, sample->height);
}

/* What a person can do now depends on the data. */
static void old_release_fails(Upgrade *u, const char *how) {
        cleanup_free_ char *note = upgrade_data_note(u);

        upgrade_event(u, UPGRADE_EV_FAIL,
                      "%s; version %s was started again but %s%s%s; look at it: journalctl -u %s",
                      u->job->reason, u->job->from, how, note ? "; " : "", note ?: "",
                      node_config_unit(u->node->config));
}

static void old_release_is_silent(Upgrade *u) {
        const UnitFacts *facts = &u->node->facts;
        cleanup_free_ char *how = NULL;
        char end[UNIT_TEXT_MAX];

        if (!answered_before(u) && upgrade_node_runs(u, u->job->from))
                upgrade_event(u, UPGRADE_EV_OK, "%s; version %s runs again, its RPC was silent before, too",
                              u->job->reason, u->job->from);
        else if (facts->active == UNIT_ACTIVE_FAILED || facts->n_restarts > 0 ||
                 facts->sub == UNIT_SUB_AUTO_RESTART)
                old_release_fails(u, asprintf(&how, "ended (%s)", unit_facts_end(end, facts)) < 0 ? "ended"
                                                                                                  : how);
        else
                old_release_fails(
                        u, asprintf(&how, "does not answer on %s", u->node->config->rpc ?: "its RPC") < 0
                                   ? "does not answer"
                                   : how);
}

/* Both gaps: before the new release came up, and before the old one was back. */
static void add_downtime(Upgrade *u) {
        int64_t back = upgrade_downtime(u, json_object_get(u->job->facts, "exit-new") ? "exit-new" : "exit");
        uint64_t first = 0;

        (void) json_u64(u->job->facts, "first-gap", &first);
        if (back >= 0)
                u->job->downtime_usec = (int64_t) first + back;
}

static void rolling_back_on_unit(Upgrade *u) {
        if (u->node->facts.stopped_by_operator)
                upgrade_leave_start_to_operator(u, "an operator stopped it");
        else if (u->node->facts.active == UNIT_ACTIVE_FAILED)
                old_release_is_silent(u); /* systemd has given up */
}

void upgrade_on_old_started(Upgrade *u) {
        add_downtime(u);
        u->step = ROLLBACK_WAITING;
        u->on_unit = rolling_back_on_unit;
        upgrade_say(u, "waiting for version %s to answer", u->job->from);
        monitor_set_urgent(u->node->monitor, true);
        upgrade_until(u, u->node->config->probation.start_timeout, old_release_is_silent);
        monitor_poll_now(u->node->monitor);
}

static void switch_back(Upgrade *u) {
        cleanup_fault_ Fault fault = {};
        int r;

        r = release_link_put(u->node->dirfd, "current", u->job->from, &fault);
        if (r >= 0)
                r = release_link_write(u->node->dirfd, "previous", json_str(u->job->facts, "previous"),
                                       &fault);
        if (r < 0) {
                upgrade_fail(u, "%s; going back failed: %s", u->job->reason, fault_text(&fault, r));
                return;
        }
        upgrade_start_node(u, u->job->from, upgrade_on_old_started);
}

static void give_data_back(Upgrade *u) {
        upgrade_give_data_back(u, switch_back);
}

void upgrade_remember_new_exit(Upgrade *u) {
        if (json_bool(u->job->facts, "executed"))
                (void) upgrade_remember_exit(u,
                                             "exit-new"); /* without it the downtime is unknown, no more */
}

static void on_new_stopped(Upgrade *u) {
        upgrade_remember_new_exit(u);
        upgrade_take_position(u, give_data_back);
}

void upgrade_enter_rolling_back(Upgrade *u) {
        if (!u->job->from) {
                upgrade_event(u, UPGRADE_EV_GIVE_UP, "%s; there is no earlier release to go back to",
                              u->job->reason);
                return;
        }
        u->step = ROLLBACK_STOPPING;
        if (u->job->downtime_usec >= 0 && !json_object_get(u->job->facts, "first-gap"))
                (void) json_put_u64(u->job->facts, "first-gap", (uint64_t) u->job->downtime_usec);
        upgrade_say(u, "going back to version %s", u->job->from);
        if (!node_unit(u->node)) { /* after a restart of musterd: what runs must be known before anything is
                                      stopped */
                upgrade_after(u, CHECK_USEC, upgrade_enter_rolling_back);
                return;
        }
        if (upgrade_node_runs(u, u->job->from)) /* it was never stopped, or a crash came after its start */
                upgrade_start_node(u, u->job->from, upgrade_on_old_started);
        else
                upgrade_stop_node(u, on_new_stopped);
}
