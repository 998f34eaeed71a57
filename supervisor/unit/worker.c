/*
 * A crash of musterd here leaves a worker running on its order. The job that
 * asked for it is resumed and runs the worker again: systemd merges the start
 * into the running one, whose result then carries an older number, counts as
 * missing, and the next attempt does the (idempotent) work for good.
 */
#include "unit/worker.h"
#include "util/text.h"

#include <inttypes.h>
#include <sys/random.h>

#define RETRY_USEC (500 * USEC_PER_MSEC)

struct WorkerRun {
        WorkerPool *pool;
        WorkerRun *next;
        WorkerKind kind;
        char *node, *job, *unit;
        char *id; /* of this attempt */
        json_t *order;
        uint64_t timeout_usec;
        unsigned attempts;
        bool running; /* at the head of its queue and handed to systemd */
        UnitJob *start;
        UnitWatch *watch;
        sd_event_source *retry, *deadline;
        WorkerDone done;
        void *userdata;
};

struct WorkerPool {
        sd_event *event;
        UnitManager *manager;
        WorkerRun *runs; /* in the order they were asked for */
};

static void worker_run_begin(WorkerRun *run);

int worker_pool_new(sd_event *event, WorkerPool **ret) {
        WorkerPool *pool = calloc(1, sizeof *pool);

        if (!pool)
                return -ENOMEM;
        pool->event = sd_event_ref(event);
        *ret = pool;
        return 0;
}

static void worker_run_halt(WorkerRun *run) {
        run->start = unit_job_free(run->start);
        run->watch = unit_watch_free(run->watch);
        run->retry = sd_event_source_disable_unref(run->retry);
        run->deadline = sd_event_source_disable_unref(run->deadline);
        run->running = false;
}

static WorkerRun *worker_run_free(WorkerRun *run) {
        worker_run_halt(run);
        json_decref(run->order);
        free(run->node);
        free(run->job);
        free(run->unit);
        free(run->id);
        free(run);
        return NULL;
}

WorkerPool *worker_pool_free(WorkerPool *pool) {
        if (!pool)
                return NULL;
        while (pool->runs) {
                WorkerRun *run = pool->runs;

                pool->runs = run->next;
                worker_run_free(run);
        }
        sd_event_unref(pool->event);
        free(pool);
        return NULL;
}

static bool same_instance(const WorkerRun *a, const WorkerRun *b) {
        return a->kind == b->kind && str_eq(a->node, b->node);
}

static void worker_pool_next(WorkerPool *pool) {
        for (WorkerRun *run = pool->runs; run; run = run->next) {
                bool first = true;

                for (WorkerRun *other = pool->runs; other != run && first; other = other->next)
                        first = !same_instance(other, run);
                if (first && !run->running && pool->manager)
                        worker_run_begin(run);
        }
}

static void worker_run_unlink(WorkerRun *run) {
        for (WorkerRun **p = &run->pool->runs; *p; p = &(*p)->next)
                if (*p == run) {
                        *p = run->next;
                        break;
                }
}

/* The only exit of a run that reports. */
static void worker_run_finish(WorkerRun *run, bool ok, const char *text, const json_t *result) {
        WorkerPool *pool = run->pool;

        worker_run_halt(run);
        worker_run_unlink(run);
        run->done(ok, text, result, run->userdata);
        worker_run_free(run);
        worker_pool_next(pool);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        WorkerRun *run = userdata;

        worker_run_halt(run);
        worker_run_begin(run);
        return 0;
}

static void worker_run_retry(WorkerRun *run, const char *why) {
        cleanup_free_ char *text = NULL;

        if (run->attempts < WORKER_ATTEMPTS) {
                run->start = unit_job_free(run->start);
                if (sd_event_add_time_relative(run->pool->event, &run->retry, CLOCK_MONOTONIC, RETRY_USEC, 0,
                                               on_retry, run) >= 0)
                        return;
        }
        if (asprintf(&text, "%s ended without a result %u times (%s): journalctl -u %s", run->unit,
                     run->attempts, why, run->unit) < 0)
                text = NULL;
        worker_run_finish(run, false, text ?: why, NULL);
}

