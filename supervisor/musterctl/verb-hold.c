/*
 * musterctl hold, unhold: whether a node may start.
 */
#include "musterctl/act.h"
#include "musterctl/args.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "util/text.h"

static int run(const char *name, const char *method, bool held) {
        cleanup_(act_done) Act act = {};
        cleanup_json_ json_t *after = NULL;
        int64_t pid;
        int r;

        r = act_open(&act, name);
        if (r == 0)
                r = act_call(&act, method, NULL);
        if (r == 0)
                r = daemon_describe_node(act.daemon, name, &after, &act.fault);
        if (r != 0)
                return complain(r, &act.fault);
        if (settings.json)
                return print_json(after) < 0 ? complain(-EIO, NULL) : 0;
        pid = json_i64(after, "pid", 0);
        if (held)
                printf("%s is held: systemd refuses to start it until: musterctl unhold %s\n", name, name);
        else
                printf("%s is released\n", name);
        if (held && pid > 0)
                printf("It still runs (pid %lld): a hold stops nothing\n", (long long) pid);
        else if (!held && pid <= 0 && !json_str(after, "version"))
                printf("It has no release yet: musterctl stage, then musterctl upgrade\n");
        else if (!held && pid <= 0)
                printf("It does not run; start it: sudo systemctl start %s\n",
                       json_str(after, "unit") ?: name);
        return 0;
}

int verb_hold(int argc, char *argv[]) {
        const ArgSpec spec = { "hold", NULL, 0,
                               1,      1,    "--reason is required. A node that runs goes on running." };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        if (!settings.reason || !*settings.reason)
                return usage_error("hold",
                                   "--reason TEXT is required: who finds the node held must know why");
        return run(operands[0], "Hold", true);
}

int verb_unhold(int argc, char *argv[]) {
        const ArgSpec spec = { "unhold", NULL, 0, 1, 1, NULL };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        return run(operands[0], "Unhold", false);
}
