#include "restore/accept-keys.h"
#include "config/node.h"
#include "restore/work.h"
#include "unit/launch-record.h"
#include "util/name.h"
#include "util/text.h"
#include "muster-build.h"

#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>

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

int accept_keys(const char *name, Fault *reterr) {
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
                r = work_open_node(name, &node_fd, &state_fd, reterr);
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
        chain_family_subject(chain_family_by_name(config->family), &subject);
        r = guard_accept_keys(&subject, &before, &now, reterr);
        if (r >= 0)
                show_difference(&before, &now);
        return r;
}
