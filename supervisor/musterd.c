/*
 * musterd: watches the nodes of this host and carries out what operators ask
 * for. It may end at any time: nodes run on, jobs are taken up again.
 */
#include <signal.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "bus/service.h"
#include "muster-build.h"
#include "util/resident.h"
#include "util/text.h"

#define STATUS_USEC          USEC_PER_SEC
#define GIVE_BACK_FIRST_USEC (10 * USEC_PER_SEC) /* the start is over */
#define GIVE_BACK_USEC       (600 * USEC_PER_SEC)

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        cleanup_fault_ Fault fault = {};
        int r;

        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) now_monotonic_usec());
        r = daemon_reload(userdata, NULL, &fault);
        if (r < 0)
                sd_journal_print(LOG_ERR, "Reload: %s; what was good before stays", fault_text(&fault, r));
        (void) sd_notify(0, "READY=1");
        return 0;
}

/* Only when it changed: systemd wakes up for each. */
static int on_status(sd_event_source *source, uint64_t usec, void *userdata) {
        static char *shown;
        cleanup_free_ char *text = daemon_status_text(userdata);

        if (text && !str_eq(text, shown)) {
                (void) sd_notifyf(0, "STATUS=%s", text);
                free(shown);
                shown = TAKE_PTR(text);
        }
        (void) sd_event_source_set_time_relative(source, STATUS_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_give_back(sd_event_source *source, uint64_t usec, void *userdata) {
        resident_give_back();
        (void) sd_event_source_set_time_relative(source, GIVE_BACK_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int block_signals(void) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        (void) signal(SIGPIPE, SIG_IGN);
        return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

static int event_setup(sd_event *event, Daemon *daemon) {
        int r;

        r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, daemon);
        if (r >= 0)
                r = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, STATUS_USEC, STATUS_USEC / 2,
                                               on_status, daemon);
        if (r >= 0)
                r = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, GIVE_BACK_FIRST_USEC,
                                               GIVE_BACK_FIRST_USEC / 2, on_give_back, NULL);
        if (r >= 0)
                r = sd_event_set_watchdog(event, 1);
        return r;
}

static int run(Fault *reterr) {
        cleanup_(sd_event_unrefp) sd_event *event = NULL;
        cleanup_(daemon_freep) Daemon *daemon = NULL;
        cleanup_(bus_service_freep) BusService *service = NULL;
        int r;

        r = block_signals();
        if (r >= 0)
                r = sd_event_default(&event);
        if (r >= 0)
                r = daemon_new(event, &daemon, reterr);
        if (r >= 0)
                r = event_setup(event, daemon);
        if (r >= 0)
                r = bus_service_new(event, daemon, &service);
        if (r >= 0)
                r = daemon_resume(daemon, reterr);
        if (r < 0)
                return r;
        (void) sd_notify(0, "READY=1");
        r = sd_event_loop(event);
        (void) sd_notify(0, "STOPPING=1");
        return r;
}

int main(int argc, char *argv[]) {
        cleanup_fault_ Fault fault = {};
        int r;

        if (argc == 2 && str_eq(argv[1], "--version")) {
                puts("musterd " MUSTER_VERSION);
                return EXIT_SUCCESS;
        }
        if (argc > 1) {
                fprintf(stderr, "musterd takes no arguments; systemd starts it: systemctl start musterd\n");
                return 2;
        }
        r = run(&fault);
        if (r < 0) {
                sd_journal_print(LOG_ERR, "musterd cannot run: %s", fault_text(&fault, r));
                fprintf(stderr, "musterd: %s\n", fault_text(&fault, r));
                return EXIT_FAILURE;
        }
        return r;
}
