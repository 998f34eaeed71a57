#pragma once
/*
 * The system calls that make something durable, seen in their order, and each
 * of them made to fail or to be the process's last: these definitions come
 * before libc's for the static libraries under test. Outside of a trace they
 * only pass on. Include it in one file of a test.
 */
#include "tests/unit/cmocka-all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACE_MAX 64

static struct Trace {
        bool on;
        size_t n;
        const char *steps[TRACE_MAX];
        size_t fail_at; /* this step, counted from 1, does nothing and fails with EIO */
        size_t die_at;  /* before this step the process is killed */
        bool dribble;   /* writes take one byte, every other one is interrupted */
} trace;

static inline void trace_begin(void) {
        trace = (struct Trace){ .on = true };
}

/* Returns true if the step must fail. */
static bool trace_step(const char *name) {
        if (!trace.on)
                return false;
        if (trace.n >= TRACE_MAX)
                return false;
        trace.steps[trace.n++] = name;
        if (trace.n == trace.die_at)
                (void) kill(getpid(), SIGKILL);
        if (trace.n == trace.fail_at) {
                errno = EIO;
                return true;
        }
        return false;
}

static inline void assert_traced(const char *const *expected) {
        size_t i;

        trace.on = false;
        for (i = 0; expected[i]; i++)
                if (i >= trace.n || strcmp(trace.steps[i], expected[i]) != 0)
                        fail_msg("step %zu is '%s', expected '%s'", i + 1,
                                 i < trace.n ? trace.steps[i] : "none", expected[i]);
        if (i != trace.n)
                fail_msg("step %zu, '%s', is one too many", i + 1, trace.steps[i]);
}
#define TRACED(...) assert_traced((const char *const[]){ __VA_ARGS__, NULL })

ssize_t write(int fd, const void *data, size_t size) {
        if (trace.on && trace.dribble) {
                if (trace.n++ % 2 == 0) {
                        errno = EINTR;
                        return -1;
                }
                return syscall(SYS_write, fd, data, size > 0 ? (size_t) 1 : size);
        }
        return trace_step("write") ? -1 : syscall(SYS_write, fd, data, size);
}

int fchmod(int fd, mode_t mode) {
        return trace_step("fchmod") ? -1 : (int) syscall(SYS_fchmod, fd, mode);
}

int fsync(int fd) {
        struct stat st;
        bool directory = trace.on && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);

        return trace_step(directory ? "fsync directory" : "fsync file") ? -1 : (int) syscall(SYS_fsync, fd);
}

int renameat(int fd, const char *from, int to_fd, const char *to) {
        return trace_step("rename") ? -1 : (int) syscall(SYS_renameat2, fd, from, to_fd, to, 0);
}

int unlinkat(int fd, const char *name, int flags) {
        return trace_step("unlink") ? -1 : (int) syscall(SYS_unlinkat, fd, name, flags);
}

int symlinkat(const char *target, int fd, const char *name) {
        return trace_step("symlink") ? -1 : (int) syscall(SYS_symlinkat, target, fd, name);
}

/* Runs @change in a child that is killed before its step @n. Returns whether it got that far. */
static inline bool dies_at(size_t n, int (*change)(void *), void *userdata) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                trace_begin();
                trace.die_at = n;
                _exit(change(userdata) < 0 ? 2 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
                return true;
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        return false;
}
