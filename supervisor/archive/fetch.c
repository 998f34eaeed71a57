/*
 * The order: the manifest and whether it may be gone by; the directory; room;
 * then bytes. FETCH_PARTIAL stands in the directory from before the first byte
 * until all is durable (fetch-place.c), so whoever looks can tell.
 *
 * A stream cannot be continued, and without a manifest nothing of it is verified
 * before its end: whatever goes wrong, all of it is removed.
 */
#include "archive/fetch.h"
#include "archive/checkpoint.h"
#include "archive/fetch-manifest.h"
#include "archive/fetch-place.h"
#include "archive/frames.h"
#include "archive/stream.h"
#include "util/hex.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>

#define STREAM_PART ((uint32_t) 2 << 20) /* where no manifest says how long the parts are */
#define BLOCK       ((uint64_t) 4096)

/*
 * Four connections with four parts of 4 MiB each: with less they wait for each other.
 * A stream then takes some 120 MiB, and up to 128 more where zstd --long=27 wants them.
 */
#define STREAM_WINDOW ((uint64_t) 64 << 20)

typedef struct Fetch {
        FetchOptions options; /* its control is the one below */
        const FetchControl *caller;
        pthread_mutex_t lock; /* the caller is called by one thread at a time */
        FetchManifest found;
        char *prefix;
        Output *output;
        bool continues; /* a partial of an earlier run */
        bool keep;      /* what is there, on failure: it can be continued */
} Fetch;

void fetch_report_done(FetchReport *report) {
        free(TAKE_PTR(report->signed_by));
        free(TAKE_PTR(report->chain));
}

/* ---- The caller, one thread at a time ---- */

static void pass_progress(const FetchProgress *progress, void *userdata) {
        Fetch *f = userdata;

        pthread_mutex_lock(&f->lock);
        if (f->caller->progress)
                f->caller->progress(progress, f->caller->userdata);
        pthread_mutex_unlock(&f->lock);
}

static const char *pass_pause(void *userdata) {
        Fetch *f = userdata;
        const char *why;

        pthread_mutex_lock(&f->lock);
        why = f->caller->pause ? f->caller->pause(f->caller->userdata) : NULL;
        pthread_mutex_unlock(&f->lock);
        return why;
}

static bool pass_cancelled(void *userdata) {
        Fetch *f = userdata;
        bool cancelled;

        pthread_mutex_lock(&f->lock);
        cancelled = f->caller->cancelled && f->caller->cancelled(f->caller->userdata);
        pthread_mutex_unlock(&f->lock);
        return cancelled;
}

static void pass_notice(const char *text, void *userdata) {
        Fetch *f = userdata;

        pthread_mutex_lock(&f->lock);
        if (f->caller->notice)
                f->caller->notice(text, f->caller->userdata);
        pthread_mutex_unlock(&f->lock);
}

static void on_ignored(const char *path, const char *why, void *userdata) {
        cleanup_free_ char *text = NULL;

        if (asprintf(&text, "Ignored '%s' of the snapshot: %s", path, why) < 0)
                text = NULL;
        if (text)
                pass_notice(text, userdata);
}

/* ---- What the manifest tells ---- */

static bool is_framed(const Fetch *f) {
        return f->found.trusted && manifest_head(f->found.manifest)->mode == MANIFEST_FRAMED;
}

