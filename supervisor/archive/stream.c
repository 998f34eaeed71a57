/*
 * Four kinds of threads and the caller's, which only looks at them. The first
 * failure of any of them is the one that is told; it cancels every queue, so
 * that all end. Nothing is left in memory or of threads when this returns; what
 * is on the disk is of no use unless it returned 0.
 *
 * A manifest's parts cover the whole archive, so the digest of the whole is only
 * computed where it is the caller's only or own ground for trust.
 */
#include "archive/stream.h"
#include "archive/decoder.h"
#include "archive/mirror-watch.h"
#include "archive/tar-reader.h"
#include "util/hex.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <time.h>

#define BLOCKS    16 /* 32 MiB */
#define PARTS     4
#define WRITERS   4
#define TICK_NSEC 200000000L

typedef struct Stream {
        const StreamOptions *options;
        Queue parts;  /* of RangePart, verified, in order */
        Queue blocks; /* of Block, decoded, in order */
        BlockPool *pool;
        Writers *writers;
        RangePart *part; /* that is being decoded */
        bool part_fresh; /* it was looked at, but not yet used */

        pthread_mutex_t lock;
        pthread_cond_t ended;
        unsigned running;
        int error;
        Fault fault;
        atomic_uint_least64_t decoded; /* bytes of the archive */
        MirrorWatch watch;             /* of the caller's thread */
} Stream;

/* The first one wins; its text is taken over. */
static void stream_fail(Stream *s, int r, Fault *fault) {
        pthread_mutex_lock(&s->lock);
        if (s->error == 0) {
                s->error = r;
                s->fault.text = TAKE_PTR(fault->text);
        }
        pthread_mutex_unlock(&s->lock);
        queue_cancel(&s->parts);
        queue_cancel(&s->blocks);
        block_pool_cancel(s->pool);
        writers_cancel(s->writers);
        ranges_cancel(s->options->ranges);
}

static void on_writer_failed(void *userdata, int r, Fault *fault) {
        stream_fail(userdata, r, fault);
}

/* ---- Verifier ---- */

/* 1: right; 0: wrong, to be fetched again. */
static int part_is_right(const Stream *s, const RangePart *part, Fault *reterr) {
        const Manifest *m = s->options->manifest;
        char digest[SHA256_HEX_SIZE], expected[SHA256_HEX_SIZE];
        ManifestPart want;
        int r;

        if (!m)
                return 1;
        if (part->index >= manifest_n_parts(m))
                return fault_set(reterr, -EBADMSG, "The archive has more than the %zu parts of its manifest",
                                 manifest_n_parts(m));
        manifest_part(m, part->index, &want);
        if (want.offset != part->offset || want.length != part->length)
                return fault_set(reterr, -EINVAL,
                                 "Part %zu was fetched as %" PRIu32 " bytes at %" PRIu64
                                 ", its manifest says %" PRIu32 " at %" PRIu64,
                                 part->index, part->length, part->offset, want.length, want.offset);
        r = sha256_buffer_hex(part->data, part->length, digest);
        if (r < 0)
                return r;
        return str_eq(digest, hex_encode(want.sha256, sizeof want.sha256, expected));
}

static int check_digest(const Stream *s, Sha256 *h, Fault *reterr) {
        char digest[SHA256_HEX_SIZE];
        int r;

        r = sha256_final_hex(h, digest);
        if (r < 0 || strcasecmp(digest, s->options->sha256) == 0)
                return r;
        return fault_set(reterr, -EBADMSG, "The archive has SHA-256 %s, expected %s", digest,
                         s->options->sha256);
}

/* Bytes that are out of place would be decoded as if they were right. */
static int check_place(uint64_t is, uint64_t expected, Fault *reterr) {
        if (is == expected)
                return 0;
        return fault_set(reterr, -EINVAL, "The archive goes on at offset %" PRIu64 ", expected %" PRIu64, is,
                         expected);
}

