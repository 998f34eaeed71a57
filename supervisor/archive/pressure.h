#pragma once
/*
 * Whether the node suffers from what we do to its disk: the I/O pressure of its
 * own cgroup (PSI), and when to stand back because of it. The decision is pure.
 */
#include <stdbool.h>
#include <stdint.h>

#define PRESSURE_UNKNOWN (-1)

/* Hundredths of a percent of the time in which some task of the node waited for I/O, over 10 s. */
#define PRESSURE_PAUSE  4000
#define PRESSURE_RESUME 1500

/* A node that always waits must be restored too: no pause is longer, and work stands between two. */
#define PRESSURE_PAUSE_MAX_USEC ((uint64_t) 60 * 1000000)
#define PRESSURE_WORK_MIN_USEC  ((uint64_t) 5 * 1000000)

typedef struct PressureGate {
        bool paused;
        uint64_t since;    /* of the pause; monotonic */
        uint64_t earliest; /* of the next pause */
} PressureGate;            /* zeros: open */

/*
 * `some avg10` of @cgroup/io.pressure, in hundredths of a percent. @cgroup is a
 * directory of cgroup v2. PRESSURE_UNKNOWN where the kernel does not tell.
 */
int pressure_read(const char *cgroup);

/* Pure: the same of the file's text. */
int pressure_parse(const char *text);

/* Whether to stand still from @now_usec (monotonic) on, by pressure @avg10; unknown is no pause. */
bool pressure_gate(PressureGate *gate, int avg10, uint64_t now_usec);
