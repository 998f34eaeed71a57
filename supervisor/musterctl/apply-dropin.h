#pragma once
/* A node's drop-ins below /etc/systemd/system: compared, verified, written. */
#include <stdbool.h>
#include "config/node.h"
#include "unit/dropin.h"

typedef struct DropinPlan {
        Dropins dropins;               /* what the configuration renders to */
        char *found[_DROPIN_UNIT_MAX]; /* what is there; NULL: nothing */
        DropinState state[_DROPIN_UNIT_MAX];
} DropinPlan;

/* Renders and compares; writes nothing. */
int dropin_plan(const NodeConfig *config, DropinPlan *ret, Fault *reterr);
void dropin_plan_done(DropinPlan *plan);
#define cleanup_dropin_plan_ cleanup_(dropin_plan_done)

bool dropin_plan_changes(const DropinPlan *plan);

/* The lines that go and come, as "  -LINE" and "  +LINE". */
void dropin_plan_print(const DropinPlan *plan, const char *node);

/*
 * The settings that a running node gets only when it is started again, separated
 * by ", "; NULL where there are none. Owned. -ENOMEM.
 */
int dropin_plan_needs_restart(const DropinPlan *plan, char **ret);

/* Lets systemd read what would be written, from a temporary directory. */
int dropin_plan_verify(const DropinPlan *plan, const char *node, Fault *reterr);

/* Writes by rename what differs. What was edited by hand is kept beside it as muster.conf.edited. */
int dropin_plan_write(const DropinPlan *plan, const char *node, Fault *reterr);

/*
 * Names of nodes that have drop-ins of musterctl's, an owned strv, sorted. What
 * others wrote under that name is not listed.
 */
int dropin_list(char ***ret, Fault *reterr);
int dropin_remove(const char *node, Fault *reterr);
