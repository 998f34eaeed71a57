#pragma once
/*
 * The directories below one directory, made and entered component by component and
 * through no link; descriptors of the last ones are kept. No locking.
 */
#include <stddef.h>
#include <stdint.h>
#include "util/fault.h"

#define PARENTS 16

typedef struct Parent {
        char *path; /* owned; NULL: free */
        int fd;
        uint64_t used;
} Parent;

typedef struct Parents {
        int dirfd; /* borrowed */
        /* Called for each one that was not there; @path is what is to be in it. < 0 ends parents_enter(). */
        int (*made)(const char *path, void *userdata, Fault *reterr);
        void *userdata;
        Parent kept[PARENTS];
        uint64_t clock;
} Parents;

/*
 * The directory that the first @length bytes of @path, which is clean, name; made as needed.
 * A borrowed fd, valid until the next call; 0 bytes: the top. -EBADMSG: something else is there.
 */
int parents_enter(Parents *ps, const char *path, size_t length, Fault *reterr);
void parents_done(Parents *ps);
