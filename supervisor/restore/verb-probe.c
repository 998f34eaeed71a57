#include "restore/probe.h"
#include "restore/verbs.h"
#include "snapshot/backup.h"
#include "util/text.h"
#include "worker/order.h"

#include <inttypes.h>
#include <sys/statvfs.h>

/* Room for a backup of @data by @policy ("reflink" or "copy"). */
static int check_room(const Work *w, const char *policy, const TreeStats *data, const struct statvfs *fs,
                      Fault *reterr) {
        char need[SIZE_TEXT_MAX], have[SIZE_TEXT_MAX];
        uint64_t wanted = data->allocated + data->allocated / 20,
                 room = (uint64_t) fs->f_bavail * fs->f_frsize;
        const char *data_name;
        int r;

        r = backup_data_name(w->subject.data, w->state, w->state_fd, &data_name, reterr);
        if (r < 0)
                return r;
        if (str_eq(policy, "reflink")) {
                r = tree_reflink_works(w->state_fd, reterr);
                if (r < 0)
                        return r;
        } else if (wanted > room)
                return fault_set(
                        reterr, -ENOSPC,
                        "backup = copy needs %s (the data and 5 %%), '%s' has %s free: make room, or use "
                        "backup = reflink, hook or none",
                        format_size(need, wanted), w->state, format_size(have, room));
        if (fs->f_files > 0 &&
            data->files + 64 > fs->f_favail) /* 0: the file system makes inodes as it goes */
                return fault_set(reterr, -ENOSPC,
                                 "A backup needs %" PRIu64 " inodes, '%s' has %" PRIu64 " free",
                                 data->files + 64, w->state, (uint64_t) fs->f_favail);
        return 0;
}

int work_probe(Work *w, Fault *reterr) {
        const char *release, *policy = json_str(w->order, "backup") ?: "none";
        bool tree_backup = str_eq(policy, "reflink") || str_eq(policy, "copy");
        cleanup_strv_ char **version_command = NULL;
        cleanup_free_ char *output = NULL;
        struct statvfs fs;
        TreeStats data;
        int r;

        r = work_member(w, "release", &release, reterr);
        if (r >= 0 && json_strv(w->order, "version_command", &version_command) < 0)
                r = fault_set(reterr, -EBADMSG, "The order's \"version_command\" is not a list of texts");
        if (r < 0)
                return r;
        worker_progress(true, "verifying the release");
        r = probe_files(release, reterr);
        if (r < 0)
                return r;
        worker_progress(true, "running the new binary");
        r = probe_release(release, version_command, w->state_fd, PROBE_TIMEOUT, &output, reterr);
        if (r < 0)
                return r;
        if (fstatvfs(w->state_fd, &fs) < 0)
                return fault_errno(reterr, -errno, "Failed to ask for the free space of '%s'", w->state);
        worker_progress(true, "measuring the data");
        r = work_measure_data(w, &data, tree_backup ? reterr : NULL);
        if (r >= 0 && tree_backup)
                r = check_room(w, policy, &data, &fs, reterr);
        if (r < 0 && tree_backup)
                return r;
        if (json_put_str(w->result, "output", output) < 0 ||
            (r >= 0 && json_put_u64(w->result, "data_bytes", data.bytes) < 0) ||
            json_put_u64(w->result, "free_bytes", (uint64_t) fs.f_bavail * fs.f_frsize) < 0)
                return -ENOMEM;
        return work_say(w, "%s", *output ? output : "the binary can be executed");
}
