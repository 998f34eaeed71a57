/*
 * devchain: a small real blockchain node for tests and the demo, see README.md.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "node.h"
#include "options.h"
#include "release.h"
#include "rpc.h"

#define POLL_MAX        256
#define CONTROL_POLL_MS 200 /* how often the control file is read */

static volatile sig_atomic_t stop_signal;

static void on_signal(int sig) {
        stop_signal = sig;
}

/* Signals arrive in ppoll() only: @ret_wait is the mask for it. */
static void catch_signals(sigset_t *ret_wait) {
        struct sigaction action = { .sa_handler = on_signal };
        sigset_t block;

        sigemptyset(&block);
        sigaddset(&block, SIGTERM);
        sigaddset(&block, SIGINT);
        sigprocmask(SIG_BLOCK, &block, ret_wait);
        sigdelset(ret_wait, SIGTERM);
        sigdelset(ret_wait, SIGINT);
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGINT, &action, NULL);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
}

static void wait_ms(struct pollfd *fds, size_t n, uint64_t ms, const sigset_t *mask) {
        const struct timespec ts = { .tv_sec = (time_t) (ms / 1000),
                                     .tv_nsec = (long) (ms % 1000) * 1000000 };

        if (ppoll(fds, n, &ts, mask) < 0)
                for (size_t i = 0; i < n; i++)
                        fds[i].revents = 0;
}

/* Whether a stop signal came and counts. */
static bool told_to_stop(const Node *node) {
        if (!stop_signal)
                return false;
        if (node_fault(node, FAULT_IGNORE_SIGTERM)) {
                log_warn("ignoring signal %d", (int) stop_signal);
                stop_signal = 0;
                return false;
        }
        return true;
}

/* One turn of the loop. 0 or -errno. */
static int turn(Node *node, Rpc *rpc, uint64_t dark_until_ms, const sigset_t *mask) {
        uint64_t now_ms = clock_mono_ms(), wakeup = now_ms + CONTROL_POLL_MS, tick;
        struct pollfd fds[POLL_MAX];
        size_t n_peers = 0, n = 0;
        int r;

        faults_reload(node->faults, now_ms);
        if (node->phase == NODE_DARK && now_ms >= dark_until_ms) {
                r = node_go_online(node, now_ms);
                if (r < 0)
                        return r;
        }
        if (node->phase != NODE_DARK) {
                r = rpc_tick(rpc);
                if (r < 0)
                        return r;
                tick = node_tick(node, now_ms);
                if (tick < wakeup)
                        wakeup = tick;
                n_peers = peers_fill(&node->peers, fds, POLL_MAX / 2);
                n = n_peers + http_fill(&rpc->http, fds + n_peers, POLL_MAX - n_peers, &wakeup);
        }

        now_ms = clock_mono_ms();
        wait_ms(fds, n, wakeup > now_ms ? wakeup - now_ms : 0, mask);
        if (node->phase != NODE_DARK) {
                now_ms = clock_mono_ms();
                peers_service(&node->peers, fds, now_ms);
                http_service(&rpc->http, fds + n_peers, now_ms);
        }
        return 0;
}

/* A node that takes its time to stop holds its data all the while. */
static void linger(const Node *node, const sigset_t *mask) {
        const FaultRule *slow = node_fault(node, FAULT_SLOW_STOP);
        uint64_t until = clock_mono_ms() + (slow ? fault_number(slow, 10) * 1000 : 0);

        if (slow)
                log_info("stopping, flushing for %u s", (unsigned) fault_number(slow, 10));
        for (uint64_t now_ms = clock_mono_ms(); now_ms < until; now_ms = clock_mono_ms())
                wait_ms(NULL, 0, until - now_ms, mask);
}

static int run(const Options *options, const Release *release, Faults *faults) {
        Node *node = calloc(1, sizeof(*node));
        const FaultRule *dark;
        sigset_t mask;
        Rpc rpc;
        int r;

        if (!node)
                return -ENOMEM;
        catch_signals(&mask);
        *node = (Node){ .options = options, .release = release, .faults = faults };
        r = node_open(node);
        if (r == 0) {
                rpc_init(&rpc, node);
                dark = node_fault(node, FAULT_SLOW_START);
                uint64_t dark_until_ms = clock_mono_ms() + (dark ? fault_number(dark, 5) * 1000 : 0);

                while (r == 0 && !told_to_stop(node))
                        r = turn(node, &rpc, dark_until_ms, &mask);
                http_close(&rpc.http);
                peers_close(&node->peers);
                if (r == 0)
                        linger(node, &mask);
                node_close(node, r < 0 ? "error" : stop_signal == SIGINT ? "sigint" : "sigterm");
        }
        store_done(&node->store);
        free(node);
        return r;
}

static int print_version(const Release *release, const Faults *faults) {
        if (faults_active(faults, FAULT_BAD_VERSION, UINT64_MAX, UINT64_MAX)) {
                fprintf(stderr, "devchain: symbol lookup error: undefined symbol: version\n");
                return 1;
        }
        puts(release->version);
        return 0;
}

/* Faults of the release, the environment, and of the control file in @data (may be NULL). */
static int load_faults(Faults *f, const Release *release, const char *data) {
        uint64_t now_ms = clock_mono_ms();
        const char *environment = getenv("DEVCHAIN_FAULT");
        char bad[64];
        int r;

        r = faults_set(f, FAULT_SOURCE_RELEASE, release->faults, now_ms, bad);
        if (r == 0)
                r = faults_set(f, FAULT_SOURCE_ENVIRONMENT, environment ?: "", now_ms, bad);
        if (r < 0) {
                fprintf(stderr, "devchain: unknown fault '%s'; see devchain --help\n", bad);
                return r;
        }
        if (data) {
                snprintf(f->control_path, sizeof(f->control_path), "%s/fault", data);
                faults_reload(f, now_ms);
        }
        return 0;
}

int main(int argc, char *argv[]) {
        const FaultRule *no_start;
        static Faults faults;
        Release release;
        Options options;
        int r;

        r = release_read(&release);
        if (r < 0) {
                fprintf(stderr, "devchain: broken release trailer: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        if (options_parse(&options, argc, argv) < 0)
                return EXIT_FAILURE;
        if (options.command == OPTIONS_HELP) {
                options_help();
                return EXIT_SUCCESS;
        }
        if (load_faults(&faults, &release, options.data) < 0)
                return EXIT_FAILURE;
        if (options.command == OPTIONS_VERSION)
                r = print_version(&release, &faults);
        else {
                no_start = faults_active(&faults, FAULT_NO_START, UINT64_MAX, UINT64_MAX);
                if (no_start) {
                        log_error("panic: told not to start");
                        r = (int) fault_number(no_start, 1);
                } else
                        r = run(&options, &release, &faults) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        faults_done(&faults);
        return r;
}
