/*
 * Everything that needs the node's own files, run as the node's user.
 *
 *     muster-restore work NAME          the unit muster-restore@NAME.service: one order (worker/order.h)
 *     muster-restore accept-keys NAME   by hand, while the node is stopped
 *
 * It writes below the node's state/ only. Every verb is idempotent, so a
 * worker that was killed is simply started again with the same order.
 */
#include "chain/family.h"
#include "config/node.h"
#include "guard/check.h"
#include "snapshot/backup.h"
#include "unit/launch-record.h"
#include "upgrade/probe.h"
#include "upgrade/rehearse.h"
#include "util/name.h"
#include "util/text.h"
#include "worker/order.h"
#include "muster-build.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define DEFAULT_REHEARSAL_SECONDS 120

typedef struct Work {
        const char *name;
        json_t *order;
        const char *state; /* of the order */
        const ChainFamily *family;
        GuardSubject subject;
        int node_fd, state_fd;
        char **protect;
        uint64_t total; /* bytes that a copy will have */
        json_t *result;
        char *text;
} Work;

typedef struct Verb {
        const char *name;
        int (*run)(Work *w, Fault *reterr); /* 0; anything else failed and the fault says why */
} Verb;

static void work_done(Work *w) {
        json_decref(w->order);
        json_decref(w->result);
        cleanup_closep(&w->node_fd);
        cleanup_closep(&w->state_fd);
        strv_free(w->protect);
        free(w->text);
}

static int set_text(Work *w, const char *format, ...) _printf_(2, 3);

static int set_text(Work *w, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&w->text, format, ap);
        va_end(ap);
        if (r < 0)
                w->text = NULL;
        return r < 0 ? -ENOMEM : 0;
}

static int member(const json_t *order, const char *key, const char **ret, Fault *reterr) {
        *ret = json_str(order, key);
        return *ret ? 0 : fault_set(reterr, -EBADMSG, "The order has no text \"%s\"", key);
}

static void subject_take_family(GuardSubject *s, const ChainFamily *family) {
        s->key_files = family->key_files;
        s->consensus_key_files = family->consensus_key_files;
        s->state_files = family->state_files;
        s->parse_position = family->parse_position;
}

