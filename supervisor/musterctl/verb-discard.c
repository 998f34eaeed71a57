/*
 * musterctl discard: a staged release that will not be used is forgotten.
 */
#include "musterctl/act.h"
#include "musterctl/args.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "util/json.h"

static int run(const char *name, const char *version) {
        cleanup_(act_done) Act act = {};
        int r;

        r = act_open(&act, name);
        if (r == 0)
                r = act_call(&act, "Discard", version);
        if (r != 0)
                return complain(r, &act.fault);
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
