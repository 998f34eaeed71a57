/*
 * What a node looks like from outside: the NODE object of org.muster1's
 * Describe(). What is unknown is null, never 0.
 */
#include "daemon/node.h"
#include "daemon/upgrade.h"
#include "guard/position.h"
#include "unit/launch-record.h"
#include "upgrade/links.h"
#include "util/text.h"

static json_t *height_or_null(int64_t value) {
        return value >= 0 ? json_integer(value) : json_null();
}

static json_t *tristate(Tristate value) {
        return value == TRI_UNKNOWN ? json_null() : json_boolean(value == TRI_YES);
}

static json_t *text_or_null(const char *text) {
        return text ? json_string(text) : json_null();
}

static int put(json_t *j, const char *key, json_t *value) {
        return json_object_set_new(j, key, value) < 0 ? -ENOMEM : 0;
}

/* Why musterd would refuse an act of whoever is allowed to ask for one; null: it would not. */
static int describe_refusal(const Node *node, json_t *j) {
        static const Caller anybody = { 0 };
        cleanup_fault_ Fault fault = {};
        int r = node_may_act(node, &anybody, 0, &fault);

        return put(j, "refusal", text_or_null(r != 0 ? fault_text(&fault, r) : NULL));
}

static int describe_config(const Node *node, json_t *j) {
        const NodeConfig *c = node->config;
        DropinState applied = DROPIN_MISSING;
        const char *word;
        int r;

        r = put(j, "config_error", text_or_null(node->config_error));
        if (r < 0 || !c)
                return r;
        if (!node_config_is_managed(c))
                word = "observed";
        else
                word = dropin_check(c, &applied, NULL) < 0 ? "missing" : dropin_state_to_string(applied);
        if (put(j, "family", json_string(c->family)) < 0 ||
            put(j, "chain_id", text_or_null(c->chain_id)) < 0 ||
            put(j, "network", text_or_null(c->network)) < 0 ||
            put(j, "unit", json_string(node_config_unit(c))) < 0 ||
            put(j, "managed", json_boolean(node_config_is_managed(c))) < 0 ||
            put(j, "mode", json_string(node_mode_to_string(c->mode))) < 0 ||
            put(j, "role", json_string(node_role_to_string(c->role))) < 0 ||
            put(j, "signer", json_string(node_signer_to_string(c->signer))) < 0 ||
            put(j, "config_path", json_string(c->path)) < 0 || put(j, "applied", json_string(word)) < 0 ||
            put(j, "backup", json_string(backup_policy_to_string(c->backup))) < 0 ||
            put(j, "stop_signal", json_integer(c->stop_signal)) < 0 ||
            put(j, "stop_patience_usec", json_usec(c->stop_patience)) < 0 ||
            put(j, "probation_usec", json_usec(c->probation.duration)) < 0)
                return -ENOMEM;
        return 0;
}

static int describe_chain(const Node *node, json_t *j) {
        const ChainSample *s;
        const char *reason;
        uint64_t since;
        Verdict verdict;

        if (!node->monitor)
                return put(j, "verdict", json_string(verdict_to_string(VERDICT_UNKNOWN))) < 0 ||
                                       put(j, "reason", json_string("no readable configuration")) < 0
                               ? -ENOMEM
                               : 0;
        s = monitor_sample(node->monitor);
        verdict = monitor_verdict(node->monitor, &reason, &since);
        if (put(j, "verdict", json_string(verdict_to_string(verdict))) < 0 ||
            put(j, "reason", json_string(reason)) < 0 ||
            put(j, "since_usec", json_integer((json_int_t) since)) < 0 ||
            put(j, "height", height_or_null(s->height)) < 0 ||
            put(j, "head_time", height_or_null(s->head_time)) < 0 ||
            put(j, "head_hash", text_or_null(s->head_hash)) < 0 ||
            put(j, "target", height_or_null(s->target)) < 0 || put(j, "syncing", tristate(s->syncing)) < 0 ||
            put(j, "peers", height_or_null(s->peers)) < 0 ||
            put(j, "client_version", text_or_null(s->client_version)) < 0 ||
            put(j, "validator", text_or_null(s->validator)) < 0 ||
            put(j, "proposer", text_or_null(s->proposer)) < 0 ||
            put(j, "in_council", tristate(s->in_council)) < 0 ||
            put(j, "signing", tristate(s->signing)) < 0 ||
            put(j, "signed_height", height_or_null(s->signed_height)) < 0 ||
            put(j, "rpc_error", text_or_null(s->error)) < 0)
                return -ENOMEM;
        return 0;
}

