/*
 * musterctl pause, resume: the download of a restore.
 */
#include "musterctl/act.h"
#include "musterctl/args.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "util/text.h"

static int run(const char *name, const char *method, bool paused) {
        cleanup_(act_done) Act act = {};
        cleanup_json_ json_t *after = NULL;
        int r;

        r = act_open(&act, name);
        if (r == 0)
                r = act_call(&act, method, NULL);
        if (r == 0 && settings.json)
                r = daemon_describe_node(act.daemon, name, &after, &act.fault);
        if (r != 0)
                return complain(r, &act.fault);
        if (settings.json)
                return print_json(after) < 0 ? complain(-EIO, NULL) : 0;
        if (paused)
                printf("%s: the download waits, also over a reboot, until: musterctl resume %s\n", name,
                       name);
        else
                printf("%s: the download goes on; follow it: musterctl events -f %s\n", name, name);
        return 0;
}

int verb_pause(int argc, char *argv[]) {
        const ArgSpec spec = { "pause", NULL, 0, 1, 1, "What has arrived stays. The node is not touched." };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        return run(operands[0], "Pause", true);
}

int verb_resume(int argc, char *argv[]) {
        const ArgSpec spec = { "resume", NULL, 0, 1, 1, NULL };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        return run(operands[0], "Resume", false);
}
