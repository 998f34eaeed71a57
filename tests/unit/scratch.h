#pragma once
/* A scratch directory of a test: made fresh, removed whole. */
#include "tests/unit/cmocka-all.h"
#include "util/durable.h"
#include "util/text.h"
#include "util/tree.h"

#include <fcntl.h>
#include <sys/stat.h>

typedef struct Scratch {
        char path[64];
        int fd;
} Scratch;

static inline int scratch_new(void **state) {
        Scratch *s = calloc(1, sizeof *s);

        strcpy(s->path, "/tmp/muster-test.XXXXXX");
        if (!mkdtemp(s->path))
                return -1;
        s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = s;
        return s->fd >= 0 ? 0 : -1;
}

static inline int scratch_free(void **state) {
        Scratch *s = *state;
        int r;

        close(s->fd);
        r = tree_remove(AT_FDCWD, s->path, NULL);
        free(s);
        return r;
}

static inline void put_file(int dirfd, const char *name, const void *data, size_t size, mode_t mode) {
        cleanup_fd_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, data, size), 0);
        assert_int_equal(fchmod(fd, mode), 0);
}

static inline void put_text(int dirfd, const char *name, const char *text) {
        put_file(dirfd, name, text, strlen(text), 0644);
}

/* For error texts: they must say what they are asked to say. */
#define assert_says(fault, word)                                                                            \
        do {                                                                                                \
                if (!(fault)->text || !strstr((fault)->text, word))                                         \
                        fail_msg("expected '%s' in: %s", word, (fault)->text ?: "(nothing)");               \
        } while (0)
