#pragma once
/*
 * Listing a directory of which a descriptor is at hand.
 */
#include <dirent.h>

/* A stream of its own for what @dirfd is: its offset and its end are nobody else's. 0 or -errno. */
int directory_list(int dirfd, DIR **ret);

/* 0 and the next entry but "." and ".." (valid until the next call), NULL at the end; -errno, *ret NULL. */
int directory_next(DIR *dir, struct dirent **ret);
