/*
 * switching and starting: `current` changes only while the unit's cgroup is
 * empty and no permit exists; the permit returns only when `current` is
 * durable. Starting serves the way back, too.
 */
#include "daemon/upgrade-run.h"
#include "unit/launch-record.h"
#include "upgrade/links.h"
#include "util/text.h"

#include <systemd/sd-id128.h>

#define START_DEADLINE_USEC (180 * USEC_PER_SEC) /* the launcher hashes the release first */

void upgrade_enter_switching(Upgrade *u) {
        cleanup_fault_ Fault fault = {};
        int r = 0;

        if (u->job->from)
                r = release_link_put(u->node->dirfd, "previous", u->job->from, &fault);
        if (r >= 0)
                r = release_link_write(u->node->dirfd, "current", u->job->version, &fault);
        if (r >= 0)
                r = json_put_bool(u->job->facts, "start-asked", true); /* durable with the next state */
        if (r < 0)
                upgrade_fail(u, "%s", fault_text(&fault, r));
        else
                upgrade_event(u, UPGRADE_EV_OK, "current is %s", u->job->version);
}

static int read_launch(const Upgrade *u, LaunchRecord *ret) {
        cleanup_fd_ int dir = node_run_dir_open(u->node->name, NULL);

        return dir < 0 ? dir : launch_record_read(dir, ret, NULL);
}

bool upgrade_node_runs(Upgrade *u, const char *version) {
        cleanup_launch_record_ LaunchRecord record = { 0 };
        const UnitStatus *status = node_unit(u->node);

        return status && str_eq(status->active_state, "active") && read_launch(u, &record) >= 0 &&
               !record.refused && str_eq(record.version, version) &&
               str_eq(record.invocation, status->invocation);
}

bool upgrade_may_have_run(const Upgrade *u) {
        cleanup_launch_record_ LaunchRecord record = { 0 };

        if (json_bool(u->job->facts, "executed"))
                return true;
        if (!json_bool(u->job->facts, "start-asked"))
                return false;
        if (read_launch(u, &record) < 0)
                return true; /* lost in a reboot */
        return !record.refused && str_eq(record.version, u->job->version);
}

static void start_is_done(Upgrade *u) {
        u->on_unit = NULL;
        u->timer = sd_event_source_disable_unref(u->timer);
        u->deadline = sd_event_source_disable_unref(u->deadline);
        u->then(u);
}

/* What the launcher says of this start, once it does. */
static bool launcher_has_spoken(Upgrade *u) {
        cleanup_launch_record_ LaunchRecord record = { 0 };

        if (read_launch(u, &record) < 0 || record.monotonic_usec < u->start_monotonic)
                return false;
        if (record.refused)
                upgrade_fail(u, "the launcher refused to start version %s: %s", u->starting,
                             record.reason ?: "no reason given");
        else if (!str_eq(record.version, u->starting))
                upgrade_fail(u, "version %s was started instead of %s", record.version ?: "?", u->starting);
        else
                start_is_done(u);
        return true;
}

/* Type=exec tells that the launcher runs; its record tells whether it executed the release. */
static void check_started(Upgrade *u) {
        if (!launcher_has_spoken(u))
                upgrade_after(u, CHECK_USEC, check_started);
}

/* A status that is newer than the job: what was asked before may still say how it was. */
static void check_started_unit(Upgrade *u) {
        const UnitStatus *status = node_unit(u->node);

        if (launcher_has_spoken(u))
                return;
        if (upgrade_node_runs(u, u->starting))
                start_is_done(u); /* it ran before, there was nothing to start */
        else if (status && str_eq(status->active_state, "failed"))
                upgrade_fail(u, "the unit failed before the launcher said anything (%s): journalctl -u %s",
                             status->result ?: "?", node_config_unit(u->node->config));
}

static void begin_start(Upgrade *u);

