#pragma once
/*
 * What of a node, or of musterd, needs a person, and what to do about it.
 */
#include "musterctl/screen.h"
#include "util/json.h"

/* A line each, and one with what to do; returns how many needs there are. Nothing is written if all is well.
 */
unsigned attention_put_node(FILE *f, const Screen *screen, const json_t *node);
unsigned attention_put_manager(FILE *f, const Screen *screen, const json_t *manager);

/* What `applied` of a NODE means, "changed since it was applied"; NULL if nothing is to be done. */
const char *attention_applied(const json_t *node);

/* "sudo musterctl apply kcn1" where that is to be done, else NULL. Owned. */
char *attention_apply_command(const json_t *node);
