#pragma once
/*
 * The states of a staged upgrade (DESIGN.md "Staged upgrade").
 * Pure: no I/O, clock, allocation or logging. daemon/upgrade.c performs the
 * effects; journal.c makes a state durable before its effect starts.
 */
#include <stdbool.h>

typedef enum UpgradeState {
        _UPGRADE_NONE, /* "no transition"; never stored */
        UPGRADE_FETCHING,
        UPGRADE_VERIFYING,
        UPGRADE_STAGED, /* verified, fsynced, still inert; preflight runs here */
        UPGRADE_ARMED,  /* waiting for its trigger */
        UPGRADE_DRAINING,
        UPGRADE_STOPPING, /* the permit goes first */
        UPGRADE_GUARDING, /* signing position taken, backup made */
        UPGRADE_SWITCHING,
        UPGRADE_STARTING,
        UPGRADE_PROBATION,
        UPGRADE_COMMITTED,
        UPGRADE_ROLLING_BACK,
        UPGRADE_ROLLED_BACK,
        UPGRADE_ABORTED, /* the node was never touched */
        UPGRADE_STUCK,   /* a person is needed */
        _UPGRADE_STATE_MAX,
} UpgradeState;

typedef enum UpgradeEvent {
        UPGRADE_EV_OK,      /* the state's work is done */
        UPGRADE_EV_FAIL,    /* it failed, or the node did */
        UPGRADE_EV_CANCEL,  /* the operator changed their mind */
        UPGRADE_EV_GIVE_UP, /* going back is impossible or was forbidden */
        _UPGRADE_EVENT_MAX,
} UpgradeEvent;

/* What a restarted musterd does with a job that it finds in this state. */
typedef enum UpgradeResume {
        _UPGRADE_RESUME_UNSET,
        UPGRADE_RESUME_REDO, /* the entry action is idempotent: run it again */
        UPGRADE_RESUME_END,  /* nothing: this is an end */
} UpgradeResume;

#define UPGRADE_E_ILLEGAL 1

/* Returns 0 and sets *ret_next, or UPGRADE_E_ILLEGAL leaving it untouched. */
int upgrade_fsm_next(UpgradeState state, UpgradeEvent event, UpgradeState *ret_next);

UpgradeResume upgrade_fsm_resume(UpgradeState state);

/* committed, rolled-back, aborted, stuck */
bool upgrade_state_is_end(UpgradeState state);

/* From here on the node was or will be touched: a failure is no longer free. */
bool upgrade_state_touches_node(UpgradeState state);

/* Names are on disk and in scripts: append only. NULL / _UPGRADE_NONE for what is none. */
const char *upgrade_state_to_string(UpgradeState state);
UpgradeState upgrade_state_from_string(const char *name);
