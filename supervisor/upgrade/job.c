#include "upgrade/job.h"
#include "util/text.h"

#include <inttypes.h>
#include <sys/random.h>

static const char *const kind_names[_JOB_KIND_MAX] = {
        [JOB_STAGE] = "stage",       [JOB_UPGRADE] = "upgrade", [JOB_ROLLBACK] = "rollback",
        [JOB_REHEARSE] = "rehearse", [JOB_RESTORE] = "restore", [JOB_SNAPSHOT] = "snapshot",
};

const char *job_kind_to_string(JobKind kind) {
        return kind < _JOB_KIND_MAX ? kind_names[kind] : NULL;
}

JobKind job_kind_from_string(const char *name) {
        JobKind kind = 0;

        while (kind < _JOB_KIND_MAX && !str_eq(kind_names[kind], name))
                kind++;
        return kind;
}

bool job_kind_is_aside(JobKind kind) {
        return kind == JOB_STAGE || kind == JOB_SNAPSHOT;
}

void caller_done(Caller *caller) {
        free(caller->session);
        free(caller->command);
        free(caller->why);
        *caller = (Caller){ .uid = UID_NOBODY_KNOWN };
}

static int caller_copy(const Caller *from, Caller *ret) {
        Caller copy = { .uid = from->uid };

        if (str_replace(&copy.session, from->session) < 0 || str_replace(&copy.command, from->command) < 0 ||
            str_replace(&copy.why, from->why) < 0) {
                caller_done(&copy);
                return -ENOMEM;
        }
        *ret = copy;
        return 0;
}

int upgrade_job_new(const char *node, JobKind kind, const char *version, const char *from,
                    UpgradeState state, const Caller *by, UpgradeJob **ret) {
        cleanup_(upgrade_job_freep) UpgradeJob *job = calloc(1, sizeof *job);
        uint64_t id;

        if (!job)
                return -ENOMEM;
        if (getrandom(&id, sizeof id, 0) != sizeof id)
                return -EIO;
        snprintf(job->id, sizeof job->id, "%016" PRIx64, id);
        job->kind = kind;
        job->state = state;
        job->created_usec = job->since_usec = now_realtime_usec();
        job->downtime_usec = -1;
        job->facts = json_object();
        if (!job->facts || str_replace(&job->node, node) < 0 || str_replace(&job->version, version) < 0 ||
            str_replace(&job->from, from) < 0 || caller_copy(by, &job->by) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(job);
        return 0;
}

UpgradeJob *upgrade_job_free(UpgradeJob *job) {
        if (!job)
                return NULL;
        free(job->node);
        free(job->version);
        free(job->from);
        free(job->reason);
        caller_done(&job->by);
        json_decref(job->facts);
        free(job);
        return NULL;
}

bool upgrade_job_is_over(const UpgradeJob *job) {
        if (upgrade_state_is_end(job->state))
                return true;
        return job->state == UPGRADE_STAGED &&
               (job_kind_is_aside(job->kind) ||
                (job->kind == JOB_REHEARSE && json_bool(job->facts, "rehearsed")));
}

/* What only these kinds have. */
static int put_snapshot_members(json_t *j, const UpgradeJob *job) {
        json_t *source = json_object_get(job->facts, "source");

        if (job->kind != JOB_RESTORE && job->kind != JOB_SNAPSHOT)
                return 0;
        if (json_object_set(j, "source", source ?: json_null()) < 0 ||
            json_put_bool(j, "paused", json_bool(job->facts, "paused")) < 0 ||
            json_put_bool(j, "refused", json_bool(job->facts, "refused")) < 0)
                return -ENOMEM;
        return 0;
}

int upgrade_job_to_json(const UpgradeJob *job, const char *progress, json_t **ret) {
        const char *trigger = json_str(job->facts, "trigger");
        json_t *j;

        j = json_pack("{s:s, s:s, s:s, s:s?, s:s, s:o, s:I, s:I, s:s, s:o, s:o, s:o, s:o}", "id", job->id,
                      "kind", job_kind_to_string(job->kind), "version", job->version, "from", job->from,
                      "state", upgrade_state_to_string(job->state), "reason", json_text(job->reason ?: ""),
                      "since_usec", (json_int_t) job->since_usec, "created_usec",
                      (json_int_t) job->created_usec, "trigger", trigger ?: "now", "progress",
                      json_text(progress), "session", json_text(job->by.session ?: ""), "command",
                      json_text(job->by.command ?: ""), "why", json_text(job->by.why ?: ""));
        if (!j)
                return -ENOMEM;
        if (put_snapshot_members(j, job) < 0 ||
            json_object_set_new(j, "over", json_boolean(upgrade_job_is_over(job))) < 0 ||
            json_object_set_new(j, "uid",
                                job->by.uid == UID_NOBODY_KNOWN
                                        ? json_null()
                                        : json_integer((json_int_t) job->by.uid)) < 0 ||
            json_object_set_new(j, "downtime_usec",
                                job->downtime_usec < 0 ? json_null() : json_integer(job->downtime_usec)) <
                    0) {
                json_decref(j);
                return -ENOMEM;
        }
        *ret = j;
        return 0;
}
