/*
 * A ring of frames: the caller's thread fills one, threads compress those that are
 * filled, the caller's thread writes the oldest when it is done, so frames leave in
 * the order in which they came. Only a frame's state and the three positions are
 * shared, under one lock.
 *
 * What is written is handed to the disk as it comes and dropped from the page
 * cache, which is the node's.
 */
#include "archive/packer.h"
#include "archive/tar-head.h"
#include "util/durable.h"
#include "util/hex.h"
#include "util/text.h"

#include <fcntl.h>
#include <pthread.h>
#include <time.h>
#include <zstd.h>
#include <zstd_errors.h>

#define FRAME_ROOM    (PACKER_CUT + 2 * TAR_HEAD_MAX)
#define FRAME_EXTENTS (PACKER_TARGET / (2 * TAR_BLOCK) + 2)
#define THREADS_MAX   16
#define BEHIND        ((uint64_t) 32 << 20) /* bytes between two steps of writing behind */

typedef struct Frame {
        bool done;
        uint8_t *plain, *packed;
        size_t n_plain, n_packed, n_extents;
        ManifestExtent extents[FRAME_EXTENTS];
        uint8_t sha256[32];
        int error;
} Frame;

struct Packer {
        PackerOptions options;
        Frame *frames;
        size_t n_frames, packed_room;
        /* Counts of frames since the start, ascending: filling >= taken >= written. */
        uint64_t filling, taken, written;
        bool stop;
        pthread_mutex_t lock;
        pthread_cond_t filled, done;
        pthread_t threads[THREADS_MAX];
        unsigned n_threads;
        Sha256 *sha256;
        uint64_t size, behind; /* written; handed to the disk */
};

static int digest(const void *data, size_t size, uint8_t ret[static 32]) {
        char hex[SHA256_HEX_SIZE];
        int r;

        r = sha256_buffer_hex(data, size, hex);
        return r < 0 ? r : hex_decode(hex, ret, 32);
}

static int pack(const Packer *p, ZSTD_CCtx *context, Frame *f) {
        int r = 0;

        f->n_packed = ZSTD_compress2(context, f->packed, p->packed_room, f->plain, f->n_plain);
        if (ZSTD_isError(f->n_packed))
                return ZSTD_getErrorCode(f->n_packed) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
        r = digest(f->packed, f->n_packed, f->sha256);
        for (size_t i = 0; r >= 0 && i < f->n_extents; i++)
                r = digest(f->plain + f->extents[i].frame_offset, f->extents[i].length,
                           f->extents[i].sha256);
        return r;
}

static void *work(void *userdata) {
        Packer *p = userdata;
        ZSTD_CCtx *context = ZSTD_createCCtx();

        if (context) {
                ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, p->options.level);
                ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
        }
        pthread_mutex_lock(&p->lock);
        for (;;) {
                Frame *f;

                while (!p->stop && p->taken == p->filling)
                        pthread_cond_wait(&p->filled, &p->lock);
                if (p->stop)
                        break;
                f = p->frames + p->taken++ % p->n_frames;
                pthread_mutex_unlock(&p->lock);
                f->error = context ? pack(p, context, f) : -ENOMEM;
                pthread_mutex_lock(&p->lock);
                f->done = true;
                pthread_cond_signal(&p->done);
        }
        pthread_mutex_unlock(&p->lock);
        ZSTD_freeCCtx(context);
        return NULL;
}

Packer *packer_free(Packer *p) {
        if (!p)
                return NULL;
        pthread_mutex_lock(&p->lock);
        p->stop = true;
        pthread_cond_broadcast(&p->filled);
        pthread_mutex_unlock(&p->lock);
        for (unsigned i = 0; i < p->n_threads; i++)
                pthread_join(p->threads[i], NULL);
        for (size_t i = 0; p->frames && i < p->n_frames; i++) {
                free(p->frames[i].plain);
                free(p->frames[i].packed);
        }
        free(p->frames);
        sha256_free(p->sha256);
        pthread_cond_destroy(&p->filled);
        pthread_cond_destroy(&p->done);
        pthread_mutex_destroy(&p->lock);
        free(p);
        return NULL;
}

static int packer_init(Packer *p, unsigned threads) {
        pthread_condattr_t monotonic;

        pthread_mutex_init(&p->lock, NULL);
        pthread_cond_init(&p->filled, NULL);
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&p->done, &monotonic);
        pthread_condattr_destroy(&monotonic);
        p->packed_room = ZSTD_compressBound(FRAME_ROOM);
        p->n_frames = threads + 2;
        p->frames = calloc(p->n_frames, sizeof *p->frames);
        if (!p->frames)
                return -ENOMEM;
        for (size_t i = 0; i < p->n_frames; i++) {
                p->frames[i].plain = malloc(FRAME_ROOM);
                p->frames[i].packed = malloc(p->packed_room);
                if (!p->frames[i].plain || !p->frames[i].packed)
                        return -ENOMEM;
        }
        return sha256_new(&p->sha256);
}

