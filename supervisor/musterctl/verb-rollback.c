/*
 * musterctl rollback: the previous release, by the same way as an upgrade.
 */
#include "musterctl/act.h"
#include "musterctl/args.h"
#include "musterctl/ask.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "util/text.h"

/* A restore that is under way, or ended stuck: what goes back is the data. */
static bool goes_back_in_data(const json_t *node) {
        const json_t *active = node_active_job(node), *last = json_object_get(node, "last");

        return str_eq(json_str(active, "kind"), "restore") ||
               (!active && json_str(node, "old_data") &&
                (str_eq(json_str(last, "kind"), "restore") || str_eq(json_str(last, "state"), "aborted")));
}

static int ask_for_data(const json_t *node, Fault *reterr) {
        const char *name = json_str(node, "name") ?: "?";
        cleanup_free_ char *question = NULL;

        if (!settings.json)
                printf("%11s: %s: to the data of before the restore, with version %s\n%11s: keys and "
                       "signing "
                       "state never go back\n",
                       "Roll back", name, json_str(node, "version") ?: "?", "Data");
        if (asprintf(&question, "Stop %s and start it with the data of before the restore?", name) < 0)
                return -ENOMEM;
        return ask(question, reterr);
}

static int show_and_ask(const json_t *node, Fault *reterr) {
        const char *name = json_str(node, "name") ?: "?", *version = json_str(node, "version"),
                   *previous = json_str(node, "previous");
        cleanup_free_ char *question = NULL;

        if (!previous)
                return fault_set(reterr, CTL_REFUSED, "%s has no previous release to go back to", name);
        if (!settings.json)
                printf("%11s: %s: %s %s %s\n%11s: %s\n", "Roll back", name, version ?: "nothing",
                       screen_arrow(&settings.out), previous, "Data",
                       "the backup's, where the upgrade ended stuck with one, else as it is; keys and "
                       "signing state "
                       "never go back");
        if (asprintf(&question, "Stop %s and start it with %s?", name, previous) < 0)
                return -ENOMEM;
        return ask(question, reterr);
}

static int run(const char *name, bool wait) {
        cleanup_(act_done) Act act = {};
        int r;

        r = act_open_allowed(&act, name);
        if (r == 0)
                r = goes_back_in_data(act.node) ? ask_for_data(act.node, &act.fault)
                                                : show_and_ask(act.node, &act.fault);
        if (r == 0)
                r = act_start(&act, "Rollback", NULL, wait);
        return r != 0 ? complain(r, &act.fault)
                      : act_follow(&act, "rollback", json_str(act.node, "previous"));
}

int verb_rollback(int argc, char *argv[]) {
        bool no_wait = false;
        const ArgOption options[] = { { "no-wait", 0, ARG_FLAG, NULL, "return when it is accepted",
                                        &no_wait } };
        const ArgSpec spec = { "rollback", options, ELEMENTSOF(options),
                               1,          1,       "Ctrl-C ends the waiting, not the rollback." };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        return run(operands[0], !no_wait);
}
