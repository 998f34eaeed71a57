#include "archive/steer.h"
#include "util/text.h"

#include <stdarg.h>

#define PERIOD (200 * USEC_PER_MSEC)

static int show(Steer *s, Fault *reterr) {
        const FetchControl *c = s->control;

        if (c->progress)
                c->progress(&s->progress, c->userdata);
        if (c->cancelled && c->cancelled(c->userdata))
                return fault_set(reterr, -ECANCELED, "Cancelled");
        return 0;
}

int steer_now(Steer *s, Fault *reterr) {
        uint64_t now = now_monotonic_usec();
        const FetchControl *c = s->control;
        const char *why;
        int r;

        s->next = now + PERIOD;
        if (!c)
                return 0;
        if (s->since > 0 && now > s->since)
                s->progress.bytes_per_sec = (uint64_t) ((double) (s->progress.done - s->done_then) * 1e6 /
                                                        (double) (now - s->since));
        if (s->since == 0 || now - s->since > 5 * USEC_PER_SEC) {
                s->since = now;
                s->done_then = s->progress.done;
        }
        for (;;) {
                why = c->pause ? c->pause(c->userdata) : NULL;
                s->progress.paused = why != NULL;
                s->progress.why_paused = why;
                r = show(s, reterr);
                s->progress.why_paused = NULL;
                if (r < 0 || !why)
                        return r;
                usleep(PERIOD);
        }
}

int steer(Steer *s, Fault *reterr) {
        return s->control && now_monotonic_usec() >= s->next ? steer_now(s, reterr) : 0;
}

void steer_notice(const Steer *s, const char *format, ...) {
        cleanup_free_ char *text = NULL;
        va_list ap;

        if (!s->control || !s->control->notice)
                return;
        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        if (text)
                s->control->notice(text, s->control->userdata);
}
