#pragma once
/*
 * Names from archives: made plain, and held against patterns of protected files.
 * Pure.
 */
#include <stdbool.h>
#include <stddef.h>

#define PATH_DEPTH_MAX 64 /* as guard/match.h: a deeper data directory could not be guarded */
#define PATH_SHOWN_MAX 160

/*
 * "./a//b/" becomes "a/b", the top itself "". 0 and an owned *ret; -ENOMEM; -EBADMSG and
 * *ret_why, "an absolute path" and the like.
 */
int path_clean(const char *name, char **ret, const char **ret_why);

/*
 * Does a pattern (relative, globs in components, as guard/match.h) name @path, which is
 * clean, or a directory above it? Without regard to case. With @file, also whether
 * a pattern needs a directory of just that name.
 */
bool path_is_protected(const char *path, bool file, char *const *patterns);

/* A name from an archive, fit for a terminal and cut to length. Returns @buffer. */
const char *path_shown(const char *name, char buffer[static PATH_SHOWN_MAX + 4]);
