/*
 * armed: everything is ready, the trigger is awaited. The head may be
 * unreadable meanwhile, and nothing happens: unknown is not a height.
 */
#include "daemon/mark.h"
#include "daemon/upgrade-run.h"
#include "util/text.h"

#include <inttypes.h>

#define URGENT_BLOCKS 5

static bool unit_process_is_gone(const Upgrade *u) {
        const UnitStatus *status = node_unit(u->node);

        return status && ((unit_status_is_down(status) && status->job == 0) ||
                          str_eq(status->sub_state, "auto-restart"));
}

/* A node that exits at the height, as Cosmos chains do, was last seen one block below it. */
static bool exited_at_height(const Upgrade *u, int64_t target) {
        return u->seen_height >= target - 1 && unit_process_is_gone(u);
}

static void remember_height(Upgrade *u, int64_t height, int64_t target) {
        if (height == CHAIN_UNKNOWN || height <= u->seen_height)
                return;
        u->seen_height = height;
        if (height >= target - 1 && json_put_u64(u->job->facts, "seen-height", (uint64_t) height) >= 0)
                (void) journal_save_facts(u->node->daemon->journal, u->job, NULL);
}

/* Also while this host is frozen: the node goes on and may exit at the height. */
static void watch_height(Upgrade *u, int64_t target) {
        SigningPosition position;

        remember_height(u, monitor_sample(u->node->monitor)->height, target);
        /* Between two polls, or while musterd was away: who voted for a block has the one before. */
        if (unit_process_is_gone(u) && node_has_position(u->node) && node_stop_position(u->node, &position))
                remember_height(u, position.height - 1, target);
}

/* From here on its being down is no operator's doing. */
static void remember_exit_at_height(Upgrade *u) {
        (void) json_put_bool(u->job->facts, "exited-at-height",
                             true); /* without it the upgrade only aborts */
}

static void armed_check_height(Upgrade *u, int64_t target) {
        const ChainSample *sample = monitor_sample(u->node->monitor);

        if (sample->height != CHAIN_UNKNOWN && sample->height >= target) {
                upgrade_event(u, UPGRADE_EV_OK, "height %" PRId64 " is reached", target);
                return;
        }
        if (exited_at_height(u, target)) {
                remember_exit_at_height(u);
                upgrade_event(u, UPGRADE_EV_OK, "the node exited at height %" PRId64, u->seen_height);
                return;
        }
        monitor_set_urgent(u->node->monitor, u->seen_height >= target - URGENT_BLOCKS);
        if (sample->height == CHAIN_UNKNOWN)
                upgrade_say(u, "waiting for height %" PRId64 "; the head is unknown now", target);
        else
                upgrade_say(u, "waiting for height %" PRId64 ", %" PRId64 " blocks away", target,
                            target - sample->height);
}

static void armed_check_time(Upgrade *u, uint64_t at) {
        char when[TIMESTAMP_TEXT_MAX];
        uint64_t now = now_realtime_usec();

        if (now >= at) {
                upgrade_event(u, UPGRADE_EV_OK, "the time %s has come", format_timestamp(when, at));
                return;
        }
        upgrade_say(u, "waiting for %s", format_timestamp(when, at));
        /* In short steps: the clock may be set meanwhile. */
        upgrade_after(u, at - now < USEC_PER_SEC ? at - now : USEC_PER_SEC, upgrade_armed_check);
}

void upgrade_armed_check(Upgrade *u) {
        const char *trigger = json_str(u->job->facts, "trigger") ?: "now";
        uint64_t n;

        if (str_starts(trigger, "height:") && parse_u64(trigger + 7, &n) >= 0)
                watch_height(u, (int64_t) n);
        if (u->node->hold)
                upgrade_event(u, UPGRADE_EV_FAIL, "the node is held: %s",
                              json_str(u->node->hold, "reason") ?: "");
        else if (u->node->daemon->freeze)
                upgrade_say(u, "waiting: this host is frozen (%s)",
                            json_str(u->node->daemon->freeze, "reason") ?: "");
        else if (u->node->config->mode == NODE_MODE_OBSERVE)
                upgrade_say(u, "waiting: node '%s' is in mode observe now", u->node->name);
        else if (str_eq(trigger, "now"))
                upgrade_event(u, UPGRADE_EV_OK, "now, as asked");
        else if (str_starts(trigger, "time:") && parse_u64(trigger + 5, &n) >= 0)
                armed_check_time(u, n);
        else if (str_starts(trigger, "height:") && parse_u64(trigger + 7, &n) >= 0)
                armed_check_height(u, (int64_t) n);
        else
                upgrade_event(u, UPGRADE_EV_FAIL, "the trigger '%s' is not known", trigger);
}

static void armed_on_unit(Upgrade *u) {
        upgrade_armed_check(u);
}

void upgrade_enter_armed(Upgrade *u) {
        uint64_t seen;

        if (json_u64(u->job->facts, "seen-height", &seen) >= 0)
                u->seen_height = (int64_t) seen;
        u->on_unit = armed_on_unit;
        upgrade_armed_check(u);
}
