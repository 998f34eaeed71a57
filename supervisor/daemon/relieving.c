/*
 * A restore that downloads makes way for its node. What the operator paused stays
 * paused and is no business of this file. The pause is not durable: after a crash
 * fetching is entered again, which writes the worker's file by the facts, and the
 * next sample decides anew. How the node was when the restore began is a fact:
 *
 *     was-healthy     it was well; false: it was not, and is never waited for
 */
#include "daemon/upgrade-run.h"
#include "util/text.h"

static bool was_healthy(Upgrade *u, Verdict verdict) {
        json_t *facts = u->job->facts;

        if (!json_object_get(facts, "was-healthy") && relief_can_tell(verdict) &&
            json_put_bool(facts, "was-healthy", verdict == VERDICT_HEALTHY) >= 0)
                (void) journal_save_facts(u->node->daemon->journal, u->job,
                                          NULL); /* else a restart asks again */
        return json_bool(facts, "was-healthy");
}

static void record(Upgrade *u, const char *text) {
        JournalEvent event = { .node = u->node->name,
                               .job = u->job->id,
                               .kind = "act",
                               .text = text,
                               .height = CHAIN_UNKNOWN };

        daemon_record(u->node->daemon, &event);
}

/* Written again at every sample: what an operator resumed meanwhile has removed it. */
static void stand_still(Upgrade *u, bool begins, Verdict verdict, const char *why) {
        cleanup_free_ char *reason = NULL, *text = NULL;

        if (asprintf(&reason, "the node is %s: %s", verdict_to_string(verdict), why) < 0) {
                reason = NULL;
                return;
        }
        if (worker_pause_write(WORKER_FETCH, u->node->name, reason, NULL) < 0 || !begins)
                return;
        if (asprintf(&text, "the download makes way, for a minute at most: %s", reason) < 0) {
                text = NULL;
                return;
        }
        record(u, text);
}

void restore_check_node(Upgrade *u) {
        const char *why = "";
        bool before = u->relief.paused, now;
        Verdict verdict;

        if (u->job->kind != JOB_RESTORE || !u->node->monitor)
                return;
        verdict = monitor_verdict(u->node->monitor, &why, NULL);
        if (json_bool(u->job->facts, "paused")) {
                u->relief = (Relief){ 0 };
                return;
        }
        now = relief_gate(&u->relief, was_healthy(u, verdict), verdict, now_monotonic_usec());
        if (now && relief_can_tell(verdict))
                stand_still(u, !before, verdict, why);
        else if (before && !now && restore_write_pause(u->node, u->job, NULL) >= 0)
                record(u, verdict == VERDICT_HEALTHY ? "the node is well again, the download goes on"
                                                     : "the download goes on for a while");
}
