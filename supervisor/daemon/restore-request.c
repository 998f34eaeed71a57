/*
 * What people ask for about snapshots: is it well-formed, granted and safe now?
 * A refusal changes nothing and says what to do instead.
 */
#include "daemon/upgrade-run.h"
#include "muster-build.h"
#include "upgrade/links.h"
#include "util/durable.h"
#include "util/name.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define SIGNERS_MAX (256 * 1024)
#define LEVEL_MAX   22 /* zstd's */

static int check_sources(const RestoreRequest *q, Fault *reterr) {
        if (strv_length(q->sources) == 0)
                return fault_set(reterr, DAEMON_E_INVALID, "no source is given: expected a URL or a file");
        STRV_FOREACH (source, q->sources)
                if ((*source)[0] != '/' && !str_starts(*source, "http://") &&
                    !str_starts(*source, "https://") && !str_starts(*source, "file:///"))
                        return fault_set(reterr, DAEMON_E_INVALID,
                                         "the source is '%s': expected https://, http://, file:/// or an "
                                         "absolute path",
                                         *source);
        if (q->sha256 && (strlen(q->sha256) != 64 || strspn(q->sha256, "0123456789abcdef") != 64))
                return fault_set(reterr, DAEMON_E_INVALID,
                                 "the SHA-256 is '%s': expected 64 lower-case hexadecimal digits",
                                 q->sha256);
        return 0;
}

static int check_directory(const Node *node, Fault *reterr) {
        struct stat st;

        if (fstatat(node->dirfd, "state", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "node '%s' has no state directory: run 'musterctl apply %s' first",
                                 node->name, node->name);
        return 0;
}

/* What restore and snapshot have in common. *ret_current: owned, NULL if no release was switched to. */
static int check_node(Node *node, const Caller *by, char **ret_current, Fault *reterr) {
        int r;

        r = node_may_act(node, by, NODE_GRANT_STOP | NODE_GRANT_START, reterr);
        if (r == 0)
                r = node_open(node, reterr);
        if (r == 0)
                r = check_directory(node, reterr);
        if (r != 0)
                return r;
        if (node->upgrade)
                return upgrade_busy(node->upgrade, reterr);
        if (node->staging && node->staging->job->kind == JOB_SNAPSHOT)
                return upgrade_busy(node->staging, reterr);
        return release_link_read(node->dirfd, "current", ret_current, reterr);
}

static int check_kept_old(const Node *node, const RestoreRequest *q, Fault *reterr) {
        if (!restore_kept_old(node->last) || q->drop_old)
                return 0;
        return fault_set(reterr, DAEMON_E_REFUSED,
                         "the data of before restore %s is still kept: 'musterctl rollback %s' brings it "
                         "back; to give it up for good, restore with --drop-old",
                         restore_kept_old(node->last), node->name);
}

static int restore_check(Node *node, const RestoreRequest *q, const char *current, Fault *reterr) {
        int r;

        if (node->hold)
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "node '%s' is held (%s): 'musterctl unhold %s' first", node->name,
                                 json_str(node->hold, "reason") ?: "", node->name);
        if (!current)
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "node '%s' runs no release yet: 'musterctl stage' and 'musterctl upgrade' "
                                 "first, then restore",
                                 node->name);
        r = check_sources(q, reterr);
        return r != 0 ? r : check_kept_old(node, q, reterr);
}

/* Who must have signed: as asked, else as configured. *ret NULL: nobody. Owned. */
static int read_signers(const Node *node, const RestoreRequest *q, char **ret, const char **ret_name,
                        Fault *reterr) {
        const char *path = node->config->snapshot.signers;
        int r;

        *ret = NULL;
        *ret_name = q->signers_name ?: "the signers that were given";
        if (q->signers)
                return str_replace(ret, q->signers);
        if (q->unsigned_ || q->sha256)
                return 0;
        if (!path)
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "nothing says whom to trust: set snapshot { signers = \"FILE\" } in %s, or "
                                 "give --signers FILE, --sha256 HEX or --unsigned",
                                 node->config->path);
        *ret_name = path;
        r = read_small_file(AT_FDCWD, path, SIGNERS_MAX, ret, NULL);
        return r < 0 ? fault_errno(reterr, r, "Failed to read the signers '%s' of node '%s'", path,
                                   node->name)
                     : 0;
}

