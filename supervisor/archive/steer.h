#pragma once
/*
 * Lets the caller of a long operation steer it (FetchControl): tells how far it
 * is, stands still while it is paused, ends when it is cancelled.
 */
#include "archive/fetch.h"

/*
 * To be called often; asks at most five times a second. @progress.done and so on are
 * the operation's, what concerns the pause is set here. 0 or -ECANCELED. @control may be NULL.
 */
typedef struct Steer {
        FetchControl *control;
        FetchProgress progress;
        uint64_t next, since, done_then; /* monotonic usec; for the rate */
} Steer;

int steer(Steer *s, Fault *reterr);

/* As steer(), now: at the end of a step, so that its last figures are seen. */
int steer_now(Steer *s, Fault *reterr);

/* One line for the operator. */
void steer_notice(const Steer *s, const char *format, ...) _printf_(2, 3);
