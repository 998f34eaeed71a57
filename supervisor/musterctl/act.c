/*
 * Nothing is changed before act_call() and act_start(): until then a verb may
 * ask, refuse and leave.
 */
#include "musterctl/act.h"

#include "musterctl/job.h"

int act_open(Act *act, const char *node) {
        act->name = node;
        act->options = json_object();
        if (!act->options)
                return -ENOMEM;
        return nodes_open(node, &act->daemon, &act->manager, &act->node, &act->fault);
}

void act_done(Act *act) {
        watch_free(act->watch);
        daemon_free(act->daemon);
        json_decref(act->options);
        json_decref(act->manager);
        free(act->job);
        fault_done(&act->fault);
}

int act_open_allowed(Act *act, const char *node) {
        const char *refusal;
        int r;

        r = act_open(act, node);
        if (r != 0)
                return r;
        refusal = json_str(act->node, "refusal");
        return refusal ? fault_set(&act->fault, CTL_REFUSED, "%s", refusal) : 0;
}

int act_call(Act *act, const char *method, const char *first) {
        return daemon_act(act->daemon, act->name, method, first, act->options, NULL, &act->fault);
}

int act_start(Act *act, const char *method, const char *first, bool wait) {
        int r = 0;

        if (wait)
                r = watch_new(act->daemon, act->name, JOB_PATIENCE, &act->watch, &act->fault);
        if (r == 0)
                r = daemon_act(act->daemon, act->name, method, first, act->options, &act->job, &act->fault);
        return r;
}

int act_follow(Act *act, const char *kind, const char *version) {
        return job_follow(act->daemon, act->watch, act->name, act->job, kind, version);
}
