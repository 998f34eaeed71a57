#pragma once
/*
 * An order of muster-hook@NAME.service: the scripts of one event, in order of
 * their names, or one probe.
 *
 * {"job","verb":"run","event":E,"environment":{K:V},"payload":{...},"timeout_usec":N}
 *      runs DIRECTORY/E/ in C-locale order. Names are [A-Za-z0-9_-]+; editors'
 *      and package managers' leftovers (.x, x~, x.dpkg-*, x.rpm*) are passed
 *      over, any other name is an error, as is a file that others may write.
 *      All are checked before the first one runs, which then ends the run if
 *      it is not ok; with event "notify" the others are told nevertheless.
 * {"job","verb":"probe","path":SCRIPT,"environment","payload","timeout_usec"}
 *      runs that one and keeps its standard output.
 *
 * timeout_usec is each script's; null: none. Environment keys begin with
 * MUSTER_. No directory or no scripts: ok.
 */
#include <stdbool.h>
#include <sys/types.h>
#include "hook/script.h"
#include "util/json.h"

typedef struct HookSetting {
        const char *directory;    /* hooks.d */
        uid_t owner;              /* who must own what is run: 0 */
        char *const *environment; /* our own, of which hooks get what is not the worker's */
        uint64_t grace_usec;
        int echo_fd; /* as HookScript */
} HookSetting;

typedef struct HookReport {
        bool ok;
        bool retry;
        char *text;
        json_t *extra; /* {"scripts":[{"name","status","seconds","output"}],"retry":bool,"stdout":TEXT of a
                          probe} */
} HookReport;

void hook_report_done(HookReport *report);
#define cleanup_hook_report_ cleanup_(hook_report_done)

/*
 * Does what @order says. 0 with *ret set, whatever the hooks did; an order or a
 * directory that cannot be used is -errno with a fault, and nothing was run.
 */
int hook_run(const HookSetting *setting, const json_t *order, HookReport *ret, Fault *reterr);
