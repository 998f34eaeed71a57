/*
 * The probation of a running upgrade: post-start hooks, then every sample and
 * every change of the unit goes to health/probation.c, then the health hooks
 * have the last word. A restart of musterd begins the window anew.
 */
#include "daemon/upgrade-run.h"
#include "util/text.h"

#include <inttypes.h>

#define LOOK_USEC USEC_PER_SEC /* also when no sample comes */

static void probation_look_again(Upgrade *u) {
        upgrade_probation_check(u);
}

/* Hooks that ask for patience get as much as the probation has. */
static void hooks_again(Upgrade *u, const char *text, UpgradeThen again) {
        uint64_t patience = u->node->config->probation.timeout, now = now_monotonic_usec();
        char spent[DURATION_TEXT_MAX];

        if (now > u->probation.started_at && now - u->probation.started_at > patience) {
                upgrade_fail(u, "not good within %s: %s", format_duration(spent, patience), text);
                return;
        }
        upgrade_say(u, "%s", text);
        upgrade_after(u, upgrade_hooks_pause(patience), again);
}

static void health_hooks(Upgrade *u);

static bool was_compared_with_none(const Upgrade *u) {
        const ReferenceView *references;
        size_t n = monitor_references(u->node->monitor, &references);

        return u->node->config->probation.require_references &&
               references_are_silent(references, n, u->probation.started_at);
}

static void on_health(Upgrade *u, bool ok, const char *text, const json_t *result) {
        const ChainSample *sample = monitor_sample(u->node->monitor);
        const char *note = was_compared_with_none(u)
                                   ? "; no reference answered, so its hash was compared with none"
                                   : "";

        if (!ok && json_bool(result, "retry"))
                hooks_again(u, text, health_hooks);
        else if (!ok)
                upgrade_fail(u, "%s", text);
        else if (u->job->kind == JOB_RESTORE)
                restore_commit(u);
        else if (sample->height != CHAIN_UNKNOWN)
                upgrade_event(u, UPGRADE_EV_OK, "version %s passed its probation, head %" PRId64 "%s",
                              u->job->version, sample->height, note);
        else
                upgrade_event(u, UPGRADE_EV_OK, "version %s passed its probation%s", u->job->version, note);
}

static void health_hooks(Upgrade *u) {
        upgrade_hooks(u, "health", on_health);
}

/* Stopped on purpose: starting another version against the operator would be wrong. */
static void probation_failed(Upgrade *u, const char *reason) {
        if (u->node->facts.stopped_by_operator)
                upgrade_event(u, UPGRADE_EV_GIVE_UP,
                              "the node was stopped by an operator during its probation (%s): 'systemctl "
                              "start %s' "
                              "keeps version %s, 'musterctl rollback %s' goes back",
                              reason, node_config_unit(u->node->config), u->job->version, u->node->name);
        else
                upgrade_fail(u, "%s", reason);
}

void upgrade_probation_check(Upgrade *u) {
        const NodeConfig *config = u->node->config;
        const ChainSample *sample = monitor_sample(u->node->monitor);
        const ReferenceView *references;
        size_t n_references = monitor_references(u->node->monitor, &references);
        cleanup_free_ char *reason = NULL;
        ProbationOutcome outcome;

        u->probation.chain_id = config->chain_id; /* a reload may have replaced it */
        if (u->job->kind == JOB_RESTORE)
                restore_prepare_probation(u);
        outcome = probation_step(&u->probation, &config->probation, sample->at_monotonic > 0 ? sample : NULL,
                                 &u->node->facts, references, n_references, now_monotonic_usec(), &reason);
        switch (outcome) {
        case PROBATION_FAIL:
                probation_failed(u, reason ?: "failed");
                return;
        case PROBATION_PASS:
                if (u->hooks_done && !u->run && !u->timer)
                        health_hooks(u);
                return;
        case PROBATION_WAIT:
                break;
        }
        if (u->run || (!u->hooks_done && u->timer))
                return;
        upgrade_say(u, "%s", reason ?: "on probation");
        upgrade_after(u, LOOK_USEC, probation_look_again);
}

static void post_start_hooks(Upgrade *u);

static void on_post_start(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok && json_bool(result, "retry")) {
                hooks_again(u, text, post_start_hooks);
                return;
        }
        if (!ok) {
                upgrade_fail(u, "%s", text);
                return;
        }
        u->hooks_done = true;
        upgrade_probation_check(u);
}

static void post_start_hooks(Upgrade *u) {
        upgrade_hooks(u, "post-start", on_post_start);
}

void upgrade_enter_probation(Upgrade *u) {
        const json_t *baseline = json_object_get(u->job->facts, "baseline");
        const json_t *height = json_object_get(baseline, "height");

        probation_init(&u->probation, now_monotonic_usec());
        if (json_is_integer(height) && u->job->kind != JOB_RESTORE) /* whose data may be far behind it */
                u->probation.height = json_integer_value(height);
        u->probation.was_signing = json_bool(baseline, "signing");
        u->probation.n_restarts = u->node->facts.n_restarts;
        u->on_unit = probation_look_again;
        monitor_set_urgent(u->node->monitor, true);
        monitor_poll_now(u->node->monitor);
        upgrade_say(u, "post-start hooks");
        post_start_hooks(u);
}