static int verify_parts(Stream *s, Sha256 *whole, Fault *reterr) {
        Ranges *ranges = s->options->ranges;
        uint64_t offset = 0;

        for (;;) {
                RangePart *part;
                int r;

                r = ranges_take(ranges, &part, reterr);
                if (r == RANGES_E_END) {
                        r = check_place(ranges_size(ranges), offset, reterr);
                        return r >= 0 && whole ? check_digest(s, whole, reterr) : r;
                }
                if (r < 0)
                        return r;
                r = check_place(part->offset, offset, reterr);
                if (r >= 0)
                        r = part_is_right(s, part, reterr);
                if (r == 0) {
                        ranges_reject(ranges, part);
                        continue;
                }
                offset += part->length;
                if (r > 0 && whole)
                        r = sha256_update(whole, part->data, part->length);
                if (r >= 0)
                        r = queue_put(&s->parts, part);
                if (r < 0) {
                        ranges_release(ranges, part);
                        return r;
                }
        }
}

DEFINE_CLEANUP(Sha256 *, sha256_free)

static int verifier(Stream *s, Fault *reterr) {
        cleanup_(sha256_freep) Sha256 *whole = NULL;
        int r = 0;

        if (s->options->sha256)
                r = sha256_new(&whole);
        if (r >= 0)
                r = verify_parts(s, whole, reterr);
        if (r >= 0)
                queue_end(&s->parts);
        return r;
}

/* ---- Decoder ---- */

static int next_part(Stream *s) {
        void *item;
        int r;

        if (s->part)
                ranges_release(s->options->ranges, TAKE_PTR(s->part));
        r = queue_take(&s->parts, &item);
        if (r == 0)
                s->part = item;
        return r;
}

static int on_source(void *userdata, const uint8_t **ret, size_t *ret_size, Fault *reterr) {
        Stream *s = userdata;
        int r = 0;

        *ret_size = 0;
        if (!s->part_fresh)
                r = next_part(s);
        s->part_fresh = false;
        if (r < 0 || !s->part)
                return r < 0 ? r : 0;
        *ret = s->part->data;
        *ret_size = s->part->length;
        return 0;
}

/* The caller's word counts; without one the first bytes tell. */
static int which_codec(Stream *s, ArchiveCodec *ret, Fault *reterr) {
        char shown[16];
        size_t n = 0;
        int r;

        *ret = s->options->codec;
        r = next_part(s);
        if (r < 0)
                return r;
        s->part_fresh = s->part;
        if (*ret != _ARCHIVE_CODEC_MAX || !s->part)
                return 0;
        *ret = decoder_codec_of_bytes(s->part->data, s->part->length);
        if (*ret != _ARCHIVE_CODEC_MAX)
                return 0;
        for (; n < s->part->length && n < sizeof shown - 1; n++)
                shown[n] =
                        s->part->data[n] >= 0x20 && s->part->data[n] < 0x7f ? (char) s->part->data[n] : '?';
        shown[n] = 0;
        return fault_set(reterr, -EBADMSG,
                         "What the mirrors gave is no archive, it begins with '%s': expected tar, tar.zst, "
                         "tar.lz4, tar.gz or tar.xz",
                         shown);
}

static int decode_blocks(Stream *s, Decoder *d, Fault *reterr) {
        uint64_t offset = 0;

        for (bool end = false; !end;) {
                Block *b;
                size_t size;
                int r;

                r = block_pool_take(s->pool, &b);
                if (r < 0)
                        return r;
                r = decoder_read(d, b->data, BLOCK_SIZE, &size, reterr);
                if (r >= 0) {
                        b->size = size;
                        b->offset = offset;
                        offset += size;
                        end = size < BLOCK_SIZE;
                        atomic_store(&s->decoded, decoder_consumed(d));
                }
                if (r < 0 || size == 0 || (r = queue_put(&s->blocks, b)) < 0)
                        block_unref(b);
                if (r < 0)
                        return r;
        }
        queue_end(&s->blocks);
        return 0;
}

