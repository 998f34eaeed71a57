/*
 * The caller's thread steers (progress, pause, cancel, four times a second),
 * workers do the work, one thread writes checkpoints. First the seed is gone
 * through, then what it had not is downloaded; both are the same workers with
 * another step.
 *
 * A frame is verified by the digest of its compressed bytes before a byte of it
 * is decoded, decoded into the worker's own buffer, and written out of that.
 * Files are sparse until their frames come, so nothing but the checkpoint tells
 * what is there. A kill loses what came since the last checkpoint.
 */
#include "archive/frames.h"
#include "archive/checkpoint.h"
#include "archive/frame-files.h"
#include "archive/mirror-watch.h"
#include "archive/seed.h"
#include "crypto/sha256.h"
#include "util/hex.h"
#include "util/text.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>
#include <zstd.h>

#define WORKERS          4
#define WORKERS_MAX      16
#define WINDOW           ((uint64_t) 40 << 20)
#define STEER_USEC       (200 * USEC_PER_MSEC)
#define CHECKPOINT_BYTES ((uint64_t) 256 << 20)
#define CHECKPOINT_USEC  (10 * USEC_PER_SEC)
#define BUFFER_ALIGN     4096

typedef struct Frames {
        const FramesOptions *options;
        const Manifest *manifest;
        Checkpoint *checkpoint;
        FrameFiles *files;
        Seed *seed;
        Ranges *ranges;
        uint32_t *wanted; /* frames to download, ascending */
        size_t n_wanted;
        size_t buffer_size;
        uint32_t part_max;
        MirrorWatch watch; /* of the caller's thread */

        pthread_mutex_t lock; /* all below but what is said to be atomic */
        pthread_cond_t changed;
        unsigned running;
        bool stop, paused, steering_over;
        const char *why_paused;
        int error; /* the first one */
        Fault fault;
        uint64_t since_checkpoint; /* plain bytes that no checkpoint has */

        size_t next;                            /* atomic: of the seed's step */
        uint64_t done, plain, seeded, rejected; /* atomic */
} Frames;

typedef struct Worker {
        Frames *frames;
        int (*step)(struct Worker *w, Fault *reterr); /* 0: go on; 1: no more; < 0 */
        pthread_t thread;
        uint8_t *buffer;
        ZSTD_DCtx *zstd;
} Worker;

static uint64_t count(uint64_t *counter, uint64_t more) {
        return __atomic_add_fetch(counter, more, __ATOMIC_RELAXED);
}

static void fail(Frames *f, int r, const Fault *why) {
        pthread_mutex_lock(&f->lock);
        if (f->error == 0) {
                f->error = r;
                fault_set(&f->fault, r, "%s", fault_text(why, r));
        }
        f->stop = true;
        pthread_cond_broadcast(&f->changed);
        if (f->ranges)
                ranges_cancel(f->ranges);
        pthread_mutex_unlock(&f->lock);
}

static _printf_(2, 3) void notice(Frames *f, const char *format, ...) {
        const FetchControl *control = f->options->control;
        cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        if (control && control->notice && text)
                control->notice(text, control->userdata);
}

static uint64_t checkpoint_bytes(const Frames *f) {
        return f->options->checkpoint_bytes ?: CHECKPOINT_BYTES;
}

/* After everything of it is written and the files that it completed are closed. */
static void frame_done(Frames *f, size_t i) {
        ManifestPart part;

        checkpoint_mark(f->checkpoint, i);
        manifest_part(f->manifest, i, &part);
        count(&f->done, part.length);
        pthread_mutex_lock(&f->lock);
        f->since_checkpoint += part.plain_length;
        if (f->since_checkpoint >= checkpoint_bytes(f))
                pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
}

/* False when it is to end. */
static bool wait_while_paused(Frames *f) {
        bool stop;

        pthread_mutex_lock(&f->lock);
        while (f->paused && !f->stop)
                pthread_cond_wait(&f->changed, &f->lock);
        stop = f->stop;
        pthread_mutex_unlock(&f->lock);
        return !stop;
}

/* ---- Placing ---- */

