/*
 * What people ask for: is it well-formed, granted and safe now? A refusal
 * changes nothing and says what to do instead.
 */
#include "daemon/upgrade-run.h"
#include "upgrade/links.h"
#include "util/name.h"
#include "util/text.h"

#include <systemd/sd-journal.h>

/* What every request needs first: the right to act, and the node's directory. */
static int ready_to_act(Node *node, const Caller *by, unsigned grant, Fault *reterr) {
        int r;

        r = node_may_act(node, by, grant, reterr);
        return r != 0 ? r : node_open(node, reterr);
}

int upgrade_busy(const Upgrade *u, Fault *reterr) {
        return fault_set(reterr, DAEMON_E_BUSY,
                         "the %s of version %s is '%s': wait for its end, or 'musterctl cancel %s' first",
                         job_kind_to_string(u->job->kind), u->job->version,
                         upgrade_state_to_string(u->job->state), u->node->name);
}

static bool is_sha256(const char *text) {
        return text && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static int stage_check(Node *node, const StageRequest *q, Fault *reterr) {
        cleanup_free_ char *current = NULL;
        char digest[65];

        if (version_check(q->version, "the version", reterr) < 0)
                return DAEMON_E_INVALID;
        if (!is_sha256(q->sha256))
                return fault_set(reterr, DAEMON_E_INVALID,
                                 "the SHA-256 is '%s': expected 64 lower-case hexadecimal digits",
                                 q->sha256 ?: "");
        if (strv_length(q->sources) == 0)
                return fault_set(reterr, DAEMON_E_INVALID, "no source is given: expected a URL or a file");
        if ((q->need > 0) != (q->signers != NULL))
                return fault_set(
                        reterr, DAEMON_E_INVALID,
                        "publisher signatures need both: the trusted signers and how many must have signed");
        if (node->staging)
                return upgrade_busy(node->staging, reterr);
        if (node->upgrade && upgrade_state_touches_node(node->upgrade->job->state))
                return upgrade_busy(node->upgrade, reterr);
        if (release_link_read(node->dirfd, "current", &current, NULL) >= 0 && str_eq(current, q->version) &&
            release_accepted_digest(node->dirfd, q->version, digest, NULL) < 0)
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "version %s is the current one: choose another name", q->version);
        return 0;
}

int node_stage(Node *node, const StageRequest *q, const Caller *by, char ret_job[static 17], Fault *reterr) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        cleanup_json_ json_t *stage = NULL;
        int r;

        r = ready_to_act(node, by, NODE_GRANT_STAGE, reterr);
        if (r != 0)
                return r;
        r = stage_check(node, q, reterr);
        if (r != 0)
                return r;
        r = upgrade_job_new(node->name, JOB_STAGE, q->version, NULL, UPGRADE_FETCHING, by, &job);
        if (r < 0)
                return r;
        stage = json_pack("{s:s, s:s?, s:s?, s:I}", "sha256", q->sha256, "binary", q->binary, "signers",
                          q->signers, "need", (json_int_t) q->need);
        if (!stage || json_put_strv(stage, "sources", q->sources) < 0 ||
            json_object_set(job->facts, "stage", stage) < 0)
                return -ENOMEM;
        return upgrade_launch(node, TAKE_PTR(job), &node->staging, by, ret_job, reterr);
}

static int trigger_check(const char *trigger, Fault *reterr) {
        uint64_t n;

        if (str_eq(trigger, "now") || (str_starts(trigger, "time:") && parse_u64(trigger + 5, &n) >= 0) ||
            (str_starts(trigger, "height:") && parse_u64(trigger + 7, &n) >= 0 && n > 0 && n < INT64_MAX))
                return 0;
        return fault_set(reterr, DAEMON_E_INVALID,
                         "the trigger is '%s': expected now, time:MICROSECONDS or height:N", trigger);
}

/* What an upgrade to @version needs before it may begin. */
static int upgrade_check(Node *node, const char *version, Fault *reterr) {
        char accepted[65], now[65];
        int r;

        if (node->upgrade)
                return upgrade_busy(node->upgrade, reterr);
        if (node->staging &&
            (node->staging->job->kind == JOB_SNAPSHOT || str_eq(node->staging->job->version, version)))
                return upgrade_busy(node->staging, reterr);
        if (node->hold)
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "node '%s' is held (%s): 'musterctl unhold %s' first", node->name,
                                 json_str(node->hold, "reason") ?: "", node->name);
        if (version_check(version, "the version", reterr) < 0)
                return DAEMON_E_INVALID;
        r = release_accepted_digest(node->dirfd, version, accepted, reterr);
        if (r == -ENOENT)
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "version %s is not staged: 'musterctl stage %s ...' first", version,
                                 node->name);
        if (r >= 0)
                r = release_manifest_digest(node->dirfd, version, now, reterr);
        if (r >= 0 && !str_eq(accepted, now))
                return fault_set(
                        reterr, DAEMON_E_REFUSED,
                        "version %s is not what was staged: its MANIFEST has SHA-256 %s, accepted was %s; "
                        "stage it again under another name",
                        version, now, accepted);
        return r;
}

