#include "restore/command-snapshot.h"
#include "archive/inspect.h"
#include "util/durable.h"

#include <getopt.h>

static int usage(FILE *f) {
        fputs("Usage: muster-restore inspect MANIFEST [--json] [--files] [--body]\n"
              "What the manifest says. Nothing is trusted by that: see muster-restore verify.\n\n"
              "  --files  the files of a framed snapshot\n"
              "  --body   the bytes that are signed, for `ssh-keygen -Y verify -n " MANIFEST_NAMESPACE "`\n"
              "  --json   as JSON\n",
              f);
        return f == stdout ? EXIT_SUCCESS : COMMAND_USAGE;
}

static int show(const Manifest *m, bool json, bool files) {
        json_t *object;

        if (json) {
                object = inspect_json(m);
                if (object && files && json_object_set_new(object, "entries", inspect_files_json(m)) != 0) {
                        json_decref(object);
                        object = NULL;
                }
                return snapshot_print(object);
        }
        if (files)
                inspect_files(m, stdout);
        else
                inspect_text(m, stdout);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_inspect(int argc, char **argv) {
        static const struct option options[] = {
                { "json", no_argument, NULL, 'j' },
                { "files", no_argument, NULL, 'f' },
                { "body", no_argument, NULL, 'b' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_fault_ Fault fault = { 0 };
        bool json = false, files = false, body = false;
        const void *data;
        size_t size;
        int option, r;

        optind = 0;
        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                json = json || option == 'j';
                files = files || option == 'f';
                body = body || option == 'b';
                if (option == 'h' || option == '?')
                        return usage(option == 'h' ? stdout : stderr);
        }
        if (argc - optind != 1 || (body && (json || files)))
                return usage(stderr);
        r = snapshot_open_manifest(argv[optind], &m, &fault);
        if (r < 0)
                return snapshot_fail(json, EXIT_FAILURE, r, &fault);
        if (!body)
                return show(m, json, files);
        manifest_body(m, &data, &size);
        r = write_all(STDOUT_FILENO, data, size);
        if (r < 0)
                fault_errno(&fault, r, "Failed to write");
        return r < 0 ? snapshot_fail(json, EXIT_FAILURE, r, &fault) : EXIT_SUCCESS;
}
