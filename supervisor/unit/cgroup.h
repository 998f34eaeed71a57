#pragma once
/*
 * Is anything of a unit still alive? The cgroup tells, not the main process.
 */
#include <stdbool.h>
#include <sys/types.h>
#include "util/fault.h"

/* @cgroup as systemd's ControlGroup property; "" or gone counts as empty. -errno if it cannot be told. */
int cgroup_is_populated(const char *cgroup, bool *ret);

/* "1234 1240": the processes below @cgroup, for a message; at most 16 of them. "" if there are none. */
int cgroup_pids(const char *cgroup, char **ret);
