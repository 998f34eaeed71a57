/*
 * Everything that needs the node's own files, run as the node's user.
 *
 *     muster-restore work NAME          the unit muster-restore@NAME.service: one order
 *     muster-restore accept-keys NAME   by hand, while the node is stopped
 */
#include "restore/accept-keys.h"
#include "restore/work.h"
#include "util/text.h"

static int command_accept_keys(const char *name) {
        cleanup_fault_ Fault fault = { 0 };
        int r = accept_keys(name, &fault);

        if (r < 0)
                fprintf(stderr, "Failed to accept the keys of '%s': %s\n", name, fault_text(&fault, r));
        return r == -EBUSY ? 5 : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        if (argc == 3 && str_eq(argv[1], "work"))
                return restore_work(argv[2]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (argc == 3 && str_eq(argv[1], "accept-keys"))
                return command_accept_keys(argv[2]);
        fprintf(stderr, "Usage: muster-restore accept-keys NAME   record the node's keys as they are now; "
                        "NAME is stopped\n"
                        "       muster-restore work NAME          what muster-restore@NAME.service runs\n");
        return 2;
}
