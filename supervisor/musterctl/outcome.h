#pragma once
/*
 * What verdicts, job states and D-Bus errors mean to the operator: a tone and
 * the exit status. Pure.
 */
#include <stdbool.h>

/* Exit status of every verb; also what the functions of musterctl return (0, or one of these with a Fault).
 */
typedef enum CtlExit {
        CTL_OK = 0,
        CTL_FAILED = 1,
        CTL_USAGE = 2,
        CTL_UNHEALTHY = 3,
        CTL_DENIED = 4,
        CTL_BUSY = 5,
        CTL_REFUSED = 6,
        CTL_AWAY = 64, /* musterd is not on the bus: to be waited for, or said; leaves the program as 1 */
        CTL_DETACHED = 65, /* the operator stopped waiting; the job goes on */
} CtlExit;

typedef enum Tone { TONE_PLAIN, TONE_GOOD, TONE_WAIT, TONE_BAD, TONE_DIM, TONE_BOLD, _TONE_MAX } Tone;

Tone verdict_tone(const char *verdict);         /* a name not known here is TONE_WAIT: look at it */
bool verdict_is_unhealthy(const char *verdict); /* status and list exit 3 */
Tone state_tone(const char *state);             /* of a job */

/*
 * A job of @kind in @state is over. "staged" ends a staging, and is a step of an upgrade. A rehearsal begins
 * and ends there: it is over by a transition from "staged" to "staged".
 */
bool job_is_over(const char *kind, const char *state);
bool transition_ends_job(const char *kind, const char *from, const char *to);

/*
 * Of a job that is over: 0 if it did what was asked for. A rollback is an upgrade to the previous release:
 * it ends "committed", and "rolled-back" when that one failed.
 */
int job_exit(const char *kind, const char *state);

/* Of a D-Bus error name. NULL and unknown names are CTL_FAILED. */
int error_exit(const char *name);

/* What the program returns for what a function returned. */
int outcome_exit(int r);
