#include "restore/rehearse.h"
#include "restore/verbs.h"
#include "util/text.h"

#include <inttypes.h>

#define DEFAULT_REHEARSAL_SECONDS 120

int work_rehearse(Work *w, Fault *reterr) {
        cleanup_rehearsal_report_ RehearsalReport report = { 0 };
        Rehearsal h = { .family = w->family,
                        .data = w->subject.data,
                        .state = w->state,
                        .state_dirfd = w->state_fd,
                        .protect = w->protect,
                        .rpc = str_eq(w->family->name, "exec") ? NULL : json_str(w->order, "rpc"),
                        .progress = work_show_copy,
                        .userdata = w };
        uint64_t seconds = DEFAULT_REHEARSAL_SECONDS;
        char after[DURATION_TEXT_MAX];
        int r;

        r = work_member(w, "release", &h.release, reterr);
        if (r >= 0 && json_u64(w->order, "seconds", &seconds) == -EBADMSG)
                r = fault_set(reterr, -EBADMSG, "The order's \"seconds\" is not a number");
        if (r < 0)
                return r;
        h.timeout = seconds < UINT64_MAX / USEC_PER_SEC ? seconds * USEC_PER_SEC : UINT64_MAX;
        r = rehearse(&h, &report, reterr);
        if (r < 0)
                return r;
        if (json_put_str(w->result, "output", report.output) < 0 ||
            json_put_bool(w->result, "reflinked", report.reflinked) < 0)
                return -ENOMEM;
        if (report.height < 0)
                return work_say(w, "the new binary ran on a copy for %s", format_duration(after, h.timeout));
        if (json_put_u64(w->result, "rpc_after_ms", report.rpc_after_usec / USEC_PER_MSEC) < 0 ||
            json_put_u64(w->result, "height", (uint64_t) report.height) < 0)
                return -ENOMEM;
        return work_say(w, "the new binary answered at height %" PRId64 " after %s on a copy", report.height,
                        format_duration(after, report.rpc_after_usec));
}
