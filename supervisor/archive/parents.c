/*
 * A path from an archive is walked anew from the longest kept directory above it,
 * so a link that somebody puts in the way is never followed.
 */
#include "archive/parents.h"
#include "util/cleanup.h"
#include "util/text.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static void forget_parent(Parent *p) {
        if (p->path)
                close(p->fd);
        free(TAKE_PTR(p->path));
        p->used = 0;
}

void parents_done(Parents *ps) {
        for (size_t i = 0; i < PARENTS; i++)
                forget_parent(&ps->kept[i]);
}

static Parent *find_parent(Parents *ps, const char *path, size_t length) {
        for (size_t i = 0; i < PARENTS; i++) {
                Parent *p = &ps->kept[i];

                if (p->path && strncmp(p->path, path, length) == 0 && !p->path[length]) {
                        p->used = ++ps->clock;
                        return p;
                }
        }
        return NULL;
}

static int keep_parent(Parents *ps, const char *path, size_t length, int fd) {
        Parent *p = &ps->kept[0];

        for (size_t i = 1; i < PARENTS; i++)
                if (ps->kept[i].used < p->used)
                        p = &ps->kept[i];
        forget_parent(p);
        p->path = strndup(path, length);
        if (!p->path)
                return -ENOMEM;
        p->fd = fd;
        p->used = ++ps->clock;
        return 0;
}

/* Makes @name below @parent unless it is there; its mode does not depend on the umask. */
static int make_directory(Parents *ps, int parent, const char *name, const char *path, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        bool fresh = mkdirat(parent, name, 0700) >= 0;
        int r;

        if (!fresh && errno != EEXIST)
                return fault_errno(reterr, -errno, "Failed to make the directory of '%s'", path);
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
                return fault_set(reterr, -EBADMSG, "Entry '%s' needs a directory where something else is",
                                 path);
        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to open the directory of '%s'", path);
        if (fresh) {
                r = ps->made(path, ps->userdata, reterr);
                if (r < 0)
                        return r;
                if (fchmod(fd, 0755) < 0)
                        return fault_errno(reterr, -errno, "Failed to make the directory of '%s'", path);
        }
        return TAKE_FD(fd);
}

int parents_enter(Parents *ps, const char *path, size_t length, Fault *reterr) {
        size_t done = 0;
        int fd = ps->dirfd;

        for (size_t n = length; n > 0;) {
                Parent *p = find_parent(ps, path, n);

                if (p) {
                        fd = p->fd;
                        done = n;
                        break;
                }
                while (n > 0 && path[--n] != '/')
                        ;
        }
        while (done < length) {
                size_t start = done + (done > 0), n = strcspn(path + start, "/");
                char name[NAME_MAX + 1];
                int r;

                snprintf(name, sizeof name, "%.*s", (int) n, path + start);
                fd = make_directory(ps, fd, name, path, reterr);
                if (fd < 0)
                        return fd;
                done = start + n;
                r = keep_parent(ps, path, done, fd);
                if (r < 0) {
                        close(fd);
                        return r;
                }
        }
        return fd;
}
