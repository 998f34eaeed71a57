#pragma once
/*
 * Whole directory trees of ours: removed, made durable. No link is followed.
 */
#include "util/fault.h"

/* Removes @name below @dirfd, whatever it is. One that is not there is success. Not fsynced. */
int tree_remove(int dirfd, const char *name, Fault *reterr);

/* fsyncs every file and directory below @dirfd and itself; never the rest of the file system. */
int tree_fsync(int dirfd, Fault *reterr);
