#pragma once
/*
 * systemd's Manager over one bus connection: jobs on units and their outcome.
 * Only asynchronous calls, job mode "fail" but for the end of a worker. A lost connection is an outcome:
 * every pending job reports UNIT_JOB_LOST when the UnitManager is freed.
 */
#include <systemd/sd-bus.h>
#include "util/fault.h"

typedef enum UnitJobResult {
        UNIT_JOB_DONE,
        UNIT_JOB_FAILED,   /* the job ran and failed: timeout, dependency, assert, exit status */
        UNIT_JOB_CANCELED, /* somebody else's job replaced it */
        UNIT_JOB_REFUSED,  /* systemd or polkit did not accept the call */
        UNIT_JOB_LOST,     /* the bus went away: nothing is known */
} UnitJobResult;

typedef struct UnitManager UnitManager;
typedef struct UnitJob UnitJob;

/* @text says what systemd said. The job is over: the handler or its owner frees it by unit_job_free(). */
typedef void (*UnitJobDone)(UnitJob *job, UnitJobResult result, const char *text, void *userdata);

/* Subscribes to systemd's signals. @bus is referenced. */
int unit_manager_new(sd_bus *bus, UnitManager **ret);
UnitManager *unit_manager_free(UnitManager *manager); /* returns NULL */
DEFINE_CLEANUP(UnitManager *, unit_manager_free)
sd_bus *unit_manager_bus(UnitManager *manager);

/* Called after somebody else's job (systemctl, a boot, an automatic restart) on any unit was done. */
typedef void (*UnitForeignJobHandler)(const char *unit, void *userdata);
void unit_manager_on_foreign_job(UnitManager *manager, UnitForeignJobHandler handler, void *userdata);

/*
 * Queues @method ("StartUnit", "StopUnit", "RestartUnit") on @unit; done() is
 * called exactly once, never from inside this function. -ENOTCONN: no bus.
 */
int unit_job_start(UnitManager *manager, const char *method, const char *unit, UnitJobDone done,
                   void *userdata, UnitJob **ret);

/* Loses interest in the outcome; the job itself goes on in systemd. Returns NULL. */
UnitJob *unit_job_free(UnitJob *job);
DEFINE_CLEANUP(UnitJob *, unit_job_free)

/* The same, but takes back what systemd has not carried out yet: a start that nobody waits for must not come
 * later. */
UnitJob *unit_job_withdraw(UnitJob *job);

/*
 * Stops a unit that nobody but us starts; nothing waits for it. The start job
 * of a oneshot unit lasts as long as its work: it is replaced.
 */
int unit_stop_worker(UnitManager *manager, const char *unit);

/* Clears the failed state and the start limit; nothing waits for it. */
int unit_reset_failed(UnitManager *manager, const char *unit);
