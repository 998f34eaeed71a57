#include "worker/order.h"
#include "util/durable.h"
#include "util/text.h"
#include "muster-build.h"

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

static const char *const kind_names[_WORKER_KIND_MAX] = {
        [WORKER_STAGE] = "stage",
        [WORKER_RESTORE] = "restore",
        [WORKER_HOOK] = "hook",
        [WORKER_FETCH] = "fetch",
};

const char *worker_kind_to_string(WorkerKind kind) {
        return kind_names[kind];
}

static int open_dir(const char *path, Fault *reterr) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd >= 0 ? fd : fault_errno(reterr, -errno, "Failed to open '%s'", path);
}

static int orders_dir(Fault *reterr) {
        if (mkdir(MUSTER_RUNDIR "/orders", 0755) < 0 && errno != EEXIST && errno != EACCES && errno != EROFS)
                return fault_errno(reterr, -errno, "Failed to make '%s'", MUSTER_RUNDIR "/orders");
        return open_dir(MUSTER_RUNDIR "/orders", reterr);
}

static int job_dir(WorkerKind kind, const char *node, Fault *reterr) {
        cleanup_free_ char *path = NULL;

        if (asprintf(&path, MUSTER_JOBDIR "/%s-%s", kind_names[kind], node) < 0)
                return -ENOMEM;
        return open_dir(path, reterr);
}

int worker_order_write(WorkerKind kind, const char *node, const json_t *order, Fault *reterr) {
        cleanup_free_ char *name = NULL;
        cleanup_fd_ int dir = -1;
        int r;

        assert(json_str(order, "job") && json_str(order, "verb"));
        dir = orders_dir(reterr);
        if (dir < 0)
                return dir;
        if (asprintf(&name, "%s-%s", kind_names[kind], node) < 0)
                return -ENOMEM;
        r = json_write_file(dir, name, order, 0640);
        return r < 0 ? fault_errno(reterr, r, "Failed to write the order '%s/orders/%s'", MUSTER_RUNDIR,
                                   name)
                     : 0;
}

int worker_order_read(WorkerKind kind, const char *node, json_t **ret, Fault *reterr) {
        cleanup_free_ char *name = NULL;
        cleanup_json_ json_t *order = NULL;
        cleanup_fd_ int dir = -1;
        int r;

        dir = open_dir(MUSTER_RUNDIR "/orders", reterr);
        if (dir < 0)
                return dir;
        if (asprintf(&name, "%s-%s", kind_names[kind], node) < 0)
                return -ENOMEM;
        r = json_read_file(dir, name, &order, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "%s", MUSTER_RUNDIR "/orders");
        if (!json_str(order, "job") || !json_str(order, "verb"))
                return fault_set(reterr, -EBADMSG, "The order '%s/orders/%s' has no \"job\" or no \"verb\"",
                                 MUSTER_RUNDIR, name);
        *ret = TAKE_PTR(order);
        return 0;
}

int worker_result_write(WorkerKind kind, const char *node, const char *job, bool ok, const char *text,
                        const json_t *extra, Fault *reterr) {
        cleanup_json_ json_t *result = extra ? json_deep_copy(extra) : json_object();
        cleanup_fd_ int dir = -1;
        int r;

        if (!result || json_put_str(result, "job", job) < 0 ||
            json_put_str(result, "invocation", getenv("INVOCATION_ID") ?: "") < 0 ||
            json_put_bool(result, "ok", ok) < 0 || json_put_str(result, "text", text ?: "") < 0)
                return -ENOMEM;
        dir = job_dir(kind, node, reterr);
        if (dir < 0)
                return dir;
        r = json_write_file(dir, "result", result, 0644);
        return r < 0 ? fault_errno(reterr, r, "Failed to write the result of job '%s'", job) : 0;
}

int worker_result_read(WorkerKind kind, const char *node, const char *job, json_t **ret, Fault *reterr) {
        cleanup_json_ json_t *result = NULL;
        cleanup_fd_ int dir = -1;
        int r;

        dir = job_dir(kind, node, reterr);
        if (dir < 0)
                return dir;
        r = json_read_file(dir, "result", &result, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "%s/%s-%s", MUSTER_JOBDIR, kind_names[kind], node);
        if (!json_str(result, "job") || !json_is_boolean(json_object_get(result, "ok")))
                return fault_set(reterr, -EBADMSG, "The result of muster-%s@%s has no \"job\" or no \"ok\"",
                                 kind_names[kind], node);
        if (!str_eq(json_str(result, "job"), job))
                return fault_set(reterr, -ESTALE, "The result of muster-%s@%s is of job %s, expected %s",
                                 kind_names[kind], node, json_str(result, "job"), job);
        *ret = TAKE_PTR(result);
        return 0;
}

void worker_progress(bool force, const char *format, ...) {
        static uint64_t last;
        cleanup_free_ char *text = NULL;
        uint64_t now = now_monotonic_usec();
        va_list ap;

        if (!force && last && now - last < USEC_PER_SEC)
                return;
        last = now;
        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        if (!text)
                return;
        for (char *p = text; *p; p++)
                if (*p == '\n') /* would begin another field of the message */
                        *p = ' ';
        (void) sd_notifyf(0, "STATUS=%s", text);
}

static char *pause_name(WorkerKind kind, const char *node) {
        char *name;

        return asprintf(&name, "%s-%s.paused", kind_names[kind], node) < 0 ? NULL : name;
}

int worker_pause_write(WorkerKind kind, const char *node, const char *reason, Fault *reterr) {
        cleanup_free_ char *name = pause_name(kind, node);
        cleanup_fd_ int dir = -1;
        int r;

        if (!name)
                return -ENOMEM;
        dir = orders_dir(reterr);
        if (dir < 0)
                return dir;
        r = reason ? durable_write(dir, name, reason, strlen(reason), 0640) : durable_unlink(dir, name);
        return r < 0 ? fault_errno(reterr, r, "Failed to %s '%s/orders/%s'", reason ? "write" : "remove",
                                   MUSTER_RUNDIR, name)
                     : 0;
}

int worker_pause_read(WorkerKind kind, const char *node, char **ret) {
        cleanup_free_ char *name = pause_name(kind, node), *text = NULL;
        cleanup_fd_ int dir = -1;
        int r;

        if (!name)
                return -ENOMEM;
        dir = open_dir(MUSTER_RUNDIR "/orders", NULL);
        if (dir < 0)
                return dir == -ENOENT ? 0 : dir;
        r = read_small_file(dir, name, 4096, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        text[strcspn(text, "\n")] = 0;
        *ret = TAKE_PTR(text);
        return 1;
}
