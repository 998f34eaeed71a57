/*
 * The user is made the way packages make theirs: a line in sysusers.d, so that
 * whoever looks finds out where it comes from, and systemd-sysusers.
 */
#include "musterctl/apply-user.h"
#include "muster-build.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SYSUSERS_DIR "/etc/sysusers.d"

static const char *const own_users[] = { "root", "muster", "muster-stage", "muster-hook" };

/* A name of its own is not enough: the number decides whose files it may write. */
static const char *same_number(uid_t uid, gid_t gid) {
        for (size_t i = 0; i < ELEMENTSOF(own_users); i++) {
                const struct passwd *p = getpwnam(own_users[i]);

                if (p && (p->pw_uid == uid || p->pw_gid == gid))
                        return own_users[i];
        }
        return uid == 0 || gid == 0 ? "root" : NULL;
}

/* -ENOENT: there is none. Changes nothing. */
static int find_user(const char *name, NodeUser *ret, Fault *reterr) {
        const struct passwd *p;
        const struct group *g;
        const char *same;
        NodeUser user = { 0 };

        errno = 0;
        p = getpwnam(name);
        if (!p)
                return errno == 0 || errno == ENOENT || errno == ESRCH
                               ? -ENOENT
                               : fault_errno(reterr, -errno, "Failed to look up the user '%s'", name);
        user.uid = p->pw_uid;
        g = getgrnam(name);
        if (!g)
                return fault_set(
                        reterr, -EPERM,
                        "User '%s' exists and a group of that name does not, expected both: run groupadd "
                        "--system '%s' and usermod -g '%s' '%s'",
                        name, name, name, name);
        user.gid = g->gr_gid;
        same = same_number(user.uid, user.gid);
        if (same)
                return fault_set(
                        reterr, -EPERM,
                        "User '%s' (uid %u, gid %u) has a number of '%s', expected a user of the node's own",
                        name, user.uid, user.gid, same);
        *ret = user;
        return 0;
}

static int run_sysusers(const char *path, Fault *reterr) {
        pid_t pid;
        int status;

        fflush(stdout);
        pid = fork();
        if (pid < 0)
                return fault_errno(reterr, -errno, "Failed to start systemd-sysusers");
        if (pid == 0) {
                (void) execlp("systemd-sysusers", "systemd-sysusers", path, NULL);
                _exit(127);
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return fault_errno(reterr, -errno, "Failed to wait for systemd-sysusers");
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        return fault_set(reterr, -EPROTO, "'systemd-sysusers %s' failed, see above", path);
}

static int write_line(const NodeConfig *config, char **ret_path, Fault *reterr) {
        cleanup_free_ char *name = NULL, *line = NULL;
        cleanup_fd_ int dir = -1;
        int r;

        if (asprintf(&name, "muster-%s.conf", config->name) < 0) {
                name = NULL;
                return -ENOMEM;
        }
        if (asprintf(&line,
                     "# Written by musterctl apply from %s\n"
                     "u %s - \"Validator node %s\" " MUSTER_STATEDIR "/nodes/%s/state\n",
                     config->path, config->user, config->name, config->name) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        if (mkdir(SYSUSERS_DIR, 0755) < 0 && errno != EEXIST)
                return fault_errno(reterr, -errno, "Failed to make '" SYSUSERS_DIR "'");
        dir = open(SYSUSERS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = dir < 0 ? -errno : durable_write(dir, name, line, strlen(line), 0644);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to write '" SYSUSERS_DIR "/%s'", name);
        return asprintf(ret_path, SYSUSERS_DIR "/%s", name) < 0 ? -ENOMEM : 0;
}

int apply_user_ensure(const NodeConfig *config, NodeUser *ret, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        NodeUser user;
        int r;

        r = find_user(config->user, ret, reterr);
        if (r != -ENOENT)
                return r;
        r = write_line(config, &path, reterr);
        if (r >= 0)
                r = run_sysusers(path, reterr);
        if (r < 0)
                return r;
        r = find_user(config->user, &user, reterr);
        if (r == -ENOENT)
                return fault_set(reterr, r, "systemd-sysusers did not create the user '%s' of '%s'",
                                 config->user, path);
        if (r < 0)
                return r;
        user.created = true;
        *ret = user;
        return 0;
}
