#pragma once
/*
 * Whole directory trees of ours: removed, made durable. By descriptors only;
 * no link is followed.
 */
#include "util/fault.h"

#define TREE_DEPTH_MAX 128

/*
 * Removes @name below @dirfd and everything in it, whatever it is; not fsynced.
 * Not there: success. -EBUSY: a mount point is in it, -ELOOP: it is deeper than
 * TREE_DEPTH_MAX; what came before is gone then.
 */
int tree_remove(int dirfd, const char *name, Fault *reterr);

/* fsyncs every file and directory below @dirfd and itself; never the rest of the file system. */
int tree_fsync(int dirfd, Fault *reterr);
