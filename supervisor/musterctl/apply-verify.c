/*
 * The exit status is of no use: it also counts what other units of the system
 * get wrong. So its lines are read, and those that name our unit or our
 * drop-in are faults.
 */
#include "musterctl/apply-verify.h"
#include "util/text.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define VERIFY_TIMEOUT (60 * USEC_PER_SEC)
#define OUTPUT_MAX     ((size_t) 256 * 1024)

static void child(int output, const char *dir, const char *unit) {
        cleanup_free_ char *path = NULL;

        if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ||
            asprintf(&path, "%s:", dir) < 0)
                _exit(127);
        if (setenv("SYSTEMD_UNIT_PATH", path, 1) < 0 || setenv("SYSTEMD_COLORS", "0", 1) < 0 ||
            setenv("SYSTEMD_LOG_LEVEL", "info", 1) < 0 || setenv("LC_ALL", "C", 1) < 0)
                _exit(127);
        (void) execlp("systemd-analyze", "systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                      unit, NULL);
        _exit(127);
}

/* Everything that comes until the end or the deadline; beyond OUTPUT_MAX it is read and dropped. */
static int read_output(int fd, char *buffer, size_t *ret_size, uint64_t deadline) {
        char waste[4096];

        *ret_size = 0;
        for (;;) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                size_t room = OUTPUT_MAX - *ret_size;
                uint64_t now = now_monotonic_usec();
                ssize_t n;

                if (now >= deadline)
                        return -ETIMEDOUT;
                if (poll(&p, 1, (int) ((deadline - now) / USEC_PER_MSEC) + 1) <= 0)
                        continue;
                n = room > 0 ? read(fd, buffer + *ret_size, room) : read(fd, waste, sizeof waste);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return 0;
                if (n > 0 && room > 0)
                        *ret_size += (size_t) n;
        }
}

static int run(const char *dir, const char *unit, char **ret, Fault *reterr) {
        cleanup_free_ char *output = calloc(1, OUTPUT_MAX + 1);
        cleanup_fd_ int reading = -1, writing = -1;
        int fds[2], status, r;
        size_t size;
        pid_t pid;

        if (!output)
                return -ENOMEM;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return fault_errno(reterr, -errno, "Failed to make a pipe");
        reading = fds[0];
        writing = fds[1];
        fflush(stdout);
        pid = fork();
        if (pid < 0)
                return fault_errno(reterr, -errno, "Failed to start systemd-analyze");
        if (pid == 0)
                child(writing, dir, unit);
        close(TAKE_FD(writing));
        r = read_output(reading, output, &size, now_monotonic_usec() + VERIFY_TIMEOUT);
        if (r < 0)
                (void) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return fault_errno(reterr, -errno, "Failed to wait for systemd-analyze");
        if (r < 0)
                return fault_errno(reterr, r, "'systemd-analyze verify %s' did not end", unit);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                return fault_set(reterr, -ENOENT, "Failed to run systemd-analyze: expected it in PATH");
        if (WIFSIGNALED(status))
                return fault_set(reterr, -EPROTO, "'systemd-analyze verify %s' was ended by SIG%s", unit,
                                 sigabbrev_np(WTERMSIG(status)));
        *ret = TAKE_PTR(output);
        return 0;
}

static bool is_about(const char *line, const char *dir, const char *unit) {
        size_t n = strlen(unit);

        if (str_starts(line, "Unit ") && str_starts(line + 5, unit))
                return true;
        return strstr(line, dir) || (str_starts(line, unit) && line[n] == ':');
}

int apply_verify(const char *dir, const char *unit, Fault *reterr) {
        cleanup_free_ char *output = NULL, *complaints = NULL;
        cleanup_fclose_ FILE *f = NULL;
        size_t size;
        int r;

        r = run(dir, unit, &output, reterr);
        if (r < 0)
                return r;
        f = open_memstream(&complaints, &size);
        if (!f)
                return -ENOMEM;
        for (char *rest = output, *line; (line = strsep(&rest, "\n"));)
                if (is_about(line, dir, unit))
                        fprintf(f, "\n    %s", line);
        if (fclose(TAKE_PTR(f)) != 0)
                return -ENOMEM;
        if (!*complaints)
                return 0;
        return fault_set(reterr, -EINVAL, "systemd refuses what would be written for %s:%s", unit,
                         complaints);
}
