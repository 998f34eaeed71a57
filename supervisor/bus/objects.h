#pragma once
/*
 * The two kinds of objects: /org/muster1 (manager-object.c) and
 * /org/muster1/node/NAME (node-object.c).
 */
#include "bus/service.h"
#include "daemon/node.h"

int manager_object_add(BusService *service, sd_bus *bus);
int node_objects_add(BusService *service, sd_bus *bus);

/* Signals. Errors are not fatal: a watcher that missed one reads again. */
void manager_object_emit_event(sd_bus *bus, const JournalEvent *event);
void manager_object_emit_changed(sd_bus *bus);

/* What was shown of a node last, so that only changes are signalled. */
typedef struct NodeShown NodeShown;
NodeShown *node_shown_free(NodeShown *shown); /* returns NULL */
void node_object_emit_changed(sd_bus *bus, Node *node, NodeShown **shown);

/* The object path of a node; owned, NULL without memory. */
char *node_object_path(const char *name);