static void on_start_job(UnitJob *job, UnitJobResult result, const char *text, void *userdata) {
        Upgrade *u = userdata;

        u->unit_job = unit_job_free(u->unit_job);
        if (result == UNIT_JOB_LOST || result == UNIT_JOB_CANCELED) {
                upgrade_after(u, BUS_RETRY_USEC, begin_start);
                return;
        }
        if (result == UNIT_JOB_REFUSED) { /* e.g. an operator's stop is still queued */
                upgrade_say(u, "systemd does not start the node: %s; trying again", text);
                if (u->node->watch)
                        (void) unit_watch_refresh(
                                u->node->watch); /* it may have been masked, which is not signalled */
                upgrade_after(u, BUS_RETRY_USEC, begin_start);
                return;
        }
        u->on_unit = check_started_unit;
        if (u->node->watch)
                (void) unit_watch_refresh(u->node->watch);
        check_started(u);
}

static void begin_start(Upgrade *u) {
        const UnitStatus *status = node_unit(u->node);
        const char *objection = upgrade_operator_objects(u);
        int r;

        if (!status) {
                upgrade_after(u, CHECK_USEC, begin_start);
                return;
        }
        if (objection) {
                upgrade_leave_start_to_operator(u, objection);
                return;
        }
        /* Also where it runs already: a stop that is still queued makes this one wait for it. */
        u->start_monotonic = now_monotonic_usec();
        if (str_eq(status->active_state, "failed"))
                (void) unit_reset_failed(u->node->daemon->units, node_config_unit(u->node->config));
        r = unit_job_start(u->node->daemon->units, "StartUnit", node_config_unit(u->node->config),
                           on_start_job, u, &u->unit_job);
        if (r < 0)
                upgrade_after(u, BUS_RETRY_USEC, begin_start);
}

static void start_took_too_long(Upgrade *u) {
        upgrade_fail(u, "the launcher did not get as far as executing version %s: journalctl -u %s",
                     u->starting, node_config_unit(u->node->config));
}

void upgrade_start_node(Upgrade *u, const char *version, UpgradeThen then) {
        cleanup_fault_ Fault fault = {};
        int r;

        r = permit_write(u->node->dirfd, &fault);
        if (r < 0) {
                upgrade_fail(u, "%s", fault_text(&fault, r));
                return;
        }
        node_update_facts(u->node);
        u->starting = version;
        u->then = then;
        upgrade_until(u, START_DEADLINE_USEC, start_took_too_long);
        begin_start(u);
}

int64_t upgrade_downtime(const Upgrade *u, const char *fact) {
        cleanup_launch_record_ LaunchRecord record = { 0 };
        const json_t *exit = json_object_get(u->job->facts, fact);
        char boot[SD_ID128_STRING_MAX];
        bool same_boot;
        uint64_t from, to;
        sd_id128_t id;

        if (!exit || read_launch(u, &record) < 0 || sd_id128_get_boot(&id) < 0)
                return -1;
        same_boot = str_eq(json_str(exit, "boot"), sd_id128_to_string(id, boot));
        to = same_boot ? record.monotonic_usec : record.realtime_usec;
        if (json_u64(exit, same_boot ? "monotonic" : "realtime", &from) < 0 || to < from)
                return -1;
        return (int64_t) (to - from);
}

static void on_started(Upgrade *u) {
        char text[DURATION_TEXT_MAX];

        if (json_put_bool(u->job->facts, "executed", true) < 0) {
                upgrade_fail(u, "out of memory");
                return;
        }
        u->job->downtime_usec = upgrade_downtime(u, "exit");
        if (u->job->downtime_usec >= 0)
                upgrade_event(u, UPGRADE_EV_OK, "version %s was executed, %s after the old one ended",
                              u->job->version, format_duration(text, (uint64_t) u->job->downtime_usec));
        else
                upgrade_event(u, UPGRADE_EV_OK, "version %s was executed", u->job->version);
}

void upgrade_enter_starting(Upgrade *u) {
        upgrade_say(u, "starting version %s", u->job->version);
        upgrade_start_node(u, u->job->version, on_started);
}
