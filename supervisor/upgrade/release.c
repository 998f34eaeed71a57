/*
 * The order of what reaches the disk: archive (worthless without its digest),
 * tree (inert below .partial-VERSION), MANIFEST, fsync of all that,
 * .source-VERSION, rename to VERSION, fsync of releases/. A crash before the
 * rename leaves a partial that the next attempt continues or removes; a crash
 * after it leaves a complete release. .source comes before the rename so that
 * a release never lacks it; one without its release means nothing.
 *
 * Nothing of a release is executed here.
 */
#include "upgrade/release.h"
#include "http/download.h"
#include "upgrade/origin.h"
#include "upgrade/publisher.h"
#include "upgrade/unpack.h"
#include "util/directory.h"
#include "util/durable.h"
#include "util/hex.h"
#include "util/name.h"
#include "util/text.h"
#include "util/tree.h"
#include "worker/order.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>

#define ARCHIVE        "archive"
#define TREE           "tree"
#define PARTIAL_PREFIX ".partial-"
#define DISCARD_PREFIX ".discard-"
#define NAME_ROOM      (NAME_MAX_LENGTH + 16)

void release_result_done(ReleaseResult *result) {
        free(result->source);
        strv_free(result->signed_by);
        *result = (ReleaseResult){ 0 };
}

static const char *prefixed(char buffer[static NAME_ROOM], const char *prefix, const char *version) {
        snprintf(buffer, NAME_ROOM, "%s%s", prefix, version);
        return buffer;
}

/* The last component of where the archive comes from: what progress calls it. */
static const char *short_name(const char *source) {
        const char *slash = strrchr(source, '/');

        return slash && slash[1] ? slash + 1 : source;
}

static int percent(uint64_t done, uint64_t total) {
        return total > 0 ? (int) (100 * ((double) (done < total ? done : total) / (double) total)) : 0;
}

static void show_download(const DownloadProgress *p, void *userdata) {
        char done[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX], speed[SIZE_TEXT_MAX];
        bool *verifying = userdata;
        bool changed = *verifying != p->verifying;

        *verifying = p->verifying;
        format_size(done, p->done);
        format_size(total, p->total);
        format_size(speed, p->bytes_per_sec);
        if (p->verifying)
                worker_progress(true, "verifying %s: SHA-256 of %s", short_name(p->source), done);
        else if (p->total > 0)
                worker_progress(changed, "%d%% fetching %s: %s of %s, %s/s, mirror %zu of %zu",
                                percent(p->done, p->total), short_name(p->source), done, total, speed,
                                p->mirror, p->n_mirrors);
        else
                worker_progress(changed, "fetching %s: %s, %s/s, mirror %zu of %zu", short_name(p->source),
                                done, speed, p->mirror, p->n_mirrors);
}

static void show_unpack(uint64_t read, uint64_t archive_size, uint64_t files, uint64_t bytes,
                        void *userdata) {
        const char *name = userdata;
        char size[SIZE_TEXT_MAX];

        worker_progress(false, "%d%% unpacking %s: %" PRIu64 " files, %s", percent(read, archive_size),
                        short_name(name), files, format_size(size, bytes));
}

/* One process at a time: the lock goes with the descriptor. */
static int lock(int releases_dirfd, int *ret, Fault *reterr) {
        cleanup_fd_ int fd = openat(releases_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to open the releases directory");
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK
                               ? fault_set(reterr, -EBUSY,
                                           "Another muster-stage works on the releases of this node")
                               : fault_errno(reterr, -errno, "Failed to lock the releases directory");
        *ret = TAKE_FD(fd);
        return 0;
}

/* Finishes what a killed discard began, of whatever version. */
static int remove_discarded(int releases_dirfd, Fault *reterr) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r;

        r = directory_list(releases_dirfd, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) >= 0 && entry) {
                if (!str_starts(entry->d_name, DISCARD_PREFIX))
                        continue;
                r = tree_remove(releases_dirfd, entry->d_name, reterr);
                if (r < 0)
                        return r;
        }
        return r < 0 ? fault_errno(reterr, r, "Failed to list the releases") : 0;
}

