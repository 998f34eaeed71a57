#include "unit/launch-record.h"
#include "util/json.h"
#include "util/text.h"
#include "muster-build.h"

#include <fcntl.h>

#define LAUNCH_NAME  "launch"
#define STOPPED_NAME "stopped"

void launch_record_done(LaunchRecord *record) {
        free(record->version);
        free(record->reason);
        free(record->invocation);
        *record = (LaunchRecord){ 0 };
}

void stop_record_done(StopRecord *record) {
        free(record->invocation);
        free(record->service_result);
        free(record->exit_code);
        free(record->exit_status);
        *record = (StopRecord){ .position = SIGNING_POSITION_NONE };
}

int node_run_dir_open(const char *node, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        int fd;

        if (asprintf(&path, MUSTER_NODERUNDIR "/%s", node) < 0)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 ? fd : fault_errno(reterr, -errno, "Failed to open '%s'", path);
}

static int write_record(int run_dirfd, const char *name, const json_t *object, Fault *reterr) {
        int r = json_write_file(run_dirfd, name, object, 0644);

        return r < 0 ? fault_errno(reterr, r, "Failed to write the record '%s'", name) : 0;
}

int launch_record_write(int run_dirfd, const LaunchRecord *record, Fault *reterr) {
        cleanup_json_ json_t *object = json_object();

        if (!object || json_put_str(object, "result", record->refused ? "refused" : "exec") < 0 ||
            json_put_str(object, "version", record->version) < 0 ||
            json_put_str(object, "reason", record->reason) < 0 ||
            json_put_u64(object, "pid", record->pid) < 0 ||
            json_put_str(object, "invocation", record->invocation) < 0 ||
            json_put_u64(object, "monotonic_usec", record->monotonic_usec) < 0 ||
            json_put_u64(object, "realtime_usec", record->realtime_usec) < 0)
                return -ENOMEM;
        return write_record(run_dirfd, LAUNCH_NAME, object, reterr);
}

static json_t *position_to_json(const SigningPosition *position) {
        if (position->height < 0)
                return json_null();
        return json_pack("{s:I,s:I,s:I}", "height", (json_int_t) position->height, "round",
                         (json_int_t) position->round, "step", (json_int_t) position->step);
}

int stop_record_write(int run_dirfd, const StopRecord *record, Fault *reterr) {
        cleanup_json_ json_t *object = json_object();

        if (!object || json_put_str(object, "invocation", record->invocation) < 0 ||
            json_put_str(object, "service_result", record->service_result) < 0 ||
            json_put_str(object, "exit_code", record->exit_code) < 0 ||
            json_put_str(object, "exit_status", record->exit_status) < 0 ||
            json_object_set_new(object, "position", position_to_json(&record->position)) < 0 ||
            json_put_u64(object, "monotonic_usec", record->monotonic_usec) < 0)
                return -ENOMEM;
        return write_record(run_dirfd, STOPPED_NAME, object, reterr);
}

static int bad_record(const char *name, const char *expected, Fault *reterr) {
        return fault_set(reterr, -EBADMSG, "The record '%s' is damaged: expected %s", name, expected);
}

int launch_record_read(int run_dirfd, LaunchRecord *ret, Fault *reterr) {
        cleanup_launch_record_ LaunchRecord record = { 0 };
        cleanup_json_ json_t *object = NULL;
        const char *result;
        int r;

        r = json_read_file(run_dirfd, LAUNCH_NAME, &object, reterr);
        if (r < 0)
                return r;
        result = json_str(object, "result");
        if (!str_eq(result, "exec") && !str_eq(result, "refused"))
                return bad_record(LAUNCH_NAME, "\"result\" to be \"exec\" or \"refused\"", reterr);
        record.refused = str_eq(result, "refused");
        if (json_u64(object, "pid", &record.pid) < 0 ||
            json_u64(object, "monotonic_usec", &record.monotonic_usec) < 0 ||
            json_u64(object, "realtime_usec", &record.realtime_usec) < 0)
                return bad_record(LAUNCH_NAME,
                                  "numbers in \"pid\", \"monotonic_usec\" and \"realtime_usec\"", reterr);
        if (str_replace(&record.version, json_str(object, "version")) < 0 ||
            str_replace(&record.reason, json_str(object, "reason")) < 0 ||
            str_replace(&record.invocation, json_str(object, "invocation")) < 0)
                return -ENOMEM;
        *ret = record;
        record = (LaunchRecord){ 0 };
        return 0;
}

static int read_part(const json_t *object, const char *key, int64_t *ret) {
        const json_t *part = json_object_get(object, key);

        if (!json_is_integer(part) || json_integer_value(part) < -1)
                return -EBADMSG;
        *ret = json_integer_value(part);
        return 0;
}

int stop_record_read(int run_dirfd, StopRecord *ret, Fault *reterr) {
        cleanup_stop_record_ StopRecord record = { .position = SIGNING_POSITION_NONE };
        cleanup_json_ json_t *object = NULL;
        const json_t *position;
        int r;

        r = json_read_file(run_dirfd, STOPPED_NAME, &object, reterr);
        if (r < 0)
                return r;
        if (json_u64(object, "monotonic_usec", &record.monotonic_usec) < 0)
                return bad_record(STOPPED_NAME, "a number in \"monotonic_usec\"", reterr);
        position = json_object_get(object, "position");
        if (!position ||
            (!json_is_null(position) && (read_part(position, "height", &record.position.height) < 0 ||
                                         read_part(position, "round", &record.position.round) < 0 ||
                                         read_part(position, "step", &record.position.step) < 0)))
                return bad_record(STOPPED_NAME, "\"position\" with height, round and step, or null", reterr);
        if (str_replace(&record.invocation, json_str(object, "invocation")) < 0 ||
            str_replace(&record.service_result, json_str(object, "service_result")) < 0 ||
            str_replace(&record.exit_code, json_str(object, "exit_code")) < 0 ||
            str_replace(&record.exit_status, json_str(object, "exit_status")) < 0)
                return -ENOMEM;
        *ret = record;
        record = (StopRecord){ 0 };
        return 0;
}
