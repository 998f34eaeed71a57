#include "restore/rehearse.h"
#include "restore/verbs.h"
#include "util/text.h"

#include <inttypes.h>

#define DEFAULT_REHEARSAL_SECONDS 120
#define SETTLE_MAX                3600

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
        uint64_t seconds = DEFAULT_REHEARSAL_SECONDS, settle = 0;
        char after[DURATION_TEXT_MAX], copied[DURATION_TEXT_MAX], stayed[DURATION_TEXT_MAX];
        const char *how;
        int r;

        r = work_member(w, "release", &h.release, reterr);
        if (r >= 0 && (json_u64(w->order, "seconds", &seconds) == -EBADMSG ||
                       json_u64(w->order, "settle", &settle) == -EBADMSG))
                r = fault_set(reterr, -EBADMSG, "The order's \"seconds\" or \"settle\" is not a number");
        if (r < 0)
                return r;
        h.timeout = seconds < UINT64_MAX / USEC_PER_SEC ? seconds * USEC_PER_SEC : UINT64_MAX;
        h.settle = settle < SETTLE_MAX ? settle * USEC_PER_SEC : SETTLE_MAX * USEC_PER_SEC;
        r = rehearse(&h, &report, reterr);
        if (r < 0)
                return r;
        if (json_put_str(w->result, "output", report.output) < 0 ||
            json_put_bool(w->result, "reflinked", report.reflinked) < 0)
                return -ENOMEM;
        how = report.reflinked ? "reflinked" : "copied";
        format_duration(copied, report.copy_usec);
        if (report.height < 0)
                return work_say(w, "the data was %s in %s, the new binary ran on it for %s", how, copied,
                                format_duration(after, h.timeout));
        if (json_put_u64(w->result, "rpc_after_ms", report.rpc_after_usec / USEC_PER_MSEC) < 0 ||
            json_put_u64(w->result, "height", (uint64_t) report.height) < 0)
                return -ENOMEM;
        return work_say(
                w,
                "the data was %s in %s, the new binary answered at height %" PRId64
                " after %s and stayed up for %s more%s",
                how, copied, report.height, format_duration(after, report.rpc_after_usec),
                format_duration(stayed, h.settle),
                report.confined ? "" : "; this kernel could not hide the live data from it (no Landlock)");
}
