/*
 * The digest decides, and nothing else: sizes, ETags and ranges only save
 * work. The partial file is not fsynced: after a power cut its digest is
 * wrong, and because it was not fetched whole in one go the same source is
 * asked again from the beginning instead of being blamed.
 */
#include "http/download.h"
#include "crypto/sha256.h"
#include "util/durable.h"
#include "util/json.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

typedef struct Mirror {
        const char *source; /* as given */
        char *shown;
        char *failures; /* joined by "; " */
        bool wrong;     /* gave other content or has too much of it: not asked again */
        bool no_range;  /* cannot continue what is there */
} Mirror;

typedef struct Download {
        DownloadOptions options;
        FetchTarget target;
        Mirror *mirrors, *current;
        size_t n_mirrors;
        bool no_space; /* for what one of them has */
        int dirfd;
        char *state_name;
        char *pinned; /* source that @target.etag is of */
} Download;

static void download_done(Download *d) {
        for (size_t i = 0; i < d->n_mirrors; i++) {
                free(d->mirrors[i].shown);
                free(d->mirrors[i].failures);
        }
        free(d->mirrors);
        free(d->state_name);
        free(d->pinned);
        free(d->target.etag);
        if (d->target.fd >= 0)
                close(d->target.fd);
}

void download_result_done(DownloadResult *result) {
        free(result->source);
        result->source = NULL;
}

static FetchLimits with_defaults(FetchLimits limits) {
        if (limits.max_size == 0)
                limits.max_size = DOWNLOAD_SIZE_MAX;
        if (limits.low_speed == 0)
                limits.low_speed = 1024;
        if (limits.low_sec == 0)
                limits.low_sec = 15;
        if (limits.connect_sec == 0)
                limits.connect_sec = 10;
        return limits;
}

static int note_failure(Mirror *m, const char *text) {
        char *longer;

        if (m->failures && strstr(m->failures, text))
                return 0;
        if (asprintf(&longer, "%s%s%s", m->failures ?: "", m->failures ? "; " : "", text) < 0)
                return -ENOMEM;
        free(m->failures);
        m->failures = longer;
        return 0;
}

static void show(Download *d, bool verifying, uint64_t bytes_per_sec) {
        const DownloadProgress p = {
                .verifying = verifying,
                .done = d->target.offset,
                .total = d->target.total,
                .bytes_per_sec = bytes_per_sec,
                .source = d->current->shown,
                .mirror = (size_t) (d->current - d->mirrors) + 1,
                .n_mirrors = d->n_mirrors,
        };

        if (d->options.progress)
                d->options.progress(&p, d->options.userdata);
}

static void on_progress(FetchTarget *target, uint64_t bytes_per_sec) {
        show(target->userdata, false, bytes_per_sec);
}

/* What the bytes that follow are of, on disk before the first of them. */
static int on_began(FetchTarget *target) {
        Download *d = target->userdata;
        cleanup_json_ json_t *state = json_object();

        if (!state || str_replace(&d->pinned, d->current->source) < 0 ||
            json_put_str(state, "sha256", d->options.sha256) < 0 ||
            json_put_str(state, "source", d->current->source) < 0 ||
            json_put_str(state, "etag", target->etag) < 0 || json_put_u64(state, "total", target->total) < 0)
                return -ENOMEM;
        return json_write_file(d->dirfd, d->state_name, state, 0600);
}

static int throw_away(Download *d, Fault *reterr) {
        if (ftruncate(d->target.fd, 0) < 0)
                return fault_errno(reterr, -errno, "Failed to empty the partial download");
        d->target.offset = d->target.total = 0;
        free(TAKE_PTR(d->target.etag));
        return 0;
}

