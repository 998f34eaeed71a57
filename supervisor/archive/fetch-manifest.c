/*
 * A mirror may say anything: what stands beside its archive is a candidate, and
 * one that is no good only means that the next mirror is asked. The first one
 * that is trusted is taken. If some were found and none may be gone by, that is
 * a refusal, not "no manifest": a wrong one must not weaken what is asked for.
 */
#include "archive/fetch-manifest.h"
#include "crypto/signers.h"
#include "http/fetch.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/mman.h>

typedef enum Verdict { VERDICT_REFUSED, VERDICT_HINT, VERDICT_TRUSTED } Verdict;

typedef struct Search {
        const FetchOptions *options;
        Signers *signers;
        uint64_t now_sec;
        unsigned seen;    /* manifests, whatever they were worth */
        char *reasons;    /* why those seen are not gone by */
        char *failures;   /* why there may be others */
        bool unreachable; /* so a mirror that may have one was */
        FetchManifest best;
} Search;

void fetch_manifest_done(FetchManifest *found) {
        found->manifest = manifest_free(found->manifest);
        free(TAKE_PTR(found->signed_by));
}

static void search_done(Search *s) {
        signers_free(s->signers);
        free(s->reasons);
        free(s->failures);
        fetch_manifest_done(&s->best);
}

/* ---- Names ---- */

char *fetch_local_path(const char *source) {
        static const char scheme[] = "file://";
        const char *p = source + sizeof scheme - 1;
        char *path, *to;

        if (strncasecmp(source, scheme, sizeof scheme - 1) != 0)
                return strdup(source);
        p += strcspn(p, "/"); /* file://localhost/ */
        path = to = malloc(strlen(p) + 1);
        if (!path)
                return NULL;
        while (*p) {
                unsigned byte;
                int n = 0;

                if (*p == '%' && p[1] && p[2] && sscanf(p + 1, "%2x%n", &byte, &n) == 1 && n == 2 && byte) {
                        *to++ = (char) byte;
                        p += 3;
                } else
                        *to++ = *p++;
        }
        *to = 0;
        return path;
}

static size_t without_part_suffix(const char *name, size_t n) {
        static const char *const suffixes[] = { ".part-aa", ".aa", ".000", ".001", ".00" };

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                size_t length = strlen(suffixes[i]);

                if (n > length && memcmp(name + n - length, suffixes[i], length) == 0)
                        return n - length;
        }
        return n;
}

char *fetch_manifest_beside(const char *source) {
        size_t end = strstr(source, "://") ? strcspn(source, "?#") : strlen(source), name = end, cut;
        char *beside;

        while (name > 0 && source[name - 1] != '/')
                name--;
        cut = name + without_part_suffix(source + name, end - name);
        for (size_t i = cut; i-- > name;)
                if (str_starts(source + i, ".tar") && (i + 4 == cut || source[i + 4] == '.')) {
                        cut = i;
                        break;
                }
        if (asprintf(&beside, "%.*s" MANIFEST_SUFFIX "%s", (int) cut, source, source + end) < 0)
                return NULL;
        return beside;
}

/* ---- Bringing one ---- */

static int on_began(FetchTarget *target) {
        const FetchControl *control = target->userdata;

        return control->cancelled && control->cancelled(control->userdata) ? -ECANCELED : 0;
}

static bool on_cancelled(FetchTarget *target) {
        return on_began(target) < 0;
}

static void on_progress(FetchTarget *target, uint64_t bytes_per_sec) {
        const FetchControl *control = target->userdata;
        const FetchProgress p = {
                .step = "manifest",
                .done = target->offset,
                .total = target->total,
                .received = target->received,
                .bytes_per_sec = bytes_per_sec,
        };

        if (control->progress)
                control->progress(&p, control->userdata);
}

