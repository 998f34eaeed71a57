/* The order in which things become durable is snapshot/backup.c's. */
#include "restore/verbs.h"
#include "snapshot/backup.h"
#include "util/text.h"

#include <inttypes.h>

static int backup_init(const Work *w, Backup *ret, Fault *reterr) {
        Backup b = { .state = w->state, .subject = &w->subject, .protect = w->protect };
        int r;

        r = work_member(w, "upgrade", &b.job, reterr);
        if (r >= 0)
                r = backup_data_name(w->subject.data, w->state, w->state_fd, &b.data_name, reterr);
        if (r >= 0)
                *ret = b;
        return r;
}

int work_backup(Work *w, Fault *reterr) {
        uint64_t began = now_monotonic_usec();
        char size[SIZE_TEXT_MAX];
        const char *policy;
        TreeClone how = { .progress = work_show_copy, .userdata = w };
        TreeStats stats;
        Backup b;
        int r;

        r = work_member(w, "policy", &policy, reterr);
        if (r < 0)
                return r;
        if (!str_eq(policy, "reflink") && !str_eq(policy, "copy"))
                return fault_set(reterr, -EINVAL,
                                 "The order's policy is '%s', expected \"reflink\" or \"copy\"", policy);
        how.method = str_eq(policy, "reflink") ? TREE_REFLINK : TREE_COPY;
        r = backup_init(w, &b, reterr);
        if (r >= 0)
                r = work_measure_data(w, &stats, reterr);
        if (r < 0)
                return r;
        w->total = stats.bytes;
        r = backup_make(&b, &how, &stats, reterr);
        if (r < 0)
                return r;
        if (json_put_u64(w->result, "bytes", stats.bytes) < 0 ||
            json_put_u64(w->result, "files", stats.files) < 0 ||
            json_object_set_new(w->result, "seconds",
                                json_real((double) (now_monotonic_usec() - began) / (double) USEC_PER_SEC)) <
                    0)
                return -ENOMEM;
        format_size(size, stats.bytes);
        if (stats.skipped > 0)
                return work_say(
                        w, "%s in %" PRIu64 " files; %" PRIu64 " sockets, fifos or devices were left out",
                        size, stats.files, stats.skipped);
        return work_say(w, "%s in %" PRIu64 " files", size, stats.files);
}

int work_restore(Work *w, Fault *reterr) {
        char text[SIGNING_POSITION_TEXT_MAX];
        ExchangeReport report;
        Backup b;
        int r;

        r = backup_init(w, &b, reterr);
        if (r >= 0)
                r = backup_restore(&b, &report, reterr);
        if (r != 0)
                return r;
        if (work_put_position(w, &report.position) < 0 ||
            json_put_bool(w->result, "already", report.already) < 0 ||
            json_put_u64(w->result, "carried", report.carried) < 0 ||
            json_put_u64(w->result, "set_aside", report.set_aside) < 0)
                return -ENOMEM;
        if (report.already)
                return work_say(w, "the data was already exchanged; %s",
                                signing_position_format(text, &report.position));
        if (report.set_aside > 0)
                return work_say(
                        w,
                        "the data is the backup's, %zu protected files carried forward, %zu that only the "
                        "backup had moved to '%s/set-aside-%s'; %s",
                        report.carried, report.set_aside, w->state, b.job,
                        signing_position_format(text, &report.position));
        return work_say(
                w, "the data is the backup's, %zu protected files carried forward%s; %s", report.carried,
                report.kept_incoming ? ", the signing state is the backup's, which was the newer one" : "",
                signing_position_format(text, &report.position));
}

int work_discard(Work *w, Fault *reterr) {
        Backup b;
        int r;

        r = backup_init(w, &b, reterr);
        if (r >= 0)
                r = backup_discard(&b, reterr);
        return r < 0 ? r : work_say(w, "the backup is removed");
}