static void on_worker_over(UnitJob *job, UnitJobResult how, const char *said, void *userdata) {
        cleanup_fault_ Fault fault = {};
        cleanup_json_ json_t *result = NULL;
        WorkerRun *run = userdata;
        int r;

        run->start = unit_job_free(run->start);
        if (how == UNIT_JOB_LOST)
                return; /* worker_pool_attach() starts it again */
        if (how ==
            UNIT_JOB_REFUSED) { /* also while an earlier run of this instance is still being stopped */
                worker_run_retry(run, said);
                return;
        }
        r = worker_result_read(run->kind, run->node, run->id, &result, &fault);
        if (r < 0)
                worker_run_retry(run, how == UNIT_JOB_DONE ? fault_text(&fault, r) : said);
        else
                worker_run_finish(run, json_bool(result, "ok"), json_str(result, "text") ?: "", result);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        char limit[DURATION_TEXT_MAX];
        cleanup_free_ char *text = NULL;
        WorkerRun *run = userdata;

        if (asprintf(&text, "%s was stopped: it was not done after %s", run->unit,
                     format_duration(limit, run->timeout_usec)) < 0)
                text = NULL;
        (void) unit_stop_worker(run->pool->manager, run->unit);
        worker_run_finish(run, false, text ?: "timeout", NULL);
        return 0;
}

static void on_worker_status(UnitWatch *watch, void *userdata) {
}

static int worker_run_start(WorkerRun *run, Fault *reterr) {
        uint64_t salt;
        char *id;
        int r;

        if (getrandom(&salt, sizeof salt, 0) != sizeof salt)
                return -EIO;
        if (asprintf(&id, "%s.%s.%u.%08" PRIx64, run->job, json_str(run->order, "verb"), run->attempts,
                     salt & UINT32_MAX) < 0)
                return -ENOMEM;
        free(run->id);
        run->id = id;
        if (json_put_str(run->order, "job", run->id) < 0)
                return -ENOMEM;
        r = worker_order_write(run->kind, run->node, run->order, reterr);
        if (r < 0)
                return r;
        r = unit_watch_new(run->pool->manager, run->unit, on_worker_status, run, &run->watch);
        if (r < 0)
                return r;
        if (run->timeout_usec > 0 && run->timeout_usec < UINT64_MAX) {
                r = sd_event_add_time_relative(run->pool->event, &run->deadline, CLOCK_MONOTONIC,
                                               run->timeout_usec, 0, on_deadline, run);
                if (r < 0)
                        return r;
        }
        return unit_job_start(run->pool->manager, "StartUnit", run->unit, on_worker_over, run, &run->start);
}

static void worker_run_begin(WorkerRun *run) {
        cleanup_fault_ Fault fault = {};
        int r;

        run->running = true;
        run->attempts++;
        r = worker_run_start(run, &fault);
        if (r < 0)
                worker_run_retry(run, fault_text(&fault, r));
}

void worker_pool_attach(WorkerPool *pool, UnitManager *manager) {
        pool->manager = manager;
        for (WorkerRun *run = pool->runs; run; run = run->next)
                if (run->running) {
                        worker_run_halt(run);
                        run->attempts = 0;
                }
        if (manager)
                worker_pool_next(pool);
}

static int on_first(sd_event_source *source, void *userdata) {
        WorkerPool *pool = userdata;

        sd_event_source_disable_unref(source);
        worker_pool_next(pool);
        return 0;
}

int worker_run(WorkerPool *pool, WorkerKind kind, const char *node, const char *job, json_t *order,
               uint64_t timeout_usec, WorkerDone done, void *userdata, WorkerRun **ret) {
        WorkerRun *run = calloc(1, sizeof *run), **tail;
        sd_event_source *first = NULL;
        int r;

        if (!run)
                return -ENOMEM;
        run->pool = pool;
        run->kind = kind;
        run->order = json_incref(order);
        run->timeout_usec = timeout_usec;
        run->done = done;
        run->userdata = userdata;
        if (str_replace(&run->node, node) < 0 || str_replace(&run->job, job) < 0 ||
            asprintf(&run->unit, "muster-%s@%s.service", worker_kind_to_string(kind), node) < 0) {
                worker_run_free(run);
                return -ENOMEM;
        }
        /* From the loop, so that done() never runs inside the caller. */
        r = sd_event_add_defer(pool->event, &first, on_first, pool);
        if (r < 0) {
                worker_run_free(run);
                return r;
        }
        for (tail = &pool->runs; *tail; tail = &(*tail)->next)
                ;
        *tail = run;
        *ret = run;
        return 0;
}

WorkerRun *worker_run_cancel(WorkerRun *run) {
        WorkerPool *pool;

        if (!run)
                return NULL;
        pool = run->pool;
        if (run->running)
                (void) unit_stop_worker(pool->manager, run->unit);
        worker_run_unlink(run);
        worker_run_free(run);
        worker_pool_next(pool);
        return NULL;
}

const char *worker_run_progress(const WorkerRun *run) {
        const char *text = run && run->watch ? unit_watch_status(run->watch)->status_text : NULL;

        return text && *text ? text : NULL;
}