static int join_lines(const char *first, char *const *lines, char **ret, size_t *ret_size) {
        cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        if (first)
                fprintf(f, "%s\n", first);
        STRV_FOREACH (s, lines)
                fprintf(f, "%s\n", *s);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

static int write_lines(int tree, const char *name, const char *first, char *const *lines, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = join_lines(first, lines, &text, &size);
        if (r >= 0)
                r = durable_write(tree, name, text, size, 0644);
        return r < 0 ? fault_errno(reterr, r, "Failed to write '%s'", name) : 0;
}

static int verify_signatures(const StageOrder *o, const FetchLimits *limits, const SshSigDigests *digests,
                             char ***ret_signed_by, Fault *reterr) {
        const PublisherPolicy policy = { .signers = o->signers, .need = o->need };

        if (!o->signers) {
                *ret_signed_by = calloc(1, sizeof **ret_signed_by);
                return *ret_signed_by ? 0 : -ENOMEM;
        }
        worker_progress(true, "verifying %" PRIu64 " publisher signatures", o->need);
        return publisher_verify(&policy, o->sources, limits, digests, ret_signed_by, reterr);
}

static int other_content(const StageOrder *o, const char *what, Fault *reterr) {
        return fault_set(reterr, -EEXIST,
                         "Version '%s' is already staged with other content (%s): choose another version or "
                         "'musterctl discard'",
                         o->version, what);
}

/* Are `arguments` and `environment` of the release those of the order, with any binary path that fits? */
static int same_command(int tree, const StageOrder *o, bool *ret) {
        cleanup_free_ char *is = NULL, *env = NULL, *want = NULL, *want_env = NULL;
        const char *wanted = strrchr(o->binary, '/'), *found;
        size_t size;
        int r;

        r = read_small_file(tree, RELEASE_ARGUMENTS, MANIFEST_MAX, &is, NULL);
        if (r >= 0)
                r = read_small_file(tree, RELEASE_ENVIRONMENT, MANIFEST_MAX, &env, NULL);
        if (r >= 0)
                r = join_lines(NULL, o->arguments, &want, &size);
        if (r >= 0)
                r = join_lines(NULL, o->environment, &want_env, &size);
        if (r < 0)
                return r;
        wanted = wanted ? wanted + 1 : o->binary;
        size = strcspn(is, "\n");
        if (!is[size]) {
                *ret = false;
                return 0;
        }
        is[size] = 0;
        found = strrchr(is, '/');
        found = found ? found + 1 : is;
        *ret = str_eq(found, wanted) && str_eq(is + size + 1, want) && str_eq(env, want_env);
        return 0;
}

/* releases/VERSION is there: the same again is success, after it was verified; anything else an error. */
static int accept_existing(int tree, int releases_dirfd, const StageOrder *o, const FetchLimits *limits,
                           ReleaseResult *ret, Fault *reterr) {
        cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
        cleanup_origin_ Origin origin = { 0 };
        char sha256[65];
        bool same;
        int r;

        r = origin_read(releases_dirfd, o->version, &origin);
        if (r == -ENOENT || r == -EBADMSG)
                return other_content(o, "its origin is not known", reterr);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the origin of version '%s'", o->version);
        hex_encode(origin.digests.sha256, sizeof origin.digests.sha256, sha256);
        if (!str_eq(sha256, o->sha256))
                return other_content(o, "another archive", reterr);
        worker_progress(true, "verifying the files of version %s", o->version);
        r = release_manifest_read(tree, &m, reterr);
        if (r >= 0 && !str_eq(m->version, o->version))
                r = fault_set(reterr, -EBADMSG, "its MANIFEST is of version '%s'", m->version);
        if (r >= 0)
                r = release_manifest_verify(m, tree, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "Version '%s' is staged but damaged: 'musterctl discard' it",
                                    o->version);
        r = same_command(tree, o, &same);
        if (r < 0)
                return r;
        if (!same)
                return other_content(o, "another command or environment", reterr);
        r = verify_signatures(o, limits, &origin.digests, &ret->signed_by, reterr);
        if (r < 0)
                return r;
        if (fsync(releases_dirfd) < 0) /* the worker that renamed it may have died before its fsync */
                return fault_errno(reterr, -errno, "Failed to fsync the releases directory");
        memcpy(ret->manifest, m->digest, sizeof ret->manifest);
        ret->size = origin.size;
        ret->source = TAKE_PTR(origin.name);
        ret->already = true;
        return 0;
}

/* Brings the archive into the partial directory and looks at its signatures. */
static int obtain(int partial, const StageOrder *o, const FetchLimits *limits, Origin *origin,
                  ReleaseResult *ret, int *ret_fd, Fault *reterr) {
        cleanup_(download_result_done) DownloadResult got = { 0 };
        bool verifying = false;
        DownloadOptions options = {
                .sources = o->sources,
                .sha256 = o->sha256,
                .limits = *limits,
                .progress = show_download,
                .userdata = &verifying,
        };
        cleanup_fd_ int fd = -1;
        char sha256[65];
        int r;

        options.limits.max_size = o->max_size;
        r = download(partial, ARCHIVE, &options, &got, reterr);
        if (r < 0)
                return r;
        if (source_display(got.source, &origin->name) < 0)
                return -ENOMEM;
        fd = openat(partial, ARCHIVE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to open the download");
        r = sshsig_digest_fd(fd, &origin->digests, &origin->size);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the download");
        hex_encode(origin->digests.sha256, sizeof origin->digests.sha256, sha256);
        if (!str_eq(sha256, o->sha256))
                return fault_set(reterr, -EIO, "The download changed on disk: its SHA-256 is %s, was %s",
                                 sha256, o->sha256);
        ret->received = got.received;
        r = verify_signatures(o, limits, &origin->digests, &ret->signed_by, reterr);
        if (r >= 0)
                *ret_fd = TAKE_FD(fd);
        return r;
}

/* The tree of the release, complete and durable, still inert. */
static int build(int partial, int archive_fd, const StageOrder *o, const char *source, ReleaseResult *ret,
                 Fault *reterr) {
        cleanup_(unpack_result_done) UnpackResult unpacked = { 0 };
        cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
        cleanup_fd_ int tree = -1;
        const UnpackOptions options = { .binary = o->binary,
                                        .progress = show_unpack,
                                        .userdata = (void *) source };
        int r;

        r = tree_remove(partial, TREE, reterr);
        if (r < 0)
                return r;
        if (mkdirat(partial, TREE, 0755) < 0)
                return fault_errno(reterr, -errno, "Failed to make the directory of the release");
        tree = release_open(partial, TREE, O_RDONLY | O_DIRECTORY);
        if (tree < 0 || fchmod(tree, 0755) < 0)
                return fault_errno(reterr, tree < 0 ? tree : -errno,
                                   "Failed to open the directory of the release");
        worker_progress(true, "0%% unpacking %s", short_name(source));
        r = unpack(archive_fd, tree, &options, &unpacked, reterr);
        if (r >= 0)
                r = write_lines(tree, RELEASE_ARGUMENTS, unpacked.binary, o->arguments, reterr);
        if (r >= 0)
                r = write_lines(tree, RELEASE_ENVIRONMENT, NULL, o->environment, reterr);
        if (r < 0)
                return r;
        worker_progress(true, "100%% unpacking %s: writing to disk", short_name(source));
        r = release_manifest_create(tree, o->version, &m, reterr);
        if (r >= 0)
                r = tree_fsync(tree, reterr);
        if (r < 0)
                return r;
        memcpy(ret->manifest, m->digest, sizeof ret->manifest);
        return 0;
}

static int publish(int releases_dirfd, int partial, const StageOrder *o, Origin *origin, ReleaseResult *ret,
                   Fault *reterr) {
        int r;

        r = origin_write(releases_dirfd, o->version, origin);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to write the origin of version '%s'", o->version);
        if (renameat(partial, TREE, releases_dirfd, o->version) < 0)
                return fault_errno(reterr, -errno, "Failed to rename the release to '%s'", o->version);
        if (fsync(releases_dirfd) < 0)
                return fault_errno(reterr, -errno, "Failed to fsync the releases directory");
        ret->size = origin->size;
        ret->source = TAKE_PTR(origin->name);
        return 0;
}

/* Is there something that the next attempt can continue? */
static bool is_worth_keeping(int partial) {
        struct stat st;

        return fstatat(partial, ARCHIVE, &st, AT_SYMLINK_NOFOLLOW) >= 0 && st.st_size > 0;
}

static int stage_new(int releases_dirfd, const StageOrder *o, const FetchLimits *limits, ReleaseResult *ret,
                     Fault *reterr) {
        cleanup_origin_ Origin origin = { 0 };
        cleanup_fd_ int partial = -1, archive = -1;
        char name[NAME_ROOM];
        bool useless = false;
        int r;

        prefixed(name, PARTIAL_PREFIX, o->version);
        if (mkdirat(releases_dirfd, name, 0700) < 0 && errno != EEXIST)
                return fault_errno(reterr, -errno, "Failed to make 'releases/%s'", name);
        partial = release_open(releases_dirfd, name, O_RDONLY | O_DIRECTORY);
        if (partial < 0)
                return fault_errno(reterr, partial, "Failed to open 'releases/%s'", name);
        r = obtain(partial, o, limits, &origin, ret, &archive, reterr);
        if (r >= 0) {
                r = build(partial, archive, o, origin.name, ret, reterr);
                useless = r == -EBADMSG; /* the archive that was wanted is no release: it gets no better */
        }
        if (r >= 0)
                return publish(releases_dirfd, partial, o, &origin, ret, reterr);
        if (useless || !is_worth_keeping(partial))
                (void) tree_remove(releases_dirfd, name, NULL);
        else
                (void) tree_remove(partial, TREE, NULL);
        return r;
}

int release_stage(int releases_dirfd, const StageOrder *order, const FetchLimits *limits, ReleaseResult *ret,
                  Fault *reterr) {
        const PublisherPolicy policy = { .signers = order->signers, .need = order->need };
        cleanup_(release_result_done) ReleaseResult result = { 0 };
        cleanup_fd_ int locked = -1, existing = -1;
        char name[NAME_ROOM];
        int r;

        r = order->signers ? publisher_check_policy(&policy, reterr) : 0;
        if (r >= 0)
                r = lock(releases_dirfd, &locked, reterr);
        if (r >= 0)
                r = remove_discarded(releases_dirfd, reterr);
        if (r < 0)
                return r;
        existing = release_open(releases_dirfd, order->version, O_RDONLY | O_DIRECTORY);
        if (existing >= 0)
                r = accept_existing(existing, releases_dirfd, order, limits, &result, reterr);
        else if (existing == -ENOENT)
                r = stage_new(releases_dirfd, order, limits, &result, reterr);
        else
                r = fault_errno(reterr, existing, "Failed to open 'releases/%s'", order->version);
        if (r < 0)
                return r;
        (void) tree_remove(releases_dirfd, prefixed(name, PARTIAL_PREFIX, order->version), NULL);
        *ret = result;
        result = (ReleaseResult){ 0 };
        return 0;
}

/* "releases/VERSION" of one of the node's links. */
static int check_unused(int releases_dirfd, const char *link, const char *version, Fault *reterr) {
        cleanup_free_ char *target = NULL;
        int r;

        r = read_symlink(releases_dirfd, link, &target);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the link '%s'", link);
        if (!str_eq(short_name(target), version))
                return 0;
        return fault_set(reterr, -EBUSY, "Version '%s' is the node's '%s' release and is not discarded",
                         version, short_name(link));
}

int release_discard(int releases_dirfd, const char *version, Fault *reterr) {
        char name[NAME_ROOM];
        cleanup_fd_ int locked = -1;
        int r;

        r = version_check(version, "version", reterr);
        if (r >= 0)
                r = lock(releases_dirfd, &locked, reterr);
        if (r >= 0)
                r = check_unused(releases_dirfd, "../current", version, reterr);
        if (r >= 0)
                r = check_unused(releases_dirfd, "../previous", version, reterr);
        if (r >= 0) /* also makes room for the rename */
                r = remove_discarded(releases_dirfd, reterr);
        if (r < 0)
                return r;
        if (renameat(releases_dirfd, version, releases_dirfd, prefixed(name, DISCARD_PREFIX, version)) < 0 &&
            errno != ENOENT)
                return fault_errno(reterr, -errno, "Failed to take 'releases/%s' away", version);
        if (fsync(releases_dirfd) < 0)
                return fault_errno(reterr, -errno, "Failed to fsync the releases directory");
        r = remove_discarded(releases_dirfd, reterr);
        if (r >= 0)
                r = tree_remove(releases_dirfd, prefixed(name, PARTIAL_PREFIX, version), reterr);
        if (r >= 0)
                r = origin_remove(releases_dirfd, version, reterr);
        return r;
}
