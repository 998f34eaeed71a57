/*
 * A crash leaves ".NAME.partial", which the next attempt at the same name takes
 * over; a lock on it tells one that is being made from one that was left.
 */
#include "archive/publish.h"
#include "crypto/sshsig-sign.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>

int publish_begin(Publish *p, int dirfd, const char *prefix, const char *suffix, Fault *reterr) {
        struct stat st;

        p->dirfd = dirfd;
        if (!*prefix || prefix[0] == '.' || strchr(prefix, '/') || strlen(prefix) > NAME_MAX - 32)
                return fault_set(
                        reterr, -EINVAL,
                        "'%s' cannot begin a file name: expected at most %d characters, no '/', no '.' in "
                        "front",
                        prefix, NAME_MAX - 32);
        if (asprintf(&p->name, "%s%s", prefix, suffix) < 0 ||
            asprintf(&p->partial, ".%s.partial", p->name) < 0)
                return -ENOMEM;
        if (fstatat(dirfd, p->name, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                return fault_set(reterr, -EEXIST, "'%s' is there already: choose another name or remove it",
                                 p->name);
        p->fd = openat(dirfd, p->partial, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                       0644);
        if (p->fd < 0)
                return fault_errno(reterr, -errno, "Failed to make '%s'", p->partial);
        if (flock(p->fd, LOCK_EX | LOCK_NB) < 0) {
                cleanup_closep(&p->fd);
                p->fd = -1;
                return fault_set(reterr, -EBUSY, "'%s' is being made by another process", p->name);
        }
        if (fstat(p->fd, &st) < 0 || !S_ISREG(st.st_mode) || ftruncate(p->fd, 0) < 0)
                return fault_set(reterr, -EEXIST, "'%s' is in the way: remove it", p->partial);
        return 0;
}

int publish_all(Publish *const *files, size_t n, Fault *reterr) {
        int dirfd = files[0]->dirfd, r = 0;

        for (size_t i = 0; i < n; i++)
                if (fsync(files[i]->fd) < 0)
                        return fault_errno(reterr, -errno, "Failed to sync '%s'", files[i]->name);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (renameat(dirfd, files[i]->partial, dirfd, files[i]->name) < 0)
                        r = fault_errno(reterr, -errno, "Failed to rename '%s'", files[i]->partial);
                else
                        files[i]->published = true;
        }
        if (r >= 0 && fsync(dirfd) < 0)
                r = fault_errno(reterr, -errno, "Failed to sync the directory of '%s'", files[0]->name);
        for (size_t i = 0; r < 0 && i < n; i++)
                if (files[i]->published)
                        (void) unlinkat(dirfd, files[i]->name, 0);
        return r;
}

void publish_done(Publish *p) {
        if (p->fd >= 0 && !p->published)
                (void) unlinkat(p->dirfd, p->partial, 0);
        cleanup_closep(&p->fd);
        free(p->name);
        free(p->partial);
        *p = PUBLISH_NONE;
}

static int sign(int fd, const Manifest *m, const SshPrivateKey *key, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        SshSigDigests digests;
        const void *body;
        size_t size;
        int r;

        manifest_body(m, &body, &size);
        r = sshsig_digest(body, size, &digests);
        if (r >= 0)
                r = sshsig_sign(key, MANIFEST_NAMESPACE, &digests, &text, reterr);
        if (r < 0)
                return r;
        r = write_all(fd, text, strlen(text));
        return r < 0 ? fault_errno(reterr, r, "Failed to write the signature") : 0;
}

int publish_manifest(const Publish *p, const ManifestBuilder *builder, const ManifestHead *head,
                     const SshPrivateKey *key, CreateReport *report, Fault *reterr) {
        cleanup_(manifest_freep) Manifest *m = NULL;
        int fd, r;

        r = manifest_builder_write(builder, head, p->fd, reterr);
        if (r < 0)
                return r;
        fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        r = manifest_open(fd, p->name, &m, reterr);
        if (r < 0)
                return r;
        memcpy(report->manifest_digest, manifest_digest(m), sizeof report->manifest_digest);
        report->files = manifest_head(m)->n_files;
        report->plain_size = manifest_head(m)->plain_size;
        return key ? sign(p->fd, m, key, reterr) : 0;
}
