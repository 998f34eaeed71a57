/*
 * The order is the whole point: a bit is set after its frame was written, the
 * bits are copied before syncfs(), and the copy is written after it. So a frame
 * that the file names is on the disk, whatever happens in between. A crash here
 * leaves the older file, or a temporary that fetch.c sweeps away.
 */
#include "archive/checkpoint.h"
#include "archive/fetch.h"
#include "crypto/sha256.h"
#include "util/durable.h"
#include "util/text.h"

#include <unistd.h>

#define CHECKPOINT_MAGIC "muster-progress-1\n"
#define DIGEST_DIGITS    (SHA256_HEX_SIZE - 1)

struct Checkpoint {
        char digest[SHA256_HEX_SIZE];
        size_t n_frames, n_bytes;
        uint8_t *bits; /* atomic accesses only */
};

int checkpoint_new(const char *digest, size_t n_frames, Checkpoint **ret) {
        cleanup_(checkpoint_freep) Checkpoint *c = calloc(1, sizeof *c);

        if (!c)
                return -ENOMEM;
        snprintf(c->digest, sizeof c->digest, "%s", digest);
        c->n_frames = n_frames;
        c->n_bytes = n_frames / 8 + (n_frames % 8 != 0);
        c->bits = calloc(c->n_bytes + 1, 1);
        if (!c->bits)
                return -ENOMEM;
        *ret = TAKE_PTR(c);
        return 0;
}

Checkpoint *checkpoint_free(Checkpoint *c) {
        if (c) {
                free(c->bits);
                free(c);
        }
        return NULL;
}

void checkpoint_mark(Checkpoint *c, size_t frame) {
        __atomic_fetch_or(&c->bits[frame / 8], (uint8_t) (1U << frame % 8), __ATOMIC_ACQ_REL);
}

bool checkpoint_has(const Checkpoint *c, size_t frame) {
        return __atomic_load_n(&c->bits[frame / 8], __ATOMIC_ACQUIRE) & 1U << frame % 8;
}

size_t checkpoint_count(const Checkpoint *c) {
        size_t n = 0;

        for (size_t i = 0; i < c->n_bytes; i++)
                n += (size_t) __builtin_popcount(__atomic_load_n(&c->bits[i], __ATOMIC_ACQUIRE));
        return n;
}

/* The text before the bits. Owned; NULL without memory. */
static char *make_head(const Checkpoint *c) {
        char *head;

        return asprintf(&head, CHECKPOINT_MAGIC "%s\n%zu\n", c->digest, c->n_frames) < 0 ? NULL : head;
}

int checkpoint_read(Checkpoint *c, int dirfd, Fault *reterr) {
        cleanup_free_ char *head = make_head(c), *data = NULL;
        char found[SHA256_HEX_SIZE];
        size_t size, n_head, expected;
        const char *bits;
        int r;

        if (!head)
                return -ENOMEM;
        n_head = strlen(head);
        expected = n_head + c->n_bytes + DIGEST_DIGITS;
        r = read_small_file(dirfd, FETCH_PROGRESS, expected, &data, &size);
        if (r == -ENOENT)
                return r;
        if (r < 0 && r != -EFBIG)
                return fault_errno(reterr, r, "Failed to read '" FETCH_PROGRESS "'");
        if (r == -EFBIG || size != expected || memcmp(data, head, n_head) != 0)
                return fault_set(reterr, -EBADMSG, "'" FETCH_PROGRESS "' is not of this snapshot");
        r = sha256_buffer_hex(data, n_head + c->n_bytes, found);
        if (r < 0)
                return r;
        bits = data + n_head;
        if (memcmp(found, bits + c->n_bytes, DIGEST_DIGITS) != 0)
                return fault_set(reterr, -EBADMSG,
                                 "'" FETCH_PROGRESS "' is damaged: its digest is not its own");
        if (c->n_frames % 8 != 0 && (uint8_t) bits[c->n_bytes - 1] >> c->n_frames % 8 != 0)
                return fault_set(reterr, -EBADMSG, "'" FETCH_PROGRESS "' marks frames that are not there");
        for (size_t i = 0; i < c->n_bytes; i++)
                __atomic_store_n(&c->bits[i], (uint8_t) bits[i], __ATOMIC_RELEASE);
        return 0;
}

int checkpoint_save(const Checkpoint *c, int dirfd, Fault *reterr) {
        cleanup_free_ char *head = make_head(c), *data = NULL;
        char digest[SHA256_HEX_SIZE];
        size_t n_head;
        int r;

        if (!head)
                return -ENOMEM;
        n_head = strlen(head);
        data = malloc(n_head + c->n_bytes + DIGEST_DIGITS);
        if (!data)
                return -ENOMEM;
        memcpy(data, head, n_head);
        for (size_t i = 0; i < c->n_bytes; i++)
                data[n_head + i] = (char) __atomic_load_n(&c->bits[i], __ATOMIC_ACQUIRE);
        if (syncfs(dirfd) < 0)
                return fault_errno(reterr, -errno, "Failed to make what was restored durable");
        r = sha256_buffer_hex(data, n_head + c->n_bytes, digest);
        if (r < 0)
                return r;
        memcpy(data + n_head + c->n_bytes, digest, DIGEST_DIGITS);
        r = durable_write(dirfd, FETCH_PROGRESS, data, n_head + c->n_bytes + DIGEST_DIGITS, 0600);
        return r < 0 ? fault_errno(reterr, r, "Failed to write '" FETCH_PROGRESS "'") : 0;
}
