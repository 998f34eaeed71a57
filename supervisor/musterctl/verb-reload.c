/*
 * musterctl reload: a node whose file is broken keeps its old configuration;
 * that it does is said, and is a failure of this command.
 */
#include "musterctl/args.h"
#include "musterctl/attention.h"
#include "musterctl/nodes.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "util/text.h"

/* Whether every file was taken. */
static bool report(const json_t *manager) {
        const json_t *nodes = json_object_get(manager, "nodes"), *node;
        bool good = !json_str(manager, "config_error");
        size_t i;

        json_array_foreach (nodes, i, node) {
                cleanup_free_ char *apply = attention_apply_command(node);
                const char *name = json_str(node, "name") ?: "?", *error = json_str(node, "config_error");

                if (error) {
                        good = false;
                        complain(CTL_FAILED, &(Fault){ (char *) error });
                        fprintf(stderr, "%s keeps its old configuration\n", name);
                } else if (apply && !settings.json)
                        printf("%s: configuration %s; run: %s\n", name, attention_applied(node), apply);
        }
        if (json_str(manager, "config_error"))
                complain(CTL_FAILED, &(Fault){ (char *) json_str(manager, "config_error") });
        return good;
}

int verb_reload(int argc, char *argv[]) {
        const ArgSpec spec = { "reload",
                               NULL,
                               0,
                               0,
                               0,
                               "Takes what is good: of a broken file the node's old configuration stays.\n"
                               "systemctl reload musterd takes nothing if anything is broken." };
        cleanup_(daemon_freep) Daemon *daemon = NULL;
        cleanup_json_ json_t *manager = NULL;
        cleanup_fault_ Fault fault = {};
        char **operands;
        bool taken;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        r = daemon_open(&daemon, &fault);
        if (r == 0)
                r = daemon_manage(daemon, "Reload", &fault);
        taken = r == 0;
        if (r == 0 || r == CTL_FAILED) /* then some file is broken: each is named below */
                r = daemon_describe(daemon, &manager, taken ? &fault : NULL);
        if (r == 0 && settings.json)
                r = print_json(manager);
        if (r != 0)
                return complain(r, &fault);
        if (report(manager) && !taken)
                return complain(CTL_FAILED, &fault);
        return taken ? CTL_OK : CTL_FAILED;
}