static int place_extent(Worker *w, const ManifestExtent *extent, Fault *reterr) {
        Frames *f = w->frames;
        FrameFile held;
        int r, q;

        r = frame_files_get(f->files, extent->file, &held, reterr);
        if (r == OUTPUT_E_IGNORED)
                return frame_files_done(f->files, extent->file, reterr);
        if (r < 0)
                return r;
        r = output_file_write(held.file, w->buffer + extent->frame_offset, extent->length, extent->offset,
                              reterr);
        q = frame_files_put(f->files, &held, r >= 0, r >= 0 ? reterr : NULL);
        if (r >= 0)
                count(&f->plain, extent->length);
        return r < 0 ? r : q;
}

static int place_frame(Worker *w, const ManifestPart *part, Fault *reterr) {
        int r = 0;

        for (size_t k = 0; r >= 0 && k < part->n_extents; k++) {
                ManifestExtent extent;

                manifest_extent(w->frames->manifest, part->first_extent + k, &extent);
                r = place_extent(w, &extent, reterr);
        }
        return r;
}

/* ---- Downloading ---- */

static int frame_is_right(const ManifestPart *part, const uint8_t *data) {
        char found[SHA256_HEX_SIZE], expected[SHA256_HEX_SIZE];
        int r = sha256_buffer_hex(data, part->length, found);

        return r < 0 ? r : str_eq(found, hex_encode(part->sha256, 32, expected));
}

static int decode(Worker *w, size_t i, const ManifestPart *part, const uint8_t *data, Fault *reterr) {
        size_t n = ZSTD_decompressDCtx(w->zstd, w->buffer, part->plain_length, data, part->length);

        if (ZSTD_isError(n))
                return fault_set(reterr, -EBADMSG,
                                 "Frame %zu of the snapshot (offset %" PRIu64
                                 ") has the manifest's digest but is no zstd frame of %" PRIu32
                                 " bytes: %s; it was made wrong: ask who signed it",
                                 i, part->offset, part->plain_length, ZSTD_getErrorName(n));
        if (n != part->plain_length)
                return fault_set(reterr, -EBADMSG,
                                 "Frame %zu of the snapshot (offset %" PRIu64
                                 ") decodes to %zu bytes, the manifest says %" PRIu32
                                 "; it was made wrong: ask who signed it",
                                 i, part->offset, n, part->plain_length);
        return 0;
}

static void reject(Frames *f, RangePart *taken) {
        count(&f->rejected, taken->length);
        notice(f,
               "'%s' gave wrong bytes at offset %" PRIu64 " (%" PRIu32 " bytes thrown away), asking again",
               ranges_mirror_name(f->ranges, taken->mirror), taken->offset, taken->length);
        ranges_reject(f->ranges, taken);
}

static int download_step(Worker *w, Fault *reterr) {
        Frames *f = w->frames;
        ManifestPart part;
        RangePart *taken;
        size_t i;
        int r;

        r = ranges_take(f->ranges, &taken, reterr);
        if (r != 0)
                return r == RANGES_E_END ? 1 : r;
        i = f->wanted[taken->index];
        manifest_part(f->manifest, i, &part);
        r = frame_is_right(&part, taken->data);
        if (r == 0) {
                reject(f, taken);
                return 0;
        }
        if (r > 0)
                r = decode(w, i, &part, taken->data, reterr);
        ranges_release(f->ranges, taken);
        if (r >= 0)
                r = place_frame(w, &part, reterr);
        if (r < 0)
                return r;
        frame_done(f, i);
        return 0;
}

static void wanted_part(size_t i, uint64_t *ret_offset, uint32_t *ret_length, void *userdata) {
        const Frames *f = userdata;
        ManifestPart part;

        manifest_part(f->manifest, f->wanted[i], &part);
        *ret_offset = part.offset;
        *ret_length = part.length;
}

/* ---- The seed ---- */

