/*
 * Both sides are in one order, the manifest by its rules and the directory because
 * it is walked so: one pass finds what is missing, what is more and what differs.
 */
#include "archive/verify.h"
#include "archive/manifest-layout.h"
#include "archive/path.h"
#include "archive/steer.h"
#include "archive/walk.h"
#include "util/hex.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define FINDINGS_A_FILE 3 /* extents that differ, by offset */

typedef struct Verify {
        const Manifest *m;
        Steer steer;
        VerifyFinding finding;
        void *userdata;
        VerifyReport *report;
        uint8_t *buffer; /* MANIFEST_PART_MAX */
        char *const *protect;
        size_t file, extent; /* the next of the manifest */
} Verify;

DEFINE_CLEANUP(Sha256 *, sha256_free)

static void find(const Verify *v, uint64_t *counter, const char *what, const char *format, ...)
        _printf_(4, 5);

static void find(const Verify *v, uint64_t *counter, const char *what, const char *format, ...) {
        cleanup_free_ char *why = NULL;
        va_list ap;

        (*counter)++;
        if (!v->finding)
                return;
        va_start(ap, format);
        why = str_vformat(format, ap);
        va_end(ap);
        v->finding(what, why ?: "out of memory", v->userdata);
}

/* The bytes that are there, at most @size; or -errno. */
static ssize_t read_at(int fd, uint8_t *data, size_t size, uint64_t offset) {
        size_t n = 0;

        while (n < size) {
                ssize_t got = pread(fd, data + n, size - n, (off_t) (offset + n));

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                n += (size_t) got;
        }
        return (ssize_t) n;
}

static int has_digest(const void *data, size_t size, const uint8_t expected[static 32], bool *ret) {
        char hex[SHA256_HEX_SIZE], wanted[SHA256_HEX_SIZE];
        int r;

        r = sha256_buffer_hex(data, size, hex);
        *ret = r >= 0 && str_eq(hex, hex_encode(expected, 32, wanted));
        return r;
}

/* ---- An archive ---- */

static int verify_part(Verify *v, int fd, size_t i, Sha256 *whole, Fault *reterr) {
        char what[48];
        ManifestPart p;
        bool same;
        ssize_t n;
        int r;

        manifest_part(v->m, i, &p);
        snprintf(what, sizeof what, "part %zu at %" PRIu64, i, p.offset);
        n = read_at(fd, v->buffer, p.length, p.offset);
        if (n < 0)
                return fault_errno(reterr, (int) n, "Failed to read the archive at %" PRIu64, p.offset);
        v->report->files++;
        v->report->bytes += (uint64_t) n;
        v->steer.progress.done += (uint64_t) n;
        if ((size_t) n < p.length) {
                find(v, &v->report->missing, what, "the archive ends in it or before it");
                return steer(&v->steer, reterr);
        }
        r = sha256_update(whole, v->buffer, p.length);
        if (r >= 0)
                r = has_digest(v->buffer, p.length, p.sha256, &same);
        if (r < 0)
                return r;
        if (!same)
                find(v, &v->report->wrong, what, "its %" PRIu32 " bytes have another digest", p.length);
        return steer(&v->steer, reterr);
}

static int verify_parts(Verify *v, int fd, Fault *reterr) {
        cleanup_(sha256_freep) Sha256 *whole = NULL;
        const ManifestHead *head = manifest_head(v->m);
        char hex[SHA256_HEX_SIZE];
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to look at the archive");
        if (!S_ISREG(st.st_mode))
                return fault_set(reterr, -EINVAL, "The archive is no regular file");
        if ((uint64_t) st.st_size != head->archive_size)
                find(v, &v->report->wrong, "size", "%jd bytes, expected %" PRIu64, (intmax_t) st.st_size,
                     head->archive_size);
        v->steer.progress.total = head->archive_size;
        r = sha256_new(&whole);
        for (size_t i = 0; r >= 0 && i < manifest_n_parts(v->m); i++)
                r = verify_part(v, fd, i, whole, reterr);
        if (r >= 0)
                r = sha256_final_hex(whole, hex);
        if (r >= 0 && v->report->wrong + v->report->missing == 0 && !str_eq(hex, head->archive_sha256))
                find(v, &v->report->wrong, "digest", "%s, expected %s: the manifest contradicts itself", hex,
                     head->archive_sha256);
        return r;
}

static int verify_begin(Verify *v, const char *step) {
        *v->report = (VerifyReport){ 0 };
        v->steer.progress.step = step;
        v->buffer = malloc(MANIFEST_PART_MAX);
        return v->buffer ? 0 : -ENOMEM;
}

static int verify_end(Verify *v, int r, VerifyReport *ret, Fault *reterr) {
        free(v->buffer);
        if (r >= 0)
                r = steer_now(&v->steer, reterr);
        if (r < 0)
                return r;
        *ret = *v->report;
        return ret->wrong + ret->missing + ret->extra > 0;
}