/* Directories that belong to a data directory: not the one that somebody packed it in. */
static bool is_data_like(const char *name, size_t n) {
        static const char *const names[] = { "data", "config", "wasm",      "geth",
                                             "bor",  "klay",   "chaindata", "db" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
                        return true;
        return false;
}

/* The one directory at the top in which everything lies; NULL if there is none. Owned. */
static int find_prefix(const Manifest *m, char **ret) {
        size_t n = 0;
        ManifestFile first, file;

        if (manifest_n_files(m) == 0)
                return 0;
        manifest_file(m, 0, &first);
        n = strcspn(first.path, "/");
        for (size_t i = 0; i < manifest_n_files(m); i++) {
                manifest_file(m, i, &file);
                if (strncmp(file.path, first.path, n) != 0 || (file.path[n] != '/' && !file.directory) ||
                    (file.path[n] != '/' && file.path[n]))
                        return 0;
        }
        if (is_data_like(first.path, n))
                return 0;
        *ret = strndup(first.path, n);
        return *ret ? 0 : -ENOMEM;
}

static int settle_prefix(Fetch *f) {
        if (!f->options.prefix || !*f->options.prefix)
                return 0;
        if (str_eq(f->options.prefix, "auto"))
                return is_framed(f) ? find_prefix(f->found.manifest, &f->prefix) : 0;
        return str_replace(&f->prefix, f->options.prefix);
}

/* Plain bytes of frames that an earlier run has on the disk. */
static int bytes_there(const Fetch *f, uint64_t *ret) {
        const Manifest *m = f->found.manifest;
        cleanup_(checkpoint_freep) Checkpoint *c = NULL;
        int r;

        *ret = 0;
        r = checkpoint_new(manifest_digest(m), manifest_n_parts(m), &c);
        if (r < 0 || !f->continues || checkpoint_read(c, f->options.into_fd, NULL) < 0)
                return r;
        for (size_t i = 0; i < manifest_n_parts(m); i++) {
                ManifestExtent extent;
                ManifestPart part;

                manifest_part(m, i, &part);
                for (size_t k = 0; checkpoint_has(c, i) && k < part.n_extents; k++) {
                        manifest_extent(m, part.first_extent + k, &extent);
                        *ret += extent.length;
                }
        }
        return 0;
}

static int check_room(const Fetch *f, Fault *reterr) {
        const Manifest *m = f->found.manifest;
        uint64_t bytes = 0, there = 0;
        int r = 0;

        if (!m)
                return 0;
        if (is_framed(f)) {
                for (size_t i = 0; i < manifest_n_files(m); i++) {
                        ManifestFile file;

                        manifest_file(m, i, &file);
                        bytes += (file.size + BLOCK - 1) / BLOCK * BLOCK;
                }
                r = bytes_there(f, &there);
        } else
                bytes = manifest_head(m)->plain_size;
        if (r < 0)
                return r;
        bytes += bytes / 50;
        return output_room(f->options.into_fd, bytes > there ? bytes - there : 0,
                           f->continues ? 0 : manifest_head(m)->n_files, reterr);
}

/* ---- Bytes ---- */

static RangesOptions mirrors_of(const FetchOptions *o) {
        return (RangesOptions){ .sources = o->sources,
                                .per_mirror = o->connections,
                                .limit_rate = o->limit_rate,
                                .ca_file = o->ca_file,
                                .cancelled = o->control.cancelled,
                                .cancelled_userdata = o->control.userdata };
}

static int fetch_frames(Fetch *f, FetchReport *ret, Fault *reterr) {
        const ManifestHead *head = manifest_head(f->found.manifest);
        cleanup_fd_ int seed = -1;
        FramesOptions frames = {
                .manifest = f->found.manifest,
                .mirrors = mirrors_of(&f->options),
                .into_fd = f->options.into_fd,
                .output = f->output,
                .prefix = f->prefix,
                .control = &f->options.control,
        };
        FramesReport report;
        int r;

        if (f->options.seed) {
                seed = open(f->options.seed, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (seed < 0)
                        return fault_errno(reterr, -errno, "Failed to open the seed '%s'", f->options.seed);
        }
        frames.seed_fd = seed;
        r = frames_unpack(&frames, &report, reterr);
        f->keep = report.resumed || report.placed > 0;
        ret->resumed = report.resumed;
        ret->received = report.received;
        ret->rejected = report.rejected;
        ret->seeded = report.seeded;
        ret->plain_size = head->plain_size;
        ret->files = head->n_files;
        return r;
}

static void manifest_range(size_t i, uint64_t *ret_offset, uint32_t *ret_length, void *userdata) {
        ManifestPart part;

        manifest_part(userdata, i, &part);
        *ret_offset = part.offset;
        *ret_length = part.length;
}

static void use_parts(RangesOptions *ranges, Manifest *m) {
        ranges->size = manifest_head(m)->archive_size;
        ranges->n_parts = manifest_n_parts(m);
        ranges->part = manifest_range;
        ranges->userdata = m;
        ranges->part_max = 1;
        for (size_t i = 0; i < ranges->n_parts; i++) {
                ManifestPart part;

                manifest_part(m, i, &part);
                if (part.length > ranges->part_max)
                        ranges->part_max = part.length;
        }
}

static int stream_codec(const Fetch *f, ArchiveCodec *ret, Fault *reterr) {
        cleanup_free_ char *name = NULL;

        *ret = _ARCHIVE_CODEC_MAX;
        if (f->found.manifest)
                *ret = manifest_head(f->found.manifest)->codec;
        for (char *const *s = f->options.sources; *s && *ret == _ARCHIVE_CODEC_MAX; s++) {
                free(TAKE_PTR(name));
                name = strndup(*s, strstr(*s, "://") ? strcspn(*s, "?#") : strlen(*s));
                if (!name)
                        return -ENOMEM;
                *ret = stream_codec_of_name(name);
        }
        if (*ret != _ARCHIVE_CODEC_MAX)
                return 0;
        return fault_set(
                reterr, -EINVAL,
                "The name '%s' does not tell what archive it is: expected .tar, .tar.zst, .tar.lz4, "
                ".tar.gz or .tar.xz",
                name ?: "");
}

static int fetch_stream(Fetch *f, FetchReport *ret, Fault *reterr) {
        cleanup_(ranges_freep) Ranges *ranges = NULL;
        RangesOptions mirrors = mirrors_of(&f->options);
        StreamOptions stream = {
                .manifest = f->found.manifest,
                .output = f->output,
                .control = &f->options.control,
        };
        OutputStats written;
        RangesStats stats;
        int r;

        r = stream_codec(f, &stream.codec, reterr);
        if (r < 0)
                return r;
        if (!f->found.trusted) /* the parts of one that is trusted are enough */
                stream.sha256 = f->options.sha256;
        mirrors.in_order = true;
        mirrors.part_max = STREAM_PART;
        if (f->found.manifest)
                use_parts(&mirrors, f->found.manifest);
        mirrors.window = STREAM_WINDOW > 4 * (uint64_t) mirrors.part_max ? STREAM_WINDOW
                                                                         : 4 * (uint64_t) mirrors.part_max;
        r = ranges_open(&mirrors, &ranges, reterr);
        if (r < 0)
                return r;
        stream.ranges = ranges;
        ret->archive_size = ranges_size(ranges);
        r = stream_unpack(&stream, reterr);
        ranges_stats(ranges, &stats);
        ret->received = stats.received;
        ret->rejected = stats.rejected;
        output_stats(f->output, &written);
        ret->plain_size = written.bytes;
        ret->files = written.files;
        return r;
}

/* ---- The whole ---- */

static int open_output(Fetch *f, Fault *reterr) {
        const OutputOptions options = {
                .protect = f->options.protect,
                .prefix = f->prefix,
                .max_bytes = f->found.manifest && !is_framed(f)
                                     ? manifest_head(f->found.manifest)->plain_size
                                     : 0,
                .resume = is_framed(f),
                .notice = on_ignored,
                .userdata = f,
        };

        return output_new(f->options.into_fd, &options, &f->output, reterr);
}

static int unpack(Fetch *f, FetchReport *ret, Fault *reterr) {
        OutputStats written;
        int r;

        r = check_room(f, reterr);
        if (r >= 0)
                r = open_output(f, reterr);
        if (r >= 0)
                r = is_framed(f) ? fetch_frames(f, ret, reterr) : fetch_stream(f, ret, reterr);
        if (r < 0)
                return r;
        pass_progress(&(FetchProgress){ .step = "sync",
                                        .done = ret->archive_size,
                                        .total = ret->archive_size,
                                        .received = ret->received,
                                        .plain = ret->plain_size },
                      f);
        r = output_finish(f->output, reterr);
        if (r < 0)
                return r;
        output_stats(f->output, &written);
        ret->ignored = written.ignored;
        return place_complete(f->options.into_fd, reterr);
}

static int describe(const Fetch *f, FetchReport *ret) {
        const ManifestHead *head = f->found.manifest ? manifest_head(f->found.manifest) : NULL;

        ret->height = -1;
        ret->framed = head && is_framed(f);
        if (!head)
                return 0;
        ret->archive_size = head->archive_size;
        if (!f->found.trusted) /* nobody vouches for what a hint says of the chain */
                return 0;
        ret->height = head->height;
        return str_replace(&ret->signed_by, f->found.signed_by) < 0 ||
                               str_replace(&ret->chain, head->chain) < 0
                       ? -ENOMEM
                       : 0;
}

static int check_options(const FetchOptions *o, Fault *reterr) {
        uint8_t digest[32];

        if (!o->sources || !o->sources[0])
                return fault_set(reterr, -EINVAL, "No source of the archive is given");
        if (o->sha256 && hex_decode(o->sha256, digest, sizeof digest) < 0)
                return fault_set(reterr, -EINVAL, "'%s' is no SHA-256: expected 64 lower-case hex digits",
                                 o->sha256);
        return 0;
}

/* Only what can be continued stays. */
static void tidy_up(Fetch *f) {
        cleanup_fault_ Fault why = {};
        int r;

        f->output = output_free(f->output);
        if (f->keep)
                return;
        r = place_clear(f->options.into_fd, &why);
        if (r < 0)
                pass_notice(fault_text(&why, r), f);
}

static int run(Fetch *f, FetchReport *ret, Fault *reterr) {
        int r;

        r = check_options(&f->options, reterr);
        if (r >= 0)
                r = fetch_manifest(&f->options, &f->found, reterr);
        if (r != 0)
                return r;
        r = describe(f, ret);
        if (r >= 0)
                r = settle_prefix(f);
        if (r >= 0)
                r = place_claim(f->options.into_fd, f->options.into,
                                is_framed(f) ? manifest_digest(f->found.manifest) : NULL, f->prefix,
                                &f->continues, reterr);
        if (r != 0)
                return r;
        f->keep = f->continues;
        r = unpack(f, ret, reterr);
        if (r < 0)
                tidy_up(f);
        return r;
}

static void fetch_done(Fetch *f) {
        f->output = output_free(f->output);
        fetch_manifest_done(&f->found);
        free(f->prefix);
        pthread_mutex_destroy(&f->lock);
}

int fetch_snapshot(const FetchOptions *options, FetchReport *ret, Fault *reterr) {
        cleanup_(fetch_done) Fetch f = { .options = *options, .caller = &options->control };
        cleanup_(fetch_report_done) FetchReport report = {};
        uint64_t began = now_monotonic_usec();
        int r;

        pthread_mutex_init(&f.lock, NULL);
        f.options.control = (FetchControl){ .progress = pass_progress,
                                            .pause = pass_pause,
                                            .cancelled = pass_cancelled,
                                            .notice = pass_notice,
                                            .userdata = &f };
        r = run(&f, &report, reterr);
        if (r != 0)
                return r;
        report.usec = now_monotonic_usec() - began;
        *ret = report;
        report = (FetchReport){};
        return 0;
}
