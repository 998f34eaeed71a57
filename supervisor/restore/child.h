#pragma once
/*
 * A binary of a release, run by a worker as a child of its own session with
 * its output caught. A child never outlives its parent, nor its own children
 * the Child: the whole process group is killed before it is reaped.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/fault.h"

#define CHILD_OUTPUT_MAX 4096
#define CHILD_E_TIMEOUT  1

typedef struct Child {
        pid_t pid; /* 0: none */
        int pidfd, output_fd;
        bool keep_tail; /* of more output than fits: the end, else the beginning */
        int confine_fd; /* restore/confine.h; borrowed; -1: none */
        char output[CHILD_OUTPUT_MAX + 1];
        size_t output_size;
} Child;

#define CHILD_NONE ((Child){ .pidfd = -1, .output_fd = -1, .confine_fd = -1 })

/*
 * Starts @argv[0] in @directory with exactly @environment, no input, stdout and
 * stderr caught. What execve() refuses is explained (upgrade/executable.h).
 */
int child_start(Child *child, char *const *argv, char *const *environment, const char *directory,
                Fault *reterr);

/* Takes output until the child exits: 0 and its wait status, the group gone; or CHILD_E_TIMEOUT at
 * @deadline. */
int child_wait(Child *child, uint64_t deadline_monotonic, int *ret_status);

/* Asks by @signal, after @patience (microseconds) kills the group. The child is gone afterwards. */
void child_stop(Child *child, int signal, uint64_t patience);

/* SIGKILL to the group if it still runs; NULL-safe on CHILD_NONE. */
void child_done(Child *child);
#define cleanup_child_ cleanup_(child_done)

/* "exited with status 3", "was killed by SIGSEGV". @buffer is returned. */
#define CHILD_STATUS_TEXT_MAX 64
char *child_status_text(char buffer[static CHILD_STATUS_TEXT_MAX], int status);

/*
 * What the dynamic linker said in @child's output: 0 if nothing, else -ELIBACC
 * with the missing library or symbol version by name.
 */
int child_explain_linker(const Child *child, Fault *reterr);

/* An owned copy of the first, or of the last, line that is not blank; "" if there is none. */
int child_line(const Child *child, bool last, char **ret);