int verify_archive(const Manifest *m, int fd, FetchControl *control, VerifyFinding finding, void *userdata,
                   VerifyReport *ret, Fault *reterr) {
        VerifyReport report;
        Verify v = { .m = m,
                     .steer = { .control = control },
                     .finding = finding,
                     .userdata = userdata,
                     .report = &report };
        int r;

        r = verify_begin(&v, "verify");
        if (r >= 0)
                r = verify_parts(&v, fd, reterr);
        return verify_end(&v, r, ret, reterr);
}

/* ---- A directory ---- */

static bool passed_over(const Verify *v, const char *path, bool directory) {
        return str_starts(path, ".muster-") || path_is_protected(path, !directory, v->protect);
}

/* The extents of file @v->file; all of them are taken, whether looked at or not. */
static int verify_extents(Verify *v, int fd, const char *path, Fault *reterr) {
        unsigned wrong = 0;
        ManifestExtent e;
        bool same;
        ssize_t n;
        int r;

        for (; v->extent < manifest_n_extents(v->m); v->extent++) {
                manifest_extent(v->m, v->extent, &e);
                if (e.file != v->file)
                        break;
                v->steer.progress.done += e.length;
                if (fd < 0)
                        continue;
                n = read_at(fd, v->buffer, e.length, e.offset);
                if (n < 0)
                        return fault_errno(reterr, (int) n, "Failed to read '%s'", path);
                v->report->bytes += (uint64_t) n;
                r = has_digest(v->buffer, (size_t) n, e.sha256, &same);
                if (r >= 0)
                        r = steer(&v->steer, reterr);
                if (r < 0)
                        return r;
                if (((size_t) n < e.length || !same) && ++wrong <= FINDINGS_A_FILE)
                        find(v, &v->report->wrong, path, "its %" PRIu32 " bytes from %" PRIu64 " on differ",
                             e.length, e.offset);
        }
        if (wrong > FINDINGS_A_FILE)
                find(v, &v->report->wrong, path, "and %u more places", wrong - FINDINGS_A_FILE);
        return 0;
}

/* Past all files of the manifest that stand before @path; NULL: past all. They are not there. */
static int verify_missing(Verify *v, const char *path, Fault *reterr) {
        ManifestFile f;
        int r;

        for (; v->file < manifest_n_files(v->m); v->file++) {
                manifest_file(v->m, v->file, &f);
                if (path && manifest_path_compare(f.path, path) >= 0)
                        return 0;
                if (!passed_over(v, f.path, f.directory))
                        find(v, &v->report->missing, f.path, "it is missing");
                r = verify_extents(v, -1, f.path, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* @e and file @v->file have the same path. */
static int verify_file(Verify *v, const WalkEntry *e, const ManifestFile *f, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        int r;

        v->report->files++;
        if (f->directory ? !S_ISDIR(e->st.st_mode) : !S_ISREG(e->st.st_mode))
                find(v, &v->report->wrong, f->path, "it is no %s",
                     f->directory ? "directory" : "regular file");
        else if (!f->directory && (uint64_t) e->st.st_size != f->size)
                find(v, &v->report->wrong, f->path, "it has %jd bytes, expected %" PRIu64,
                     (intmax_t) e->st.st_size, f->size);
        else if (!f->directory && f->size > 0) {
                fd = openat(e->dirfd, e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                if (fd < 0)
                        return fault_errno(reterr, -errno, "Failed to open '%s'", f->path);
                (void) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        }
        r = verify_extents(v, fd, f->path, reterr);
        v->file++;
        return r;
}

static int verify_entry(const WalkEntry *e, void *userdata, Fault *reterr) {
        Verify *v = userdata;
        ManifestFile f;
        int r;

        r = steer(&v->steer, reterr);
        if (r < 0 || e->st.st_mode == 0)
                return r;
        if (!S_ISDIR(e->st.st_mode) && passed_over(v, e->path, false))
                return 0;
        r = verify_missing(v, e->path, reterr);
        if (r < 0)
                return r;
        if (v->file < manifest_n_files(v->m)) {
                manifest_file(v->m, v->file, &f);
                if (str_eq(f.path, e->path))
                        return verify_file(v, e, &f, reterr);
        }
        if (S_ISDIR(e->st.st_mode))
                return str_starts(e->path, ".muster-") ? WALK_SKIP : 0;
        find(v, &v->report->extra, e->path, "the manifest does not know it");
        return 0;
}

int verify_directory(const Manifest *m, int dirfd, char *const *protect, FetchControl *control,
                     VerifyFinding finding, void *userdata, VerifyReport *ret, Fault *reterr) {
        VerifyReport report;
        Verify v = { .m = m,
                     .steer = { .control = control },
                     .finding = finding,
                     .userdata = userdata,
                     .report = &report,
                     .protect = protect };
        int r;

        if (manifest_head(m)->mode != MANIFEST_FRAMED)
                return fault_set(
                        reterr, -EOPNOTSUPP,
                        "The manifest has the digests of an archive only, none of files: give the archive");
        r = verify_begin(&v, "verify");
        v.steer.progress.total = manifest_head(m)->plain_size;
        if (r >= 0)
                r = walk_tree(dirfd, verify_entry, &v, reterr);
        if (r >= 0)
                r = verify_missing(&v, NULL, reterr);
        return verify_end(&v, r, ret, reterr);
}
