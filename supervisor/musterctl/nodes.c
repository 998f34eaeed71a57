#include "musterctl/nodes.h"

#include "muster-build.h"
#include "util/text.h"

const json_t *nodes_find(const json_t *manager, const char *name) {
        const json_t *nodes = json_object_get(manager, "nodes"), *node;
        size_t i;

        json_array_foreach (nodes, i, node)
                if (str_eq(json_str(node, "name"), name))
                        return node;
        return NULL;
}

unsigned nodes_name_width(const json_t *manager, unsigned least) {
        const json_t *nodes = json_object_get(manager, "nodes"), *node;
        size_t i;

        json_array_foreach (nodes, i, node) {
                const char *name = json_str(node, "name");

                if (name && strlen(name) > least)
                        least = (unsigned) strlen(name);
        }
        return least;
}

int nodes_check(const json_t *manager, const char *name, Fault *reterr) {
        const json_t *nodes = json_object_get(manager, "nodes"), *node;
        cleanup_free_ char *known = NULL;
        size_t size, i;
        FILE *f;

        if (nodes_find(manager, name))
                return 0;
        f = open_memstream(&known, &size);
        if (!f)
                return -errno;
        json_array_foreach (nodes, i, node)
                fprintf(f, "%s%s", i ? ", " : "", json_str(node, "name") ?: "?");
        if (fclose(f) != 0)
                return -ENOMEM;
        if (!*known)
                return fault_set(reterr, CTL_FAILED,
                                 "No node '%s': no node is configured; write %s/nodes.d/%s.conf, then: "
                                 "musterctl reload",
                                 name, MUSTER_SYSCONFDIR, name);
        return fault_set(reterr, CTL_FAILED, "No node '%s'; known nodes: %s", name, known);
}

int nodes_open(const char *name, Daemon **ret_daemon, json_t **ret_manager, const json_t **ret_node,
               Fault *reterr) {
        cleanup_(daemon_freep) Daemon *daemon = NULL;
        cleanup_json_ json_t *manager = NULL;
        int r;

        r = daemon_open(&daemon, reterr);
        if (r == 0)
                r = daemon_describe(daemon, &manager, reterr);
        if (r == 0)
                r = nodes_check(manager, name, reterr);
        if (r != 0)
                return r;
        *ret_node = nodes_find(manager, name);
        *ret_daemon = TAKE_PTR(daemon);
        *ret_manager = TAKE_PTR(manager);
        return 0;
}

const json_t *node_job(const json_t *node, const char *id) {
        const json_t *jobs = json_object_get(node, "jobs"), *last = json_object_get(node, "last"), *job;
        size_t i;

        json_array_foreach (jobs, i, job)
                if (str_eq(json_str(job, "id"), id))
                        return job;
        return str_eq(json_str(last, "id"), id) ? last : NULL;
}

bool job_over(const json_t *job) {
        const json_t *over = json_object_get(job, "over");

        return json_is_boolean(over) ? json_is_true(over)
                                     : job_is_over(json_str(job, "kind"), json_str(job, "state"));
}

const json_t *node_active_job(const json_t *node) {
        return json_array_get(json_object_get(node, "jobs"), 0);
}

bool node_is_unhealthy(const json_t *node) {
        return verdict_is_unhealthy(json_str(node, "verdict")) ||
               str_eq(json_str(json_object_get(node, "last"), "state"), "stuck") ||
               str_eq(json_str(node_active_job(node), "state"), "stuck");
}

int64_t json_i64(const json_t *object, const char *key, int64_t otherwise) {
        const json_t *j = json_object_get(object, key);

        return json_is_integer(j) ? json_integer_value(j) : otherwise;
}
