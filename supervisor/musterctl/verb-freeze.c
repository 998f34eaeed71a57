/*
 * musterctl freeze, thaw: whether musterd may begin anything on this host.
 */
#include "musterctl/args.h"
#include "musterctl/daemon.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"

static int act(const char *method, const char *text) {
        cleanup_(daemon_freep) Daemon *daemon = NULL;
        cleanup_json_ json_t *manager = NULL;
        cleanup_fault_ Fault fault = {};
        int r;

        r = daemon_open(&daemon, &fault);
        if (r == 0)
                r = daemon_manage(daemon, method, &fault);
        if (r == 0)
                r = daemon_describe(daemon, &manager, &fault);
        if (r != 0)
                return complain(r, &fault);
        if (settings.json)
                return print_json(manager) < 0 ? complain(-EIO, NULL) : 0;
        printf("%s\n", text);
        return 0;
}

int verb_freeze(int argc, char *argv[]) {
        const ArgSpec spec = {
                "freeze",
                NULL,
                0,
                0,
                0,
                "--reason is required. Nodes go on running; nothing new is begun, whoever asks for it."
        };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        if (!settings.reason || !*settings.reason)
                return usage_error("freeze",
                                   "--reason TEXT is required: who finds the host frozen must know why");
        return act("Freeze", "Frozen: musterd begins nothing new until: musterctl thaw");
}

int verb_thaw(int argc, char *argv[]) {
        const ArgSpec spec = { "thaw", NULL, 0, 0, 0, NULL };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        return act("Thaw", "Thawed");
}
