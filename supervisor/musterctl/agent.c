/*
 * The agent registers for its parent process, which is us. Its end of the
 * pipe is closed when it has, or when it died: either way we go on, and
 * without an agent polkit answers "access denied".
 */
#include "musterctl/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "musterctl/settings.h"

#define AGENT_PATH          "/usr/bin/pkttyagent"
#define REGISTER_TIMEOUT_MS 5000

struct Agent {
        pid_t pid;
};

static void run_agent(int notify, pid_t parent) {
        char fd[16];

        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent || fcntl(notify, F_SETFD, 0) < 0)
                _exit(EXIT_FAILURE);
        snprintf(fd, sizeof fd, "%d", notify);
        execl(AGENT_PATH, AGENT_PATH, "--notify-fd", fd, "--fallback", (char *) NULL);
        _exit(EXIT_FAILURE);
}

int agent_open(Agent **ret) {
        cleanup_fd_ int mine = -1, its = -1;
        cleanup_free_ Agent *a = NULL;
        pid_t self = getpid();
        int pair[2];

        *ret = NULL;
        if (geteuid() == 0 || !isatty(STDIN_FILENO) || access(AGENT_PATH, X_OK) < 0)
                return 0;
        a = calloc(1, sizeof *a);
        if (!a)
                return -ENOMEM;
        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        mine = pair[0];
        its = pair[1];
        fflush(stdout);
        a->pid = fork();
        if (a->pid < 0)
                return -errno;
        if (a->pid == 0)
                run_agent(its, self);
        close(TAKE_FD(its));
        (void) poll(&(struct pollfd){ .fd = mine }, 1, REGISTER_TIMEOUT_MS);
        *ret = TAKE_PTR(a);
        return 0;
}

Agent *agent_close(Agent *agent) {
        if (!agent)
                return NULL;
        (void) kill(agent->pid, SIGTERM);
        (void) kill(agent->pid, SIGCONT);
        (void) waitpid(agent->pid, NULL, 0);
        free(agent);
        return NULL;
}
