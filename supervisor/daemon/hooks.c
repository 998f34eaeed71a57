/*
 * The operator's hooks, as musterd asks for them: what they get to know is put
 * together here, hook/run.c runs them in the worker. Where an event has none no
 * worker is started: the start of a sandbox would be downtime.
 */
#include "daemon/upgrade.h"
#include "muster-build.h"
#include "util/text.h"

#include <dirent.h>

#define HOOKS_TIMEOUT_FACTOR 20 /* scripts a worker run may hold, each with its own timeout */

static json_t *hook_environment(const Node *node, const char *event, const UpgradeJob *job) {
        const char *reason = "", *verdict = "unknown";

        if (node->monitor)
                verdict = verdict_to_string(monitor_verdict(node->monitor, &reason, NULL));
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "MUSTER_NODE",
                         node->name, "MUSTER_EVENT", event, "MUSTER_VERSION", job ? job->version : "",
                         "MUSTER_FROM", job && job->from ? job->from : "", "MUSTER_JOB", job ? job->id : "",
                         "MUSTER_STATE", job ? upgrade_state_to_string(job->state) : "", "MUSTER_FAMILY",
                         node->config->family, "MUSTER_RPC", node->config->rpc ?: "", "MUSTER_DATA",
                         node->config->data, "MUSTER_VERDICT", verdict, "MUSTER_REASON",
                         job ? job->reason ?: "" : reason);
}

static int hook_payload(const Node *node, const UpgradeJob *job, json_t **ret) {
        cleanup_json_ json_t *payload = NULL;
        const char *reason = "";
        int r;

        if (job) {
                r = upgrade_job_to_json(job, NULL, &payload);
                if (r < 0)
                        return r;
        } else {
                payload = json_object();
                if (!payload)
                        return -ENOMEM;
        }
        if (node->monitor &&
            json_put_str(payload, "verdict",
                         verdict_to_string(monitor_verdict(node->monitor, &reason, NULL))) < 0)
                return -ENOMEM;
        if (json_put_str(payload, "node", node->name) < 0 ||
            (!job && json_put_str(payload, "reason", reason) < 0))
                return -ENOMEM;
        *ret = TAKE_PTR(payload);
        return 0;
}

/* What cannot be listed from here is left to the worker, which says why. */
static bool event_has_no_hooks(const char *event) {
        cleanup_closedir_ DIR *dir = NULL;
        cleanup_free_ char *path = NULL;
        struct dirent *entry;

        if (asprintf(&path, MUSTER_SYSCONFDIR "/hooks.d/%s", event) < 0) {
                path = NULL;
                return false;
        }
        dir = opendir(path);
        if (!dir)
                return errno == ENOENT;
        while ((errno = 0, entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        return false;
        return errno == 0;
}

int node_run_hooks(Node *node, const char *event, const UpgradeJob *job, WorkerDone done, void *userdata,
                   WorkerRun **ret) {
        cleanup_json_ json_t *order = NULL;
        json_t *payload = NULL, *environment;
        uint64_t limit;
        WorkerRun *run;
        int r;

        if (!node->config)
                return -ENOENT;
        if (event_has_no_hooks(event)) {
                done(true, "no hooks", NULL, userdata);
                return 0;
        }
        environment = hook_environment(node, event, job);
        if (!environment || hook_payload(node, job, &payload) < 0) {
                json_decref(environment);
                return -ENOMEM;
        }
        order = json_pack("{s:s, s:s, s:o, s:o, s:o}", "verb", "run", "event", event, "environment",
                          environment, "payload", payload, "timeout_usec",
                          json_usec(node->config->hook_timeout));
        if (!order)
                return -ENOMEM;
        if (__builtin_mul_overflow(node->config->hook_timeout, (uint64_t) HOOKS_TIMEOUT_FACTOR, &limit))
                limit = UINT64_MAX;
        r = worker_run(node->daemon->workers, WORKER_HOOK, node->name, job ? job->id : "alarm", order, limit,
                       done, userdata, &run);
        if (r >= 0 && ret)
                *ret = run;
        return r;
}
