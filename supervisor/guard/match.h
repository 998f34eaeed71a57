#pragma once
/*
 * Which files below a directory some patterns name. A pattern is a relative
 * path whose components may be globs (fnmatch(3), '*' never crosses a '/');
 * one that names a directory means every file below it. Pure reading.
 */
#include <stdbool.h>
#include <sys/types.h>
#include "util/fault.h"

/* Deeper directories are refused: a loop of links, or not a data directory. */
#define MATCH_DEPTH_MAX 64

/*
 * Adds to *paths (an owned strv, may be NULL) the relative paths of the files
 * that exist, each once. Links are followed, dangling ones count as not there.
 * -EINVAL: a pattern is absolute or has ".."; else -errno with the path.
 */
int match_files(int dirfd, const char *const *patterns, char ***paths, Fault *reterr);
