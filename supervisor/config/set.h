#pragma once
/*
 * The whole configuration: /etc/muster/muster.conf and every nodes.d/NAME.conf.
 * One broken node file never affects another node: it becomes an entry with an
 * error, and a reload keeps that node's old configuration.
 */
#include "config/node.h"

/* /etc/muster/muster.conf; every key has a default, the file may be absent. */
typedef struct MainConfig {
        uint64_t poll;         /* default for nodes that name none; 0: a third of block_time, or 1 s */
        uint64_t journal_keep; /* events older than this are removed; UINT64_MAX: never */
} MainConfig;

typedef struct NodeEntry {
        char *name;
        NodeConfig *config; /* NULL if the file is broken */
        char *error;        /* NULL if it is good */
} NodeEntry;

typedef struct ConfigSet {
        MainConfig main;
        char *main_error; /* muster.conf is broken: `main` holds the defaults */
        NodeEntry *nodes; /* sorted by name */
        size_t n_nodes;
} ConfigSet;

/*
 * Reads DIR/muster.conf and DIR/nodes.d/. Files there that do not end in
 * ".conf" or begin with '.' are ignored; a name that is not valid is an entry
 * with an error. Two managed nodes with one user or one data directory, and
 * two nodes that observe one unit, are errors of the later one. 0 unless DIR
 * cannot be read (a missing nodes.d is an empty set) or memory runs out.
 */
int config_set_read(const char *dir, ConfigSet **ret, Fault *reterr);
ConfigSet *config_set_free(ConfigSet *set); /* returns NULL */
DEFINE_CLEANUP(ConfigSet *, config_set_free)

MainConfig main_config_default(void);

/* muster.conf alone. -ENOENT is not an error: defaults. */
int main_config_read(const char *path, MainConfig *ret, Fault *reterr);
