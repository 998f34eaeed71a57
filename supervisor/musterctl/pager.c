/*
 * Under sudo the pager runs as root: $PAGER is not honoured then, and less is
 * told to start no shell and no editor.
 */
#include "musterctl/pager.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "musterctl/settings.h"
#include "util/durable.h"
#include "util/text.h"

static unsigned line_count(const char *text, size_t size) {
        unsigned n = 0;

        for (size_t i = 0; i < size; i++)
                n += text[i] == '\n';
        return n;
}

static void run_pager(int input) {
        const char *pager = getenv("PAGER");

        if (dup2(input, STDIN_FILENO) < 0)
                _exit(127);
        setenv("LESS", "FRSXMK", 0);
        if (geteuid() == 0 || getenv("SUDO_UID")) {
                setenv("LESS", "FRSXMK", 1);
                setenv("LESSSECURE", "1", 1);
                unsetenv("LESSOPEN");
                pager = NULL;
        }
        if (pager && *pager)
                execlp("sh", "sh", "-c", pager, (char *) NULL);
        else
                execlp("less", "less", (char *) NULL);
        _exit(127);
}

int page_text(const char *text, size_t size) {
        cleanup_fd_ int input = -1, output = -1;
        int pair[2], status, r;
        pid_t pid;

        fflush(stdout);
        if (!settings.out.terminal || settings.no_pager || str_eq(getenv("PAGER"), "cat") ||
            line_count(text, size) < settings.out.rows)
                return write_all(STDOUT_FILENO, text, size);
        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        input = pair[0];
        output = pair[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_pager(input);
        close(TAKE_FD(input));
        signal(SIGINT, SIG_IGN); /* it is the pager's */
        signal(SIGPIPE, SIG_IGN);
        r = write_all(output, text, size);
        close(TAKE_FD(output));
        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127) /* there is none */
                return write_all(STDOUT_FILENO, text, size);
        return r == -EPIPE ? 0 : r;
}
