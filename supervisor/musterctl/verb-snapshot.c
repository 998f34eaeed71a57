/*
 * musterctl snapshot create: an archive of a node's data, made by its worker.
 */
#include "musterctl/act.h"
#include "musterctl/args.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "util/text.h"

typedef struct SnapshotOptions {
        const char *name, *level;
        uint64_t level_number;
        bool stop, no_wait;
} SnapshotOptions;

static int put_options(json_t *options, const SnapshotOptions *o) {
        if (json_put_str(options, "prefix", o->name) < 0 ||
            (o->level && json_put_u64(options, "level", o->level_number) < 0) ||
            (o->stop && json_put_bool(options, "stop", true) < 0))
                return -ENOMEM;
        return 0;
}

static int run(const SnapshotOptions *o, const char *name) {
        cleanup_(act_done) Act act = {};
        int r;

        r = act_open_allowed(&act, name);
        if (r == 0)
                r = put_options(act.options, o);
        if (r == 0)
                r = act_start(&act, "CreateSnapshot", NULL, !o->no_wait);
        return r != 0 ? complain(r, &act.fault)
                      : act_follow(&act, "snapshot", json_str(act.node, "version"));
}

int verb_snapshot(int argc, char *argv[]) {
        SnapshotOptions o = {};
        const ArgOption options[] = {
                { "name", 0, ARG_TEXT, "PREFIX", "of the files (NODE-HEIGHT)", &o.name },
                { "level", 0, ARG_TEXT, "N", "of zstd, 1 to 22", &o.level },
                { "stop", 0, ARG_FLAG, NULL, "refused: stop the node yourself", &o.stop },
                { "no-wait", 0, ARG_FLAG, NULL, "return when it is accepted", &o.no_wait },
        };
        const ArgSpec spec = {
                "snapshot",
                options,
                ELEMENTSOF(options),
                2,
                2,
                "Writes PREFIX.tar.zst and PREFIX.manifest to the node's state/snapshots, without keys and "
                "signing state;\n"
                "'muster-restore create --from ARCHIVE --sign KEY' signs. The node is not stopped, so its "
                "files may "
                "change\n"
                "meanwhile, which is said: stop it before, or name a directory that does not change by a "
                "hook in\n"
                "hooks.d/snapshot (its last line of output); hooks.d/snapshot-done is run afterwards.",
        };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        if (!str_eq(operands[0], "create"))
                return usage_error("snapshot", "unknown '%s': expected musterctl snapshot create NODE",
                                   operands[0]);
        if (o.level &&
            (parse_u64(o.level, &o.level_number) < 0 || o.level_number < 1 || o.level_number > 22))
                return usage_error("snapshot", "--level '%s': expected a number from 1 to 22", o.level);
        return run(&o, operands[1]);
}
