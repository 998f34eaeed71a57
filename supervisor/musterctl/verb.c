#include "musterctl/verb.h"

#include "util/text.h"

const Verb verbs[] = {
        { "list", "", "Show every node: verdict, height, version, job", verb_list },
        { "status", "[NODE...]", "Show what a node does, and what it needs", verb_status },
        { "show", "NODE", "Print everything known of a node as key=value", verb_show },
        { "events", "[NODE]", "Print the record: transitions, acts, who and why", verb_events },
        { "stage", "NODE SOURCE...", "Fetch, verify and unpack a release beside the running one",
          verb_stage },
        { "discard", "NODE VERSION", "Forget a staged release that will not be used", verb_discard },
        { "upgrade", "NODE VERSION", "Switch to a staged release; back by itself if it is bad",
          verb_upgrade },
        { "cancel", "NODE", "Stop a node's running job", verb_cancel },
        { "rollback", "NODE", "Switch back to the previous release", verb_rollback },
        { "restore", "NODE SOURCE...", "Replace a node's data by a snapshot; back by itself if it is bad",
          verb_restore },
        { "snapshot", "create NODE", "Make a snapshot of a node's data", verb_snapshot },
        { "pause", "NODE", "Let the download of a restore wait", verb_pause },
        { "resume", "NODE", "Let it go on", verb_resume },
        { "hold", "NODE", "Keep a node from being started", verb_hold },
        { "unhold", "NODE", "Let a held node start again", verb_unhold },
        { "freeze", "", "Let musterd start nothing new on this host", verb_freeze },
        { "thaw", "", "End a freeze", verb_thaw },
        { "reload", "", "Make musterd read its configuration again", verb_reload },
        { "config", "check|show ...", "Check the configuration, or show what a node's comes to",
          verb_config },
        { "apply", "[NODE...]", "Write a node's unit settings, user and directories (root)", verb_apply },
        {},
};

const Verb *verb_find(const char *name) {
        for (const Verb *v = verbs; v->name; v++)
                if (str_eq(v->name, name))
                        return v;
        return NULL;
}
