#pragma once
/*
 * By hand, while the node is stopped: the operator says that the node's keys
 * are right as they are now.
 */
#include "util/fault.h"

/*
 * Replaces the guard's record of node @name's keys and prints what differs. As
 * root it becomes the node's user for the rest of the process. -EBUSY: the node
 * runs; nothing was changed.
 */
int accept_keys(const char *name, Fault *reterr);
