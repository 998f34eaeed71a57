/*
 * The names of one directory are held in memory at a time, and of those above it.
 */
#include "archive/walk.h"
#include "archive/path.h"
#include "util/directory.h"
#include "util/text.h"

#include <fcntl.h>

typedef struct Walk {
        WalkVisitor visit;
        void *userdata;
        Fault *reterr;
} Walk;

typedef struct Names {
        char **names;
        size_t n, room;
} Names;

static void names_done(Names *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->names[i]);
        free(l->names);
}
#define cleanup_names_ cleanup_(names_done)

static int by_name(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int names_add(Names *l, const char *name) {
        if (l->n == l->room) {
                size_t room = l->room > 0 ? l->room * 2 : 64;
                char **names = reallocarray(l->names, room, sizeof *names);

                if (!names)
                        return -ENOMEM;
                l->names = names;
                l->room = room;
        }
        l->names[l->n] = strdup(name);
        if (!l->names[l->n])
                return -ENOMEM;
        l->n++;
        return 0;
}

static int names_read(int dirfd, Names *l) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r;

        r = directory_list(dirfd, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) >= 0 && entry)
                r = names_add(l, entry->d_name);
        if (r >= 0 && l->n > 0)
                qsort(l->names, l->n, sizeof *l->names, by_name);
        return r;
}

static int walk_below(Walk *w, int dirfd, const char *prefix, unsigned depth);

static int walk_entry(Walk *w, int dirfd, const char *prefix, const char *name, unsigned depth) {
        cleanup_free_ char *path = NULL;
        cleanup_fd_ int fd = -1;
        WalkEntry e;
        int r;

        if (asprintf(&path, "%s%s%s", prefix, *prefix ? "/" : "", name) < 0)
                return -ENOMEM;
        e = (WalkEntry){ .path = path, .dirfd = dirfd, .name = name };
        if (fstatat(dirfd, name, &e.st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno != ENOENT)
                        return fault_errno(w->reterr, -errno, "Failed to look at '%s'", path);
                e.st = (struct stat){ 0 };
        }
        r = w->visit(&e, w->userdata, w->reterr);
        if (r != 0 || !S_ISDIR(e.st.st_mode))
                return r < 0 ? r : 0;
        if (depth + 1 >= PATH_DEPTH_MAX)
                return fault_set(w->reterr, -ELOOP, "'%s' is deeper than %d directories", path,
                                 PATH_DEPTH_MAX);
        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT
                               ? 0
                               : fault_errno(w->reterr, -errno, "Failed to open the directory '%s'", path);
        return walk_below(w, fd, path, depth + 1);
}

static int walk_below(Walk *w, int dirfd, const char *prefix, unsigned depth) {
        cleanup_names_ Names l = { 0 };
        int r;

        r = names_read(dirfd, &l);
        if (r < 0)
                return fault_errno(w->reterr, r, "Failed to read the directory '%s'",
                                   *prefix ? prefix : ".");
        for (size_t i = 0; r >= 0 && i < l.n; i++)
                r = walk_entry(w, dirfd, prefix, l.names[i], depth);
        return r;
}

int walk_tree(int dirfd, WalkVisitor visit, void *userdata, Fault *reterr) {
        Walk w = { visit, userdata, reterr };

        return walk_below(&w, dirfd, "", 0);
}
