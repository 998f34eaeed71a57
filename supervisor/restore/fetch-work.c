/*
 * A pause is a file that musterd writes (worker/order.h), or the node's own disk
 * pressure. Both are looked at twice a second while the pipeline asks four times.
 */
#include "restore/fetch-work.h"
#include "restore/verbs.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>

#define LOOK_USEC   (500 * USEC_PER_MSEC)
#define NOTICES_MAX 100
#define CGROUPS     "/sys/fs/cgroup"

int fetch_work(const char *name) {
        static const WorkVerb verbs[] = { { "fetch", work_fetch }, { "create", work_create }, { 0 } };

        return work_run(WORKER_FETCH, name, verbs);
}

int fetch_patterns(const Work *w, char ***ret) {
        return chain_family_protect(w->family, w->protect, ret);
}

static const char *why_paused(FetchWatch *watch) {
        return watch->reason ?: watch->suffers ? "the node waits for its disk" : NULL;
}

static const char *on_pause(void *userdata) {
        FetchWatch *watch = userdata;
        uint64_t now = now_monotonic_usec();

        if (watch->looked && now - watch->looked < LOOK_USEC)
                return why_paused(watch);
        watch->looked = now;
        free(watch->reason);
        watch->reason = NULL;
        if (worker_pause_read(WORKER_FETCH, watch->work->name, &watch->reason) > 0 && !*watch->reason)
                (void) str_replace(&watch->reason, "paused");
        watch->suffers = watch->cgroup && pressure_gate(&watch->gate, pressure_read(watch->cgroup), now);
        return why_paused(watch);
}

static void on_progress(const FetchProgress *p, void *userdata) {
        FetchWatch *watch = userdata;
        const char *doing = str_eq(p->step, "download") ? watch->doing : p->step;
        char done[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX], mirrors[64] = "";

        if (str_eq(p->step, "download")) {
                watch->had = watch->downloads ? watch->had : p->done;
                watch->has = p->done;
                watch->downloads = true;
        }
        if (p->paused) {
                worker_progress(false, "paused: %s", p->why_paused ?: "asked for");
                return;
        }
        format_size(done, p->done);
        format_size(rate, p->bytes_per_sec);
        if (p->mirrors > 1)
                snprintf(mirrors, sizeof mirrors, ", %zu of %zu mirrors", p->mirrors_left, p->mirrors);
        if (p->total > 0 && p->done <= p->total)
                worker_progress(false, "%" PRIu64 "%% %s: %s of %s, %s/s%s",
                                (uint64_t) ((double) p->done * 100 / (double) p->total), doing, done,
                                format_size(total, p->total), rate, mirrors);
        else
                worker_progress(false, "%s: %s, %s/s%s", doing, done, rate, mirrors);
}

static void on_notice(const char *text, void *userdata) {
        FetchWatch *watch = userdata;
        json_t *line;

        fprintf(stderr, "%s\n", text);
        if (json_array_size(watch->notices) >= NOTICES_MAX)
                return;
        line = json_text(text);
        if (line)
                (void) json_array_append_new(watch->notices, line);
}

/* "cgroup" of the order, or where the template puts the unit. NULL: none that tells its pressure. */
static int find_cgroup(const Work *w, char **ret) {
        const char *cgroup = json_str(w->order, "cgroup"), *unit = json_str(w->order, "unit");
        static const char *const slices[] = { "/validator.slice/", "/system.slice/" };

        for (size_t i = 0; i < ELEMENTSOF(slices); i++) {
                cleanup_free_ char *path = NULL;
                int r;

                if (cgroup && *cgroup == '/' && !strstr(cgroup, ".."))
                        r = asprintf(&path, CGROUPS "%s", cgroup);
                else if (unit && *unit && !strchr(unit, '/'))
                        r = asprintf(&path, CGROUPS "%s%s", slices[i], unit);
                else
                        return 0;
                if (r < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                if (faccessat(AT_FDCWD, path, F_OK, 0) >= 0) {
                        *ret = TAKE_PTR(path);
                        return 0;
                }
        }
        return 0;
}

int fetch_watch_init(FetchWatch *watch, const Work *w, const char *doing, FetchControl *control) {
        FetchWatch fresh = { .work = w, .doing = doing, .notices = json_array() };

        if (!fresh.notices || json_object_set(w->result, "notices", fresh.notices) < 0 ||
            find_cgroup(w, &fresh.cgroup) < 0) {
                fetch_watch_done(&fresh);
                return -ENOMEM;
        }
        *watch = fresh;
        *control = (FetchControl){
                .progress = on_progress, .pause = on_pause, .notice = on_notice, .userdata = watch
        };
        return 0;
}

void fetch_watch_done(FetchWatch *watch) {
        json_decref(watch->notices);
        free(watch->cgroup);
        free(watch->reason);
        *watch = (FetchWatch){ 0 };
}
