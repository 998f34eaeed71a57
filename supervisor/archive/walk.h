#pragma once
/*
 * A directory tree in the order of manifests: names sorted by their bytes, what is
 * below a directory right behind it. By descriptors only; no link is followed.
 */
#include <stdbool.h>
#include <sys/stat.h>
#include "util/fault.h"

#define WALK_SKIP 1 /* of a visitor: what is below this directory is not visited */

typedef struct WalkEntry {
        const char *path; /* from the top */
        int dirfd;
        const char *name;
        struct stat st; /* mode 0: it vanished before it could be looked at */
} WalkEntry;

/* 0, WALK_SKIP, or an error that ends the walk. */
typedef int (*WalkVisitor)(const WalkEntry *e, void *userdata, Fault *reterr);

/* Every entry of every kind below @dirfd, itself not. 0 or the error. -ELOOP: deeper than PATH_DEPTH_MAX. */
int walk_tree(int dirfd, WalkVisitor visit, void *userdata, Fault *reterr);
