/*
 * draining: what the node did is remembered for its probation, the operator's
 * pre-stop hooks run, and a near proposal slot of ours is let pass. The last
 * state whose failure costs nothing.
 */
#include "daemon/upgrade-run.h"
#include "util/text.h"

#include <inttypes.h>

#define PROPOSAL_NEAR_BLOCKS 2

enum {
        DRAIN_ASKING, /* systemd, how the unit is: a mask is not signalled */
        DRAIN_HOOKS,
        DRAIN_ASKING_AGAIN,
        DRAIN_WAITING, /* for a good moment */
};

/* What the node did before: probation asks for no less. */
static int remember_baseline(Upgrade *u) {
        const ChainSample *sample = monitor_sample(u->node->monitor);
        int64_t height = sample->height > u->seen_height ? sample->height : u->seen_height;
        json_t *baseline;

        if (json_object_get(u->job->facts, "baseline"))
                return 0; /* resumed: the first one counts */
        baseline = json_pack("{s:I, s:I, s:b, s:b}", "height", (json_int_t) height, "peers",
                             (json_int_t) sample->peers, "signing", sample->signing == TRI_YES, "answered",
                             sample->answered);
        return baseline && json_object_set_new(u->job->facts, "baseline", baseline) >= 0 ? 0 : -ENOMEM;
}

void upgrade_draining_check(Upgrade *u) {
        const ChainSample *sample = monitor_sample(u->node->monitor);
        const char *objection = upgrade_operator_objects(u);

        if (u->step == DRAIN_ASKING)
                return;
        if (u->node->hold) {
                upgrade_event(u, UPGRADE_EV_FAIL, "the node is held: %s",
                              json_str(u->node->hold, "reason") ?: "");
                return;
        }
        if (objection) {
                upgrade_abort_for_operator(u, objection);
                return;
        }
        if (u->step != DRAIN_WAITING)
                return;
        if (u->node->daemon->freeze) {
                upgrade_say(u, "waiting: this host is frozen (%s)",
                            json_str(u->node->daemon->freeze, "reason") ?: "");
                return;
        }
        if (sample->blocks_to_proposal >= 0 && sample->blocks_to_proposal <= PROPOSAL_NEAR_BLOCKS &&
            u->deadline) {
                upgrade_say(u, "waiting until our proposal slot has passed (%" PRId64 " blocks away)",
                            sample->blocks_to_proposal);
                return;
        }
        if (!monitor_has_asked(u->node->monitor) && u->deadline) { /* musterd has just begun */
                upgrade_say(u, "waiting for what the node says of itself");
                return;
        }
        if (remember_baseline(u) < 0)
                upgrade_event(u, UPGRADE_EV_FAIL, "out of memory");
        else
                upgrade_event(u, UPGRADE_EV_OK, "%s", "nothing holds the stop back");
}

/* Without a bus the answer comes when it is back. */
static void ask_unit(Upgrade *u, unsigned step, UpgradeThen then) {
        u->step = step;
        u->on_unit = then;
        if (u->node->watch)
                (void) unit_watch_refresh(u->node->watch);
}

static void drain_wait(Upgrade *u) {
        u->step = DRAIN_WAITING;
        u->on_unit = upgrade_draining_check;
        upgrade_draining_check(u);
}

static void drain_hooks(Upgrade *u);

static void on_pre_stop(Upgrade *u, bool ok, const char *text, const json_t *result) {
        uint64_t patience = u->node->config->drain_timeout;
        char spent[DURATION_TEXT_MAX];

        if (!ok && json_bool(result, "retry") && u->deadline) {
                upgrade_say(u, "%s", text);
                upgrade_after(u, upgrade_hooks_pause(patience), drain_hooks);
        } else if (!ok && json_bool(result, "retry"))
                upgrade_event(u, UPGRADE_EV_FAIL, "not ready to stop within %s: %s",
                              format_duration(spent, patience), text);
        else if (!ok)
                upgrade_event(u, UPGRADE_EV_FAIL, "%s", text);
        else
                ask_unit(u, DRAIN_ASKING_AGAIN, drain_wait);
}

static void drain_hooks(Upgrade *u) {
        upgrade_hooks(u, "pre-stop", on_pre_stop);
}

static void drain_is_over(Upgrade *u) {
        upgrade_draining_check(u);
}

static void drain_begin(Upgrade *u) {
        const char *objection = upgrade_operator_objects(u);

        if (objection) {
                upgrade_abort_for_operator(u, objection);
                return;
        }
        if (!u->job->from && unit_status_is_down(node_unit(u->node))) {
                upgrade_event(u, UPGRADE_EV_OK, "the first release: nothing runs yet");
                return;
        }
        u->step = DRAIN_HOOKS;
        u->on_unit = upgrade_draining_check;
        upgrade_say(u, "pre-stop hooks");
        drain_hooks(u);
}

void upgrade_enter_draining(Upgrade *u) {
        if (monitor_has_asked(u->node->monitor) && remember_baseline(u) < 0) {
                upgrade_event(u, UPGRADE_EV_FAIL, "out of memory");
                return;
        }
        upgrade_until(u, u->node->config->drain_timeout, drain_is_over);
        ask_unit(u, DRAIN_ASKING, drain_begin);
}