/* The members of the worker's order that a person decides on. */
static int put_request(const Node *node, const RestoreRequest *q, json_t *into, Fault *reterr) {
        const SnapshotConfig *config = &node->config->snapshot;
        uint64_t limit = q->limit_rate > 0 ? q->limit_rate : config->limit_rate;
        cleanup_free_ char *signers = NULL;
        const char *name;
        int r;

        r = read_signers(node, q, &signers, &name, reterr);
        if (r != 0)
                return r;
        if (json_put_strv(into, "sources", q->sources) < 0 ||
            json_put_str(into, "manifest", q->manifest) < 0 || json_put_str(into, "sha256", q->sha256) < 0 ||
            json_put_str(into, "signers", signers) < 0 ||
            json_put_str(into, "signers_name", signers ? name : NULL) < 0 ||
            json_put_bool(into, "unsigned", q->unsigned_) < 0 ||
            json_put_str(into, "prefix", q->prefix ?: config->prefix) < 0 ||
            json_put_bool(into, "seed", config->seed && !q->no_seed) < 0 ||
            json_put_u64(into, "limit_rate", limit == UINT64_MAX ? 0 : limit) < 0)
                return -ENOMEM;
        return 0;
}

/* Everybody may read what a job is about: no credentials, no query, no path. */
static char *source_name(const char *source) {
        size_t n = strcspn(source, "?#"), begin = n;

        while (begin > 0 && source[begin - 1] != '/')
                begin--;
        return strndup(source + begin, n - begin);
}

static int put_facts(const Node *node, const RestoreRequest *q, UpgradeJob *job, Fault *reterr) {
        const UpgradeJob *last = node->last;
        const char *first = restore_kept_old(last);
        cleanup_free_ char *source = source_name(q->sources[0]);
        json_t *asked = json_object();
        int r;

        if (!source || !asked || json_object_set_new(job->facts, "restore", asked) < 0)
                return -ENOMEM;
        r = put_request(node, q, asked, reterr);
        if (r != 0)
                return r;
        if (!first && last)
                first = json_str(last->facts, "drop-first");
        if (!first && last && restore_has_leftovers(last) && !json_bool(last->facts, "dropped"))
                first = restore_id(last);
        if (json_put_str(job->facts, "source", source) < 0 ||
            json_put_str(job->facts, "trigger", "now") < 0 ||
            json_put_str(job->facts, "drop-first", first) < 0 ||
            json_put_bool(job->facts, "incoming-begun", true) < 0 ||
            json_put_bool(job->facts, "asked-while-stopped", node->facts.stopped_by_operator) < 0)
                return -ENOMEM;
        return 0;
}

int node_restore(Node *node, const RestoreRequest *q, const Caller *by, char ret_job[static 17],
                 Fault *reterr) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        cleanup_free_ char *current = NULL;
        int r;

        r = check_node(node, by, &current, reterr);
        if (r == 0)
                r = restore_check(node, q, current, reterr);
        if (r == 0)
                r = upgrade_job_new(node->name, JOB_RESTORE, current, current, UPGRADE_FETCHING, by, &job);
        if (r == 0)
                r = put_facts(node, q, job, reterr);
        if (r != 0)
                return r;
        return upgrade_launch(node, TAKE_PTR(job), &node->upgrade, by, ret_job, reterr);
}

/* Back to the data that a stuck restore kept: the way back of that restore, as a job of its own. */
int node_restore_back(Node *node, const Caller *by, char ret_job[static 17], Fault *reterr) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        const UpgradeJob *last = node->last;
        cleanup_free_ char *current = NULL;
        int r;

        r = check_node(node, by, &current, reterr);
        if (r != 0)
                return r;
        if (!current)
                return fault_set(reterr, DAEMON_E_REFUSED, "node '%s' runs no release", node->name);
        r = upgrade_job_new(node->name, JOB_RESTORE, current, current, UPGRADE_ROLLING_BACK, by, &job);
        if (r < 0)
                return r;
        if (str_replace(&job->reason, "asked for") < 0 ||
            json_put_str(job->facts, "of", restore_kept_old(last)) < 0 ||
            json_put_bool(job->facts, "incoming-begun", true) < 0 ||
            json_put_bool(job->facts, "exchange-asked", true) < 0 ||
            json_put_bool(job->facts, "executed", true) < 0 ||
            (json_object_get(last->facts, "baseline") &&
             json_object_set(job->facts, "baseline", json_object_get(last->facts, "baseline")) < 0))
                return -ENOMEM;
        return upgrade_launch(node, TAKE_PTR(job), &node->upgrade, by, ret_job, reterr);
}

