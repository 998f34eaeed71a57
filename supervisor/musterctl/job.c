#include "musterctl/job.h"

#include <inttypes.h>

#include "musterctl/nodes.h"
#include "util/text.h"

#define CHAIN_MAX 32 /* states shown; the longest way through the table is 12 */
#define BAR_WIDTH 24

char *job_title(const Screen *screen, const json_t *job) {
        const char *kind = json_str(job, "kind") ?: "job", *version = json_str(job, "version") ?: "",
                   *from = json_str(job, "from");
        const char *source = json_str(job, "source");
        char *title;
        int r;

        if (source)
                r = asprintf(&title, "%s %s%s", kind, source, json_bool(job, "paused") ? " (paused)" : "");
        else if (str_eq(kind, "restore") && str_eq(json_str(job, "state"), "rolling-back"))
                r = asprintf(&title, "restore: back to the data of before");
        else if (from && !str_eq(kind, "stage") && !str_eq(from, version))
                r = asprintf(&title, "%s %s %s %s", kind, from, screen_arrow(screen), version);
        else
                r = asprintf(&title, "%s %s", kind, version);
        return r < 0 ? NULL : title;
}

/* What comes after what if all goes well. */
static const char *state_after(const char *kind, const char *state) {
        static const char *const way[] = { "fetching", "verifying", "staged",    "armed",
                                           "draining", "stopping",  "guarding",  "switching",
                                           "starting", "probation", "committed", NULL };

        if (str_eq(state, "rolling-back"))
                return "rolled-back";
        if (job_is_over(kind, state) || (str_eq(kind, "rehearse") && str_eq(state, "staged")))
                return NULL;
        for (size_t i = 0; way[i]; i++)
                if (str_eq(way[i], state))
                        return way[i + 1];
        return NULL;
}

/* The states of the chain; *ret_current is the present one's place. */
static size_t chain_states(const json_t *job, const json_t *events, const char *states[static CHAIN_MAX],
                           size_t *ret_current) {
        const char *id = json_str(job, "id"), *kind = json_str(job, "kind"),
                   *state = json_str(job, "state") ?: "?";
        const json_t *e;
        size_t n = 0, i;

        json_array_foreach (events, i, e) {
                const char *to = json_str(e, "to");

                if (str_eq(json_str(e, "kind"), "transition") && str_eq(json_str(e, "job"), id) && to &&
                    n < CHAIN_MAX / 2 && !(n > 0 && str_eq(states[n - 1], to)))
                        states[n++] = to;
        }
        if (n == 0 || !str_eq(states[n - 1], state))
                states[n++] = state;
        *ret_current = n - 1;
        for (const char *next = state; n < CHAIN_MAX && (next = state_after(kind, next));)
                states[n++] = next;
        return n;
}

void job_chain_put(FILE *f, const Screen *screen, const json_t *job, const json_t *events, unsigned width) {
        const char *states[CHAIN_MAX];
        size_t current, n = chain_states(job, events, states, &current), first = 0, last = n;
        unsigned arrow = text_width(screen, screen_arrow(screen)) + 2,
                 dots = text_width(screen, screen_ellipsis(screen)), total = 2;

        for (size_t i = 0; i < n; i++)
                total += text_width(screen, states[i]) + (i ? arrow : 0);
        /* Too wide: what was goes first, then what is far ahead; "... ->" stands for it. */
        while (width > 0 && total + (first > 0 ? dots + arrow : 0) > width && first < current)
                total -= text_width(screen, states[first++]) + arrow;
        while (width > 0 && total + (first > 0 ? dots + arrow : 0) + (last < n ? dots + arrow : 0) > width &&
               last > current + 1)
                total -= text_width(screen, states[--last]) + arrow;
        if (first > 0)
                fprintf(f, "%s %s ", screen_ellipsis(screen), screen_arrow(screen));
        for (size_t i = first; i < last; i++) {
                if (i > first)
                        fprintf(f, " %s ", screen_arrow(screen));
                fprintf(f, "%s%s", screen_on(screen, i == current ? state_tone(states[i]) : TONE_DIM),
                        i == current ? "[" : "");
                text_put(f, screen, states[i], 0);
                fprintf(f, "%s%s", i == current ? "]" : "", screen_off(screen));
        }
        if (last < n)
                fprintf(f, " %s %s", screen_arrow(screen), screen_ellipsis(screen));
}

