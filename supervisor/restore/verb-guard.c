#include "restore/verbs.h"

int work_guard(Work *w, Fault *reterr) {
        char text[SIGNING_POSITION_TEXT_MAX];
        GuardReport report;
        int r;

        r = guard_check(&w->subject, &report, reterr);
        if (r != 0)
                return r;
        if (work_put_position(w, &report.position) < 0 ||
            json_put_u64(w->result, "keys", report.n_keys) < 0 ||
            json_put_bool(w->result, "at_signer", report.at_signer) < 0)
                return -ENOMEM;
        if (report.at_signer)
                return work_say(w, "the signing position is guarded at the remote signer; %zu keys",
                                report.n_keys);
        return work_say(w, "%s, %zu keys", signing_position_format(text, &report.position), report.n_keys);
}