/* --- snapshots ----------------------------------------------------------------- */

static int put_snapshot(const Node *node, const SnapshotRequest *q, UpgradeJob *job, Fault *reterr) {
        int64_t height = node->monitor ? monitor_sample(node->monitor)->height : CHAIN_UNKNOWN;
        cleanup_free_ char *made = NULL;
        const char *prefix = q->prefix;
        json_t *asked = json_object();

        if (!asked || json_object_set_new(job->facts, "snapshot", asked) < 0)
                return -ENOMEM;
        if (!prefix) {
                if (asprintf(&made, "%.32s-%" PRIu64, node->name,
                             height >= 0 ? (uint64_t) height : now_realtime_usec() / USEC_PER_SEC) < 0) {
                        made = NULL;
                        return -ENOMEM;
                }
                prefix = made;
        }
        if (name_check(prefix, "the snapshot's name", reterr) < 0)
                return DAEMON_E_INVALID;
        if (q->level > LEVEL_MAX)
                return fault_set(reterr, DAEMON_E_INVALID, "the level is %" PRIu64 ": expected 1 to %d",
                                 q->level, LEVEL_MAX);
        if (json_put_str(asked, "prefix", prefix) < 0 || json_put_str(job->facts, "source", prefix) < 0 ||
            (q->level > 0 && json_put_u64(asked, "level", q->level) < 0))
                return -ENOMEM;
        return 0;
}

int node_snapshot(Node *node, const SnapshotRequest *q, const Caller *by, char ret_job[static 17],
                  Fault *reterr) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = NULL;
        cleanup_free_ char *current = NULL;
        int r;

        r = check_node(node, by, &current, reterr);
        if (r != 0)
                return r;
        if (node->staging)
                return upgrade_busy(node->staging, reterr);
        if (q->stop)
                return fault_set(
                        reterr, DAEMON_E_REFUSED,
                        "muster does not stop a node for a snapshot: 'systemctl stop %s', create it, "
                        "'systemctl start %s'; or name a directory that does not change by a hook "
                        "in " MUSTER_SYSCONFDIR "/hooks.d/snapshot",
                        node_config_unit(node->config), node_config_unit(node->config));
        r = upgrade_job_new(node->name, JOB_SNAPSHOT, current ?: "none", NULL, UPGRADE_FETCHING, by, &job);
        if (r == 0)
                r = put_snapshot(node, q, job, reterr);
        if (r != 0)
                return r;
        return upgrade_launch(node, TAKE_PTR(job), &node->staging, by, ret_job, reterr);
}

/* --- pause --------------------------------------------------------------------- */

/* Durable first: after a crash the file follows the facts. */
static int set_paused(Node *node, bool paused, const Caller *by, Fault *reterr) {
        UpgradeJob *job = node->upgrade->job;
        int r;

        if (json_put_bool(job->facts, "paused", paused) < 0)
                return -ENOMEM;
        (void) json_object_del(job->facts, "pause-reason");
        if (paused && json_put_str(job->facts, "pause-reason", by->why && *by->why ? by->why : NULL) < 0)
                return -ENOMEM;
        r = journal_save_facts(node->daemon->journal, job, reterr);
        if (r >= 0)
                r = restore_write_pause(node, job, reterr);
        if (r < 0)
                return r;
        node_record_act(node, job->id, by,
                        paused ? "the download is paused%s%s" : "the download goes on%s%s",
                        by->why && *by->why ? ": " : "", by->why ?: "");
        node_changed(node);
        return 0;
}

int node_set_paused(Node *node, bool paused, const Caller *by, Fault *reterr) {
        const Upgrade *u = node->upgrade;

        if (!u || u->job->kind != JOB_RESTORE)
                return fault_set(reterr, DAEMON_E_NOTFOUND, "no restore is under way for node '%s'",
                                 node->name);
        if (u->job->state != UPGRADE_FETCHING)
                return fault_set(reterr, DAEMON_E_REFUSED,
                                 "the restore is '%s': only its download can be paused",
                                 upgrade_state_to_string(u->job->state));
        if (json_bool(u->job->facts, "paused") == paused)
                return 0;
        return set_paused(node, paused, by, reterr);
}
