#include "restore/probe.h"
#include "restore/child.h"
#include "upgrade/executable.h"
#include "upgrade/invocation.h"
#include "util/text.h"
#include "util/tree.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SCRATCH "probe"

int probe_environment(const Invocation *invocation, const char *home, char ***ret) {
        cleanup_free_ char *entry = NULL;
        char *base[] = { (char *) "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL,
                         NULL };

        if (asprintf(&entry, "HOME=%s", home) < 0) {
                entry = NULL;
                return -ENOMEM;
        }
        base[1] = entry;
        return invocation_environment(invocation, base, ret);
}

/* An empty directory that what runs may fill. *ret: its absolute path. */
static int make_scratch(int state_dirfd, char **ret, Fault *reterr) {
        cleanup_free_ char *link = NULL;
        char path[PATH_MAX];
        int r;

        r = tree_remove(state_dirfd, SCRATCH, reterr);
        if (r < 0)
                return r;
        if (mkdirat(state_dirfd, SCRATCH, 0700) < 0)
                return fault_errno(reterr, -errno, "Failed to make 'state/%s'", SCRATCH);
        if (asprintf(&link, "/proc/self/fd/%d/" SCRATCH, state_dirfd) < 0) {
                link = NULL;
                return -ENOMEM;
        }
        if (!realpath(link, path))
                return fault_errno(reterr, -errno, "Failed to resolve 'state/%s'", SCRATCH);
        *ret = strdup(path);
        return *ret ? 0 : -ENOMEM;
}

static int open_release(const char *release, Fault *reterr) {
        int fd = open(release, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        if (fd >= 0)
                return fd;
        if (errno == EACCES)
                return fault_set(
                        reterr, -EACCES,
                        "User %u may not enter the release '%s': check the modes of it and of every "
                        "directory above it (expected: 0755)",
                        (unsigned) geteuid(), release);
        return fault_errno(reterr, -errno, "Failed to open the release '%s'", release);
}

int probe_files(const char *release, Fault *reterr) {
        cleanup_(release_manifest_freep) ReleaseManifest *manifest = NULL;
        const char *slash = strrchr(release, '/');
        cleanup_fd_ int fd = -1;
        int r;

        fd = open_release(release, reterr);
        if (fd < 0)
                return fd;
        r = release_manifest_read(fd, &manifest, reterr);
        if (r >= 0)
                r = release_manifest_verify(manifest, fd, reterr);
        return r < 0 ? fault_prefix(reterr, r,
                                    "Release %s is not what was staged, 'musterctl discard' it and stage it "
                                    "again",
                                    slash ? slash + 1 : release)
                     : 0;
}

static int open_invocation(const char *release, Invocation *ret, Fault *reterr) {
        cleanup_fd_ int release_fd = -1, binary_fd = -1;
        int r;

        release_fd = open_release(release, reterr);
        if (release_fd < 0)
                return release_fd;
        r = invocation_read(release_fd, release, NULL, ret, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "The release '%s'", release);
        binary_fd = release_open(release_fd, ret->path, O_RDONLY | O_NONBLOCK);
        if (binary_fd == -ENOENT)
                return fault_set(reterr, -ENOENT,
                                 "The binary '%s' is not in the release '%s': correct the command and "
                                 "stage it again",
                                 ret->path, release);
        return binary_fd < 0 ? fault_errno(reterr, binary_fd, "Failed to open the binary '%s' as user %u",
                                           ret->binary, (unsigned) geteuid())
                             : 0;
}

static int judge(const Child *child, const char *command, int status, char **ret_output, Fault *reterr) {
        char text[CHILD_STATUS_TEXT_MAX];
        cleanup_free_ char *line = NULL;
        int r;

        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return child_line(child, false, ret_output);
        r = child_explain_linker(child, reterr);
        if (r < 0)
                return r;
        r = child_line(child, false, &line);
        if (r < 0)
                return r;
        return fault_set(reterr, -EPROTO, "'%s' %s, expected 0%s%s", command,
                         child_status_text(text, status), *line ? "; it says: " : "", line);
}

static int run(const Invocation *v, char *const *version_command, const char *scratch, uint64_t timeout,
               char **ret_output, Fault *reterr) {
        cleanup_strv_ char **environment = NULL, **argv = NULL;
        cleanup_free_ char *command = NULL;
        cleanup_child_ Child child = CHILD_NONE;
        char limit[DURATION_TEXT_MAX];
        int r, status;

        r = probe_environment(v, scratch, &environment);
        if (r >= 0)
                r = strv_append(&argv, v->binary);
        STRV_FOREACH (argument, version_command)
                if (r >= 0)
                        r = strv_append(&argv, *argument);
        if (r < 0)
                return r;
        if (asprintf(&command, "%s %s", v->path, version_command[0]) < 0) {
                command = NULL;
                return -ENOMEM;
        }
        r = child_start(&child, argv, environment, scratch, reterr);
        if (r < 0)
                return r;
        r = child_wait(&child, now_monotonic_usec() + timeout, &status);
        if (r == CHILD_E_TIMEOUT)
                return fault_set(reterr, -ETIMEDOUT, "'%s' did not end within %s", command,
                                 format_duration(limit, timeout));
        return r < 0 ? r : judge(&child, command, status, ret_output, reterr);
}

int probe_release(const char *release, char *const *version_command, int state_dirfd, uint64_t timeout,
                  char **ret_output, Fault *reterr) {
        cleanup_invocation_ Invocation v = { 0 };
        cleanup_free_ char *scratch = NULL;
        int r, k;

        r = open_invocation(release, &v, reterr);
        if (r < 0)
                return r;
        if (!version_command || !version_command[0]) {
                if (faccessat(AT_FDCWD, v.binary, X_OK, AT_EACCESS) < 0)
                        return executable_explain(v.binary, -errno, reterr);
                *ret_output = strdup("");
                return *ret_output ? 0 : -ENOMEM;
        }
        r = make_scratch(state_dirfd, &scratch, reterr);
        if (r < 0)
                return r;
        r = run(&v, version_command, scratch, timeout, ret_output, reterr);
        k = tree_remove(state_dirfd, SCRATCH, r < 0 ? NULL : reterr);
        if (r >= 0 && k < 0) {
                free(*ret_output);
                *ret_output = NULL;
                return k;
        }
        return r;
}
