#pragma once
/*
 * Small files at the top of a tree that say what it is: named
 * TREE_MARKER_PREFIX..., so they are never cloned, counted or exchanged, and
 * holding a job id or nothing. A tree is named below an open directory; one
 * that is not there holds nothing.
 */
#include "snapshot/clone.h"

#define MARKER_MAX ((size_t) 64 * 1024)

/* Whether @tree holds @marker. 1, 0, -errno. */
int marker_exists(int dirfd, const char *tree, const char *marker);

/* Whether the first line in it is @job. 1, 0, -errno. */
int marker_is(int dirfd, const char *tree, const char *marker, const char *job);

/* Durably, into the open tree. */
int marker_write(int tree_fd, const char *marker, const char *job);

/* Durably. Not there: success. */
int marker_remove(int dirfd, const char *tree, const char *marker);