static int open_unnamed(int dirfd) {
        int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        if (fd < 0)
                fd = memfd_create("manifest", MFD_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* FETCH_E_* as fetch(), -errno. */
static int bring(const FetchOptions *o, const char *source, int *ret_fd, Fault *reterr) {
        const FetchLimits limits = { .max_size = MANIFEST_SIZE_MAX,
                                     .low_speed = 1024,
                                     .low_sec = 15,
                                     .connect_sec = 10,
                                     .ca_file = o->ca_file };
        FetchTarget target = { .began = on_began,
                               .cancelled = on_cancelled,
                               .progress = on_progress,
                               .userdata = (void *) &o->control };
        cleanup_free_ char *local = fetch_local_path(source), *absolute = NULL;
        cleanup_fd_ int fd = -1;
        int r;

        if (!local)
                return -ENOMEM;
        if (!strstr(local, "://") && local[0] != '/') {
                absolute = realpath(local, NULL);
                if (!absolute)
                        return fault_set(reterr, errno == ENOENT ? FETCH_E_ABSENT : FETCH_E_FAILED, "%s",
                                         strerror(errno));
        }
        fd = open_unnamed(o->into_fd);
        if (fd < 0)
                return fault_errno(reterr, fd, "Failed to make a temporary file");
        target.fd = fd;
        r = fetch(absolute ?: local, &limits, &target, reterr);
        free(target.etag);
        if (r == 0)
                *ret_fd = TAKE_FD(fd);
        return r;
}

/* ---- Judging one ---- */

static int join(char **text, const char *more) {
        cleanup_free_ char *old = TAKE_PTR(*text);

        if (asprintf(text, "%s%s%s", old ?: "", old ? "; " : "", more) < 0) {
                *text = NULL;
                return -ENOMEM;
        }
        return 0;
}

/* False: it is not for us, whoever signed it. */
static bool fits(const Search *s, const ManifestHead *head, Fault *ret_why) {
        const FetchOptions *o = s->options;
        char when[TIMESTAMP_TEXT_MAX];

        if (o->chain && head->chain && !str_eq(o->chain, head->chain))
                fault_set(ret_why, 1, "it is of chain '%s', expected '%s'", head->chain, o->chain);
        else if (o->family && head->family && !str_eq(o->family, head->family))
                fault_set(ret_why, 1, "it is of family '%s', expected '%s'", head->family, o->family);
        else if (head->expires > 0 && s->now_sec >= head->expires)
                fault_set(ret_why, 1, "it expired at %s",
                          format_timestamp(when, head->expires * USEC_PER_SEC));
        else if (o->max_age_sec > 0 && s->now_sec > head->created + (uint64_t) o->max_age_sec)
                fault_set(ret_why, 1, "it was made at %s, which is too long ago",
                          format_timestamp(when, head->created * USEC_PER_SEC));
        else
                return true;
        return false;
}

static int signed_text(char **principals, char **ret) {
        int r = 0;

        *ret = NULL;
        for (char **p = principals; r >= 0 && p && *p; p++) {
                cleanup_free_ char *old = TAKE_PTR(*ret);

                r = asprintf(ret, "%s%s%s", old ?: "", old ? ", " : "", *p);
                if (r < 0)
                        *ret = NULL;
        }
        return r < 0 ? -ENOMEM : 0;
}

static void flatten(char *text) {
        for (char *p = text; p && *p; p++)
                if (*p == '\n')
                        *p = p[1] ? ' ' : 0;
}

/* Who signed it and counts; *ret_problems, owned, says why others do not. */
static int ask_signers(const Search *s, const Manifest *m, char **ret_signed_by, char **ret_problems) {
        cleanup_strv_ char **principals = NULL;
        cleanup_fault_ Fault why = {};
        int r;

        *ret_signed_by = *ret_problems = NULL;
        if (!s->signers)
                return 0;
        r = manifest_signed_by(m, s->signers, s->now_sec, &principals, ret_problems, &why);
        flatten(*ret_problems);
        if (r == -EBADMSG) {
                free(*ret_problems);
                *ret_problems = strdup(fault_text(&why, r));
                return *ret_problems ? 0 : -ENOMEM;
        }
        return r < 0 ? r : signed_text(principals, ret_signed_by);
}

static int weigh(const Search *s, const Manifest *m, Verdict *ret, char **ret_signed_by, Fault *ret_why) {
        const FetchOptions *o = s->options;
        const ManifestHead *head = manifest_head(m);
        cleanup_free_ char *problems = NULL;
        bool pinned, names_archive;
        int r;

        *ret = VERDICT_REFUSED;
        *ret_signed_by = NULL;
        if (!fits(s, head, ret_why))
                return 0;
        r = ask_signers(s, m, ret_signed_by, &problems);
        if (r < 0)
                return r;
        if (problems && *ret_signed_by && o->control.notice) {
                cleanup_free_ char *text = NULL;

                if (asprintf(&text, "Of the manifest's signatures: %s", problems) < 0)
                        return -ENOMEM;
                o->control.notice(text, o->control.userdata);
        }
        pinned = str_eq(o->sha256, manifest_digest(m));
        names_archive = str_eq(o->sha256, head->archive_sha256);
        if (o->sha256 && !pinned && !names_archive)
                fault_set(ret_why, 1,
                          "neither its digest (%.16s...) nor its archive's (%.16s...) is the one asked for "
                          "(%.16s...): is it another snapshot, or --sha256 an old one?",
                          manifest_digest(m), head->archive_sha256, o->sha256);
        else if (*ret_signed_by || pinned || o->allow_unsigned)
                *ret = VERDICT_TRUSTED;
        else if (names_archive)
                *ret = VERDICT_HINT;
        else if (s->signers)
                fault_set(ret_why, 1, "nobody of '%s' signed it%s%s%s", o->signers_name ?: "the signers",
                          problems ? " (" : "", problems ?: "", problems ? ")" : "");
        else
                fault_set(ret_why, 1,
                          "nothing vouches for it: give --signers FILE, --sha256 HEX, or --unsigned to "
                          "trust it as it is");
        return 0;
}

/* Takes over @fd. 0: see s->best; -EBADMSG: it is no manifest. */
static int consider(Search *s, int fd, const char *shown, Fault *reterr) {
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ char *signed_by = NULL, *reason = NULL;
        cleanup_fault_ Fault why = {};
        Verdict verdict;
        int r;

        r = manifest_open(fd, shown, &m, reterr);
        if (r < 0)
                return r;
        s->seen++;
        r = weigh(s, m, &verdict, &signed_by, &why);
        if (r < 0)
                return r;
        if (verdict == VERDICT_REFUSED) {
                if (asprintf(&reason, "The manifest '%s' is refused: %s", shown, fault_text(&why, 1)) < 0) {
                        reason = NULL;
                        return -ENOMEM;
                }
                return s->reasons && strstr(s->reasons, reason) ? 0 : join(&s->reasons, reason);
        }
        if (s->best.manifest && verdict != VERDICT_TRUSTED)
                return 0;
        fetch_manifest_done(&s->best);
        s->best = (FetchManifest){ .manifest = TAKE_PTR(m),
                                   .trusted = verdict == VERDICT_TRUSTED,
                                   .signed_by = TAKE_PTR(signed_by) };
        return 0;
}

/* ---- Looking for them ---- */

static int try_explicit(Search *s, Fault *reterr) {
        cleanup_free_ char *shown = NULL;
        int fd, r;

        r = source_display(s->options->manifest, &shown);
        if (r < 0)
                return r;
        r = bring(s->options, s->options->manifest, &fd, reterr);
        if (r != 0)
                return fault_prefix(reterr, r > 0 ? -EREMOTEIO : r, "Failed to get the manifest '%s'",
                                    shown);
        return consider(s, fd, shown, reterr);
}

static int try_beside(Search *s, const char *source, Fault *reterr) {
        cleanup_free_ char *beside = fetch_manifest_beside(source), *shown = NULL, *text = NULL;
        cleanup_fault_ Fault why = {};
        int fd, r;

        if (!beside || source_display(beside, &shown) < 0)
                return -ENOMEM;
        r = bring(s->options, beside, &fd, &why);
        if (r == FETCH_E_ABSENT)
                return 0;
        s->unreachable |= r == FETCH_E_FAILED || r == FETCH_E_RANGE;
        if (r == 0)
                r = consider(s, fd, shown, &why);
        if (r == 0)
                return 0;
        if (r < 0 && r != -EBADMSG && r != -ENOSPC)
                return fault_set(reterr, r, "%s", fault_text(&why, r));
        if (asprintf(&text, "No manifest from '%s': %s", shown, fault_text(&why, r)) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        if (s->options->control.notice)
                s->options->control.notice(text, s->options->control.userdata);
        return join(&s->failures, text);
}

/* What an earlier run has begun by a manifest is gone on with by no other way. */
static bool has_partial(const Search *s) {
        return faccessat(s->options->into_fd, FETCH_PARTIAL, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static int none_found(const Search *s, Fault *reterr) {
        if (s->unreachable && has_partial(s))
                return fault_set(reterr, -EREMOTEIO, "The manifest cannot be had again: %s", s->failures);
        if (s->options->sha256 || s->options->allow_unsigned)
                return 0;
        if (s->unreachable)
                return fault_set(
                        reterr, -EREMOTEIO,
                        "No manifest could be had, without which nothing vouches for the archive: %s; "
                        "try again, or give --manifest",
                        s->failures);
        return fault_set(
                reterr, FETCH_SNAPSHOT_E_REFUSED,
                "There is no manifest beside the archive, so nothing vouches for it: give --manifest "
                "URL with --signers FILE, or --sha256 HEX of the archive, or --unsigned to take it as it "
                "is%s%s",
                s->failures ? "; " : "", s->failures ?: "");
}

int fetch_manifest(const FetchOptions *options, FetchManifest *ret, Fault *reterr) {
        cleanup_(search_done)
                Search s = { .options = options, .now_sec = now_realtime_usec() / USEC_PER_SEC };
        int r = 0;

        *ret = (FetchManifest){};
        if (options->signers)
                r = signers_parse(options->signers, options->signers_name ?: "signers", &s.signers, reterr);
        if (r >= 0 && options->manifest)
                r = try_explicit(&s, reterr);
        else
                for (char *const *source = options->sources; r >= 0 && *source && !s.best.trusted; source++)
                        r = try_beside(&s, *source, reterr);
        if (r < 0)
                return r;
        if (!s.best.manifest)
                return s.seen == 0 ? none_found(&s, reterr)
                                   : fault_set(reterr, FETCH_SNAPSHOT_E_REFUSED, "%s", s.reasons);
        *ret = s.best;
        s.best = (FetchManifest){};
        return 0;
}
