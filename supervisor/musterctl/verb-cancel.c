/*
 * musterctl cancel: before the node is stopped nothing has happened; after
 * that, cancelling is going back.
 */
#include "musterctl/act.h"
#include "musterctl/args.h"
#include "musterctl/ask.h"
#include "musterctl/job.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "util/text.h"

/* The job that is cancelled, said and, if its node was touched already, asked. */
static int show_and_ask(const char *name, const json_t *job, Fault *reterr) {
        static const char *const harmless[] = { "fetching", "verifying", "staged", "armed", "draining" };
        const char *state = json_str(job, "state");
        cleanup_free_ char *title = job_title(&settings.err, job), *question = NULL;

        for (size_t i = 0; i < ELEMENTSOF(harmless); i++)
                if (str_eq(harmless[i], state))
                        return 0;
        if (asprintf(&question, "%s: %s is %s: cancelling it goes back to the %s before. Cancel it?", name,
                     title ?: "the job", state ?: "?",
                     str_eq(json_str(job, "kind"), "restore") ? "data of" : "release") < 0)
                return -ENOMEM;
        return ask(question, reterr);
}

static int run(const char *name) {
        cleanup_(act_done) Act act = {};
        const json_t *job;
        int r;

        r = act_open(&act, name);
        if (r != 0)
                return complain(r, &act.fault);
        job = node_active_job(act.node);
        if (!job)
                return complain(fault_set(&act.fault, CTL_FAILED, "%s has no running job", name),
                                &act.fault);
        r = show_and_ask(name, job, &act.fault);
        if (r == 0)
                r = act_call(&act, "Cancel", NULL);
        if (r != 0)
                return complain(r, &act.fault);
        if (settings.json)
                r = print_json(job);
        else
                printf("%s: %s %s is being cancelled; see: musterctl status %s\n", name,
                       json_str(job, "kind") ?: "job", json_str(job, "source") ?: json_str(job, "version") ?: "",
                       name);
        return r < 0 ? complain(r, NULL) : 0;
}

int verb_cancel(int argc, char *argv[]) {
        const ArgSpec spec = { "cancel", NULL, 0, 1, 1, NULL };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        return run(operands[0]);
}