static int seed_step(Worker *w, Fault *reterr) {
        Frames *f = w->frames;
        ManifestExtent extent;
        ManifestPart part;
        uint64_t plain = 0;
        size_t i;
        int r;

        if (!wait_while_paused(f))
                return 1;
        i = __atomic_fetch_add(&f->next, 1, __ATOMIC_RELAXED);
        if (i >= manifest_n_parts(f->manifest))
                return 1;
        if (checkpoint_has(f->checkpoint, i))
                return 0;
        r = seed_frame(f->seed, i, w->buffer, reterr);
        if (r != 0)
                return r == SEED_E_OTHER ? 0 : r;
        manifest_part(f->manifest, i, &part);
        for (size_t k = 0; k < part.n_extents; k++) {
                manifest_extent(f->manifest, part.first_extent + k, &extent);
                plain += extent.length;
        }
        count(&f->seeded, plain);
        count(&f->plain, plain);
        frame_done(f, i);
        return 0;
}

/* ---- Threads ---- */

static void *work(void *userdata) {
        Worker *w = userdata;
        Frames *f = w->frames;
        cleanup_fault_ Fault why = {};
        int r;

        do
                r = w->step(w, &why);
        while (r == 0);
        if (r < 0)
                fail(f, r, &why);
        pthread_mutex_lock(&f->lock);
        f->running--;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
        return NULL;
}

static struct timespec after(uint64_t usec) {
        uint64_t at = now_monotonic_usec() + usec;

        return (struct timespec){ .tv_sec = (time_t) (at / USEC_PER_SEC),
                                  .tv_nsec = (long) (at % USEC_PER_SEC * 1000) };
}

static void *write_checkpoints(void *userdata) {
        Frames *f = userdata;
        struct timespec due = after(CHECKPOINT_USEC);

        pthread_mutex_lock(&f->lock);
        while (!f->steering_over) {
                cleanup_fault_ Fault why = {};
                int r = 0;

                if (f->since_checkpoint < checkpoint_bytes(f) &&
                    pthread_cond_clockwait(&f->changed, &f->lock, CLOCK_MONOTONIC, &due) != ETIMEDOUT)
                        continue;
                if (f->since_checkpoint > 0 && !f->steering_over) {
                        f->since_checkpoint = 0;
                        pthread_mutex_unlock(&f->lock);
                        r = checkpoint_save(f->checkpoint, f->options->into_fd, &why);
                        if (r < 0)
                                fail(f, r, &why);
                        pthread_mutex_lock(&f->lock);
                }
                due = after(CHECKPOINT_USEC);
        }
        pthread_mutex_unlock(&f->lock);
        return NULL;
}

static void show(Frames *f, const char *step) {
        const FetchControl *control = f->options->control;
        RangesStats stats = {};
        FetchProgress p = {
                .step = step,
                .done = __atomic_load_n(&f->done, __ATOMIC_RELAXED),
                .total = manifest_head(f->manifest)->archive_size,
                .plain = __atomic_load_n(&f->plain, __ATOMIC_RELAXED),
                .paused = f->paused,
                .why_paused = f->why_paused,
        };

        if (!control || !control->progress)
                return;
        if (f->ranges)
                ranges_stats(f->ranges, &stats);
        p.received = stats.received;
        p.bytes_per_sec = stats.bytes_per_sec;
        p.mirrors = stats.mirrors;
        p.mirrors_left = stats.mirrors_left;
        control->progress(&p, control->userdata);
}

/* 0, or the first error of any thread. */
static int outcome(Frames *f, Fault *reterr) {
        int r;

        pthread_mutex_lock(&f->lock);
        r = f->error;
        if (r < 0)
                fault_set(reterr, r, "%s", fault_text(&f->fault, r));
        pthread_mutex_unlock(&f->lock);
        return r;
}

/* By the caller's thread only: it alone writes paused and why_paused. */
static void steer(Frames *f, const char *step) {
        const FetchControl *control = f->options->control;
        const char *why = control && control->pause ? control->pause(control->userdata) : NULL;

        f->why_paused = why;
        if (f->paused != (why != NULL)) {
                pthread_mutex_lock(&f->lock);
                f->paused = why != NULL;
                pthread_cond_broadcast(&f->changed);
                pthread_mutex_unlock(&f->lock);
                if (f->ranges)
                        ranges_pause(f->ranges, why != NULL);
        }
        if (control && control->cancelled && control->cancelled(control->userdata)) {
                cleanup_fault_ Fault cancelled = {};

                fault_set(&cancelled, -ECANCELED, "Cancelled");
                fail(f, -ECANCELED, &cancelled);
        }
        if (f->ranges)
                mirror_watch(&f->watch, f->ranges, control);
        show(f, step);
}

