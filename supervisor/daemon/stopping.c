/*
 * Stopping the node, for the switch and for the way back. The permit goes
 * first, durably: a crash or a reboot from here on starts nothing. Done is
 * when systemd says so and the unit's cgroup is empty.
 */
#include "daemon/upgrade-run.h"
#include "unit/cgroup.h"
#include "upgrade/links.h"
#include "util/text.h"

#include <signal.h>
#include <systemd/sd-id128.h>

#define REFUSED_RETRY_USEC (200 * USEC_PER_MSEC)
#define STOP_MARGIN_USEC   (3 * USEC_PER_SEC)
#define KILL_MARGIN_USEC   (30 * USEC_PER_SEC)

static void check_stopped(Upgrade *u) {
        const UnitStatus *status = node_unit(u->node);
        bool populated = true;

        if (!status || !unit_status_is_down(status))
                return; /* the next status, or the deadline */
        if (cgroup_is_populated(status->cgroup, &populated) < 0 || populated) {
                upgrade_after(u, CHECK_USEC, check_stopped);
                return;
        }
        /* Starts by hand count for systemd's start limit, too; asked for here, it costs no downtime. */
        (void) unit_reset_failed(u->node->daemon->units, node_config_unit(u->node->config));
        u->node->facts.stopped_by_operator =
                false; /* who stops it from here on means the start that is to come */
        u->on_unit = NULL;
        u->deadline = sd_event_source_disable_unref(u->deadline);
        u->then(u);
}

static void begin_stop(Upgrade *u);

static void on_stop_job(UnitJob *job, UnitJobResult result, const char *text, void *userdata) {
        Upgrade *u = userdata;

        u->unit_job = unit_job_free(u->unit_job);
        if (result == UNIT_JOB_LOST || result == UNIT_JOB_REFUSED || result == UNIT_JOB_CANCELED) {
                upgrade_say(u, "stopping the node: %s; trying again", text);
                /* Refused while a start is queued: what is not wanted any more must not run longer than need
                 * be. */
                upgrade_after(u, result == UNIT_JOB_REFUSED ? REFUSED_RETRY_USEC : BUS_RETRY_USEC,
                              begin_stop);
                return;
        }
        u->on_unit = check_stopped;
        if (u->node->watch)
                (void) unit_watch_refresh(u->node->watch);
}

static void begin_stop(Upgrade *u) {
        const UnitStatus *status = node_unit(u->node);
        int r;

        if (!status) {
                upgrade_after(u, CHECK_USEC, begin_stop);
                return;
        }
        if (!str_eq(status->load_state, "loaded") && unit_status_is_down(status)) {
                check_stopped(u);
                return;
        }
        /* Also where it was down: a start by hand may be newer than this status, and than the permit's
         * removal. */
        r = unit_job_start(u->node->daemon->units, "StopUnit", node_config_unit(u->node->config),
                           on_stop_job, u, &u->unit_job);
        if (r < 0)
                upgrade_after(u, BUS_RETRY_USEC, begin_stop);
}

static void stop_was_ignored(Upgrade *u) {
        const NodeConfig *config = u->node->config;
        const UnitStatus *status = node_unit(u->node);
        cleanup_free_ char *pids = NULL;
        char patience[DURATION_TEXT_MAX];

        if (!status || cgroup_pids(status->cgroup, &pids) < 0)
                pids = NULL;
        upgrade_event(
                u, UPGRADE_EV_GIVE_UP,
                "the node did not stop within %s of SIG%s; still alive: %s. Nothing can start beside it (no "
                "permit). Wait for its end, or if nothing else helps 'systemctl kill --signal=KILL %s'; "
                "then "
                "'musterctl unhold %s' and 'systemctl start %s'",
                format_duration(patience, config->stop_patience), sigabbrev_np(config->stop_signal) ?: "?",
                pids && *pids ? pids : "unknown processes", node_config_unit(config), u->node->name,
                node_config_unit(config));
}

void upgrade_stop_node(Upgrade *u, UpgradeThen then) {
        const NodeConfig *config = u->node->config;
        cleanup_fault_ Fault fault = {};
        uint64_t limit;
        int r;

        r = permit_remove(u->node->dirfd, &fault);
        if (r < 0) {
                upgrade_fail(u, "%s", fault_text(&fault, r));
                return;
        }
        node_update_facts(u->node);
        u->then = then;
        limit = config->kill ? KILL_MARGIN_USEC : STOP_MARGIN_USEC;
        if (__builtin_add_overflow(limit, config->stop_patience, &limit))
                limit = UINT64_MAX;
        upgrade_until(u, limit, stop_was_ignored);
        begin_stop(u);
}

int upgrade_remember_exit(Upgrade *u, const char *fact) {
        const UnitStatus *status = node_unit(u->node);
        char boot[SD_ID128_STRING_MAX];
        sd_id128_t id;
        json_t *exit;

        if (!u->job->from || status->exec_main_exit_monotonic == 0 || json_object_get(u->job->facts, fact) ||
            sd_id128_get_boot(&id) < 0)
                return 0;
        exit = json_pack("{s:I, s:I, s:s}", "monotonic", (json_int_t) status->exec_main_exit_monotonic,
                         "realtime", (json_int_t) status->exec_main_exit_realtime, "boot",
                         sd_id128_to_string(id, boot));
        return exit && json_object_set_new(u->job->facts, fact, exit) >= 0 ? 0 : -ENOMEM;
}

static void on_stopped(Upgrade *u) {
        if (upgrade_remember_exit(u, "exit") < 0)
                upgrade_fail(u, "out of memory");
        else
                upgrade_event(u, UPGRADE_EV_OK, "the node has stopped, its cgroup is empty");
}

void upgrade_enter_stopping(Upgrade *u) {
        upgrade_say(u, "stopping the node");
        upgrade_stop_node(u, on_stopped);
}
