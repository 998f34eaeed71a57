/*
 * muster-hook NAME: the worker of muster-hook@NAME.service. Reads its order,
 * runs the operator's hooks as user muster-hook, writes the result. It holds
 * no right of user muster; what a hook may do is the unit's affair.
 *
 * Exit status 0 when a result was written, whatever the hooks said, else 1.
 */
#include "hook/run.h"
#include "util/json.h"
#include "util/name.h"
#include "util/text.h"
#include "worker/order.h"
#include "muster-build.h"

#define GRACE_USEC (5 * USEC_PER_SEC)
#define LOG_ERROR  "<3>" /* sd-daemon(3): systemd takes the priority off the line */
#define LOG_INFO   "<6>"

/* Readable for people who run it by hand, too. */
static int fail(const Fault *fault, int r) {
        fprintf(stderr, LOG_ERROR "%s\n", fault_text(fault, r));
        return EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        const HookSetting setting = {
                .directory = MUSTER_SYSCONFDIR "/hooks.d",
                .owner = 0,
                .environment = environ,
                .grace_usec = GRACE_USEC,
                .echo_fd = STDERR_FILENO,
        };
        cleanup_fault_ Fault fault = {};
        cleanup_hook_report_ HookReport report = {};
        cleanup_json_ json_t *order = NULL;
        int r;

        if (argc != 2) {
                fprintf(stderr, "usage: muster-hook NODE (run by muster-hook@NODE.service)\n");
                return 2;
        }
        r = name_check(argv[1], "node name", &fault);
        if (r >= 0)
                r = worker_order_read(WORKER_HOOK, argv[1], &order, &fault);
        if (r < 0)
                return fail(&fault, r);
        r = hook_run(&setting, order, &report, &fault);
        if (r == -ENOMEM)
                return fail(&fault, r);
        if (r >= 0) {
                r = worker_result_write(WORKER_HOOK, argv[1], json_str(order, "job"), report.ok, report.text,
                                        report.extra, &fault);
                fprintf(stderr, "%s%s\n", report.ok ? LOG_INFO : LOG_ERROR, report.text);
        } else {
                /* An order or a hook that cannot be used does not get better by trying again. */
                fprintf(stderr, LOG_ERROR "%s\n", fault_text(&fault, r));
                r = worker_result_write(WORKER_HOOK, argv[1], json_str(order, "job"), false,
                                        fault_text(&fault, r), NULL, NULL);
        }
        return r < 0 ? fail(&fault, r) : EXIT_SUCCESS;
}
