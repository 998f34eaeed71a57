#pragma once
/* The keys of a node file, and how each is stored in a NodeConfig. */
#include "config/file.h"
#include "config/node.h"

extern const ConfigSchema node_schema;

/* The reference of that name, made if there is none yet; NULL: out of memory. */
ReferenceConfig *node_config_reference(NodeConfig *config, const char *name);

/* The @index-th section (key NULL) or key that only a node which muster runs may have. -ENOENT behind the
 * last. */
int node_managed_key(size_t index, const char **ret_section, const char **ret_key);
