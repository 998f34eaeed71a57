/*
 * musterctl discard: a staged release that will not be used is forgotten.
 */
#include "musterctl/args.h"
#include "musterctl/nodes.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "util/json.h"

static int run(const char *name, const char *version) {
        cleanup_(daemon_freep) Daemon *daemon = NULL;
        cleanup_json_ json_t *manager = NULL, *options = json_object();
        cleanup_fault_ Fault fault = {};
        const json_t *node;
        int r;

        if (!options)
                return complain(-ENOMEM, NULL);
        r = nodes_open(name, &daemon, &manager, &node, &fault);
        if (r == 0)
                r = daemon_act(daemon, name, "Discard", version, options, NULL, &fault);
        if (r != 0)
                return complain(r, &fault);
        if (!settings.json)
                printf("%s: version %s is discarded\n", name, version);
        return 0;
}

int verb_discard(int argc, char *argv[]) {
        const ArgSpec spec = {
                "discard", NULL, 0, 2, 2, "The current and the previous release are never discarded."
        };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        return run(operands[0], operands[1]);
}
