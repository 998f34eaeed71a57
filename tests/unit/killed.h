#pragma once
/*
 * Work that is killed at every system call that changes the file system: it runs
 * in a traced child that is SIGKILLed before its n-th such call.
 */
#include "tests/unit/trees.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static inline bool changes_files(uint64_t nr, const uint64_t args[6]) {
        switch (nr) {
        case SYS_openat:
                return args[2] & (O_CREAT | O_TRUNC);
        case SYS_openat2: /* only reads in this code */
                return false;
        case SYS_write:
        case SYS_pwrite64:
        case SYS_copy_file_range:
        case SYS_ftruncate:
        case SYS_ioctl:
        case SYS_mkdirat:
        case SYS_unlinkat:
        case SYS_renameat:
        case SYS_renameat2:
        case SYS_symlinkat:
        case SYS_linkat:
        case SYS_fchmod:
        case SYS_fchmodat:
        case SYS_utimensat:
        case SYS_fsync:
        case SYS_fdatasync:
        case SYS_syncfs:
#ifdef SYS_rename
        case SYS_rename:
        case SYS_unlink:
        case SYS_mkdir:
        case SYS_rmdir:
#endif
                return true;
        default:
                return false;
        }
}

/* Steps the stopped child from call to call. True: it was killed before its @n-th change; false: it exited
 * with 0. */
static inline bool step_until(pid_t pid, unsigned n) {
        unsigned changes = 0;
        int status;

        assert_int_equal(
                ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *) (PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)),
                0);
        for (;;) {
                struct __ptrace_syscall_info info;

                assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                if (WIFEXITED(status)) {
                        assert_int_equal(WEXITSTATUS(status), 0);
                        return false;
                }
                if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80))
                        fail_msg("unexpected wait status %x", (unsigned) status);
                assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *) sizeof info, &info) > 0);
                if (info.op != PTRACE_SYSCALL_INFO_ENTRY ||
                    !changes_files(info.entry.nr, (const uint64_t *) info.entry.args))
                        continue;
                if (++changes < n)
                        continue;
                assert_int_equal(kill(pid, SIGKILL), 0);
                while (waitpid(pid, &status, 0) == pid && !WIFSIGNALED(status))
                        ;
                return true;
        }
}

/* Runs @work in a child that is killed before its @n-th change; false: it got through before. */
static inline bool killed_at(Host *h, int (*work)(Host *), unsigned n) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                        _exit(99);
                (void) raise(SIGSTOP);
                _exit(work(h) == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSTOPPED(status));
        return step_until(pid, n);
}
