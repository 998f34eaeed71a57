/*
 * Nothing durable happens here. If this process is killed, the unit's
 * KillMode=control-group ends what the hook started.
 *
 * Standard input is a sealed memory file, not a pipe: a hook that reads none of
 * it cannot block us, and none can starve another. The end is told by a pidfd,
 * never by the end of the output, which a daemon of the hook may keep open.
 */
#include "hook/script.h"
#include "hook/output.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define EXIT_CANNOT_EXECUTE 126
#define PIPE_READS_MAX      256 /* more than a pipe holds */

static const char *const status_names[_HOOK_STATUS_MAX] = {
        [HOOK_OK] = "ok",
        [HOOK_RETRY] = "retry",
        [HOOK_FAILED] = "failed",
        [HOOK_TIMEOUT] = "timeout",
};

/* A hook under way. */
typedef struct Child {
        pid_t pid; /* and its process group */
        int pidfd, output_fd, answer_fd;
        HookOutput output, answer;
        bool timed_out, killed;
        uint64_t deadline;
} Child;

const char *hook_status_to_string(HookStatus status) {
        return status_names[status];
}

void hook_outcome_done(HookOutcome *outcome) {
        free(outcome->output);
        free(outcome->answer);
        free(outcome->how);
        *outcome = (HookOutcome){};
}

static void child_done(Child *c) {
        cleanup_closep(&c->pidfd);
        cleanup_closep(&c->output_fd);
        cleanup_closep(&c->answer_fd);
        hook_output_done(&c->output);
        hook_output_done(&c->answer);
}