static int decoder(Stream *s, Fault *reterr) {
        cleanup_(decoder_freep) Decoder *d = NULL;
        ArchiveCodec codec;
        int r;

        r = which_codec(s, &codec, reterr);
        if (r >= 0 && !s->part)
                r = fault_set(reterr, -EBADMSG, "The archive is empty");
        if (r >= 0)
                r = decoder_new(codec, s->options->window_log_max, on_source, s, &d, reterr);
        return r >= 0 ? decode_blocks(s, d, reterr) : r;
}

/* ---- Tar ---- */

static int unpacker(Stream *s, Fault *reterr) {
        const ManifestHead *head = s->options->manifest ? manifest_head(s->options->manifest) : NULL;
        const TarOptions options = {
                .blocks = &s->blocks,
                .output = s->options->output,
                .writers = s->writers,
                .max_bytes = head ? head->plain_size : 0,
                .max_entries = head ? head->n_files : 0,
        };
        int r;

        r = tar_unpack(&options, reterr);
        return r >= 0 ? writers_finish(s->writers) : r;
}

/* ---- Together ---- */

typedef struct Thread {
        Stream *stream;
        int (*run)(Stream *s, Fault *reterr);
        pthread_t id;
} Thread;

static void *run_thread(void *userdata) {
        cleanup_fault_ Fault fault = { 0 };
        Thread *t = userdata;
        Stream *s = t->stream;
        int r;

        r = t->run(s, &fault);
        if (r < 0)
                stream_fail(s, r, &fault);
        pthread_mutex_lock(&s->lock);
        s->running--;
        pthread_cond_signal(&s->ended);
        pthread_mutex_unlock(&s->lock);
        return NULL;
}

static void show(Stream *s, const char *why_paused) {
        const FetchControl *c = s->options->control;
        FetchProgress progress = {
                .step = "download",
                .done = atomic_load(&s->decoded),
                .total = ranges_size(s->options->ranges),
                .plain = writers_written(s->writers),
                .paused = why_paused,
                .why_paused = why_paused,
        };
        RangesStats stats;

        ranges_stats(s->options->ranges, &stats);
        progress.received = stats.received;
        progress.bytes_per_sec = stats.bytes_per_sec;
        progress.mirrors = stats.mirrors;
        progress.mirrors_left = stats.mirrors_left;
        c->progress(&progress, c->userdata);
}

static void tick(Stream *s) {
        const FetchControl *c = s->options->control;
        cleanup_fault_ Fault fault = { 0 };
        const char *why = NULL;

        if (!c)
                return;
        if (c->cancelled && c->cancelled(c->userdata)) {
                fault_set(&fault, -ECANCELED, "Cancelled");
                stream_fail(s, -ECANCELED, &fault);
        }
        if (c->pause) {
                why = c->pause(c->userdata);
                ranges_pause(s->options->ranges, why);
        }
        mirror_watch(&s->watch, s->options->ranges, c);
        if (c->progress)
                show(s, why);
}

/* Ticks until every thread has ended. */
static void look_on(Stream *s) {
        bool running = true;

        while (running) {
                struct timespec until;

                tick(s);
                clock_gettime(CLOCK_MONOTONIC, &until);
                until.tv_nsec += TICK_NSEC;
                until.tv_sec += until.tv_nsec / 1000000000;
                until.tv_nsec %= 1000000000;
                pthread_mutex_lock(&s->lock);
                while (s->running > 0 && pthread_cond_timedwait(&s->ended, &s->lock, &until) != ETIMEDOUT)
                        ;
                running = s->running > 0;
                pthread_mutex_unlock(&s->lock);
        }
        mirror_watch(&s->watch, s->options->ranges, s->options->control);
        if (s->options->control && s->options->control->progress)
                show(s, NULL);
}