static int describe_references(const Node *node, json_t *j) {
        const ReferenceView *views = NULL;
        size_t n = node->monitor ? monitor_references(node->monitor, &views) : 0;
        cleanup_json_ json_t *array = json_array();

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                json_t *one = json_pack("{s:s, s:s?, s:o, s:o}", "name", views[i].name, "provider",
                                        views[i].provider, "height", height_or_null(views[i].sample->height),
                                        "error", text_or_null(views[i].sample->error));

                if (!one || json_array_append_new(array, one) < 0)
                        return -ENOMEM;
        }
        return json_object_set(j, "references", array) < 0 ? -ENOMEM : 0;
}

static int describe_unit(const Node *node, json_t *j) {
        const UnitStatus *u = node_unit(node);

        if (!u)
                return put(j, "active_state", json_string("unknown"));
        if (put(j, "active_state", json_string(u->active_state ?: "unknown")) < 0 ||
            put(j, "sub_state", json_string(u->sub_state ?: "")) < 0 ||
            put(j, "pid", json_integer(u->main_pid)) < 0 ||
            put(j, "restarts", json_integer(u->n_restarts)) < 0 ||
            put(j, "active_since_usec", json_integer((json_int_t) u->active_enter_realtime)) < 0 ||
            put(j, "enabled", json_string(u->unit_file_state ?: "")) < 0)
                return -ENOMEM;
        return 0;
}

static int describe_launch(const Node *node, json_t *j) {
        cleanup_launch_record_ LaunchRecord record = { 0 };
        cleanup_fd_ int dir = node_run_dir_open(node->name, NULL);

        if (dir < 0 || launch_record_read(dir, &record, NULL) < 0)
                return put(j, "launch", json_null());
        return put(j, "launch",
                   json_pack("{s:s, s:s?, s:s?}", "result", record.refused ? "refused" : "exec", "version",
                             record.version, "reason", record.reason));
}

static int describe_disk(const Node *node, json_t *j) {
        cleanup_free_ char *current = NULL, *previous = NULL;
        cleanup_strv_ char **staged = NULL;
        cleanup_highwater_ Highwater mark = { 0 };
        char text[SIGNING_POSITION_TEXT_MAX];
        bool marked = false;

        if (node->dirfd >= 0) {
                (void) release_link_read(node->dirfd, "current", &current, NULL);
                (void) release_link_read(node->dirfd, "previous", &previous, NULL);
                (void) release_accepted_list(node->dirfd, &staged, NULL);
                marked = highwater_read(node->dirfd, &mark, NULL) >= 0;
        }
        if (put(j, "version", text_or_null(current)) < 0 || put(j, "previous", text_or_null(previous)) < 0 ||
            json_put_strv(j, "staged", staged) < 0 ||
            put(j, "permit", json_boolean(node->dirfd >= 0 && permit_exists(node->dirfd))) < 0 ||
            put(j, "highwater",
                text_or_null(marked ? signing_position_format(text, &mark.position) : NULL)) < 0)
                return -ENOMEM;
        return describe_launch(node, j);
}

static int append_job(json_t *array, const Upgrade *u) {
        json_t *job;

        if (!u)
                return 0;
        if (upgrade_job_to_json(upgrade_job(u), upgrade_progress(u), &job) < 0)
                return -ENOMEM;
        return json_array_append_new(array, job) < 0 ? -ENOMEM : 0;
}

static int describe_jobs(const Node *node, json_t *j) {
        cleanup_json_ json_t *array = json_array();
        json_t *last = NULL;

        if (!array || append_job(array, node->upgrade) < 0 || append_job(array, node->staging) < 0 ||
            json_object_set(j, "jobs", array) < 0)
                return -ENOMEM;
        if (node->last && upgrade_job_to_json(node->last, NULL, &last) < 0)
                return -ENOMEM;
        if (put(j, "old_data", text_or_null(restore_kept_old(node->last))) < 0) {
                json_decref(last);
                return -ENOMEM;
        }
        return put(j, "last", last ?: json_null()) < 0 ||
                               put(j, "hold", node->hold ? json_incref(node->hold) : json_null()) < 0
                       ? -ENOMEM
                       : 0;
}

int node_describe(Node *node, json_t **ret) {
        cleanup_json_ json_t *j = json_object();
        int r;

        if (!j)
                return -ENOMEM;
        r = json_put_str(j, "name", node->name);
        if (r >= 0)
                r = describe_config(node, j);
        if (r >= 0)
                r = describe_refusal(node, j);
        if (r >= 0)
                r = describe_chain(node, j);
        if (r >= 0)
                r = describe_references(node, j);
        if (r >= 0)
                r = describe_unit(node, j);
        if (r >= 0)
                r = describe_disk(node, j);
        if (r >= 0)
                r = describe_jobs(node, j);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}
