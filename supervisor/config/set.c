#include "config/set.h"
#include "util/text.h"

#include <dirent.h>

static int is_node_file(const struct dirent *entry) {
        return entry->d_name[0] != '.' && str_ends(entry->d_name, ".conf");
}

/* By bytes: the same order under every locale. */
static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_main(ConfigSet *set, const char *dir) {
        cleanup_free_ char *path = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r;

        if (asprintf(&path, "%s/muster.conf", dir) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        set->main = main_config_default();
        r = main_config_read(path, &set->main, &fault);
        if (r >= 0 || r == -ENOMEM)
                return r;
        return str_replace(&set->main_error, fault_text(&fault, r));
}

static int read_node(NodeEntry *entry, const char *dir, const char *file, uint64_t default_poll) {
        cleanup_free_ char *path = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r;

        entry->name = strndup(file, strlen(file) - strlen(".conf"));
        if (!entry->name || asprintf(&path, "%s/nodes.d/%s", dir, file) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = node_config_read_poll(path, default_poll, &entry->config, &fault);
        if (r >= 0 || r == -ENOMEM)
                return r;
        return str_replace(&entry->error, fault_text(&fault, r));
}

static int read_nodes(ConfigSet *set, const char *dir, Fault *reterr) {
        struct dirent **files = NULL;
        cleanup_free_ char *path = NULL;
        int n, r = 0;

        if (asprintf(&path, "%s/nodes.d", dir) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        n = scandir(path, &files, is_node_file, by_name);
        if (n < 0)
                return errno == ENOENT ? 0 : fault_errno(reterr, -errno, "Failed to read '%s'", path);
        set->nodes = calloc((size_t) n + 1, sizeof *set->nodes);
        if (!set->nodes)
                r = -ENOMEM;
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = read_node(&set->nodes[set->n_nodes++], dir, files[i]->d_name, set->main.poll);
                free(files[i]);
        }
        free(files);
        return r;
}

/* What two nodes share that each must have for itself; NULL: nothing. */
static const char *shared(const NodeConfig *a, const NodeConfig *b, const char **ret_value) {
        if (a->unit && str_eq(a->unit, b->unit)) {
                *ret_value = a->unit;
                return "unit";
        }
        if (a->unit || b->unit)
                return NULL;
        if (str_eq(a->user, b->user)) {
                *ret_value = a->user;
                return "user";
        }
        *ret_value = a->data;
        return str_eq(a->data, b->data) ? "data" : NULL;
}

/* The first node of two keeps what both name: the other must not get at its keys. */
static int refuse_shared(ConfigSet *set, size_t later) {
        NodeEntry *entry = &set->nodes[later];

        for (size_t i = 0; i < later; i++) {
                const NodeConfig *other = set->nodes[i].config;
                const char *key, *value;

                if (!other)
                        continue;
                key = shared(entry->config, other, &value);
                if (!key)
                        continue;
                if (asprintf(&entry->error,
                             "%s:1: %s: '%s' is node '%s''s already (%s), expected one of its own",
                             entry->config->path, key, value, other->name, other->path) < 0) {
                        entry->error = NULL;
                        return -ENOMEM;
                }
                entry->config = node_config_free(entry->config);
                return 0;
        }
        return 0;
}

int config_set_read(const char *dir, ConfigSet **ret, Fault *reterr) {
        cleanup_(config_set_freep) ConfigSet *set = calloc(1, sizeof *set);
        cleanup_closedir_ DIR *d = NULL;
        int r;

        if (!set)
                return -ENOMEM;
        d = opendir(dir);
        if (!d)
                return fault_errno(reterr, -errno, "Failed to read the directory '%s'", dir);
        r = read_main(set, dir);
        if (r >= 0)
                r = read_nodes(set, dir, reterr);
        for (size_t i = 1; r >= 0 && i < set->n_nodes; i++)
                if (set->nodes[i].config)
                        r = refuse_shared(set, i);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(set);
        return 0;
}

ConfigSet *config_set_free(ConfigSet *set) {
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->n_nodes; i++) {
                free(set->nodes[i].name);
                free(set->nodes[i].error);
                node_config_free(set->nodes[i].config);
        }
        free(set->nodes);
        free(set->main_error);
        free(set);
        return NULL;
}
