#include "restore/child.h"
#include "restore/confine.h"
#include "upgrade/executable.h"
#include "util/text.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* After fork(): async-signal-safe calls only. Never returns; writes errno to @report. */
static _Noreturn void become(char *const *argv, char *const *environment, const char *directory,
                             int confine_fd, int output, int report) {
        sigset_t none;
        int null = open("/dev/null", O_RDONLY), r;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) setsid();
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);
        (void) signal(SIGINT, SIG_DFL);
        (void) signal(SIGTERM, SIG_DFL);
        if (null >= 0 && dup2(null, 0) >= 0 && dup2(output, 1) >= 0 && dup2(output, 2) >= 0 &&
            chdir(directory) >= 0 && (confine_fd < 0 || confine_self(confine_fd) >= 0))
                execve(argv[0], argv, environment);
        r = errno;
        (void) !write(report, &r, sizeof r);
        _exit(127);
}

/* 0 once the child's exec closed the pipe, else the child's -errno. */
static int read_report(int fd) {
        int failure;
        ssize_t n;

        do
                n = read(fd, &failure, sizeof failure);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return n == sizeof failure ? -failure : 0;
}

int child_start(Child *child, char *const *argv, char *const *environment, const char *directory,
                Fault *reterr) {
        int output[2] = { -1, -1 }, report[2] = { -1, -1 };
        pid_t pid;
        int r;

        if (pipe2(output, O_CLOEXEC) < 0)
                return fault_errno(reterr, -errno, "Failed to make a pipe");
        if (pipe2(report, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
                r = -errno;
                for (int i = 0; i < 2; i++) {
                        close(output[i]);
                        if (report[i] >= 0)
                                close(report[i]);
                }
                return fault_errno(reterr, r, "Failed to start '%s'", argv[0]);
        }
        if (pid == 0)
                become(argv, environment, directory, child->confine_fd, output[1], report[1]);
        close(output[1]);
        close(report[1]);
        child->pid = pid;
        child->output_fd = output[0];
        child->output_size = 0;
        child->output[0] = 0;
        r = read_report(report[0]);
        close(report[0]);
        if (r >= 0) {
                child->pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
                r = child->pidfd < 0 || fcntl(child->output_fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
                if (r >= 0)
                        return 0;
                fault_errno(reterr, r, "Failed to watch '%s'", argv[0]);
        } else
                executable_explain(argv[0], r, reterr);
        child_done(child);
        return r;
}

static void keep_output(Child *child, const char *data, size_t size) {
        size_t room = CHILD_OUTPUT_MAX - child->output_size, drop;

        if (child->keep_tail && size > room) {
                if (size > CHILD_OUTPUT_MAX) {
                        data += size - CHILD_OUTPUT_MAX;
                        size = CHILD_OUTPUT_MAX;
                }
                drop = child->output_size + size - CHILD_OUTPUT_MAX;
                memmove(child->output, child->output + drop, child->output_size - drop);
                child->output_size -= drop;
        } else if (size > room)
                size = room;
        memcpy(child->output + child->output_size, data, size);
        child->output_size += size;
        child->output[child->output_size] = 0;
}

/* All there is now; a child that never stops writing cannot keep us here for long. */
static void drain(Child *child) {
        for (unsigned i = 0; i < 64 && child->output_fd >= 0; i++) {
                char buffer[4096];
                ssize_t n = read(child->output_fd, buffer, sizeof buffer);

                if (n > 0)
                        keep_output(child, buffer, (size_t) n);
                else if (n == 0) {
                        close(child->output_fd);
                        child->output_fd = -1;
                } else if (errno != EINTR)
                        return;
        }
}

/* The group goes before the leader is reaped: until then nobody else can have its id. */
static int reap(Child *child) {
        int status = 0;

        (void) kill(-child->pid, SIGKILL);
        while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
                ;
        child->pid = 0;
        return status;
}

int child_wait(Child *child, uint64_t deadline, int *ret_status) {
        for (;;) {
                struct pollfd fds[] = { { .fd = child->pidfd, .events = POLLIN },
                                        { .fd = child->output_fd, .events = POLLIN } };
                uint64_t now = now_monotonic_usec(), left = deadline > now ? deadline - now : 0;
                int timeout =
                        left / USEC_PER_MSEC > INT_MAX ? INT_MAX : (int) ((left + 999) / USEC_PER_MSEC);

                if (poll(fds, ELEMENTSOF(fds), timeout) < 0 && errno != EINTR)
                        return -errno;
                drain(child);
                if (fds[0].revents & POLLIN) {
                        *ret_status = reap(child);
                        drain(child);
                        return 0;
                }
                if (left == 0)
                        return CHILD_E_TIMEOUT;
        }
}

void child_stop(Child *child, int signal, uint64_t patience) {
        int status;

        if (child->pid == 0)
                return;
        (void) kill(child->pid, signal);
        (void) child_wait(child, now_monotonic_usec() + patience, &status);
        child_done(child);
}

void child_done(Child *child) {
        if (child->pid > 0)
                (void) reap(child);
        cleanup_closep(&child->pidfd);
        cleanup_closep(&child->output_fd);
        child->pidfd = child->output_fd = -1;
}

char *child_status_text(char buffer[static CHILD_STATUS_TEXT_MAX], int status) {
        if (WIFSIGNALED(status))
                snprintf(buffer, CHILD_STATUS_TEXT_MAX, "was killed by SIG%s",
                         sigabbrev_np(WTERMSIG(status)) ?: "?");
        else
                snprintf(buffer, CHILD_STATUS_TEXT_MAX, "exited with status %d", WEXITSTATUS(status));
        return buffer;
}

int child_explain_linker(const Child *child, Fault *reterr) {
        static const char *const missing[] = { "error while loading shared libraries: ",
                                               "Error loading shared library " };
        const char *at, *end;

        for (size_t i = 0; i < ELEMENTSOF(missing); i++) {
                at = strstr(child->output, missing[i]);
                if (!at)
                        continue;
                at += strlen(missing[i]);
                return fault_set(
                        reterr, -ELIBACC,
                        "The library '%.*s' that the binary needs cannot be loaded on this host: install it "
                        "(the linker says: %.*s)",
                        (int) strcspn(at, ":\n"), at, (int) strcspn(at, "\n"), at);
        }
        at = strstr(child->output, "version `");
        end = at ? strstr(at, "' not found") : NULL;
        if (!end)
                return 0;
        at += strlen("version `");
        return fault_set(
                reterr, -ELIBACC,
                "The binary needs %.*s, which is newer than what this host has: take a build for this "
                "system, or upgrade the system first",
                (int) (end - at), at);
}

int child_line(const Child *child, bool last, char **ret) {
        const char *line = "", *at = child->output;
        size_t length = 0;

        while (*at) {
                size_t n = strcspn(at, "\n");

                if (strspn(at, " \t\r") < n) {
                        line = at;
                        length = n;
                        if (!last)
                                break;
                }
                at += n + (at[n] == '\n');
        }
        while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' '))
                length--;
        *ret = strndup(line, length);
        return *ret ? 0 : -ENOMEM;
}
