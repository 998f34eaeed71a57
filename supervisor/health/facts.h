#pragma once
/*
 * What systemd and our own files say about a node's unit, with systemd's
 * words parsed once into enums. Plain data: the bus fills it, the verdict and
 * the probation read it.
 */
#include <stdbool.h>
#include <stdint.h>

/* ActiveState */
typedef enum UnitActive {
        UNIT_ACTIVE_UNKNOWN, /* systemd has not told yet, or a word we do not know */
        UNIT_ACTIVE_ACTIVE,
        UNIT_ACTIVE_RELOADING,
        UNIT_ACTIVE_INACTIVE,
        UNIT_ACTIVE_FAILED,
        UNIT_ACTIVE_ACTIVATING,
        UNIT_ACTIVE_DEACTIVATING,
        UNIT_ACTIVE_MAINTENANCE,
        _UNIT_ACTIVE_MAX,
} UnitActive;

/* SubState of a service, as far as it makes a difference */
typedef enum UnitSub {
        UNIT_SUB_OTHER,
        UNIT_SUB_RUNNING,
        UNIT_SUB_AUTO_RESTART, /* it ended and systemd will start it again */
        UNIT_SUB_STOP_SIGTERM, /* it was told to stop and has not ended yet */
        UNIT_SUB_FINAL_SIGTERM,
        UNIT_SUB_DEAD,
        UNIT_SUB_FAILED,
        _UNIT_SUB_MAX,
} UnitSub;

/* Result of a service */
typedef enum UnitResult {
        UNIT_RESULT_UNKNOWN,
        UNIT_RESULT_SUCCESS,
        UNIT_RESULT_RESOURCES,
        UNIT_RESULT_PROTOCOL,
        UNIT_RESULT_TIMEOUT,
        UNIT_RESULT_EXIT_CODE,
        UNIT_RESULT_SIGNAL,
        UNIT_RESULT_CORE_DUMP,
        UNIT_RESULT_WATCHDOG,
        UNIT_RESULT_START_LIMIT_HIT,
        UNIT_RESULT_OOM_KILL,
        UNIT_RESULT_EXEC_CONDITION,
        _UNIT_RESULT_MAX,
} UnitResult;

/* What muster-launch exits with when the guard refuses */
#define LAUNCH_REFUSED_STATUS 78

typedef struct UnitFacts {
        UnitActive active;
        UnitSub sub;
        UnitResult result;
        uint64_t n_restarts; /* NRestarts: systemd's own automatic restarts; a start by hand resets it */
        uint64_t active_since_monotonic; /* ActiveEnterTimestampMonotonic, of this boot; 0: never */
        int exit_status;    /* ExecMainStatus of the last end: a status or a signal; 0 if there was none */
        UnitResult failure; /* of the last end, while systemd starts it again and `result` says success; else
                               UNKNOWN */
        int failure_status; /* its exit_status */
        bool job;           /* systemd has a job queued for it: how it is now is not how it stays */
        bool permit;        /* the permit file is there; true for a unit that is only observed */
        bool stopped_by_operator; /* a stop that muster did not order is the reason that it is not running */
} UnitFacts;

/* Words that are not known become UNKNOWN or OTHER. NULL is such a word. */
UnitActive unit_active_from_string(const char *text);
UnitSub unit_sub_from_string(const char *text);
UnitResult unit_result_from_string(const char *text);

const char *unit_active_to_string(UnitActive active); /* systemd's words; "unknown" */
const char *unit_result_to_string(UnitResult result);

/* There is a process, or about to be one: active or reloading. */
bool unit_facts_running(const UnitFacts *facts);

/* How it last ended, for reasons: "exit-code, status 1", "signal SIGSEGV", "exit-code, status 78:
 * muster-launch refused ..." */
#define UNIT_TEXT_MAX 160
const char *unit_facts_end(char buffer[static UNIT_TEXT_MAX], const UnitFacts *facts);
