#pragma once
/*
 * A directory of which a descriptor is at hand: listed, and what is below it
 * opened without being led elsewhere.
 */
#include <dirent.h>

/* A stream of its own for what @dirfd is: its offset and its end are nobody else's. 0 or -errno. */
int directory_list(int dirfd, DIR **ret);

/* 0 and the next entry but "." and ".." (valid until the next call), NULL at the end; -errno, *ret NULL. */
int directory_next(DIR *dir, struct dirent **ret);

/*
 * open() of @path (relative, no "..") component by component and through no
 * link, never a controlling terminal. fd, or -errno: -ELOOP if a component is
 * a link, -EINVAL for a path of another form.
 */
int open_beneath(int dirfd, const char *path, int flags);