int job_progress(const char *progress, const char **ret_text) {
        unsigned percent = 0;
        const char *p = progress ?: "";

        *ret_text = p;
        for (; *p >= '0' && *p <= '9' && percent <= 100; p++)
                percent = percent * 10 + (unsigned) (*p - '0');
        if (p == *ret_text || *p != '%' || percent > 100)
                return -1;
        p++;
        *ret_text = p + strspn(p, " ");
        return (int) percent;
}

void job_bar_put(FILE *f, const Screen *screen, const char *progress, unsigned width) {
        const char *text;
        int percent = job_progress(progress, &text);

        if (percent >= 0 && (width == 0 || width > BAR_WIDTH + 10)) {
                unsigned full = (unsigned) percent * BAR_WIDTH / 100;

                fprintf(f, "[%s", screen_on(screen, TONE_GOOD));
                for (unsigned i = 0; i < BAR_WIDTH; i++)
                        fputc(i < full ? '=' : i == full ? '>' : ' ', f);
                fprintf(f, "%s] %3d%% ", screen_off(screen), percent);
                width = width ? width - BAR_WIDTH - 8 : 0;
        } else
                text = progress ?: "";
        text_put(f, screen, text, width);
}

static void put_restored(FILE *f, const json_t *job) {
        const char *state = json_str(job, "state"), *source = json_str(job, "source") ?: "the snapshot",
                   *version = json_str(job, "version") ?: "?";

        if (str_eq(state, "committed"))
                fprintf(f, "runs %s on the data of %s", version, source);
        else if (str_eq(state, "rolled-back") && json_str(job, "source"))
                fprintf(f, "%s failed, runs %s on the data of before", source, version);
        else if (str_eq(state, "rolled-back"))
                fprintf(f, "runs %s on the data of before", version);
        else if (str_eq(state, "aborted"))
                fputs("restore ended before the node was touched", f);
        else
                fputs("restore needs a person", f);
}

static void put_snapshot(FILE *f, const json_t *job) {
        const char *reason = json_str(job, "reason");

        if (str_eq(json_str(job, "state"), "staged"))
                fprintf(f, "%s", reason && *reason ? reason : "the snapshot is made");
        else
                fputs("no snapshot was made, the node is untouched", f);
}

static void put_versions(FILE *f, const json_t *job) {
        const char *kind = json_str(job, "kind"), *state = json_str(job, "state"),
                   *version = json_str(job, "version") ?: "?", *from = json_str(job, "from");

        if (str_eq(state, "staged"))
                fprintf(f,
                        str_eq(kind, "rehearse") ? "%s was rehearsed, the node is untouched"
                                                 : "%s is ready to be switched to",
                        version);
        else if (str_eq(state, "committed") && from)
                fprintf(f, "runs %s (was %s)", version, from);
        else if (str_eq(state, "committed"))
                fprintf(f, "runs %s", version);
        else if (str_eq(state, "rolled-back"))
                fprintf(f, "%s failed, runs %s again", version, from ?: "nothing");
        else if (str_eq(state, "aborted"))
                fprintf(f, "%s %s ended before the node was touched", kind ?: "job", version);
        else
                fprintf(f, "%s %s needs a person", kind ?: "job", version);
}

void job_end_put(FILE *f, const Screen *screen, const char *node, const json_t *job) {
        const char *state = json_str(job, "state") ?: "?", *reason = json_str(job, "reason");
        int64_t downtime = json_i64(job, "downtime_usec", -1);
        char text[DURATION_TEXT_MAX];
        bool good = job_exit(json_str(job, "kind"), state) == 0;

        fprintf(f, "%s: %s%s%s: ", node, screen_on(screen, good ? TONE_GOOD : TONE_BAD), state,
                screen_off(screen));
        if (str_eq(json_str(job, "kind"), "restore"))
                put_restored(f, job);
        else if (str_eq(json_str(job, "kind"), "snapshot"))
                put_snapshot(f, job);
        else
                put_versions(f, job);
        if (downtime >= 0)
                fprintf(f, ", %s of downtime", format_duration(text, (uint64_t) downtime));
        if (!good && reason && *reason) {
                fputs(": ", f);
                text_put(f, &(Screen){ .utf8 = screen->utf8 }, reason, 0);
        }
        fputc('\n', f);
        if (str_eq(state, "stuck"))
                fprintf(f, "See what to do: musterctl status %s\n", node);
}
