/*
 * One match on JobRemoved serves every job: systemd sends the method's reply
 * (with the job's path) before that signal, so a job knows its path by then.
 */
#include "unit/manager.h"
#include "util/text.h"

#define SYSTEMD_NAME    "org.freedesktop.systemd1"
#define SYSTEMD_PATH    "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

struct UnitManager {
        sd_bus *bus;
        sd_bus_slot *removed, *subscribe;
        UnitJob *jobs;
        UnitForeignJobHandler foreign;
        void *foreign_userdata;
};

struct UnitJob {
        UnitManager *manager; /* NULL once it is over */
        UnitJob *next, *previous;
        sd_bus_slot *call;
        char *path; /* NULL until systemd accepted the job */
        UnitJobDone done;
        void *userdata;
};

static void unit_job_unlink(UnitJob *job) {
        if (!job->manager)
                return;
        if (job->previous)
                job->previous->next = job->next;
        else
                job->manager->jobs = job->next;
        if (job->next)
                job->next->previous = job->previous;
        job->manager = NULL;
}

/* The only exit: disarm everything, report once. done() may free @job. */
static void unit_job_finish(UnitJob *job, UnitJobResult result, const char *text) {
        UnitJobDone done = TAKE_PTR(job->done);

        job->call = sd_bus_slot_unref(job->call);
        unit_job_unlink(job);
        if (done)
                done(job, result, text, job->userdata);
}

UnitJob *unit_job_free(UnitJob *job) {
        if (!job)
                return NULL;
        unit_job_unlink(job);
        sd_bus_slot_unref(job->call);
        free(job->path);
        free(job);
        return NULL;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitManager *manager = userdata;
        const char *path, *unit, *result;
        uint32_t id;

        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
                return 0;
        for (UnitJob *job = manager->jobs; job; job = job->next)
                if (str_eq(job->path, path)) {
                        unit_job_finish(job,
                                        str_eq(result, "done") || str_eq(result, "skipped") ? UNIT_JOB_DONE
                                        : str_eq(result, "canceled") ? UNIT_JOB_CANCELED
                                                                     : UNIT_JOB_FAILED,
                                        result);
                        return 0;
                }
        if (manager->foreign && str_eq(result, "done"))
                manager->foreign(unit, manager->foreign_userdata);
        return 0;
}

static int on_job_queued(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        UnitJob *job = userdata;
        const char *path;

        if (e)
                unit_job_finish(job, UNIT_JOB_REFUSED, e->message ?: e->name);
        else if (sd_bus_message_read(m, "o", &path) < 0 || str_replace(&job->path, path) < 0)
                unit_job_finish(job, UNIT_JOB_LOST, "systemd's answer could not be read");
        return 0;
}

/* To Subscribe an error means that this connection is subscribed already; the others are asked for on the
 * side. */
static int on_ignored(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return 0;
}

int unit_manager_new(sd_bus *bus, UnitManager **ret) {
        cleanup_(unit_manager_freep) UnitManager *manager = calloc(1, sizeof *manager);
        int r;

        if (!manager)
                return -ENOMEM;
        manager->bus = sd_bus_ref(bus);
        r = sd_bus_match_signal_async(bus, &manager->removed, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                      "JobRemoved", on_job_removed, NULL, manager);
        if (r < 0)
                return r;
        r = sd_bus_call_method_async(bus, &manager->subscribe, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                     "Subscribe", on_ignored, manager, NULL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(manager);
        return 0;
}

UnitManager *unit_manager_free(UnitManager *manager) {
        if (!manager)
                return NULL;
        while (manager->jobs)
                unit_job_finish(manager->jobs, UNIT_JOB_LOST, "the connection to the system bus was lost");
        sd_bus_slot_unref(manager->removed);
        sd_bus_slot_unref(manager->subscribe);
        sd_bus_unref(manager->bus);
        free(manager);
        return NULL;
}

sd_bus *unit_manager_bus(UnitManager *manager) {
        return manager->bus;
}

void unit_manager_on_foreign_job(UnitManager *manager, UnitForeignJobHandler handler, void *userdata) {
        manager->foreign = handler;
        manager->foreign_userdata = userdata;
}

int unit_job_start(UnitManager *manager, const char *method, const char *unit, UnitJobDone done,
                   void *userdata, UnitJob **ret) {
        cleanup_(unit_job_freep) UnitJob *job = NULL;
        int r;

        if (!manager)
                return -ENOTCONN;
        job = calloc(1, sizeof *job);
        if (!job)
                return -ENOMEM;
        r = sd_bus_call_method_async(manager->bus, &job->call, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                     method, on_job_queued, job, "ss", unit, "fail");
        if (r < 0)
                return r;
        job->done = done;
        job->userdata = userdata;
        job->manager = manager;
        job->next = manager->jobs;
        if (job->next)
                job->next->previous = job;
        manager->jobs = job;
        *ret = TAKE_PTR(job);
        return 0;
}

/* systemd lets those cancel a job who asked for it, without a question to polkit. */
UnitJob *unit_job_withdraw(UnitJob *job) {
        if (job && job->manager && job->path)
                (void) sd_bus_call_method_async(job->manager->bus, NULL, SYSTEMD_NAME, job->path,
                                                "org.freedesktop.systemd1.Job", "Cancel", on_ignored, NULL,
                                                NULL);
        return unit_job_free(job);
}

int unit_stop_worker(UnitManager *manager, const char *unit) {
        if (!manager)
                return -ENOTCONN;
        return sd_bus_call_method_async(manager->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                        "StopUnit", on_ignored, NULL, "ss", unit, "replace");
}

int unit_reset_failed(UnitManager *manager, const char *unit) {
        if (!manager)
                return -ENOTCONN;
        return sd_bus_call_method_async(manager->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                        "ResetFailedUnit", on_ignored, NULL, "s", unit);
}
