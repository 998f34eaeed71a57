#pragma once
/* A node's directories below /var/lib/muster/nodes. */
#include "musterctl/apply-user.h"

/*
 * Makes those that are missing and gives the fresh ones to their owners; their
 * names are appended to *made. One that exists with another owner or mode is
 * -EPERM with the command that mends it: nothing that exists is ever changed.
 */
int apply_tree(const NodeConfig *config, const NodeUser *user, char ***made, Fault *reterr);