int packer_new(const PackerOptions *options, Packer **ret, Fault *reterr) {
        cleanup_(packer_freep) Packer *p = calloc(1, sizeof *p);
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        unsigned threads = options->threads > 0 ? options->threads : cpus > 0 ? (unsigned) cpus : 1;
        int r;

        if (!p)
                return -ENOMEM;
        p->options = *options;
        if (threads > THREADS_MAX)
                threads = THREADS_MAX;
        r = packer_init(p, threads);
        while (r >= 0 && p->n_threads < threads) {
                r = -pthread_create(p->threads + p->n_threads, NULL, work, p);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to start a thread");
                p->n_threads++;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

static Frame *current(const Packer *p) {
        return p->frames + p->filling % p->n_frames;
}

/* A failure here means nothing: fsync() at the end decides. */
static void write_behind(Packer *p) {
        uint64_t before = p->behind >= BEHIND ? p->behind - BEHIND : 0;

        if (p->size - p->behind < BEHIND)
                return;
        (void) sync_file_range(p->options.fd, (off_t) p->behind, (off_t) (p->size - p->behind),
                               SYNC_FILE_RANGE_WRITE);
        if (p->behind > 0) {
                (void) sync_file_range(p->options.fd, (off_t) before, (off_t) (p->behind - before),
                                       SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                               SYNC_FILE_RANGE_WAIT_AFTER);
                (void) posix_fadvise(p->options.fd, 0, (off_t) p->behind, POSIX_FADV_DONTNEED);
        }
        p->behind = p->size;
}

static int write_frame(Packer *p, Frame *f, Fault *reterr) {
        ManifestPart part = { .offset = p->size,
                              .length = (uint32_t) f->n_packed,
                              .plain_length = (uint32_t) f->n_plain };
        int r = f->error;

        if (r < 0)
                return fault_errno(reterr, r, "Failed to compress");
        r = write_all(p->options.fd, f->packed, f->n_packed);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to write the archive");
        r = sha256_update(p->sha256, f->packed, f->n_packed);
        for (size_t i = 0; r >= 0 && i < f->n_extents; i++)
                r = manifest_builder_extent(p->options.builder, f->extents + i);
        memcpy(part.sha256, f->sha256, sizeof part.sha256);
        if (r >= 0)
                r = manifest_builder_part(p->options.builder, &part);
        if (r < 0)
                return r;
        p->size += f->n_packed;
        p->options.steer->progress.plain = p->size;
        write_behind(p);
        return 0;
}

/* Writes the oldest frames until at most @keep are under way. */
static int drain(Packer *p, uint64_t keep, Fault *reterr) {
        int r;

        while (p->filling - p->written > keep) {
                Frame *f = p->frames + p->written % p->n_frames;
                bool done;

                pthread_mutex_lock(&p->lock);
                if (!f->done) {
                        struct timespec until;

                        clock_gettime(CLOCK_MONOTONIC, &until);
                        until.tv_nsec += 100000000;
                        until.tv_sec += until.tv_nsec / 1000000000;
                        until.tv_nsec %= 1000000000;
                        pthread_cond_timedwait(&p->done, &p->lock, &until);
                }
                done = f->done;
                f->done = false;
                pthread_mutex_unlock(&p->lock);
                r = done ? write_frame(p, f, reterr) : 0;
                if (r >= 0)
                        r = steer(p->options.steer, reterr);
                if (r < 0)
                        return r;
                if (done) {
                        f->n_plain = f->n_extents = 0;
                        p->written++;
                }
        }
        return 0;
}

size_t packer_fill(const Packer *p) {
        return current(p)->n_plain;
}

int packer_room(Packer *p, size_t size, uint8_t **ret, Fault *reterr) {
        Frame *f;
        int r;

        r = drain(p, p->n_frames - 1, reterr);
        if (r < 0)
                return r;
        f = current(p);
        if (size > FRAME_ROOM - TAR_BLOCK - f->n_plain)
                return fault_set(reterr, -EFBIG, "A frame of the archive would be too large");
        *ret = f->plain + f->n_plain;
        f->n_plain += size;
        return 0;
}

int packer_extent(Packer *p, uint64_t file, uint64_t offset, uint32_t length, Fault *reterr) {
        Frame *f = current(p);
        size_t padding = TAR_PADDING(length);

        if (f->n_extents == FRAME_EXTENTS)
                return fault_set(reterr, -EFBIG, "A frame of the archive would have too many files");
        f->extents[f->n_extents++] = (ManifestExtent){ .file = file,
                                                       .offset = offset,
                                                       .length = length,
                                                       .frame_offset = (uint32_t) (f->n_plain - length) };
        memset(f->plain + f->n_plain, 0, padding);
        f->n_plain += padding;
        return 0;
}

int packer_flush(Packer *p, Fault *reterr) {
        if (packer_fill(p) == 0)
                return 0;
        pthread_mutex_lock(&p->lock);
        p->filling++;
        pthread_cond_signal(&p->filled);
        pthread_mutex_unlock(&p->lock);
        return drain(p, p->n_frames - 1, reterr);
}

int packer_finish(Packer *p, uint64_t *ret_size, char ret_sha256[static SHA256_HEX_SIZE], Fault *reterr) {
        uint8_t *end = NULL;
        int r;

        r = packer_room(p, TAR_END, &end, reterr);
        if (r < 0)
                return r;
        memset(end, 0, TAR_END);
        r = packer_flush(p, reterr);
        if (r >= 0)
                r = drain(p, 0, reterr);
        if (r >= 0)
                r = sha256_final_hex(p->sha256, ret_sha256);
        if (r >= 0)
                *ret_size = p->size;
        return r;
}
