/* What a crash leaves, and who owns which tree, is snapshot/incoming.c's. */
#include "restore/verbs.h"
#include "snapshot/incoming.h"
#include "util/text.h"

/* A snapshot is of another node: this one's configuration stays, as a backup's would not. */
static int protect_own(Work *w) {
        for (const char *const *own = w->family->own_files; own && *own; own++)
                if (!strv_contains(w->protect, *own) && strv_append(&w->protect, *own) < 0)
                        return -ENOMEM;
        return 0;
}

static int incoming_of_order(Work *w, Incoming *ret, Fault *reterr) {
        Incoming in = { .state = w->state, .subject = &w->subject };
        int r;

        r = protect_own(w);
        if (r >= 0)
                r = work_member(w, "restore", &in.job, reterr);
        in.protect = w->protect;
        if (r >= 0)
                r = exchange_place(w->subject.data, w->state, w->state_fd, &in.data_name, &in.inside,
                                   reterr);
        if (r >= 0)
                *ret = in;
        return r;
}

int work_place(Work *w, Fault *reterr) {
        cleanup_free_ char *name = NULL, *path = NULL;
        Incoming in;
        int r;

        r = incoming_of_order(w, &in, reterr);
        if (r >= 0)
                r = incoming_prepare(&in, reterr);
        if (r < 0)
                return r;
        name = incoming_name(&in);
        if (!name || asprintf(&path, "%s/%s", w->state, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (json_put_str(w->result, "place", path) < 0 || json_put_bool(w->result, "inside", in.inside) < 0)
                return -ENOMEM;
        return work_say(w, "the snapshot is to be unpacked in %s", path);
}

static int put_report(Work *w, const ExchangeReport *report) {
        return work_put_position(w, &report->position) < 0 ||
                               json_put_bool(w->result, "already", report->already) < 0 ||
                               json_put_u64(w->result, "carried", report->carried) < 0 ||
                               json_put_u64(w->result, "set_aside", report->set_aside) < 0 ||
                               json_put_str(w->result, "way", exchange_way_to_string(report->way)) < 0
                       ? -ENOMEM
                       : 0;
}

/* @whose: what is live now. */
static int say_report(Work *w, const char *job, const char *whose, const ExchangeReport *report) {
        char text[SIGNING_POSITION_TEXT_MAX];

        signing_position_format(text, &report->position);
        if (report->already)
                return work_say(w, "the data is %s; it was exchanged before; %s", whose, text);
        if (report->set_aside > 0)
                return work_say(w,
                                "the data is %s, %zu protected files carried over, %zu that only the other "
                                "tree had moved to '%s/set-aside-%s'; %s",
                                whose, report->carried, report->set_aside, w->state, job, text);
        return work_say(w, "the data is %s, %zu protected files carried over%s; %s", whose, report->carried,
                        report->kept_incoming ? ", but the signing state that came with it was the newer one"
                                              : "",
                        text);
}

int work_exchange(Work *w, Fault *reterr) {
        ExchangeReport report;
        Incoming in;
        int r;

        r = incoming_of_order(w, &in, reterr);
        if (r >= 0)
                r = incoming_exchange(&in, &report, reterr);
        if (r != 0)
                return r;
        if (put_report(w, &report) < 0)
                return -ENOMEM;
        return say_report(w, in.job, "the snapshot's", &report);
}

int work_exchange_back(Work *w, Fault *reterr) {
        ExchangeReport report;
        bool never = false;
        Incoming in;
        int r;

        r = incoming_of_order(w, &in, reterr);
        if (r >= 0)
                r = incoming_exchange_back(&in, &report, &never, reterr);
        if (r != 0)
                return r;
        if (never)
                return json_put_bool(w->result, "already", true) < 0
                               ? -ENOMEM
                               : work_say(w, "the data was never exchanged and is as it was");
        if (put_report(w, &report) < 0)
                return -ENOMEM;
        return say_report(w, in.job, "that of before the restore", &report);
}

int work_drop(Work *w, Fault *reterr) {
        Incoming in;
        int r;

        r = incoming_of_order(w, &in, reterr);
        if (r >= 0)
                r = incoming_drop(&in, reterr);
        return r < 0 ? r : work_say(w, "what restore %s left is removed", in.job);
}
