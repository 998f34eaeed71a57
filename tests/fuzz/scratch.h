#pragma once
/*
 * One directory for all inputs of a fuzzer, removed when it ends.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

#include "util/tree.h"

static char scratch_path[] = "/tmp/muster-fuzz.XXXXXX";

static inline void scratch_remove(void) {
        (void) tree_remove(AT_FDCWD, scratch_path, NULL);
}

/* Borrowed; empty at first, and the target leaves it empty. */
static inline int scratch(void) {
        static int fd = -1;

        if (fd < 0) {
                assert(mkdtemp(scratch_path));
                fd = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert(fd >= 0);
                atexit(scratch_remove);
        }
        return fd;
}
