/*
 * The state comes from Describe(), the history from the record. A staging that
 * ended is in neither `jobs` nor `last`: then the record's last word on it counts.
 */
#include "musterctl/job.h"

#include "musterctl/event.h"
#include "musterctl/nodes.h"
#include "musterctl/settings.h"
#include "util/text.h"

#define REFRESH (USEC_PER_SEC / 2) /* progress is no event */

typedef struct Waiting {
        const char *node, *id;
        json_t *job; /* as last seen; object */
        bool line;   /* a progress line stands on the terminal */
} Waiting;

static void line_clear(Waiting *w) {
        if (w->line)
                fputs("\r\033[K", stdout);
        w->line = false;
}

static void line_show(Waiting *w) {
        const char *progress = json_str(w->job, "progress"), *state = json_str(w->job, "state");
        unsigned used;

        if (!settings.out.terminal || settings.json)
                return;
        line_clear(w);
        if (progress && *progress && settings.out.width > 20) {
                used = (unsigned) printf("%s  ", state ?: "");
                job_bar_put(stdout, &settings.out, progress,
                            settings.out.width > used + 1 ? settings.out.width - used - 1 : 1);
                w->line = true;
        }
        fflush(stdout);
}

/* Prints the job's events, and lets its last transition be its state. */
static int show_events(Waiting *w, const json_t *events) {
        const json_t *e;
        size_t i;

        json_array_foreach (events, i, e) {
                if (!str_eq(json_str(e, "job"), w->id))
                        continue;
                if (str_eq(json_str(e, "kind"), "transition") && json_str(e, "to") &&
                    (json_put_str(w->job, "state", json_str(e, "to")) < 0 ||
                     json_put_str(w->job, "reason", json_str(e, "text")) < 0 ||
                     json_put_bool(w->job, "over",
                                   transition_ends_job(json_str(w->job, "kind"), json_str(e, "from"),
                                                       json_str(e, "to"))) < 0))
                        return -ENOMEM;
                if (settings.json)
                        continue;
                line_clear(w);
                event_put_brief(stdout, &settings.out, e, settings.command);
        }
        fflush(stdout);
        return 0;
}

enum { GOES_ON = 0, OVER = 1 };

/* Described before the record is read: what the record says is the newer. */
static int look(Daemon *daemon, Watch *watch, Waiting *w, Fault *reterr) {
        cleanup_json_ json_t *node = NULL, *events = NULL;
        const json_t *job;
        int r;

        r = daemon_describe_node(daemon, w->node, &node, reterr);
        if (r == 0)
                r = watch_take(watch, &events, reterr);
        if (r != 0)
                return r < 0 || r == CTL_AWAY ? r : fault_prefix(reterr, -EIO, "Lost sight of the job");
        job = node_job(node, w->id);
        if (job && json_object_update(w->job, (json_t *) job) < 0)
                return -ENOMEM;
        r = show_events(w, events);
        if (r < 0)
                return r;
        line_show(w);
        /* Where it is described, its end is too, with the downtime: at the next look. */
        if (job && !job_over(job))
                return GOES_ON;
        return job_over(w->job) ? OVER : GOES_ON;
}

int job_wait(Daemon *daemon, Watch *watch, const char *node, const json_t *job, json_t **ret,
             Fault *reterr) {
        cleanup_json_ json_t *seen = json_copy((json_t *) job);
        Waiting w = { .node = node, .id = json_str(job, "id"), .job = seen };
        int r;

        if (!seen)
                return -ENOMEM;
        for (;;) {
                r = look(daemon, watch, &w, reterr);
                if (r == OVER)
                        break;
                if (r == GOES_ON)
                        r = watch_wait(watch, REFRESH);
                if (r == CTL_AWAY) {
                        line_clear(&w);
                        r = watch_return(watch, reterr);
                }
                if (r != 0)
                        break;
        }
        line_clear(&w);
        if (r != OVER)
                return r;
        *ret = TAKE_PTR(seen);
        return 0;
}

static void say_detached(const char *node) {
        fprintf(stderr,
                "\nNo longer waiting; musterd goes on with it.\n"
                "Look at it:  musterctl status %s\n"
                "Follow it:   musterctl events -f %s\n"
                "Cancel it:   musterctl cancel %s\n",
                node, node, node);
}

static int say_accepted(const char *node, const json_t *job) {
        cleanup_free_ char *title = NULL;

        if (settings.json)
                return print_json(job);
        title = job_title(&settings.out, job);
        printf("%s: %s is accepted; follow it: musterctl events -f %s; cancel it: musterctl cancel %s\n",
               node, title ?: "the job", node, node);
        return 0;
}

/* A rollback that was asked for in the middle of an upgrade or a restore turns that one around. */
static int follow_exit(const char *asked, const json_t *job) {
        const char *kind = json_str(job, "kind"), *state = json_str(job, "state");

        if (str_eq(asked, "rollback") && (str_eq(kind, "upgrade") || str_eq(kind, "restore")))
                return str_eq(state, "rolled-back") ? CTL_OK : CTL_FAILED;
        return json_bool(job, "refused") ? CTL_REFUSED : job_exit(kind, state);
}

int job_follow(Daemon *daemon, Watch *watch, const char *node, const char *id, const char *kind,
               const char *version) {
        cleanup_fault_ Fault fault = {};
        cleanup_json_ json_t *begun =
                                     json_pack("{s:s,s:s,s:s*}", "id", id, "kind", kind, "version", version),
                             *job = NULL;
        int r;

        if (!begun)
                return complain(-ENOMEM, NULL);
        if (!watch) {
                r = say_accepted(node, begun);
                return r < 0 ? complain(r, NULL) : 0;
        }
        r = job_wait(daemon, watch, node, begun, &job, &fault);
        if (r == CTL_DETACHED) {
                say_detached(node);
                watch_die_interrupted();
        }
        if (r != 0)
                return complain(r, &fault);
        if (settings.json)
                r = print_json(job);
        else
                job_end_put(stdout, &settings.out, node, job);
        return r < 0 ? complain(r, NULL) : follow_exit(kind, job);
}
