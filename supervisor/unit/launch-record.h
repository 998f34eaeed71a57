#pragma once
/*
 * What muster-launch leaves in /run/muster-node/NAME for musterd: `launch`
 * before every exec or refusal, `stopped` after every stop. One JSON object
 * each, replaced by rename; they say which invocation they are about.
 *
 *     launch
 * {"result":"exec"|"refused","version","reason","pid","invocation","monotonic_usec","realtime_usec"} stopped
 * {"invocation","service_result","exit_code","exit_status",
 *               "position":{"height","round","step"}|null,"monotonic_usec"}
 */
#include <stdbool.h>
#include <stdint.h>
#include "guard/position.h"
#include "util/fault.h"

typedef struct LaunchRecord {
        bool refused;
        char *version;    /* NULL: refused before it was known */
        char *reason;     /* NULL unless refused */
        char *invocation; /* $INVOCATION_ID */
        uint64_t pid;
        uint64_t monotonic_usec;
        uint64_t realtime_usec;
} LaunchRecord;

typedef struct StopRecord {
        char *invocation;
        char *service_result; /* systemd's $SERVICE_RESULT, $EXIT_CODE, $EXIT_STATUS */
        char *exit_code;
        char *exit_status;
        SigningPosition position; /* none: this chain has none, or it could not be read */
        uint64_t monotonic_usec;
} StopRecord;

void launch_record_done(LaunchRecord *record);
void stop_record_done(StopRecord *record);
#define cleanup_launch_record_ cleanup_(launch_record_done)
#define cleanup_stop_record_   cleanup_(stop_record_done)

/* Descriptor of /run/muster-node/NAME. -ENOENT: the node never ran since the host booted. */
int node_run_dir_open(const char *node, Fault *reterr);

int launch_record_write(int run_dirfd, const LaunchRecord *record, Fault *reterr);
int stop_record_write(int run_dirfd, const StopRecord *record, Fault *reterr);

/* -ENOENT: none; -EBADMSG: not to be understood. *ret untouched on failure. */
int launch_record_read(int run_dirfd, LaunchRecord *ret, Fault *reterr);
int stop_record_read(int run_dirfd, StopRecord *ret, Fault *reterr);