static void run(Stream *s) {
        Thread threads[] = { { s, verifier }, { s, decoder }, { s, unpacker } };
        size_t n = 0;

        s->running = ELEMENTSOF(threads);
        for (; n < ELEMENTSOF(threads); n++) {
                Fault none = { 0 };
                int r = -pthread_create(&threads[n].id, NULL, run_thread, &threads[n]);

                if (r >= 0)
                        continue;
                stream_fail(s, r, &none);
                pthread_mutex_lock(&s->lock);
                s->running -= (unsigned) (ELEMENTSOF(threads) - n);
                pthread_mutex_unlock(&s->lock);
                break;
        }
        look_on(s);
        while (n > 0)
                pthread_join(threads[--n].id, NULL);
}

/* What a failure left in the queues. */
static void give_back(Stream *s) {
        void *item;

        if (s->part)
                ranges_release(s->options->ranges, TAKE_PTR(s->part));
        while ((item = queue_left(&s->parts)))
                ranges_release(s->options->ranges, item);
        while ((item = queue_left(&s->blocks)))
                block_unref(item);
}

static void stream_done(Stream *s) {
        writers_free(s->writers);
        block_pool_free(s->pool);
        queue_done(&s->parts);
        queue_done(&s->blocks);
        pthread_cond_destroy(&s->ended);
        pthread_mutex_destroy(&s->lock);
        fault_done(&s->fault);
}

static int stream_init(Stream *s) {
        pthread_condattr_t monotonic;
        int r;

        r = queue_init(&s->parts, PARTS);
        if (r < 0)
                return r;
        r = queue_init(&s->blocks, BLOCKS);
        if (r < 0) {
                queue_done(&s->parts);
                return r;
        }
        pthread_mutex_init(&s->lock, NULL);
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&s->ended, &monotonic);
        pthread_condattr_destroy(&monotonic);
        r = block_pool_new(BLOCKS, &s->pool);
        if (r >= 0)
                r = writers_new(WRITERS, on_writer_failed, s, &s->writers);
        if (r < 0)
                stream_done(s);
        return r;
}

int stream_unpack(const StreamOptions *options, Fault *reterr) {
        Stream s = { .options = options };
        int r;

        r = stream_init(&s);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to set up the unpacking");
        run(&s);
        give_back(&s);
        r = s.error;
        if (r < 0)
                fault_set(reterr, r, "%s", fault_text(&s.fault, r));
        stream_done(&s);
        return r;
}

ArchiveCodec stream_codec_of_name(const char *name) {
        static const struct {
                const char *ending;
                ArchiveCodec codec;
        } endings[] = {
                { ".tar", ARCHIVE_TAR },           { ".tar.zst", ARCHIVE_TAR_ZSTD },
                { ".tar.zstd", ARCHIVE_TAR_ZSTD }, { ".tzst", ARCHIVE_TAR_ZSTD },
                { ".tar.lz4", ARCHIVE_TAR_LZ4 },   { ".tlz4", ARCHIVE_TAR_LZ4 },
                { ".tar.gz", ARCHIVE_TAR_GZIP },   { ".tgz", ARCHIVE_TAR_GZIP },
                { ".tar.xz", ARCHIVE_TAR_XZ },     { ".txz", ARCHIVE_TAR_XZ },
        };
        static const char *const parts[] = { ".part-aa", ".aa", ".000", ".001", ".00" };
        size_t n = strcspn(name, "?#");

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                size_t length = strlen(parts[i]);

                if (n > length && memcmp(name + n - length, parts[i], length) == 0) {
                        n -= length;
                        break;
                }
        }
        for (size_t i = 0; i < ELEMENTSOF(endings); i++) {
                size_t length = strlen(endings[i].ending);

                if (n > length && strncasecmp(name + n - length, endings[i].ending, length) == 0)
                        return endings[i].codec;
        }
        return _ARCHIVE_CODEC_MAX;
}
