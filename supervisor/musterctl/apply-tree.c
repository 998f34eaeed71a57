/*
 * Root works here in directories that belong to others: muster and the node
 * may rename what is in theirs at any moment. So nothing is followed
 * (RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS), and only what is still root's after
 * it was opened, and therefore was made here, is given away.
 *
 * What the node keeps is only made for a node that never ran: for one that did,
 * a missing directory is a disk that is not mounted or a restore under way, and
 * an empty one in its place would let it start without its signing state.
 */
#include "musterctl/apply-tree.h"
#include "muster-build.h"
#include "util/text.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define NODES_DIR MUSTER_STATEDIR "/nodes"

typedef struct TreeOwner {
        const char *name; /* user and group */
        uid_t uid;
        gid_t gid;
} TreeOwner;

typedef struct TreeDir {
        const char *below; /* of nodes/NAME */
        const TreeOwner *owner;
        mode_t mode;
        bool any_mode; /* one that exists may have another */
} TreeDir;

typedef struct Tree {
        int nodes_fd;
        const char *node;
        char ***made;
        TreeOwner muster, stage, own;
} Tree;

static int open_beneath(int dirfd, const char *path) {
        struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
        long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);

        return fd < 0 ? -errno : (int) fd;
}

static int find_owner(const char *name, TreeOwner *ret, Fault *reterr) {
        const struct passwd *p = getpwnam(name);

        if (!p)
                return fault_set(reterr, -ENOENT,
                                 "There is no user '%s': run systemd-sysusers, which reads what muster's "
                                 "package installed",
                                 name);
        *ret = (TreeOwner){ name, p->pw_uid, p->pw_gid };
        return 0;
}

/* @path is relative to nodes/. */
static int make_fresh(const Tree *tree, const char *path, const TreeDir *dir, Fault *reterr) {
        cleanup_free_ char *parent =
                strndup(path, strrchr(path, '/') ? (size_t) (strrchr(path, '/') - path) : 0);
        const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        cleanup_fd_ int parent_fd = -1, fd = -1;
        struct stat st;

        if (!parent)
                return -ENOMEM;
        parent_fd = open_beneath(tree->nodes_fd, *parent ? parent : ".");
        if (parent_fd < 0)
                return fault_errno(reterr, parent_fd, "Failed to open '" NODES_DIR "/%s'", parent);
        if (mkdirat(parent_fd, base, 0700) < 0)
                return fault_errno(reterr, -errno, "Failed to make '" NODES_DIR "/%s'", path);
        fd = open_beneath(parent_fd, base);
        if (fd < 0 || fstat(fd, &st) < 0)
                return fault_errno(reterr, fd < 0 ? fd : -errno, "Failed to open '" NODES_DIR "/%s'", path);
        if (st.st_uid != 0 || st.st_gid != getegid())
                return fault_set(reterr, -ESTALE,
                                 "'" NODES_DIR "/%s' was exchanged while it was made: look who writes there",
                                 path);
        if (fchown(fd, dir->owner->uid, dir->owner->gid) < 0 || fchmod(fd, dir->mode) < 0)
                return fault_errno(reterr, -errno, "Failed to give '" NODES_DIR "/%s' to %s", path,
                                   dir->owner->name);
        if (fsync(fd) < 0 || fsync(parent_fd) < 0)
                return fault_errno(reterr, -errno, "Failed to make '" NODES_DIR "/%s' durable", path);
        return strv_append(tree->made, path);
}

static int check_existing(int fd, const char *path, const TreeDir *dir, Fault *reterr) {
        const TreeOwner *owner = dir->owner;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '" NODES_DIR "/%s'", path);
        if (st.st_uid != owner->uid || st.st_gid != owner->gid)
                return fault_set(reterr, -EPERM,
                                 "'" NODES_DIR
                                 "/%s' belongs to uid %u, gid %u, expected %s (%u, %u); if its contents are "
                                 "this node's run: chown %s:%s '" NODES_DIR "/%s'",
                                 path, st.st_uid, st.st_gid, owner->name, owner->uid, owner->gid,
                                 owner->name, owner->name, path);
        if (!dir->any_mode && st.st_mode & 07777 & ~dir->mode)
                return fault_set(reterr, -EPERM,
                                 "'" NODES_DIR
                                 "/%s' has mode %04o, expected %04o: run chmod %04o '" NODES_DIR "/%s'",
                                 path, st.st_mode & 07777, dir->mode, dir->mode, path);
        return 0;
}

