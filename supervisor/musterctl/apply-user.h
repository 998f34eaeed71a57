#pragma once
/* A node's system user. */
#include <stdbool.h>
#include <sys/types.h>
#include "config/node.h"

typedef struct NodeUser {
        uid_t uid;
        gid_t gid;
        bool created;
} NodeUser;

/*
 * Makes it by systemd-sysusers if there is none; an existing one is never
 * touched. -EPERM: it must not run a node; the fault says why.
 */
int apply_user_ensure(const NodeConfig *config, NodeUser *ret, Fault *reterr);
