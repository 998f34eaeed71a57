/*
 * The copy is complete and checked before it has its name. The directory
 * belongs to root or to muster; no symbolic link in it is followed, so that
 * root writes nowhere else. Each process has a temporary of its own: the same
 * file may be staged for several nodes at once. A crash leaves a ".spool-*.new",
 * which systemd-tmpfiles removes with what else has grown old here.
 */
#include "musterctl/spool.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "crypto/sha256.h"
#include "crypto/sshsig.h"
#include "musterctl/outcome.h"
#include "util/durable.h"
#include "util/text.h"

#define COPY_SIZE         (1024 * 1024)
#define SIGNATURES_A_FILE 10 /* as upgrade/publisher.c looks for them */

static bool is_url(const char *source) {
        return str_starts(source, "http://") || str_starts(source, "https://");
}

int spool_check_readable(const char *path, Fault *reterr) {
        static const char *const hidden[] = { "/home/", "/root/", "/tmp/", "/var/tmp/", "/run/user/" };
        cleanup_free_ char *at = strdup(path);
        struct stat st;

        if (!at)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(hidden); i++)
                if (str_starts(path, hidden[i]))
                        return fault_set(
                                reterr, CTL_FAILED,
                                "'%s' lies below %s, which the staging worker cannot see: run this command "
                                "with sudo (then it is copied), or move the file elsewhere",
                                path, hidden[i]);
        if (stat(path, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '%s'", path);
        if (!(st.st_mode & S_IROTH))
                return fault_set(reterr, CTL_FAILED,
                                 "'%s' is not readable for the staging worker: run this command with sudo "
                                 "(then it is "
                                 "copied), or: chmod o+r '%s'",
                                 path, path);
        for (char *slash = strrchr(at, '/'); slash && slash > at; slash = strrchr(at, '/')) {
                *slash = '\0';
                if (stat(at, &st) < 0)
                        return fault_errno(reterr, -errno, "Failed to look at '%s'", at);
                if (!(st.st_mode & S_IXOTH))
                        return fault_set(reterr, CTL_FAILED,
                                         "'%s' lies below '%s', where the staging worker may not go: run "
                                         "this command "
                                         "with sudo (then it is copied), or: chmod o+x '%s'",
                                         path, at, at);
        }
        return 0;
}

/* Copies and hashes; both descriptors at their beginning. */
static int copy_hashed(int from, int to, char hex[static SHA256_HEX_SIZE]) {
        cleanup_free_ char *buffer = malloc(COPY_SIZE);
        Sha256 *h = NULL;
        ssize_t n;
        int r;

        if (!buffer)
                return -ENOMEM;
        r = sha256_new(&h);
        while (r >= 0) {
                n = read(from, buffer, COPY_SIZE);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        r = n < 0 ? -errno : 0;
                        break;
                }
                r = sha256_update(h, buffer, (size_t) n);
                if (r >= 0)
                        r = write_all(to, buffer, (size_t) n);
        }
        if (r >= 0)
                r = sha256_final_hex(h, hex);
        sha256_free(h);
        return r;
}

static int open_spool(const char *spool, Fault *reterr) {
        int fd;

        if (mkdir(spool, 0755) < 0 && errno != EEXIST)
                return fault_errno(reterr, -errno, "Failed to make '%s' (is muster installed here?)", spool);
        fd = open(spool, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? fault_errno(reterr, -errno, "Failed to open '%s'", spool) : fd;
}

static int wrong_digest(const char *path, const char *is, const char *expected, Fault *reterr) {
        return fault_set(reterr, CTL_FAILED,
                         "'%s' has the SHA-256\n  %s, but expected was\n  %s: it is not the file that you "
                         "were told of; "
                         "compare with what the publisher says",
                         path, is, expected);
}

/* Fills the temporary; the file is durable and readable for all when this returns 0. */
static int fill(int dirfd, const char *temporary, int from, const char *path, const char *sha256,
                Fault *reterr) {
        cleanup_fd_ int to = -1;
        char hex[SHA256_HEX_SIZE];
        int r;

        if (unlinkat(dirfd, temporary, 0) < 0 && errno != ENOENT)
                return fault_errno(reterr, -errno, "Failed to remove an unfinished copy of '%s'", path);
        to = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to < 0)
                return fault_errno(reterr, -errno, "Failed to make the copy of '%s'", path);
        r = copy_hashed(from, to, hex);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to copy '%s' into the spool", path);
        if (!str_eq(hex, sha256))
                return wrong_digest(path, hex, sha256, reterr);
        if (fchmod(to, 0644) < 0 || fsync(to) < 0)
                return fault_errno(reterr, -errno, "Failed to finish the copy of '%s'", path);
        return 0;
}

