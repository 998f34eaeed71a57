/*
 * draining: what the node did is remembered for its probation, the operator's
 * pre-stop hooks run, and a near proposal slot of ours is let pass. The last
 * state whose failure costs nothing.
 */
#include "daemon/upgrade-run.h"
#include "util/text.h"

#include <inttypes.h>

#define HOOK_RETRY_USEC (5 * USEC_PER_SEC)
#define PROPOSAL_NEAR_BLOCKS 2

/* What the node did before: probation asks for no less. */
static int remember_baseline(Upgrade *u) {
        const ChainSample *sample = monitor_sample(u->node->monitor);
        int64_t height = sample->height > u->seen_height ? sample->height : u->seen_height;
        json_t *baseline;

        if (json_object_get(u->job->facts, "baseline"))
                return 0; /* resumed: the first one counts */
        baseline = json_pack("{s:I, s:I, s:b, s:b}", "height", (json_int_t) height, "peers", (json_int_t) sample->peers,
                             "signing", sample->signing == TRI_YES, "answered", sample->answered);
        return baseline && json_object_set_new(u->job->facts, "baseline", baseline) >= 0 ? 0 : -ENOMEM;
}

void upgrade_draining_check(Upgrade *u) {
        const ChainSample *sample = monitor_sample(u->node->monitor);

        if (u->run || u->timer)
                return; /* the pre-stop hooks come first */
        if (sample->blocks_to_proposal >= 0 && sample->blocks_to_proposal <= PROPOSAL_NEAR_BLOCKS && u->deadline) {
                upgrade_say(u, "waiting until our proposal slot has passed (%" PRId64 " blocks away)",
                            sample->blocks_to_proposal);
                return;
        }
        upgrade_event(u, UPGRADE_EV_OK, "%s", "nothing holds the stop back");
}

static void drain_hooks(Upgrade *u);

static void on_pre_stop(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok && json_bool(result, "retry") && u->deadline) {
                upgrade_say(u, "%s; asked to try again", text);
                upgrade_after(u, HOOK_RETRY_USEC, drain_hooks);
        } else if (!ok)
                upgrade_event(u, UPGRADE_EV_FAIL, "%s", text);
        else
                upgrade_draining_check(u);
}

static void drain_hooks(Upgrade *u) {
        upgrade_hooks(u, "pre-stop", on_pre_stop);
}

static void drain_is_over(Upgrade *u) {
        if (!u->run && !u->timer)
                upgrade_draining_check(u);
}

void upgrade_enter_draining(Upgrade *u) {
        const UnitStatus *status = node_unit(u->node);

        if (remember_baseline(u) < 0) {
                upgrade_event(u, UPGRADE_EV_FAIL, "out of memory");
                return;
        }
        if (!u->job->from && status && unit_status_is_down(status)) {
                upgrade_event(u, UPGRADE_EV_OK, "the first release: nothing runs yet");
                return;
        }
        upgrade_until(u, u->node->config->drain_timeout, drain_is_over);
        upgrade_say(u, "pre-stop hooks");
        drain_hooks(u);
}
