/* Both files appear by rename when they are durable (archive/create.h): a crash leaves none. */
#include "restore/fetch-work.h"
#include "restore/verbs.h"
#include "archive/create.h"
#include "util/directory.h"
#include "util/name.h"
#include "util/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define SNAPSHOTS "snapshots" /* below state/ */

/* state/snapshots, or a directory below it that is there. */
static int open_output(const Work *w, int *ret_fd, char **ret_path, Fault *reterr) {
        const char *output = json_str(w->order, "output"), *below = "";
        cleanup_free_ char *path = NULL;
        cleanup_fd_ int fd = -1;
        size_t n;
        int r;

        if (asprintf(&path, "%s/" SNAPSHOTS, w->state) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        n = strlen(path);
        if (output) {
                if (!str_starts(output, path) || (output[n] && output[n] != '/'))
                        return fault_set(reterr, -EINVAL,
                                         "The order's output is '%s', expected '%s' or a "
                                         "directory below it",
                                         output, path);
                below = output + n + strspn(output + n, "/");
        }
        if (mkdirat(w->state_fd, SNAPSHOTS, 0700) < 0 && errno != EEXIST)
                return fault_errno(reterr, -errno, "Failed to make '%s'", path);
        fd = openat(w->state_fd, SNAPSHOTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fsync(w->state_fd) < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s'", path);
        if (*below) {
                r = open_beneath(fd, below, O_RDONLY | O_DIRECTORY);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to open '%s'", output);
                close(fd);
                fd = r;
                r = str_replace(&path, output);
                if (r < 0)
                        return r;
        }
        *ret_path = TAKE_PTR(path);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Texts stay the order's. */
static int read_head(const Work *w, ManifestHead *ret, Fault *reterr) {
        json_t *about = json_object_get(w->order, "about");
        ManifestHead head = { .height = -1, .created = now_realtime_usec() / USEC_PER_SEC };
        uint64_t height = 0, expires = 0;
        int r;

        r = json_u64(about, "height", &height);
        if (r == -EBADMSG || height > INT64_MAX || json_u64(about, "expires", &expires) == -EBADMSG)
                return fault_set(reterr, -EBADMSG,
                                 "The order's \"about\" has a \"height\" or \"expires\" that is no number");
        if (r >= 0)
                head.height = (int64_t) height;
        head.expires = expires;
        head.family = (char *) (json_str(about, "family") ?: json_str(w->order, "family"));
        head.chain = (char *) (json_str(about, "chain") ?: json_str(w->order, "domain"));
        head.block_hash = (char *) json_str(about, "block_hash");
        head.software = (char *) json_str(about, "software");
        *ret = head;
        return 0;
}

static int put_report(Work *w, const char *output, const char *prefix, const CreateReport *report) {
        cleanup_free_ char *archive = NULL, *manifest = NULL;

        if (asprintf(&archive, "%s/%s.tar.zst", output, prefix) < 0)
                archive = NULL;
        if (asprintf(&manifest, "%s/%s" MANIFEST_SUFFIX, output, prefix) < 0)
                manifest = NULL;
        return !archive || !manifest || json_put_str(w->result, "archive", archive) < 0 ||
                               json_put_str(w->result, "manifest", manifest) < 0 ||
                               json_put_u64(w->result, "archive_size", report->archive_size) < 0 ||
                               json_put_u64(w->result, "plain_size", report->plain_size) < 0 ||
                               json_put_u64(w->result, "files", report->files) < 0 ||
                               json_put_u64(w->result, "left_out", report->left_out) < 0 ||
                               json_put_bool(w->result, "changed", report->changed) < 0 ||
                               json_put_str(w->result, "archive_sha256", report->archive_sha256) < 0 ||
                               json_put_str(w->result, "manifest_digest", report->manifest_digest) < 0
                       ? -ENOMEM
                       : 0;
}

static int read_options(Work *w, CreateOptions *o, Fault *reterr) {
        uint64_t level = 0;
        int r;

        r = work_member(w, "prefix", &o->prefix, reterr);
        if (r >= 0)
                r = name_check(o->prefix, "snapshot name", reterr);
        if (r < 0)
                return r;
        if (json_u64(w->order, "level", &level) == -EBADMSG || level > 22)
                return fault_set(reterr, -EBADMSG, "The order's \"level\" is no number up to 22");
        o->level = (int) level;
        o->from = json_str(w->order, "from") ?: w->subject.data;
        return 0;
}

int work_create(Work *w, Fault *reterr) {
        cleanup_fd_ int from = -1, output = -1;
        cleanup_fetch_watch_ FetchWatch watch = { 0 };
        cleanup_strv_ char **protect = NULL;
        cleanup_free_ char *path = NULL;
        char archive[SIZE_TEXT_MAX], plain[SIZE_TEXT_MAX];
        CreateReport report = { 0 };
        FetchControl control;
        ManifestHead head;
        CreateOptions o = { .about = &head, .control = &control };
        int r;

        r = read_options(w, &o, reterr);
        if (r >= 0)
                r = read_head(w, &head, reterr);
        if (r >= 0)
                r = fetch_patterns(w, &protect);
        if (r >= 0)
                r = open_output(w, &output, &path, reterr);
        if (r >= 0)
                r = fetch_watch_init(&watch, w, "packing", &control);
        if (r < 0)
                return r;
        from = open(o.from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (from < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s'", o.from);
        o.from_fd = from;
        o.output_fd = output;
        o.protect = protect;
        r = create_snapshot(&o, &report, reterr);
        if (r != 0)
                return r;
        if (put_report(w, path, o.prefix, &report) < 0)
                return -ENOMEM;
        return work_say(w, "%s/%s.tar.zst: %s of %s in %" PRIu64 " files%s", path, o.prefix,
                        format_size(archive, report.archive_size), format_size(plain, report.plain_size),
                        report.files,
                        report.changed ? "; files changed while they were read: it may not be consistent"
                                       : "");
}