/* Until every worker has ended. */
static void steer_all(Frames *f, const char *step) {
        pthread_mutex_lock(&f->lock);
        while (f->running > 0) {
                struct timespec due = after(STEER_USEC);

                pthread_mutex_unlock(&f->lock);
                steer(f, step);
                pthread_mutex_lock(&f->lock);
                while (f->running > 0 &&
                       pthread_cond_clockwait(&f->changed, &f->lock, CLOCK_MONOTONIC, &due) != ETIMEDOUT)
                        ;
        }
        pthread_mutex_unlock(&f->lock);
        show(f, step);
}

static int start(Frames *f, Worker *w, Fault *reterr) {
        int r;

        w->buffer = aligned_alloc(BUFFER_ALIGN, f->buffer_size);
        w->zstd = ZSTD_createDCtx();
        if (!w->buffer || !w->zstd)
                return -ENOMEM;
        pthread_mutex_lock(&f->lock);
        r = -pthread_create(&w->thread, NULL, work, w);
        if (r == 0)
                f->running++;
        pthread_mutex_unlock(&f->lock);
        return r < 0 ? fault_errno(reterr, r, "Failed to start a thread") : 0;
}

static int run_workers(Frames *f, int (*step)(Worker *w, Fault *reterr), const char *name, Fault *reterr) {
        unsigned n = f->options->workers ?: WORKERS, started = 0;
        Worker workers[WORKERS_MAX] = {};

        n = n > WORKERS_MAX ? WORKERS_MAX : n;
        for (; started < n; started++) {
                cleanup_fault_ Fault why = {};
                Worker *w = &workers[started];
                int r;

                w->frames = f;
                w->step = step;
                r = start(f, w, &why);
                if (r >= 0)
                        continue;
                fail(f, r, &why);
                break;
        }
        steer_all(f, name);
        for (unsigned i = 0; i < n; i++) {
                if (i < started)
                        pthread_join(workers[i].thread, NULL);
                free(workers[i].buffer);
                ZSTD_freeDCtx(workers[i].zstd);
        }
        return outcome(f, reterr);
}

/* ---- The whole ---- */

/* Finds what is done and how large things get. Frames that hold nothing of a file are not needed. */
static int survey(Frames *f) {
        for (size_t i = 0; i < manifest_n_parts(f->manifest); i++) {
                ManifestPart part;

                manifest_part(f->manifest, i, &part);
                if (part.length > f->part_max)
                        f->part_max = part.length;
                if (part.plain_length > f->buffer_size)
                        f->buffer_size = part.plain_length;
                if (part.n_extents == 0)
                        checkpoint_mark(f->checkpoint, i);
                if (checkpoint_has(f->checkpoint, i))
                        f->done += part.length;
        }
        f->buffer_size = (f->buffer_size + BUFFER_ALIGN) & ~(size_t) (BUFFER_ALIGN - 1);
        return frame_files_new(f->manifest, f->checkpoint, f->options->output, &f->files);
}

static int take_up(Frames *f, bool *ret_resumed) {
        cleanup_fault_ Fault why = {};
        int r;

        r = checkpoint_new(manifest_digest(f->manifest), manifest_n_parts(f->manifest), &f->checkpoint);
        if (r < 0)
                return r;
        r = checkpoint_read(f->checkpoint, f->options->into_fd, &why);
        if (r == -ENOMEM)
                return r;
        if (r < 0 && r != -ENOENT)
                notice(f, "%s: beginning again", fault_text(&why, r));
        *ret_resumed = r == 0 && checkpoint_count(f->checkpoint) > 0;
        return survey(f);
}

