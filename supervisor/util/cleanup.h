#pragma once
/*
 * Scope-bound ownership: a variable marked cleanup_* releases what it holds
 * when it leaves scope; TAKE_PTR and TAKE_FD hand ownership on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <unistd.h>
#include <errno.h>
#include <stdint.h>

#define cleanup_(fn)   __attribute__((cleanup(fn)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_       __attribute__((unused))

#define TAKE_PTR(p)                                                                                         \
        ({                                                                                                  \
                __typeof__(p) _taken_ = (p);                                                                \
                (p) = NULL;                                                                                 \
                _taken_;                                                                                    \
        })

#define TAKE_FD(fd)                                                                                         \
        ({                                                                                                  \
                int _taken_ = (fd);                                                                         \
                (fd) = -1;                                                                                  \
                _taken_;                                                                                    \
        })

/* Defines name##p for use with cleanup_(): calls @fn on what the variable points to, unless it is NULL. */
#define DEFINE_CLEANUP(type, fn)                                                                            \
        static inline void fn##p(type *p) {                                                                 \
                if (*p)                                                                                     \
                        fn(*p);                                                                             \
        }

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))
#define USEC_PER_SEC      ((uint64_t) 1000000)
#define USEC_PER_MSEC     ((uint64_t) 1000)

static inline void cleanup_freep(void *p) {
        free(*(void **) p);
}

static inline void cleanup_closep(int *fd) {
        int saved = errno;

        if (*fd >= 0)
                close(*fd);
        errno = saved;
}

static inline void cleanup_fclosep(FILE **f) {
        if (*f)
                fclose(*f);
}

static inline void cleanup_closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}

#define cleanup_free_     cleanup_(cleanup_freep)
#define cleanup_fd_       cleanup_(cleanup_closep)
#define cleanup_fclose_   cleanup_(cleanup_fclosep)
#define cleanup_closedir_ cleanup_(cleanup_closedirp)
