/*
 * musterctl snapshot create: hooks.d/snapshot may name a directory that does not
 * change, the worker packs that or the live data, hooks.d/snapshot-done takes the
 * directory away again. The node is not touched; a crash leaves a partial archive,
 * which the worker makes anew.
 */
#include "daemon/upgrade-run.h"
#include "util/text.h"

#include <inttypes.h>

/* The last line that is not blank; owned. NULL: there is none. */
static char *last_line(const char *text) {
        const char *end = text + strlen(text), *begin;

        while (end > text && strchr(" \t\r\n", end[-1]))
                end--;
        for (begin = end; begin > text && begin[-1] != '\n';)
                begin--;
        return end > begin ? strndup(begin, (size_t) (end - begin)) : NULL;
}

/* What the last hook that said anything named. */
static char *directory_of_hooks(const json_t *result) {
        const json_t *scripts = json_object_get(result, "scripts"), *script;
        char *found = NULL;
        size_t i;

        json_array_foreach (scripts, i, script) {
                char *line = last_line(json_str(script, "output") ?: "");

                if (line) {
                        free(found);
                        found = line;
                }
        }
        return found;
}

static void on_done_hooks(Upgrade *u, bool ok, const char *text, const json_t *result) {
        const char *failed = json_str(u->job->facts, "failed");

        if (failed)
                upgrade_event(u, UPGRADE_EV_FAIL, "%s%s%s", failed,
                              ok ? "" : "; snapshot-done: ", ok ? "" : text);
        else
                upgrade_event(u, UPGRADE_EV_OK, "the archive is written%s%s",
                              ok ? "" : "; snapshot-done: ", ok ? "" : text);
}

/* Whatever came of it: the hook that made a directory has one that removes it. */
static void finish(Upgrade *u, const char *fact, const char *text) {
        if (json_put_str(u->job->facts, fact, text) < 0) {
                upgrade_event(u, UPGRADE_EV_FAIL, "out of memory");
                return;
        }
        if (json_str(u->job->facts, "directory"))
                upgrade_hooks(u, "snapshot-done", on_done_hooks);
        else
                on_done_hooks(u, true, "", NULL);
}

static void on_created(Upgrade *u, bool ok, const char *text, const json_t *result) {
        json_t *report = ok ? json_copy((json_t *) result) : NULL;
        cleanup_free_ char *said = NULL;

        if (report && json_object_set_new(u->job->facts, "created", report) < 0)
                ok = false;
        if (ok && json_bool(result, "changed") &&
            asprintf(&said,
                     "%s: stop the node, or name a directory that does not change by a hook in "
                     "hooks.d/snapshot",
                     text) < 0)
                said = NULL;
        finish(u, ok ? "made" : "failed", said ?: text);
}

static int put_about(const Upgrade *u, json_t *order) {
        const NodeConfig *config = u->node->config;
        const ChainSample *sample = u->node->monitor ? monitor_sample(u->node->monitor) : NULL;
        json_t *about = json_object();

        if (!about || json_object_set_new(order, "about", about) < 0 ||
            json_put_str(about, "chain", config->chain_id) < 0 ||
            json_put_str(about, "family", config->family) < 0)
                return -ENOMEM;
        if (!sample || sample->height < 0)
                return 0;
        return json_put_u64(about, "height", (uint64_t) sample->height) < 0 ||
                               json_put_str(about, "block_hash", sample->head_hash) < 0 ||
                               json_put_str(about, "software", sample->client_version) < 0
                       ? -ENOMEM
                       : 0;
}

static void create(Upgrade *u) {
        json_t *order = upgrade_restore_order(u, "create"),
               *asked = json_object_get(u->job->facts, "snapshot");

        if (order && (json_object_update_missing(order, asked) < 0 ||
                      json_put_str(order, "from", json_str(u->job->facts, "directory")) < 0 ||
                      put_about(u, order) < 0)) {
                json_decref(order);
                order = NULL;
        }
        upgrade_work(u, WORKER_FETCH, order, 0, on_created);
}

static void on_snapshot_hooks(Upgrade *u, bool ok, const char *text, const json_t *result) {
        cleanup_free_ char *directory = ok ? directory_of_hooks(result) : NULL;
        size_t n = json_array_size(json_object_get(result, "scripts"));

        if (!ok)
                upgrade_event(u, UPGRADE_EV_FAIL, "hooks.d/snapshot: %s", text);
        else if (n > 0 && (!directory || directory[0] != '/'))
                upgrade_event(u, UPGRADE_EV_FAIL,
                              "hooks.d/snapshot said '%s' last: expected the absolute path of a directory "
                              "that holds the data and does not change",
                              directory ?: "");
        else if (json_put_str(u->job->facts, "directory", directory) < 0)
                upgrade_event(u, UPGRADE_EV_FAIL, "out of memory");
        else
                create(u);
}

void snapshot_enter_fetching(Upgrade *u) {
        (void) json_object_del(u->job->facts, "directory");
        upgrade_say(u, "snapshot hooks");
        upgrade_hooks(u, "snapshot", on_snapshot_hooks);
}

void snapshot_enter_verifying(Upgrade *u) {
        upgrade_event(u, UPGRADE_EV_OK, "%s", json_str(u->job->facts, "made") ?: "");
}
