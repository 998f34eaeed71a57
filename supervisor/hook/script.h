#pragma once
/*
 * One hook: an operator's program that gets JSON on standard input and answers
 * by its exit status: 0 ok, 75 try again (EX_TEMPFAIL), anything else failed.
 *
 * A hook is a process group. It is over when the program itself is: whatever
 * it left behind is killed, and a pipe that such a process keeps open is not
 * waited for. At its timeout the group gets SIGTERM and, a grace later, SIGKILL.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/fault.h"

#define HOOK_EXIT_RETRY 75
#define HOOK_OUTPUT_MAX ((size_t) 4096)      /* the last of what it said */
#define HOOK_STDOUT_MAX ((size_t) 64 * 1024) /* the whole of what a probe answers */

typedef enum HookStatus {
        HOOK_OK,
        HOOK_RETRY,
        HOOK_FAILED, /* another exit status, a signal, not to be executed, too long an answer */
        HOOK_TIMEOUT,
        _HOOK_STATUS_MAX,
} HookStatus;

/* "ok", "retry", "failed", "timeout" */
const char *hook_status_to_string(HookStatus status);

typedef struct HookScript {
        const char *path;         /* absolute */
        char *const *environment; /* all of it, KEY=VALUE */
        const char *payload;      /* standard input */
        uint64_t timeout_usec;    /* UINT64_MAX: none */
        uint64_t grace_usec;      /* from SIGTERM to SIGKILL */
        bool keep_stdout;         /* stdout apart from the output, whole; else both are one */
        int echo_fd;              /* output is copied there as it comes; -1: not */
} HookScript;

typedef struct HookOutcome {
        HookStatus status;
        uint64_t usec;
        char *output; /* valid UTF-8, at most about HOOK_OUTPUT_MAX */
        char *answer; /* keep_stdout: valid UTF-8; else NULL */
        char *how;    /* "exit status 3: LAST LINE", "no end within 30s, killed" */
} HookOutcome;

void hook_outcome_done(HookOutcome *outcome);
#define cleanup_hook_outcome_ cleanup_(hook_outcome_done)

/*
 * The program is a regular file that @owner owns, that nobody else may write,
 * and that this process may execute; links are followed. -EPERM, -EACCES,
 * -EINVAL or -errno, with a fault that names it and says what to do.
 */
int hook_script_check(const char *path, uid_t owner, Fault *reterr);

/* Runs it to its end. 0 with *ret set whatever the hook did; -errno if it could not be run at all. */
int hook_script_run(const HookScript *script, HookOutcome *ret, Fault *reterr);
