/*
 * Drawn at most five times a second. Only ASCII: it must not depend on a locale
 * that a rescue shell has not got.
 */
#include "restore/progress-bar.h"
#include "util/text.h"

#include <sys/ioctl.h>

#define REDRAW_USEC  (200 * USEC_PER_MSEC)
#define LINE_USEC    (10 * USEC_PER_SEC)
#define WIDTH        80
#define WIDTH_MIN    20
#define BAR_MIN      10
#define BAR_MAX      40
#define LINE_MAX_    512
#define ETA_FROM_SEC 2

static unsigned terminal_width(void) {
        struct winsize size = {};

        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return WIDTH;
        return size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col;
}

void progress_bar_init(ProgressBar *bar, bool quiet) {
        *bar = (ProgressBar){ .quiet = quiet, .terminal = isatty(STDERR_FILENO) > 0 };
}

static const char *step_title(const char *step) {
        static const struct {
                const char *step, *title;
        } titles[] = { { "manifest", "Manifest" },
                       { "seed", "Seed" },
                       { "download", "Restoring" },
                       { "sync", "Syncing" },
                       { "create", "Packing" } };

        for (size_t i = 0; i < ELEMENTSOF(titles); i++)
                if (str_eq(step, titles[i].step))
                        return titles[i].title;
        return step ?: "Working";
}

/* "  3min 20s" or nothing: what is left at the rate so far. */
static void format_eta(char *buffer, size_t size, const FetchProgress *p, uint64_t began_done,
                       uint64_t usec) {
        uint64_t done = p->done > began_done ? p->done - began_done : 0;
        char text[DURATION_TEXT_MAX];
        double left;

        *buffer = 0;
        if (p->total <= p->done || done == 0 || usec < ETA_FROM_SEC * USEC_PER_SEC || p->paused)
                return;
        left = (double) (p->total - p->done) * ((double) usec / (double) done) / (double) USEC_PER_SEC;
        if (left < 1e7)
                snprintf(buffer, size, "  ETA %s",
                         format_duration(text, ((uint64_t) left + 1) * USEC_PER_SEC));
}

static void format_facts(char *buffer, size_t size, const FetchProgress *p, uint64_t began_done,
                         uint64_t usec) {
        char done[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX], plain[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX], eta[80];
        uint64_t average = usec > 0 && p->done > began_done
                                   ? (uint64_t) ((double) (p->done - began_done) * 1e6 / (double) usec)
                                   : 0;
        int n;

        format_eta(eta, sizeof eta, p, began_done, usec);
        n = snprintf(buffer, size, "%s", format_size(done, p->done));
        if (p->total > 0)
                n += snprintf(buffer + n, size - (size_t) n, "/%s", format_size(total, p->total));
        if (p->plain > 0)
                n += snprintf(buffer + n, size - (size_t) n, " -> %s", format_size(plain, p->plain));
        if (p->paused)
                snprintf(buffer + n, size - (size_t) n, "  paused%s%.80s", p->why_paused ? ": " : "",
                         p->why_paused ?: "");
        else
                n += snprintf(buffer + n, size - (size_t) n, "  %s/s%s",
                              format_size(rate, p->bytes_per_sec ?: average), eta);
        if (!p->paused && p->mirrors > 1)
                snprintf(buffer + n, size - (size_t) n, "  %zu/%zu mirrors", p->mirrors_left, p->mirrors);
}

void progress_bar_format(char *buffer, size_t size, unsigned width, const FetchProgress *p,
                         uint64_t began_done, uint64_t usec) {
        char facts[LINE_MAX_], head[64] = "", bar[BAR_MAX + 4] = "";
        unsigned percent = 0;
        size_t used, room;

        if (p->total > 0) {
                percent = (unsigned) ((double) p->done * 100 / (double) p->total);
                percent = percent > 100 ? 100 : percent;
                snprintf(head, sizeof head, "%-9.20s %3u%% ", step_title(p->step), percent);
        } else
                snprintf(head, sizeof head, "%-9.20s ", step_title(p->step));
        format_facts(facts, sizeof facts, p, began_done, usec);
        used = strlen(head) + strlen(facts) + 4;
        room = width > used ? width - used : 0;
        room = room > BAR_MAX ? BAR_MAX : room;
        if (p->total > 0 && room >= BAR_MIN) {
                size_t full = room * percent / 100;

                bar[0] = '[';
                memset(bar + 1, '#', full);
                memset(bar + 1 + full, '.', room - full);
                memcpy(bar + 1 + room, "] ", 3);
        }
        snprintf(buffer, size, "%s%s%s", head, bar, facts);
        if (strlen(buffer) > width)
                buffer[width] = 0;
}

void progress_bar_show(ProgressBar *bar, const FetchProgress *p) {
        uint64_t now = now_monotonic_usec();
        char line[LINE_MAX_ + 128];

        if (!str_eq(bar->step, p->step)) {
                bar->step = p->step;
                bar->began = now;
                bar->began_done = p->done;
        }
        if (bar->quiet || (bar->last > 0 && now - bar->last < (bar->terminal ? REDRAW_USEC : LINE_USEC)))
                return;
        if (!bar->terminal && bar->last == 0) { /* short ones need no line */
                bar->last = now;
                return;
        }
        bar->last = now;
        progress_bar_format(line, sizeof line, bar->terminal ? terminal_width() - 1 : sizeof line - 1, p,
                            bar->began_done, now - bar->began);
        fprintf(stderr, bar->terminal ? "\r\033[K%s" : "%s\n", line);
        fflush(stderr);
        bar->drawn = bar->terminal;
}

void progress_bar_end(ProgressBar *bar) {
        if (bar->drawn)
                fputs("\r\033[K", stderr);
        bar->drawn = false;
}

void progress_bar_say(ProgressBar *bar, const char *text) {
        progress_bar_end(bar);
        fprintf(stderr, "%s\n", text);
        bar->last = bar->terminal ? 0 : bar->last;
}
