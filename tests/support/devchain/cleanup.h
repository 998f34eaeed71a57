#pragma once
/*
 * Scope-bound ownership for this program. Jansson brings its own: json_auto_t.
 */
#include <stdlib.h>
#include <unistd.h>

#define cleanup_(f) __attribute__((cleanup(f)))

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

#define cleanup_free_ cleanup_(freep)
#define cleanup_fd_   cleanup_(closep)

#define TAKE_PTR(p)                                                                                         \
        ({                                                                                                  \
                typeof(p) *p_ = &(p);                                                                       \
                typeof(p) v_ = *p_;                                                                         \
                *p_ = NULL;                                                                                 \
                v_;                                                                                         \
        })

#define TAKE_FD(fd)                                                                                         \
        ({                                                                                                  \
                int *fd_ = &(fd);                                                                           \
                int v_ = *fd_;                                                                              \
                *fd_ = -1;                                                                                  \
                v_;                                                                                         \
        })
