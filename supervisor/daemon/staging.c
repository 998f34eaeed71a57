/*
 * fetching -> verifying -> staged, and the preflight that an upgrade runs
 * before it is armed. Nothing here touches the node: a crash leaves partial
 * downloads that the next staging resumes or removes.
 */
#include "daemon/upgrade-run.h"
#include "muster-build.h"
#include "upgrade/links.h"
#include "util/text.h"

#define PROBE_TIMEOUT_USEC   (120 * USEC_PER_SEC)
#define REHEARSE_SECONDS_MAX 3600
#define SETTLE_SECONDS_MAX   30 /* alone, a node shows no more than whether it stays up */

static int expand_all(const NodeConfig *config, const char *release_dir, char *const *from, char ***ret,
                      Fault *reterr) {
        cleanup_strv_ char **expanded = calloc(1, sizeof *expanded);
        int r;

        if (!expanded)
                return -ENOMEM;
        STRV_FOREACH (text, from) {
                cleanup_free_ char *one = NULL;

                r = node_config_expand(config, release_dir, *text, &one, reterr);
                if (r < 0)
                        return r;
                if (strv_append(&expanded, one) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(expanded);
        return 0;
}

/* The command is frozen here: what the configuration says later does not change this release. */
static int stage_order(const NodeConfig *config, const UpgradeJob *job, json_t **ret, Fault *reterr) {
        cleanup_json_ json_t *order = json_deep_copy(json_object_get(job->facts, "stage"));
        cleanup_strv_ char **arguments = NULL, **environment = NULL;
        cleanup_free_ char *release_dir = NULL;
        int r;

        if (!order ||
            asprintf(&release_dir, MUSTER_STATEDIR "/nodes/%s/releases/%s", job->node, job->version) < 0)
                return -ENOMEM;
        r = expand_all(config, release_dir, config->command + 1, &arguments, reterr);
        if (r >= 0)
                r = expand_all(config, release_dir, config->environment, &environment, reterr);
        if (r < 0)
                return r;
        if (json_put_str(order, "verb", "stage") < 0 || json_put_str(order, "version", job->version) < 0 ||
            json_put_strv(order, "arguments", arguments) < 0 ||
            json_put_strv(order, "environment", environment) < 0)
                return -ENOMEM;
        if (!json_str(order, "binary") && json_put_str(order, "binary", config->command[0]) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(order);
        return 0;
}

static void on_staged(Upgrade *u, bool ok, const char *text, const json_t *result) {
        const char *manifest = json_str(result, "manifest");

        if (!ok || !manifest) {
                upgrade_event(u, UPGRADE_EV_FAIL, "%s", text);
                return;
        }
        if (json_put_str(u->job->facts, "manifest", manifest) < 0) {
                upgrade_event(u, UPGRADE_EV_FAIL, "out of memory");
                return;
        }
        if (u->job->state == UPGRADE_FETCHING)
                upgrade_event(u, UPGRADE_EV_OK, "%s", text);
        else
                upgrade_enter_verifying(u);
}

void upgrade_enter_fetching(Upgrade *u) {
        cleanup_fault_ Fault fault = {};
        json_t *order = NULL;
        int r;

        r = stage_order(u->node->config, u->job, &order, &fault);
        if (r < 0) {
                upgrade_event(u, UPGRADE_EV_FAIL, "%s", fault_text(&fault, r));
                return;
        }
        upgrade_work(u, WORKER_STAGE, order, 0, on_staged);
}

/* The worker has verified and unpacked; what it made is accepted by the digest that musterd writes down
 * itself. */
void upgrade_enter_verifying(Upgrade *u) {
        const char *manifest = json_str(u->job->facts, "manifest");
        cleanup_fault_ Fault fault = {};
        char digest[65];
        int r;

        if (!manifest) {
                upgrade_enter_fetching(u);
                return;
        }
        r = node_open(u->node, &fault);
        if (r >= 0)
                r = release_manifest_digest(u->node->dirfd, u->job->version, digest, &fault);
        if (r >= 0 && !str_eq(digest, manifest))
                r = fault_set(&fault, -EBADMSG,
                              "The MANIFEST of version %s has SHA-256 %s, the worker reported %s",
                              u->job->version, digest, manifest);
        if (r >= 0)
                r = release_accept(u->node->dirfd, u->job->version, digest, &fault);
        if (r < 0)
                upgrade_event(u, UPGRADE_EV_FAIL, "%s", fault_text(&fault, r));
        else
                upgrade_event(u, UPGRADE_EV_OK, "version %s is staged, its MANIFEST has SHA-256 %.16s...",
                              u->job->version, digest);
}

static void on_rehearsed(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok || json_put_bool(u->job->facts, "rehearsed", true) < 0) {
                upgrade_event(u, UPGRADE_EV_FAIL, "rehearsal: %s", text);
                return;
        }
        upgrade_rest(u, "rehearsal passed: %s", text);
}

static void begin_rehearsal(Upgrade *u) {
        const ProbationConfig *probation = &u->node->config->probation;
        uint64_t seconds = probation->start_timeout / USEC_PER_SEC + 1,
                 settle = probation->duration / USEC_PER_SEC + 1;
        json_t *order = upgrade_restore_order(u, "rehearse");

        if (seconds > REHEARSE_SECONDS_MAX)
                seconds = REHEARSE_SECONDS_MAX;
        if (settle > SETTLE_SECONDS_MAX)
                settle = SETTLE_SECONDS_MAX;
        if (order &&
            (json_put_u64(order, "seconds", seconds) < 0 || json_put_u64(order, "settle", settle) < 0 ||
             json_put_str(order, "rpc", u->node->config->rpc) < 0)) {
                json_decref(order);
                order = NULL;
        }
        upgrade_say(u, "rehearsing on a copy of the data");
        upgrade_work(u, WORKER_RESTORE, order, u->node->config->backup_timeout, on_rehearsed);
}

static void preflight_hooks(Upgrade *u);

static void on_preflight_hooks(Upgrade *u, bool ok, const char *text, const json_t *result) {
        const char *version = json_str(u->job->facts, "version-output");
        uint64_t patience = u->node->config->drain_timeout;
        char spent[DURATION_TEXT_MAX];

        if (!ok && json_bool(result, "retry") && u->deadline) {
                upgrade_say(u, "preflight: %s", text);
                upgrade_after(u, upgrade_hooks_pause(patience), preflight_hooks);
        } else if (!ok && json_bool(result, "retry"))
                upgrade_event(u, UPGRADE_EV_FAIL, "preflight: not ready within %s: %s",
                              format_duration(spent, patience), text);
        else if (!ok)
                upgrade_event(u, UPGRADE_EV_FAIL, "preflight: %s", text);
        else if (u->job->kind == JOB_REHEARSE)
                begin_rehearsal(u);
        else
                upgrade_event(u, UPGRADE_EV_OK, "preflight passed%s%s", version && *version ? ": " : "",
                              version ?: "");
}

static void preflight_hooks(Upgrade *u) {
        upgrade_hooks(u, "preflight", on_preflight_hooks);
}

/* The hooks' next answer is the last. */
static void preflight_patience_ends(Upgrade *u) {
        upgrade_say(u, "preflight: hooks, for the last time");
}

/* What the guard would refuse after the stop is found while the node still runs. */
static void on_preflight_guarded(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok) {
                upgrade_event(u, UPGRADE_EV_FAIL, "preflight: the guard would refuse the start: %s", text);
                return;
        }
        upgrade_say(u, "preflight: hooks");
        upgrade_until(u, u->node->config->drain_timeout, preflight_patience_ends);
        preflight_hooks(u);
}

static void on_probed(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok) {
                upgrade_event(u, UPGRADE_EV_FAIL, "preflight: %s", text);
                return;
        }
        if (json_put_str(u->job->facts, "version-output", json_str(result, "output")) < 0) {
                upgrade_event(u, UPGRADE_EV_FAIL, "out of memory");
                return;
        }
        upgrade_say(u, "preflight: the guard");
        upgrade_work(u, WORKER_RESTORE, upgrade_restore_order(u, "guard"), PROBE_TIMEOUT_USEC,
                     on_preflight_guarded);
}

/* Preflight: whatever fails here costs nothing. */
void upgrade_enter_staged(Upgrade *u) {
        const NodeConfig *config = u->node->config;
        cleanup_fault_ Fault fault = {};
        json_t *order;
        int r;

        r = upgrade_check_backup_hook(u, &fault);
        if (r < 0) {
                upgrade_event(u, UPGRADE_EV_FAIL, "preflight: %s", fault_text(&fault, r));
                return;
        }
        order = upgrade_restore_order(u, "probe");
        if (order && (json_put_strv(order, "version_command", config->version_command) < 0 ||
                      json_put_str(order, "backup", backup_policy_to_string(config->backup)) < 0)) {
                json_decref(order);
                order = NULL;
        }
        upgrade_say(u, "preflight: trying the binary");
        upgrade_work(u, WORKER_RESTORE, order, PROBE_TIMEOUT_USEC, on_probed);
}
