#pragma once
/*
 * Whole directory trees: measured and cloned, by descriptors only, no link is
 * followed. Regular files, directories and symbolic links are cloned with mode
 * (without setuid and setgid: the unit may not set them) and times, holes stay
 * holes; sockets, fifos and devices are left out and counted; a mount point
 * inside, or more than TREE_DEPTH_MAX levels (util/tree.h), is an error.
 * Entries of the top level that begin with TREE_MARKER_PREFIX are ours and
 * never cloned nor counted.
 */
#include <stdbool.h>
#include <stdint.h>
#include "util/fault.h"

#define TREE_MARKER_PREFIX ".muster-"

typedef struct TreeStats {
        uint64_t bytes;     /* apparent sizes of regular files */
        uint64_t allocated; /* what they occupy */
        uint64_t files;     /* every entry: what costs an inode */
        uint64_t skipped;   /* sockets, fifos, devices */
} TreeStats;

typedef enum TreeMethod {
        TREE_COPY,
        TREE_REFLINK, /* FICLONE; -EOPNOTSUPP where the file system has none */
} TreeMethod;

typedef struct TreeClone {
        TreeMethod method;
        char *const *exclude; /* relative paths that are left out; may be NULL */
        void (*progress)(const TreeStats *done, void *userdata);
        void *userdata;
} TreeClone;

int tree_measure(int dirfd, TreeStats *ret, Fault *reterr);

/* Clones the content of one directory into an empty other one. Not synced: syncfs() is the caller's. */
int tree_clone(int from_dirfd, int to_dirfd, const TreeClone *how, TreeStats *ret, Fault *reterr);

/* Data and holes of one open file into another, empty one. */
int tree_copy_file(int from, int to, const char *path, Fault *reterr);

/* Tries FICLONE on two scratch files in @dirfd: 0, or -EOPNOTSUPP with the file system's name, what to do.
 */
int tree_reflink_works(int dirfd, Fault *reterr);