/* Takes up what an earlier run left, or empties what is of another file. */
static int take_up(Download *d, const char *name, Fault *reterr) {
        cleanup_json_ json_t *state = NULL;
        const char *etag;
        struct stat st;

        d->target.fd = openat(d->dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (d->target.fd < 0 || fstat(d->target.fd, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to open the partial download '%s'", name);
        if (!S_ISREG(st.st_mode))
                return fault_set(reterr, -EBADMSG, "The partial download '%s' is not a regular file", name);
        if (json_read_file(d->dirfd, d->state_name, &state, NULL) < 0 ||
            !str_eq(json_str(state, "sha256"), d->options.sha256) ||
            (uint64_t) st.st_size > d->options.limits.max_size)
                return throw_away(d, reterr);
        d->target.offset = (uint64_t) st.st_size;
        if (json_u64(state, "total", &d->target.total) < 0 || d->target.total < d->target.offset)
                d->target.total = 0;
        etag = json_str(state, "etag");
        if (str_replace(&d->target.etag, etag) < 0 || str_replace(&d->pinned, json_str(state, "source")) < 0)
                return -ENOMEM;
        return 0;
}

/* 1: the digest is the wanted one; 0: it is not, and @digest says what it is. */
static int check_digest(Download *d, char digest[static SHA256_HEX_SIZE], Fault *reterr) {
        int r;

        show(d, true, 0);
        if (lseek(d->target.fd, 0, SEEK_SET) < 0)
                return -errno;
        r = sha256_fd_hex(d->target.fd, digest, NULL);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the download back");
        return str_eq(digest, d->options.sha256);
}

/* 1: done; 0: try the next; *ret_again: try this one from the beginning; -errno. */
static int judge(Download *d, bool whole, bool *ret_again, Fault *reterr) {
        char digest[SHA256_HEX_SIZE], *text = NULL;
        int r;

        r = check_digest(d, digest, reterr);
        if (r != 0)
                return r;
        r = throw_away(d, reterr);
        if (r < 0)
                return r;
        if (asprintf(&text,
                     whole ? "SHA-256 is %s, expected %s"
                           : "what others began and this one completed has SHA-256 %s, expected %s: begun "
                             "anew",
                     digest, d->options.sha256) < 0)
                return -ENOMEM;
        r = note_failure(d->current, text);
        free(text);
        if (r < 0)
                return r;
        d->current->wrong = whole;
        *ret_again = !whole;
        return 0;
}

static int try_once(Download *d, bool *ret_again, Fault *reterr) {
        cleanup_fault_ Fault why = { 0 };
        uint64_t before = d->target.received;
        Mirror *m = d->current;
        int r;

        if (m->no_range) {
                r = throw_away(d, reterr);
                if (r < 0)
                        return r;
                m->no_range = false;
        }
        if (!str_eq(d->pinned, m->source))
                free(TAKE_PTR(d->target.etag)); /* it names another server's bytes */
        show(d, false, 0);
        r = fetch(m->source, &d->options.limits, &d->target, &why);
        if (r < 0 && r != -ENOSPC)
                return fault_set(reterr, r, "%s", fault_text(&why, r));
        if (r == 0)
                return judge(d, d->target.restarted, ret_again, reterr);
        if (r == FETCH_E_RANGE)
                m->no_range = true;
        if (r == -ENOSPC)
                d->no_space = m->wrong = true;
        if (r == FETCH_E_POISONED || (r == -ENOSPC && d->target.received > before)) {
                int k = throw_away(d, reterr);

                if (k < 0)
                        return k;
        }
        return note_failure(m, fault_text(&why, r));
}

/* 1: done; 0: not from this one; -errno. */
static int try_mirror(Download *d, Mirror *m, Fault *reterr) {
        bool again = true;
        int r = 0;

        d->current = m;
        for (int i = 0; i < 2 && again && r == 0; i++) {
                again = false;
                r = try_once(d, &again, reterr);
        }
        return r;
}

static int give_up(const Download *d, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < d->n_mirrors; i++)
                fprintf(f, "%smirror %zu %s: %s", i > 0 ? "; " : "", i + 1, d->mirrors[i].shown,
                        d->mirrors[i].failures ?: "not tried");
        if (fclose(f) != 0)
                return -ENOMEM;
        return fault_set(reterr, d->no_space ? -ENOSPC : -EREMOTEIO, "No mirror gave the file: %s", text);
}

static int all_rounds(Download *d, Fault *reterr) {
        for (unsigned round = 0; round < d->options.rounds; round++) {
                bool left = false;

                for (size_t i = 0; i < d->n_mirrors; i++) {
                        int r;

                        if (d->mirrors[i].wrong)
                                continue;
                        r = try_mirror(d, &d->mirrors[i], reterr);
                        if (r != 0)
                                return r;
                        left = left || !d->mirrors[i].wrong;
                }
                if (!left)
                        break;
                if (round + 1 < d->options.rounds) {
                        const struct timespec pause = {
                                .tv_sec = (time_t) (d->options.pause_usec / USEC_PER_SEC),
                                .tv_nsec = (long) (d->options.pause_usec % USEC_PER_SEC * 1000),
                        };

                        (void) nanosleep(&pause, NULL);
                }
        }
        return give_up(d, reterr);
}

static int set_up(Download *d, const char *name, Fault *reterr) {
        const DownloadOptions *o = &d->options;

        if (strlen(o->sha256) != 64 || strspn(o->sha256, "0123456789abcdef") != 64)
                return fault_set(reterr, -EINVAL, "'%s' is not a SHA-256: expected 64 lower-case hex digits",
                                 o->sha256);
        if (strv_length(o->sources) == 0)
                return fault_set(reterr, -EINVAL, "No source is given: expected a URL or an absolute path");
        d->mirrors = calloc(strv_length(o->sources), sizeof *d->mirrors);
        if (!d->mirrors || asprintf(&d->state_name, "%s.state", name) < 0)
                return -ENOMEM;
        STRV_FOREACH (s, o->sources) {
                Mirror *m = &d->mirrors[d->n_mirrors++];

                if (!source_is_valid(*s))
                        return fault_set(reterr, -EINVAL,
                                         "Source '%s': expected http://, https:// or an absolute path", *s);
                if (source_display(*s, &m->shown) < 0)
                        return fault_set(reterr, -EINVAL, "Source '%s' is not a valid URL", *s);
                m->source = *s;
        }
        d->current = d->mirrors;
        return 0;
}

int download(int dirfd, const char *name, const DownloadOptions *options, DownloadResult *ret,
             Fault *reterr) {
        cleanup_(download_done) Download d = {
                .options = *options,
                .dirfd = dirfd,
                .target = { .fd = -1, .began = on_began, .progress = on_progress },
        };
        char digest[SHA256_HEX_SIZE];
        int r;

        d.target.userdata = &d;
        d.options.limits = with_defaults(options->limits);
        d.options.rounds = options->rounds ?: 2;
        d.options.pause_usec = options->pause_usec ?: 2 * USEC_PER_SEC;
        r = set_up(&d, name, reterr);
        if (r >= 0)
                r = take_up(&d, name, reterr);
        if (r < 0)
                return r;
        if (d.target.offset > 0) /* killed between the last byte and the next step? */
                r = check_digest(&d, digest, reterr);
        if (r == 0)
                r = all_rounds(&d, reterr);
        if (r < 0)
                return r;
        ret->source = strdup(d.target.received == 0 && d.pinned ? d.pinned : d.current->source);
        ret->size = d.target.offset;
        ret->received = d.target.received;
        return ret->source ? 0 : -ENOMEM;
}

int download_small(const char *source, const FetchLimits *limits, char **ret, size_t *ret_size,
                   Fault *reterr) {
        const FetchLimits bounded = with_defaults(*limits);
        cleanup_free_ char *text = NULL;
        cleanup_fd_ int fd = memfd_create("download", MFD_CLOEXEC);
        FetchTarget target = { .fd = fd };
        int r;

        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to make a memory file");
        r = fetch(source, &bounded, &target, reterr);
        free(target.etag);
        if (r != 0)
                return r;
        text = malloc(target.offset + 1);
        if (!text)
                return -ENOMEM;
        if (pread(fd, text, target.offset, 0) != (ssize_t) target.offset)
                return -EIO;
        text[target.offset] = 0;
        *ret_size = target.offset;
        *ret = TAKE_PTR(text);
        return 0;
}