/* Directories, and files without a byte, which no frame brings. */
static int make_entries(Frames *f, Fault *reterr) {
        for (size_t i = 0; i < manifest_n_files(f->manifest); i++) {
                OutputFile *empty = NULL;
                ManifestFile file;
                int r;

                manifest_file(f->manifest, i, &file);
                if (file.directory)
                        r = output_directory(f->options->output, file.path, file.mode, file.mtime_sec,
                                             file.mtime_nsec, reterr);
                else if (file.size == 0)
                        r = output_file_open(f->options->output, file.path, 0, file.mode, file.mtime_sec,
                                             file.mtime_nsec, &empty, reterr);
                else
                        continue;
                if (r == 0 && empty)
                        r = output_file_close(empty, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int go_through_seed(Frames *f, Fault *reterr) {
        int r;

        r = seed_new(f->options->seed_fd, f->options->into_fd, f->options->prefix, f->manifest, f->files,
                     &f->seed);
        if (r < 0)
                return r;
        return run_workers(f, seed_step, "seed", reterr);
}

static int list_wanted(Frames *f) {
        size_t n = manifest_n_parts(f->manifest);

        f->wanted = calloc(n + 1, sizeof *f->wanted);
        if (!f->wanted)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (!checkpoint_has(f->checkpoint, i))
                        f->wanted[f->n_wanted++] = (uint32_t) i;
        return 0;
}

static int download_wanted(Frames *f, FramesReport *ret, Fault *reterr) {
        RangesOptions mirrors = f->options->mirrors;
        RangesStats stats;
        Ranges *ranges = NULL;
        int r;

        r = list_wanted(f);
        if (r < 0 || f->n_wanted == 0)
                return r;
        mirrors.size = manifest_head(f->manifest)->archive_size;
        mirrors.part = wanted_part;
        mirrors.n_parts = f->n_wanted;
        mirrors.userdata = f;
        mirrors.part_max = f->part_max;
        mirrors.in_order = false;
        mirrors.window = WINDOW > 4 * (uint64_t) f->part_max ? WINDOW : 4 * (uint64_t) f->part_max;
        r = ranges_open(&mirrors, &ranges, reterr);
        if (r < 0)
                return r;
        pthread_mutex_lock(&f->lock);
        f->ranges = ranges;
        if (f->stop) /* a checkpoint failed meanwhile */
                ranges_cancel(ranges);
        pthread_mutex_unlock(&f->lock);
        if (f->paused)
                ranges_pause(ranges, true);
        r = run_workers(f, download_step, "download", reterr);
        ranges_stats(f->ranges, &stats);
        ret->received = stats.received;
        ret->rejected = f->rejected;
        mirror_watch(&f->watch, f->ranges, f->options->control);
        return r;
}

static int unpack(Frames *f, FramesReport *ret, Fault *reterr) {
        pthread_t saver;
        int r;

        r = make_entries(f, reterr);
        if (r < 0)
                return r;
        r = -pthread_create(&saver, NULL, write_checkpoints, f);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to start a thread");
        if (f->options->seed_fd >= 0)
                r = go_through_seed(f, reterr);
        if (r >= 0)
                r = download_wanted(f, ret, reterr);
        ret->seeded = f->seeded;
        ret->placed = f->plain;
        pthread_mutex_lock(&f->lock);
        f->steering_over = true;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
        pthread_join(saver, NULL);
        if (r >= 0)
                r = outcome(f, reterr);
        if (r >= 0)
                return frame_files_close(f->files, reterr);
        if (checkpoint_save(f->checkpoint, f->options->into_fd, NULL) < 0)
                notice(f, "What came since the last checkpoint could not be noted: it is fetched again");
        return r;
}

static void frames_done(Frames *f) {
        f->ranges = ranges_free(f->ranges);
        f->seed = seed_free(f->seed);
        f->files = frame_files_free(f->files);
        f->checkpoint = checkpoint_free(f->checkpoint);
        free(f->wanted);
        fault_done(&f->fault);
        pthread_cond_destroy(&f->changed);
        pthread_mutex_destroy(&f->lock);
}

int frames_unpack(const FramesOptions *options, FramesReport *ret, Fault *reterr) {
        cleanup_(frames_done) Frames f = { .options = options, .manifest = options->manifest };
        int r;

        *ret = (FramesReport){};
        pthread_mutex_init(&f.lock, NULL);
        pthread_cond_init(&f.changed, NULL);
        r = take_up(&f, &ret->resumed);
        return r < 0 ? r : unpack(&f, ret, reterr);
}