static int upgrade_facts(UpgradeJob *job, const UpgradeRequest *q, bool stopped) {
        if (json_put_str(job->facts, "trigger", q->trigger) < 0 ||
            json_put_bool(job->facts, "one-way", q->one_way) < 0 ||
            json_put_bool(job->facts, "no-rollback", q->no_rollback) < 0 ||
            json_put_bool(job->facts, "asked-while-stopped", stopped) < 0)
                return -ENOMEM;
        return 0;
}

/*
 * The backup of an upgrade that ended stuck, {"job","version","from"}, handed on from job to job until it
 * was given back or a person went forward. *ret NULL: there is none.
 */
static int find_kept_backup(const UpgradeJob *last, json_t **ret) {
        json_t *kept = last ? json_object_get(last->facts, "kept") : NULL;

        *ret = NULL;
        if (last && last->state == UPGRADE_STUCK && json_bool(last->facts, "backup"))
                *ret = json_pack("{s:s, s:s, s:s?}", "job", last->id, "version", last->version, "from",
                                 last->from);
        else if (kept && last->state != UPGRADE_COMMITTED && !json_bool(last->facts, "given-back"))
                *ret = json_incref(kept);
        else
                return 0;
        return *ret ? 0 : -ENOMEM;
}

/* A rollback of just that upgrade gives the data back, too. */
static int take_kept_backup(const Node *node, UpgradeJob *job) {
        cleanup_json_ json_t *kept = NULL;
        int r;

        r = find_kept_backup(node->last, &kept);
        if (r < 0 || !kept)
                return r;
        if (json_object_set(job->facts, "kept", kept) < 0)
                return -ENOMEM;
        if (job->kind != JOB_ROLLBACK || !str_eq(json_str(kept, "version"), job->from) ||
            !str_eq(json_str(kept, "from"), job->version))
                return 0;
        return json_put_str(job->facts, "give-back", json_str(kept, "job"));
}

static int upgrade_ask(Node *node, JobKind kind, const UpgradeRequest *q, const Caller *by,
                       char ret_job[static 17], Fault *reterr) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        cleanup_free_ char *current = NULL, *previous = NULL;
        int r;

        r = upgrade_check(node, q->version, reterr);
        if (r == 0)
                r = trigger_check(q->trigger, reterr);
        if (r == 0)
                r = release_link_read(node->dirfd, "current", &current, reterr);
        if (r == 0)
                r = release_link_read(node->dirfd, "previous", &previous, reterr);
        if (r != 0)
                return r;
        if (str_eq(current, q->version) && kind != JOB_REHEARSE)
                return fault_set(reterr, DAEMON_E_REFUSED, "version %s is the current one already",
                                 q->version);
        r = upgrade_job_new(node->name, kind, q->version, current, UPGRADE_STAGED, by, &job);
        if (r < 0)
                return r;
        if (upgrade_facts(job, q, node->facts.stopped_by_operator) < 0 ||
            json_put_str(job->facts, "previous", previous) < 0 ||
            json_put_str(job->facts, "kept-old", restore_kept_old(node->last)) < 0 ||
            json_put_str(job->facts, "drop-first",
                         node->last ? json_str(node->last->facts, "drop-first") : NULL) < 0 ||
            take_kept_backup(node, job) < 0)
                return -ENOMEM;
        return upgrade_launch(node, TAKE_PTR(job), &node->upgrade, by, ret_job, reterr);
}

int node_upgrade(Node *node, const UpgradeRequest *q, const Caller *by, char ret_job[static 17],
                 Fault *reterr) {
        int r;

        r = ready_to_act(node, by, NODE_GRANT_STOP | NODE_GRANT_START, reterr);
        if (r != 0)
                return r;
        return upgrade_ask(node, q->rehearse ? JOB_REHEARSE : JOB_UPGRADE, q, by, ret_job, reterr);
}