int hook_script_check(const char *path, uid_t owner, Fault *reterr) {
        struct stat st;

        if (path[0] != '/')
                return fault_set(reterr, -EINVAL, "'%s' is no absolute path", path);
        if (stat(path, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '%s'", path);
        if (!S_ISREG(st.st_mode))
                return fault_set(reterr, -EINVAL,
                                 "'%s' is no regular file: remove it or link a program there", path);
        if (st.st_uid != owner)
                /* whose it is cannot be told: the sandbox knows no other users */
                return fault_set(reterr, -EPERM, "'%s' does not belong to uid %u: chown it after reading it",
                                 path, owner);
        if (st.st_mode & 0022)
                return fault_set(reterr, -EPERM,
                                 "'%s' may be written by others (mode %04o): chmod go-w it after reading it",
                                 path, st.st_mode & 07777);
        if (!(st.st_mode & 0111))
                return fault_set(reterr, -EACCES, "'%s' is not executable: chmod +x it, or remove it", path);
        if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
                return fault_errno(reterr, -errno, "uid %u may not execute '%s'", geteuid(), path);
        return 0;
}

static int payload_open(const char *payload, int *ret) {
        cleanup_fd_ int fd = memfd_create("payload", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = write_all(fd, payload, strlen(payload));
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0 ||
            lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

/* Between fork and exec: only what is safe there. */
static _Noreturn void child_exec(const HookScript *script, int in, int out, int err) {
        char *argv[] = { (char *) script->path, NULL };
        sigset_t none;

        (void) setpgid(0, 0);
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);
        if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0) {
                (void) close_range(STDERR_FILENO + 1, UINT32_MAX, 0);
                execve(script->path, argv, script->environment);
        }
        dprintf(STDERR_FILENO, "cannot execute '%s': %s (is its #! interpreter there?)\n", script->path,
                strerror(errno));
        _exit(EXIT_CANNOT_EXECUTE);
}

/* Our end does not block: what is left in it at the end is taken without waiting for more. */
static int pipe_open(int *ret_ours, int *ret_theirs) {
        int pair[2];

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        *ret_ours = pair[0];
        *ret_theirs = pair[1];
        return fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int child_start(const HookScript *script, Child *c) {
        cleanup_fd_ int payload = -1, output = -1, answer = -1;
        int r;

        r = payload_open(script->payload, &payload);
        if (r >= 0)
                r = pipe_open(&c->output_fd, &output);
        if (r >= 0 && script->keep_stdout)
                r = pipe_open(&c->answer_fd, &answer);
        if (r < 0)
                return r;
        c->pid = fork();
        if (c->pid < 0)
                return -errno;
        if (c->pid == 0)
                child_exec(script, payload, answer >= 0 ? answer : output, output);
        (void) setpgid(c->pid, c->pid); /* whoever of us two is first: a kill must find the group */
        c->pidfd = (int) syscall(SYS_pidfd_open, c->pid, 0);
        if (c->pidfd < 0) {
                r = -errno;
                (void) kill(-c->pid, SIGKILL);
                (void) waitpid(c->pid, NULL, 0);
                return r;
        }
        return 0;
}

static int poll_timeout(uint64_t deadline) {
        uint64_t now = now_monotonic_usec(), left;

        if (deadline == UINT64_MAX)
                return -1;
        left = deadline > now ? (deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC : 0;
        return left > INT32_MAX ? INT32_MAX : (int) left;
}

static uint64_t deadline_in(uint64_t usec) {
        uint64_t at;

        return __builtin_add_overflow(now_monotonic_usec(), usec, &at) ? UINT64_MAX : at;
}

static void child_overdue(const HookScript *script, Child *c) {
        if (c->timed_out) {
                c->killed = true;
                c->deadline = UINT64_MAX;
                (void) kill(-c->pid, SIGKILL);
                return;
        }
        c->timed_out = true;
        c->deadline = deadline_in(script->grace_usec);
        (void) kill(-c->pid, SIGTERM);
}

static void child_listen(HookOutput *output, int *fd, int echo_fd) {
        int r = hook_output_read(output, *fd, echo_fd);

        if (r > 0 || r == -EAGAIN)
                return;
        cleanup_closep(fd);
        *fd = -1; /* poll() passes it over */
}

/* Until the program itself ended. */
static int child_attend(const HookScript *script, Child *c) {
        for (;;) {
                struct pollfd fds[] = {
                        { .fd = c->pidfd, .events = POLLIN },
                        { .fd = c->output_fd, .events = POLLIN },
                        { .fd = c->answer_fd, .events = POLLIN },
                };
                int n = poll(fds, ELEMENTSOF(fds), poll_timeout(c->deadline));

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n < 0)
                        continue;
                if (fds[1].revents)
                        child_listen(&c->output, &c->output_fd, script->echo_fd);
                if (fds[2].revents)
                        child_listen(&c->answer, &c->answer_fd, -1);
                if (fds[0].revents)
                        return 0;
                if (now_monotonic_usec() >= c->deadline)
                        child_overdue(script, c);
        }
}

/* Bounded: a process that fled from the group may go on writing. */
static void child_drain(HookOutput *output, int fd, int echo_fd) {
        for (unsigned i = 0; fd >= 0 && i < PIPE_READS_MAX; i++)
                if (hook_output_read(output, fd, echo_fd) <= 0)
                        return;
}

/* Ends what the program left, before it is reaped: until then the group's number is ours. */
static int child_reap(const HookScript *script, Child *c, siginfo_t *ret) {
        (void) kill(-c->pid, SIGKILL);
        child_drain(&c->output, c->output_fd, script->echo_fd);
        child_drain(&c->answer, c->answer_fd, -1);
        while (waitid(P_PID, (id_t) c->pid, ret, WEXITED) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

static HookStatus status_of(const Child *c, const siginfo_t *end) {
        if (c->timed_out)
                return HOOK_TIMEOUT;
        if (end->si_code != CLD_EXITED || c->answer.dropped)
                return HOOK_FAILED;
        if (end->si_status == 0)
                return HOOK_OK;
        return end->si_status == HOOK_EXIT_RETRY ? HOOK_RETRY : HOOK_FAILED;
}

static int describe(const HookScript *script, const Child *c, const siginfo_t *end, const char *output,
                    char **ret) {
        cleanup_free_ char *last = hook_output_last_line(output);
        char limit[DURATION_TEXT_MAX];
        const char *colon;
        int n;

        if (!last)
                return -ENOMEM;
        colon = *last ? ": " : "";
        if (c->timed_out)
                n = asprintf(ret, "no end within %s, %s%s%s", format_duration(limit, script->timeout_usec),
                             c->killed ? "killed" : "stopped", colon, last);
        else if (end->si_code != CLD_EXITED)
                n = asprintf(ret, "ended by signal %s%s%s", sigabbrev_np(end->si_status) ?: "?", colon,
                             last);
        else if (c->answer.dropped)
                n = asprintf(ret, "answered more than %zu bytes", c->answer.max);
        else
                n = asprintf(ret, "exit status %d%s%s", end->si_status, colon, last);
        return n < 0 ? -ENOMEM : 0;
}

int hook_script_run(const HookScript *script, HookOutcome *ret, Fault *reterr) {
        cleanup_(child_done) Child c = {
                .pidfd = -1,
                .output_fd = -1,
                .answer_fd = -1,
                .output = { .max = HOOK_OUTPUT_MAX, .keep_last = true },
                .answer = { .max = HOOK_STDOUT_MAX },
        };
        cleanup_hook_outcome_ HookOutcome outcome = {};
        uint64_t begin = now_monotonic_usec();
        siginfo_t end = {};
        int r;

        c.deadline = deadline_in(script->timeout_usec);
        r = child_start(script, &c);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to start '%s'", script->path);
        r = child_attend(script, &c);
        if (r >= 0)
                r = child_reap(script, &c, &end);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to wait for '%s'", script->path);
        outcome.usec = now_monotonic_usec() - begin;
        outcome.status = status_of(&c, &end);
        outcome.output = hook_output_text(&c.output);
        if (script->keep_stdout)
                outcome.answer = hook_output_text(&c.answer);
        if (!outcome.output || (script->keep_stdout && !outcome.answer))
                return -ENOMEM;
        r = describe(script, &c, &end, outcome.output, &outcome.how);
        if (r < 0)
                return r;
        *ret = outcome;
        outcome = (HookOutcome){};
        return 0;
}
