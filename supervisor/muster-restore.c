/*
 * Everything that needs the node's own files, run as the node's user; and what a
 * snapshot takes to be made, looked at and fetched, without a daemon.
 *
 *     muster-restore fetch|create|verify|inspect ...   by hand
 *     muster-restore accept-keys NAME   by hand, while the node is stopped
 *     muster-restore work NAME          the unit muster-restore@NAME.service: one order
 *     muster-restore work-fetch NAME    the unit muster-fetch@NAME.service: one order
 */
#include "restore/accept-keys.h"
#include "restore/commands.h"
#include "restore/fetch-work.h"
#include "restore/work.h"
#include "util/text.h"

#include <locale.h>

static int command_accept_keys(int argc, char **argv) {
        cleanup_fault_ Fault fault = {};
        int r = accept_keys(argv[1], &fault);

        if (r < 0)
                fprintf(stderr, "Failed to accept the keys of '%s': %s\n", argv[1], fault_text(&fault, r));
        return r == -EBUSY ? 5 : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int command_work(int argc, char **argv) {
        return restore_work(argv[1]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int command_work_fetch(int argc, char **argv) {
        return fetch_work(argv[1]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static const struct {
        const char *name;
        bool takes_node; /* exactly one word, which is not an option */
        int (*run)(int argc, char **argv);
} verbs[] = {
        { "fetch", false, command_fetch },
        { "create", false, command_create },
        { "verify", false, command_verify },
        { "inspect", false, command_inspect },
        { "work", true, command_work },
        { "work-fetch", true, command_work_fetch },
        { "accept-keys", true, command_accept_keys },
};

static int usage(FILE *to) {
        fputs("Usage: muster-restore fetch --into DIR [OPTIONS] URL...    a snapshot into a directory\n"
              "       muster-restore create --from DIR --output PREFIX [OPTIONS]   make a snapshot\n"
              "       muster-restore verify MANIFEST [ARCHIVE|DIR]       is it what the manifest says?\n"
              "       muster-restore inspect MANIFEST                    what the manifest says\n"
              "       muster-restore accept-keys NAME   record the node's keys as they are now; NAME is "
              "stopped\n"
              "       muster-restore work NAME          what muster-restore@NAME.service runs\n"
              "       muster-restore work-fetch NAME    what muster-fetch@NAME.service runs\n"
              "Each of the first four tells more with --help.\n",
              to);
        return to == stderr ? COMMAND_USAGE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        (void) setlocale(LC_CTYPE, "C.UTF-8"); /* names in archives are UTF-8 */
        if (argc == 2 && (str_eq(argv[1], "--help") || str_eq(argv[1], "help")))
                return usage(stdout);
        for (size_t i = 0; argc > 1 && i < ELEMENTSOF(verbs); i++) {
                if (!str_eq(argv[1], verbs[i].name))
                        continue;
                if (verbs[i].takes_node && (argc != 3 || argv[2][0] == '-'))
                        return usage(stderr);
                return verbs[i].run(argc - 1, argv + 1);
        }
        return usage(stderr);
}