/* It was switched to a release or signed something. */
static int has_run(const Tree *tree, bool *ret, Fault *reterr) {
        cleanup_fd_ int fd = open_beneath(tree->nodes_fd, tree->node);
        static const char *const marks[] = { "current", "highwater" };
        struct stat st;

        *ret = false;
        if (fd < 0)
                return fd == -ENOENT
                               ? 0
                               : fault_errno(reterr, fd, "Failed to open '" NODES_DIR "/%s'", tree->node);
        for (size_t i = 0; i < ELEMENTSOF(marks); i++)
                if (fstatat(fd, marks[i], &st, AT_SYMLINK_NOFOLLOW) >= 0)
                        *ret = true;
                else if (errno != ENOENT)
                        return fault_errno(reterr, -errno, "Failed to look at '" NODES_DIR "/%s/%s'",
                                           tree->node, marks[i]);
        return 0;
}

static int make_missing(const Tree *tree, const char *path, const TreeDir *dir, Fault *reterr) {
        bool ran;
        int r;

        r = has_run(tree, &ran, reterr);
        if (r < 0)
                return r;
        if (ran && str_starts(dir->below, "state"))
                return fault_set(
                        reterr, -ENOENT,
                        "'" NODES_DIR
                        "/%s' is missing, and the node has run already: mount its disk or finish the "
                        "restore; an empty directory would hide what it signed",
                        path);
        return make_fresh(tree, path, dir, reterr);
}

static int ensure(const Tree *tree, const TreeDir *dir, Fault *reterr) {
        cleanup_free_ char *path = NULL;
        cleanup_fd_ int fd = -1;

        if (asprintf(&path, "%s%s%s", tree->node, *dir->below ? "/" : "", dir->below) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open_beneath(tree->nodes_fd, path);
        if (fd >= 0)
                return check_existing(fd, path, dir, reterr);
        if (fd == -ENOENT)
                return make_missing(tree, path, dir, reterr);
        if (fd == -ELOOP)
                return fault_set(
                        reterr, fd,
                        "'" NODES_DIR
                        "/%s' is a symbolic link, expected a directory or a mount point: mount the disk "
                        "there, or bind-mount it (mount --bind)",
                        path);
        return fault_errno(reterr, fd, "Failed to open '" NODES_DIR "/%s'", path);
}

/* state/data, and what is between state and it where it lies deeper. */
static int ensure_data(const Tree *tree, const char *data, Fault *reterr) {
        cleanup_free_ char *prefix = NULL, *below = NULL;

        if (asprintf(&prefix, NODES_DIR "/%s/", tree->node) < 0) {
                prefix = NULL;
                return -ENOMEM;
        }
        if (!str_starts(data, prefix))
                return fault_set(reterr, -EINVAL, "The data directory '%s' does not lie below '%sstate'",
                                 data, prefix);
        below = strdup(data + strlen(prefix));
        if (!below)
                return -ENOMEM;
        for (char *slash = strchr(below, '/'); slash;) {
                char *next = strchr(slash + 1, '/');
                int r;

                if (next)
                        *next = 0;
                r = ensure(tree, &(TreeDir){ below, &tree->own, 0700, true }, reterr);
                if (r < 0)
                        return r;
                if (next)
                        *next = '/';
                slash = next;
        }
        return 0;
}

static int ensure_all(const Tree *tree, const NodeConfig *config, Fault *reterr) {
        const TreeDir wanted[] = {
                { "", &tree->muster, 0755, false },        { "releases", &tree->stage, 0755, false },
                { "staged", &tree->muster, 0755, false },  { "state", &tree->own, 0700, false },
                { "state/guard", &tree->own, 0700, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
                int r = ensure(tree, &wanted[i], reterr);

                if (r < 0)
                        return r;
        }
        return ensure_data(tree, config->data, reterr);
}

int apply_tree(const NodeConfig *config, const NodeUser *user, char ***made, Fault *reterr) {
        Tree tree = { .node = config->name, .made = made, .own = { config->user, user->uid, user->gid } };
        cleanup_fd_ int fd = -1;
        int r;

        r = find_owner("muster", &tree.muster, reterr);
        if (r >= 0)
                r = find_owner("muster-stage", &tree.stage, reterr);
        if (r < 0)
                return r;
        fd = open(NODES_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return fault_errno(reterr, -errno,
                                   "Failed to open '" NODES_DIR "' (systemd-tmpfiles --create makes it)");
        tree.nodes_fd = fd;
        return ensure_all(&tree, config, reterr);
}