/* nodes/NAME and its state/. */
static int open_node(const char *name, int *ret_node_fd, int *ret_state_fd, Fault *reterr) {
        cleanup_free_ char *path = NULL;

        if (asprintf(&path, MUSTER_STATEDIR "/nodes/%s", name) < 0)
                return -ENOMEM;
        *ret_node_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*ret_node_fd < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s'", path);
        *ret_state_fd = openat(*ret_node_fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *ret_state_fd < 0 ? fault_errno(reterr, -errno, "Failed to open '%s/state'", path) : 0;
}

/* An order for another directory than this node's own is not obeyed. */
static int check_state(const Work *w, Fault *reterr) {
        struct stat ordered, own;

        if (stat(w->state, &ordered) < 0 || fstat(w->state_fd, &own) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '%s'", w->state);
        if (ordered.st_dev != own.st_dev || ordered.st_ino != own.st_ino)
                return fault_set(reterr, -EXDEV,
                                 "The order names the state directory '%s', which is not the one of "
                                 "node '%s'",
                                 w->state, w->name);
        return 0;
}

static int read_common(Work *w, Fault *reterr) {
        GuardSubject *s = &w->subject;
        const char *family;
        int r;

        r = member(w->order, "family", &family, reterr);
        if (r >= 0)
                r = member(w->order, "data", &s->data, reterr);
        if (r >= 0)
                r = member(w->order, "state", &w->state, reterr);
        if (r >= 0)
                r = member(w->order, "role", &s->role, reterr);
        if (r >= 0)
                r = member(w->order, "signer", &s->signer, reterr);
        if (r < 0)
                return r;
        if (json_strv(w->order, "protect", &w->protect) < 0)
                return fault_set(reterr, -EBADMSG, "The order's \"protect\" is not a list of texts");
        w->family = chain_family_by_name(family);
        if (!w->family)
                return fault_set(reterr, -EINVAL, "The order's family is '%s', expected one of %s", family,
                                 chain_family_names());
        r = open_node(w->name, &w->node_fd, &w->state_fd, reterr);
        if (r >= 0)
                r = check_state(w, reterr);
        s->node = w->name;
        s->domain = json_str(w->order, "domain");
        s->node_dirfd = w->node_fd;
        s->state_dirfd = w->state_fd;
        subject_take_family(s, w->family);
        return r;
}

static int put_position(json_t *object, const SigningPosition *p) {
        json_t *position = p->height < 0
                                   ? json_null()
                                   : json_pack("{s:I,s:I,s:I}", "height", (json_int_t) p->height, "round",
                                               (json_int_t) p->round, "step", (json_int_t) p->step);

        return json_object_set_new(object, "position", position) < 0 ? -ENOMEM : 0;
}

static int verb_guard(Work *w, Fault *reterr) {
        char text[SIGNING_POSITION_TEXT_MAX];
        GuardReport report;
        int r;

        r = guard_check(&w->subject, &report, reterr);
        if (r != 0)
                return r;
        if (put_position(w->result, &report.position) < 0 ||
            json_put_u64(w->result, "keys", report.n_keys) < 0 ||
            json_put_bool(w->result, "at_signer", report.at_signer) < 0)
                return -ENOMEM;
        if (report.at_signer)
                return set_text(w, "the signing position is guarded at the remote signer; %zu keys",
                                report.n_keys);
        return set_text(w, "%s, %zu keys", signing_position_format(text, &report.position), report.n_keys);
}

static int backup_init(const Work *w, Backup *ret, Fault *reterr) {
        Backup b = { .state = w->state, .subject = &w->subject, .protect = w->protect };
        int r;

        r = member(w->order, "upgrade", &b.job, reterr);
        if (r >= 0)
                r = backup_data_name(w->subject.data, w->state, w->state_fd, &b.data_name, reterr);
        if (r >= 0)
                *ret = b;
        return r;
}

static int measure_data(const Work *w, TreeStats *ret, Fault *reterr) {
        cleanup_fd_ int fd = open(w->subject.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        *ret = (TreeStats){ 0 };
        if (fd < 0)
                return errno == ENOENT ? 0
                                       : fault_errno(reterr, -errno, "Failed to open '%s'", w->subject.data);
        return tree_measure(fd, ret, reterr);
}

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

static int verb_probe(Work *w, Fault *reterr) {
        const char *release, *policy = json_str(w->order, "backup") ?: "none";
        bool tree_backup = str_eq(policy, "reflink") || str_eq(policy, "copy");
        cleanup_strv_ char **version_command = NULL;
        cleanup_free_ char *output = NULL;
        struct statvfs fs;
        TreeStats data;
        int r;

        r = member(w->order, "release", &release, reterr);
        if (r >= 0 && json_strv(w->order, "version_command", &version_command) < 0)
                r = fault_set(reterr, -EBADMSG, "The order's \"version_command\" is not a list of texts");
        if (r < 0)
                return r;
        worker_progress(true, "running the new binary");
        r = probe_release(release, version_command, w->state_fd, PROBE_TIMEOUT, &output, reterr);
        if (r < 0)
                return r;
        if (fstatvfs(w->state_fd, &fs) < 0)
                return fault_errno(reterr, -errno, "Failed to ask for the free space of '%s'", w->state);
        worker_progress(true, "measuring the data");
        r = measure_data(w, &data, tree_backup ? reterr : NULL);
        if (r >= 0 && tree_backup)
                r = check_room(w, policy, &data, &fs, reterr);
        if (r < 0 && tree_backup)
                return r;
        if (json_put_str(w->result, "output", output) < 0 ||
            (r >= 0 && json_put_u64(w->result, "data_bytes", data.bytes) < 0) ||
            json_put_u64(w->result, "free_bytes", (uint64_t) fs.f_bavail * fs.f_frsize) < 0)
                return -ENOMEM;
        return set_text(w, "%s", *output ? output : "the binary can be executed");
}

static void show_copy(const TreeStats *done, void *userdata) {
        const Work *w = userdata;
        char of[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX];

        if (w->total > 0 && done->bytes <= w->total)
                worker_progress(false, "%" PRIu64 "%% copying the data: %s of %s",
                                (uint64_t) ((double) done->bytes * 100 / (double) w->total),
                                format_size(of, done->bytes), format_size(total, w->total));
        else
                worker_progress(false, "copying the data: %s, %" PRIu64 " files",
                                format_size(of, done->bytes), done->files);
}

static int verb_backup(Work *w, Fault *reterr) {
        uint64_t began = now_monotonic_usec();
        char size[SIZE_TEXT_MAX];
        const char *policy;
        TreeClone how = { .progress = show_copy, .userdata = w };
        TreeStats stats;
        Backup b;
        int r;

        r = member(w->order, "policy", &policy, reterr);
        if (r < 0)
                return r;
        if (!str_eq(policy, "reflink") && !str_eq(policy, "copy"))
                return fault_set(reterr, -EINVAL,
                                 "The order's policy is '%s', expected \"reflink\" or \"copy\"", policy);
        how.method = str_eq(policy, "reflink") ? TREE_REFLINK : TREE_COPY;
        r = backup_init(w, &b, reterr);
        if (r >= 0)
                r = measure_data(w, &stats, reterr);
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
                return set_text(
                        w, "%s in %" PRIu64 " files; %" PRIu64 " sockets, fifos or devices were left out",
                        size, stats.files, stats.skipped);
        return set_text(w, "%s in %" PRIu64 " files", size, stats.files);
}

static int verb_restore(Work *w, Fault *reterr) {
        char text[SIGNING_POSITION_TEXT_MAX];
        RestoreReport report;
        Backup b;
        int r;

        r = backup_init(w, &b, reterr);
        if (r >= 0)
                r = backup_restore(&b, &report, reterr);
        if (r != 0)
                return r;
        if (put_position(w->result, &report.position) < 0 ||
            json_put_bool(w->result, "already", report.already) < 0 ||
            json_put_u64(w->result, "carried", report.carried) < 0 ||
            json_put_u64(w->result, "set_aside", report.set_aside) < 0)
                return -ENOMEM;
        if (report.already)
                return set_text(w, "the data was already exchanged; %s",
                                signing_position_format(text, &report.position));
        if (report.set_aside > 0)
                return set_text(
                        w,
                        "the data is the backup's, %zu protected files carried forward, %zu that only the "
                        "backup had moved to '%s/set-aside-%s'; %s",
                        report.carried, report.set_aside, w->state, b.job,
                        signing_position_format(text, &report.position));
        return set_text(
                w, "the data is the backup's, %zu protected files carried forward%s; %s", report.carried,
                report.kept_incoming ? ", the signing state is the backup's, which was the newer one" : "",
                signing_position_format(text, &report.position));
}

static int verb_discard(Work *w, Fault *reterr) {
        Backup b;
        int r;

        r = backup_init(w, &b, reterr);
        if (r >= 0)
                r = backup_discard(&b, reterr);
        return r < 0 ? r : set_text(w, "the backup is removed");
}

static int verb_rehearse(Work *w, Fault *reterr) {
        cleanup_rehearsal_report_ RehearsalReport report = { 0 };
        Rehearsal h = { .family = w->family,
                        .data = w->subject.data,
                        .state = w->state,
                        .state_dirfd = w->state_fd,
                        .protect = w->protect,
                        .rpc = str_eq(w->family->name, "exec") ? NULL : json_str(w->order, "rpc"),
                        .progress = show_copy,
                        .userdata = w };
        uint64_t seconds = DEFAULT_REHEARSAL_SECONDS;
        char after[DURATION_TEXT_MAX];
        int r;

        r = member(w->order, "release", &h.release, reterr);
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
                return set_text(w, "the new binary ran on a copy for %s", format_duration(after, h.timeout));
        if (json_put_u64(w->result, "rpc_after_ms", report.rpc_after_usec / USEC_PER_MSEC) < 0 ||
            json_put_u64(w->result, "height", (uint64_t) report.height) < 0)
                return -ENOMEM;
        return set_text(w, "the new binary answered at height %" PRId64 " after %s on a copy", report.height,
                        format_duration(after, report.rpc_after_usec));
}

static const Verb verbs[] = {
        { "guard", verb_guard },     { "probe", verb_probe },     { "backup", verb_backup },
        { "restore", verb_restore }, { "discard", verb_discard }, { "rehearse", verb_rehearse },
};

static int run_verb(Work *w, Fault *reterr) {
        const char *verb = json_str(w->order, "verb");
        int r;

        r = read_common(w, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (str_eq(verb, verbs[i].name))
                        return verbs[i].run(w, reterr);
        return fault_set(reterr, -EINVAL, "This worker has no verb '%s'", verb);
}

static int command_work(const char *name) {
        cleanup_(work_done)
                Work w = { .name = name, .node_fd = -1, .state_fd = -1, .result = json_object() };
        cleanup_fault_ Fault fault = { 0 }, unwritten = { 0 };
        int r, k;

        if (!w.result)
                return EXIT_FAILURE;
        r = worker_order_read(WORKER_RESTORE, name, &w.order, &fault);
        if (r < 0) {
                fprintf(stderr, "%s\n", fault_text(&fault, r));
                return EXIT_FAILURE;
        }
        r = run_verb(&w, &fault);
        worker_progress(true, "%s", "");
        if (r != 0)
                fprintf(stderr, "Failed to %s '%s': %s\n", json_str(w.order, "verb"), name,
                        fault_text(&fault, r));
        k = worker_result_write(WORKER_RESTORE, name, json_str(w.order, "job"), r == 0,
                                r == 0 ? w.text : fault_text(&fault, r), w.result, &unwritten);
        if (k < 0)
                fprintf(stderr, "%s\n", fault_text(&unwritten, k));
        return k < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* By the records in /run: the last start became the node, and no stop of it was seen. */
static int check_stopped(const char *name, Fault *reterr) {
        cleanup_launch_record_ LaunchRecord launch = { 0 };
        cleanup_stop_record_ StopRecord stop = { 0 };
        cleanup_fd_ int run_fd = node_run_dir_open(name, NULL);

        if (run_fd < 0 || launch_record_read(run_fd, &launch, NULL) < 0 || launch.refused || launch.pid <= 1)
                return 0;
        if (stop_record_read(run_fd, &stop, NULL) >= 0 && str_eq(stop.invocation, launch.invocation))
                return 0;
        if (kill((pid_t) launch.pid, 0) < 0 && errno == ESRCH)
                return 0;
        return fault_set(reterr, -EBUSY,
                         "The node '%s' runs (process %" PRIu64 "): stop it first, with 'musterctl hold "
                         "%s' and 'systemctl stop validator@%s'",
                         name, launch.pid, name, name);
}

/* As root: what is written must belong to the node's user, who owns state/. */
static int become_owner(int state_fd, Fault *reterr) {
        struct stat st;

        if (geteuid() != 0)
                return 0;
        if (fstat(state_fd, &st) < 0 || setgroups(0, NULL) < 0 ||
            setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 || setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
                return fault_errno(reterr, -errno, "Failed to become the node's user");
        return 0;
}

static void show_difference(const KeyFiles *before, const KeyFiles *now) {
        for (size_t i = 0; i < before->n; i++) {
                const KeyFile *f = key_files_find(now, before->files[i].path);

                if (!f)
                        printf("gone     %s\n", before->files[i].path);
                else if (!str_eq(f->digest, before->files[i].digest))
                        printf("changed  %s\n", f->path);
        }
        for (size_t i = 0; i < now->n; i++)
                if (!key_files_find(before, now->files[i].path))
                        printf("new      %s\n", now->files[i].path);
        printf("%zu keys are recorded now.\n", now->n);
}

static int accept_keys(const char *name, Fault *reterr) {
        cleanup_key_files_ KeyFiles before = { 0 }, now = { 0 };
        cleanup_(node_config_freep) NodeConfig *config = NULL;
        cleanup_fd_ int node_fd = -1, state_fd = -1;
        cleanup_free_ char *path = NULL;
        GuardSubject subject;
        int r;

        r = name_check(name, "node name", reterr);
        if (r < 0)
                return r;
        if (asprintf(&path, MUSTER_SYSCONFDIR "/nodes.d/%s.conf", name) < 0)
                return -ENOMEM;
        r = node_config_read(path, &config, reterr);
        if (r >= 0)
                r = open_node(name, &node_fd, &state_fd, reterr);
        if (r >= 0)
                r = become_owner(state_fd, reterr);
        if (r >= 0)
                r = check_stopped(name, reterr);
        if (r < 0)
                return r;
        subject = (GuardSubject){ .node = name,
                                  .data = config->data,
                                  .domain = config->chain_id,
                                  .role = node_role_to_string(config->role),
                                  .signer = node_signer_to_string(config->signer),
                                  .node_dirfd = node_fd,
                                  .state_dirfd = state_fd };
        subject_take_family(&subject, chain_family_by_name(config->family));
        r = guard_accept_keys(&subject, &before, &now, reterr);
        if (r >= 0)
                show_difference(&before, &now);
        return r;
}

static int command_accept_keys(const char *name) {
        cleanup_fault_ Fault fault = { 0 };
        int r = accept_keys(name, &fault);

        if (r < 0)
                fprintf(stderr, "Failed to accept the keys of '%s': %s\n", name, fault_text(&fault, r));
        return r == -EBUSY ? 5 : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        if (argc == 3 && str_eq(argv[1], "work"))
                return command_work(argv[2]);
        if (argc == 3 && str_eq(argv[1], "accept-keys"))
                return command_accept_keys(argv[2]);
        fprintf(stderr, "Usage: muster-restore accept-keys NAME   record the node's keys as they are now; "
                        "NAME is stopped\n"
                        "       muster-restore work NAME          what muster-restore@NAME.service runs\n");
        return 2;
}
