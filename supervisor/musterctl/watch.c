/*
 * The Event signal is a wake-up only. Events come from ListEvents after the
 * last id taken; the subscription stands before that id is read.
 */
#include "musterctl/watch.h"

#include <signal.h>
#include <time.h>

#include "musterctl/settings.h"
#include "util/text.h"

#define PAGE  500
#define RETRY (USEC_PER_SEC / 4)

struct Watch {
        Daemon *daemon;
        char *node;
        uint64_t after, patience;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
        interrupted = 1;
}

static uint64_t newest_id(const json_t *events, uint64_t floor) {
        const json_t *e;
        uint64_t id;
        size_t i;

        json_array_foreach (events, i, e)
                if (json_u64(e, "id", &id) == 0 && id > floor)
                        floor = id;
        return floor;
}

int watch_new(Daemon *daemon, const char *node, uint64_t patience, Watch **ret, Fault *reterr) {
        cleanup_(watch_freep) Watch *w = calloc(1, sizeof *w);
        cleanup_json_ json_t *newest = NULL;
        struct sigaction action = { .sa_handler =
                                            on_interrupt }; /* no SA_RESTART: it must end the waiting */
        int r;

        if (!w || !(w->node = strdup(node)))
                return -ENOMEM;
        w->daemon = daemon;
        w->patience = patience;
        r = daemon_subscribe(daemon, reterr);
        if (r == 0)
                r = daemon_list_events(daemon, "", 0, 1, &newest, reterr);
        if (r != 0)
                return r;
        w->after = newest_id(newest, 0);
        if (sigaction(SIGINT, &action, NULL) < 0)
                return -errno;
        *ret = TAKE_PTR(w);
        return 0;
}

Watch *watch_free(Watch *watch) {
        if (!watch)
                return NULL;
        free(watch->node);
        free(watch);
        return NULL;
}

void watch_from(Watch *watch, uint64_t after) {
        watch->after = after;
}

int watch_take(Watch *watch, json_t **ret, Fault *reterr) {
        cleanup_json_ json_t *all = json_array();
        size_t n;

        if (!all)
                return -ENOMEM;
        do {
                cleanup_json_ json_t *page = NULL;
                int r = daemon_list_events(watch->daemon, watch->node, watch->after, PAGE, &page, reterr);

                if (r != 0)
                        return r;
                n = json_array_size(page);
                watch->after = newest_id(page, watch->after);
                if (json_array_extend(all, page) < 0)
                        return -ENOMEM;
        } while (n >= PAGE);
        *ret = TAKE_PTR(all);
        return 0;
}

int watch_wait(Watch *watch, uint64_t usec) {
        int r = interrupted ? 0 : daemon_wait(watch->daemon, usec);

        return interrupted ? CTL_DETACHED : r;
}

/* A lost bus connection has nothing to wait on. */
static void pause_for(uint64_t usec) {
        struct timespec t = { .tv_nsec = (long) (usec * 1000) };

        (void) nanosleep(&t, NULL);
}

int watch_return(Watch *watch, Fault *reterr) {
        uint64_t began = now_monotonic_usec();
        char text[DURATION_TEXT_MAX];
        int r;

        if (watch->patience == UINT64_MAX)
                fprintf(stderr, "musterd is away; waiting until it is back.\n");
        else
                fprintf(stderr,
                        "musterd is away, what it began goes on when it is back; waiting up to %s.\n",
                        format_duration(text, watch->patience));
        while (!interrupted) {
                cleanup_fault_ Fault fault = {};
                cleanup_json_ json_t *ignored = NULL;

                r = daemon_reopen(watch->daemon, &fault);
                if (r == 0)
                        r = daemon_describe(watch->daemon, &ignored, &fault);
                if (r == 0) {
                        fprintf(stderr, "musterd is back.\n");
                        return 0;
                }
                /* Whatever else it says is said while it starts up. */
                if (now_monotonic_usec() - began >= watch->patience)
                        return fault_set(reterr, CTL_AWAY, "%s (it was away for %s)", fault_text(&fault, r),
                                         format_duration(text, watch->patience));
                if (daemon_wait(watch->daemon, RETRY) != 0)
                        pause_for(RETRY);
        }
        return CTL_DETACHED;
}

void watch_die_interrupted(void) {
        struct sigaction action = { .sa_handler = SIG_DFL };

        fflush(stdout);
        (void) sigaction(SIGINT, &action, NULL);
        (void) raise(SIGINT);
        _exit(128 + SIGINT);
}
