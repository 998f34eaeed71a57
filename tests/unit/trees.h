#pragma once
/*
 * A node's state directory with generations of chain data in it: two files that
 * must go together, a key, a signing state. See scratch.h.
 */
#include "tests/unit/scratch.h"
#include "chain/family.h"
#include "guard/check.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

#define STATE_FILE "data/priv_validator_state.json"
#define KEY_FILE   "config/priv_validator_key.json"

typedef struct Host {
        Scratch *scratch;
        char data[96], state[96];
        int node_fd, state_fd;
        GuardSubject subject;
        Fault fault;
} Host;

static char *operators_patterns[] = { (char *) "slashing", NULL };

static inline int host_init(Host *h) {
        const ChainFamily *family = chain_family_by_name("cometbft");

        *h = (Host){ 0 };
        if (!family || scratch_new((void **) &h->scratch) < 0)
                return -1;
        snprintf(h->state, sizeof h->state, "%s/state", h->scratch->path);
        snprintf(h->data, sizeof h->data, "%s/state/data", h->scratch->path);
        h->node_fd = h->scratch->fd;
        if (mkdirat(h->node_fd, "state", 0700) < 0)
                return -1;
        h->state_fd = openat(h->node_fd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        h->subject = (GuardSubject){ .node = "cosmos-1",
                                     .data = h->data,
                                     .domain = "test-1",
                                     .role = "active",
                                     .signer = "local",
                                     .node_dirfd = h->node_fd,
                                     .state_dirfd = h->state_fd };
        chain_family_subject(family, &h->subject);
        return h->state_fd < 0 ? -1 : 0;
}

static inline int host_done(Host *h) {
        int r;

        close(h->state_fd);
        r = scratch_free((void **) &h->scratch);
        fault_done(&h->fault);
        return r;
}

static inline void put(Host *h, const char *tree, const char *path, const char *text) {
        char full[160], directory[160];
        cleanup_fd_ int fd = -1;

        snprintf(full, sizeof full, "%s/%s", tree, path);
        for (const char *slash = strchr(full, '/'); slash; slash = strchr(slash + 1, '/')) {
                snprintf(directory, sizeof directory, "%.*s", (int) (slash - full), full);
                assert_true(mkdirat(h->state_fd, directory, 0755) >= 0 || errno == EEXIST);
        }
        fd = openat(h->state_fd, full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static inline void put_height(Host *h, const char *tree, int height) {
        char text[64];

        snprintf(text, sizeof text, "{\"height\":\"%d\",\"round\":0,\"step\":3}\n", height);
        put(h, tree, STATE_FILE, text);
}

/* A generation of chain data: two files that must go together. */
static inline void put_data(Host *h, const char *generation, int height) {
        put(h, "data", "data/db/first", generation);
        put(h, "data", "data/db/second", generation);
        put(h, "data", KEY_FILE, "signing key");
        put(h, "data", "slashing/db", generation);
        put_height(h, "data", height);
}

static inline char *get(Host *h, const char *tree, const char *path) {
        char full[160];
        char *text = NULL;

        snprintf(full, sizeof full, "%s/%s", tree, path);
        return read_small_file(h->state_fd, full, 65536, &text, NULL) < 0 ? strdup("missing") : text;
}

static inline void assert_content(Host *h, const char *tree, const char *path, const char *expected) {
        cleanup_free_ char *text = get(h, tree, path);

        if (!str_eq(text, expected))
                fail_msg("%s/%s is '%s', expected '%s'", tree, path, text, expected);
}

static inline int64_t height_of(Host *h, const char *tree) {
        GuardSubject subject = h->subject;
        SigningPosition position;
        char path[160];

        snprintf(path, sizeof path, "%s/%s", h->state, tree);
        subject.data = path;
        return guard_position(&subject, &position, NULL) < 0 ? -1 : position.height;
}

static inline bool is_there(Host *h, const char *name) {
        struct stat st;

        return fstatat(h->state_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0;
}

static inline void assert_done(Host *h, int r) {
        if (r != 0)
                fail_msg("%d: %s", r, fault_text(&h->fault, r));
}

/* One tree of one generation, as a whole. */
static inline void assert_whole(Host *h, const char *tree, const char *generation) {
        assert_content(h, tree, "data/db/first", generation);
        assert_content(h, tree, "data/db/second", generation);
}
