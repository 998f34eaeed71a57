#include "restore/verbs.h"
#include "snapshot/exchange.h"

#include <string.h>

/* What the files say of half a tree is nobody's position. "half_done": the exchange's own verb mends it. */
static int check_exchange(Work *w, Fault *reterr) {
        const char *slash = strrchr(w->subject.data, '/');
        int r = exchange_is_half_done(w->state_fd, slash ? slash + 1 : w->subject.data);

        if (r < 0)
                return fault_errno(reterr, r, "Failed to look for an interrupted exchange");
        if (r == 0)
                return 0;
        if (json_put_bool(w->result, "half_done", true) < 0)
                return -ENOMEM;
        return fault_set(reterr, GUARD_E_REFUSED,
                         "The data '%s' is half exchanged with a snapshot or a backup: let musterd finish "
                         "it ('musterctl status %s' says how far it is)",
                         w->subject.data, w->name);
}

int work_guard(Work *w, Fault *reterr) {
        char text[SIGNING_POSITION_TEXT_MAX];
        GuardReport report;
        int r;

        r = check_exchange(w, reterr);
        if (r == 0)
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