static int copy_in(const char *spool, int from, const char *path, const char *sha256, char **ret,
                   Fault *reterr) {
        cleanup_free_ char *name = NULL, *temporary = NULL, *result = NULL;
        const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
        cleanup_fd_ int dirfd = -1;
        int r;

        /* A name has 255 bytes; the end tells what kind of archive it is. */
        if (strlen(base) > 120)
                base += strlen(base) - 120;
        if (asprintf(&name, "%s-%s", sha256, base) < 0)
                return -ENOMEM;
        if (asprintf(&temporary, ".spool-%s-%d.new", sha256, (int) getpid()) < 0 ||
            asprintf(&result, "%s/%s", spool, name) < 0)
                return -ENOMEM;
        dirfd = open_spool(spool, reterr);
        if (dirfd < 0)
                return dirfd;
        r = fill(dirfd, temporary, from, path, sha256, reterr);
        if (r == 0 && (renameat(dirfd, temporary, dirfd, name) < 0 || fsync(dirfd) < 0))
                r = fault_errno(reterr, -errno, "Failed to put '%s' into '%s'", name, spool);
        if (r != 0) {
                (void) unlinkat(dirfd, temporary, 0);
                return r;
        }
        *ret = TAKE_PTR(result);
        return 0;
}

static int check_digest(int fd, const char *path, const char *sha256, Fault *reterr) {
        char hex[SHA256_HEX_SIZE];
        int r = sha256_fd_hex(fd, hex, NULL);

        if (r < 0)
                return fault_errno(reterr, r, "Failed to read '%s'", path);
        return str_eq(hex, sha256) ? 0 : wrong_digest(path, hex, sha256, reterr);
}

/* A link beside somebody's file may name any file that root can read, and the copy is for all: no more than
 * signatures. */
static int copy_signature(int dirfd, const char *from, const char *to, Fault *reterr) {
        cleanup_(sshsig_freep) SshSig *sig = NULL;
        cleanup_free_ char *text = NULL;
        cleanup_fault_ Fault why = {};
        size_t size;
        int r;

        r = read_small_file(AT_FDCWD, from, SSHSIG_MAX, &text, &size);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the signature '%s'", from);
        r = sshsig_parse(text, size, &sig, &why);
        if (r == -ENOMEM)
                return r;
        if (r < 0 && r != -ENOTSUP) /* of another kind of key: it does not count, and the worker says so */
                return fault_set(reterr, CTL_FAILED, "'%s' is not copied into the spool (%s): move it away",
                                 from, fault_text(&why, r));
        r = durable_write(dirfd, to, text, size, 0644);
        return r < 0 ? fault_errno(reterr, r, "Failed to copy the signature '%s' into the spool", from) : 0;
}

static const char *file_path(const char *source) {
        return str_starts(source, "file:///") ? source + strlen("file://") : source;
}

int spool_signatures(const char *spool, const char *source, const char *copy, Fault *reterr) {
        const char *path = file_path(source), *name = strrchr(copy, '/');
        cleanup_fd_ int dirfd = -1;

        if (!name || (size_t) (name - copy) != strlen(spool) || !str_starts(copy, spool))
                return 0;
        dirfd = open_spool(spool, reterr);
        if (dirfd < 0)
                return dirfd;
        for (int i = 0; i < SIGNATURES_A_FILE; i++) {
                cleanup_free_ char *from = NULL, *to = NULL;
                char suffix[16] = ".sig";
                int r;

                if (i > 0)
                        snprintf(suffix, sizeof suffix, ".sig.%d", i);
                if (asprintf(&from, "%s%s", path, suffix) < 0 || asprintf(&to, "%s%s", name + 1, suffix) < 0)
                        return -ENOMEM;
                r = copy_signature(dirfd, from, to, reterr);
                if (r != 0)
                        return r;
        }
        return 0;
}

int spool_source(const char *spool, const char *source, const char *sha256, char **ret, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        cleanup_fd_ int fd = -1;
        struct stat st;
        int r;

        if (is_url(source)) {
                *ret = strdup(source);
                return *ret ? 0 : -ENOMEM;
        }
        if (strstr(source, "://") && !str_starts(source, "file:///"))
                return fault_set(reterr, CTL_USAGE, "'%s': expected http://, https:// or a file", source);
        path = realpath(file_path(source), NULL);
        if (!path)
                return fault_errno(reterr, -errno, "Failed to find the file '%s'", source);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to open '%s'", path);
        if (!S_ISREG(st.st_mode))
                return fault_set(reterr, CTL_FAILED,
                                 "'%s' is not a regular file: expected a binary or an archive", path);
        if (geteuid() == 0)
                return copy_in(spool, fd, path, sha256, ret, reterr);
        r = spool_check_readable(path, reterr);
        if (r == 0)
                r = check_digest(fd, path, sha256, reterr);
        if (r == 0)
                *ret = TAKE_PTR(path);
        return r;
}
