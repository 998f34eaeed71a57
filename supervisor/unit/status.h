#pragma once
/*
 * What systemd says of one unit, kept current by its PropertiesChanged
 * signals. Each change is read whole with one GetAll, so that the fields
 * belong together.
 */
#include <stdbool.h>
#include <stdint.h>
#include "unit/manager.h"

typedef struct UnitStatus {
        bool known; /* at least one answer came */
        char *load_state, *active_state, *sub_state, *result, *status_text, *cgroup, *unit_file_state;
        char invocation[33]; /* hex; "" without one */
        uint32_t main_pid, n_restarts;
        uint32_t job; /* id of the job that systemd has queued for it; 0: none */
        int32_t exec_main_code, exec_main_status;
        uint64_t active_enter_realtime, active_enter_monotonic;
        uint64_t exec_main_exit_realtime, exec_main_exit_monotonic;
} UnitStatus;

typedef struct UnitWatch UnitWatch;
typedef void (*UnitWatchHandler)(UnitWatch *watch, void *userdata);

/* @handler runs after each change, first when the first answer is there. */
int unit_watch_new(UnitManager *manager, const char *unit, UnitWatchHandler handler, void *userdata,
                   UnitWatch **ret);
UnitWatch *unit_watch_free(UnitWatch *watch); /* returns NULL */
DEFINE_CLEANUP(UnitWatch *, unit_watch_free)

/* Asks systemd again; the handler runs when the answer is there. */
int unit_watch_refresh(UnitWatch *watch);

/* Valid until the next change. */
const UnitStatus *unit_watch_status(const UnitWatch *watch);

/* Neither running nor on its way up or down. */
bool unit_status_is_down(const UnitStatus *status);