int node_rollback(Node *node, const Caller *by, char ret_job[static 17], Fault *reterr) {
        cleanup_free_ char *previous = NULL;
        int r;

        r = ready_to_act(node, by, NODE_GRANT_ROLLBACK, reterr);
        if (r != 0)
                return r;
        if (node->upgrade && upgrade_state_touches_node(node->upgrade->job->state)) {
                memcpy(ret_job, node->upgrade->job->id, 17);
                return node_cancel(node, by, reterr);
        }
        if (restore_can_go_back(node->last))
                return node_restore_back(node, by, ret_job, reterr);
        r = release_link_read(node->dirfd, "previous", &previous, reterr);
        if (r < 0)
                return r;
        if (!previous)
                return fault_set(reterr, DAEMON_E_REFUSED, "node '%s' has no previous release to go back to",
                                 node->name);
        if (node->last && node->last->kind != JOB_ROLLBACK && json_bool(node->last->facts, "one-way") &&
            json_bool(node->last->facts, "executed"))
                return fault_set(
                        reterr, DAEMON_E_REFUSED,
                        "the upgrade to %s was one-way: its data may be migrated. Restore data that %s can "
                        "read, then 'musterctl upgrade %s %s'",
                        node->last->version, previous, node->name, previous);
        return upgrade_ask(node, JOB_ROLLBACK, &(UpgradeRequest){ .version = previous, .trigger = "now" },
                           by, ret_job, reterr);
}

int node_cancel(Node *node, const Caller *by, Fault *reterr) {
        Upgrade *u = node->upgrade ?: node->staging;
        const char *stays;
        UpgradeState next;

        if (!u)
                return fault_set(reterr, DAEMON_E_NOTFOUND, "nothing is under way for node '%s'",
                                 node->name);
        if (upgrade_fsm_next(u->job->state, UPGRADE_EV_CANCEL, &next) != 0)
                return fault_set(reterr, DAEMON_E_REFUSED, "the %s is '%s': there is nothing safer to go to",
                                 job_kind_to_string(u->job->kind), upgrade_state_to_string(u->job->state));
        stays = upgrade_no_way_back(u, true);
        if (stays && u->job->state != UPGRADE_STOPPING)
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "it cannot be canceled in '%s': %s; wait for its end",
                                 upgrade_state_to_string(u->job->state), stays);
        node_record_act(node, u->job->id, by, "cancel asked for in '%s'",
                        upgrade_state_to_string(u->job->state));
        upgrade_event(u, UPGRADE_EV_CANCEL, "canceled%s%s", by->why && *by->why ? ": " : "", by->why ?: "");
        return 0;
}

static bool is_in_use(const Upgrade *u, const char *version) {
        return u && (str_eq(u->job->version, version) || str_eq(u->job->from, version));
}

static int discard_check(Node *node, const char *version, Fault *reterr) {
        static const char *const links[] = { "current", "previous" };
        int r;

        if (version_check(version, "the version", reterr) < 0)
                return DAEMON_E_INVALID;
        if (is_in_use(node->staging, version))
                return upgrade_busy(node->staging, reterr);
        if (is_in_use(node->upgrade, version))
                return upgrade_busy(node->upgrade, reterr);
        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                cleanup_free_ char *linked = NULL;

                r = release_link_read(node->dirfd, links[i], &linked, reterr);
                if (r < 0)
                        return r;
                if (str_eq(linked, version))
                        return fault_set(reterr, DAEMON_E_REFUSED,
                                         "version %s is the node's %s release and is not discarded", version,
                                         links[i]);
        }
        return 0;
}

static void on_release_discarded(bool ok, const char *text, const json_t *result, void *userdata) {
        if (!ok)
                sd_journal_print(LOG_WARNING, "A discarded release was not removed: %s", text);
}

/* No longer accepted, durably, before its files go: what is half removed is never executed. */
int node_discard(Node *node, const char *version, const Caller *by, Fault *reterr) {
        cleanup_json_ json_t *order = NULL;
        WorkerRun *run;
        int r;

        r = ready_to_act(node, by, NODE_GRANT_STAGE, reterr);
        if (r != 0)
                return r;
        r = discard_check(node, version, reterr);
        if (r != 0)
                return r;
        order = json_pack("{s:s, s:s}", "verb", "discard", "version", version);
        if (!order)
                return -ENOMEM;
        r = release_unaccept(node->dirfd, version, reterr);
        if (r < 0)
                return r;
        node_record_act(node, NULL, by, "version %s discarded", version);
        return worker_run(node->daemon->workers, WORKER_STAGE, node->name, "discard", order, 0,
                          on_release_discarded, NULL, &run);
}
