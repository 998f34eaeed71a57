#include "guard/match.h"
#include "util/directory.h"
#include "util/text.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>

typedef struct Match {
        char ***paths;
        const char *pattern;
        Fault *reterr;
} Match;

static int match_below(Match *m, int dirfd, const char *prefix, const char *rest, unsigned depth);

static int open_directory(Match *m, int dirfd, const char *name, const char *path) {
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0)
                return fd;
        return fault_errno(m->reterr, -errno, "Failed to open the directory '%s'", path);
}

static int take_path(Match *m, const char *path) {
        if (strchr(path, '\n'))
                return fault_set(m->reterr, -EINVAL,
                                 "A file that '%s' names has a line break in its name: rename it",
                                 m->pattern);
        return strv_contains(*m->paths, path) ? 0 : strv_append(m->paths, path);
}

/* @rest: the components after this name; NULL: this is the last one. */
static int match_entry(Match *m, int dirfd, const char *prefix, const char *name, const char *rest,
                       unsigned depth) {
        cleanup_free_ char *path = NULL;
        cleanup_fd_ int fd = -1;
        struct stat st;

        if (asprintf(&path, "%s%s%s", prefix, *prefix ? "/" : "", name) < 0)
                return -ENOMEM;
        if (fstatat(dirfd, name, &st, 0) < 0) {
                if (errno == ENOENT || errno == ENOTDIR)
                        return 0;
                return fault_errno(m->reterr, -errno, "Failed to look at '%s'", path);
        }
        if (S_ISREG(st.st_mode))
                return rest ? 0 : take_path(m, path);
        if (!S_ISDIR(st.st_mode))
                return 0;
        if (depth >= MATCH_DEPTH_MAX)
                return fault_set(m->reterr, -ELOOP, "'%s' is deeper than %d directories", path,
                                 MATCH_DEPTH_MAX);
        fd = open_directory(m, dirfd, name, path);
        if (fd < 0)
                return fd;
        return match_below(m, fd, path, rest ?: "*", depth + 1);
}

static int match_glob(Match *m, int dirfd, const char *prefix, const char *glob, const char *rest,
                      unsigned depth) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r;

        r = directory_list(dirfd, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) >= 0 && entry) {
                if (fnmatch(glob, entry->d_name, 0) != 0)
                        continue;
                r = match_entry(m, dirfd, prefix, entry->d_name, rest, depth);
                if (r < 0)
                        return r;
        }
        return r < 0 ? fault_errno(m->reterr, r, "Failed to read the directory '%s'", prefix) : 0;
}

static int match_below(Match *m, int dirfd, const char *prefix, const char *rest, unsigned depth) {
        size_t length = strcspn(rest, "/");
        cleanup_free_ char *component = strndup(rest, length);
        const char *next = rest[length] ? rest + length + 1 : NULL;

        if (!component)
                return -ENOMEM;
        if (!*component || str_eq(component, "."))
                return next ? match_below(m, dirfd, prefix, next, depth) : 0;
        if (str_eq(component, ".."))
                return fault_set(m->reterr, -EINVAL,
                                 "The pattern '%s' has '..': expected a path below the data directory",
                                 m->pattern);
        if (next && !next[strspn(next, "/")])
                next = NULL;
        if (strpbrk(component, "*?["))
                return match_glob(m, dirfd, prefix, component, next, depth);
        return match_entry(m, dirfd, prefix, component, next, depth);
}

int match_files(int dirfd, const char *const *patterns, char ***paths, Fault *reterr) {
        for (; patterns && *patterns; patterns++) {
                Match m = { .paths = paths, .pattern = *patterns, .reterr = reterr };
                int r;

                if (**patterns == '/')
                        return fault_set(
                                reterr, -EINVAL,
                                "The pattern '%s' is absolute: expected a path below the data directory",
                                *patterns);
                r = match_below(&m, dirfd, "", *patterns, 0);
                if (r < 0)
                        return r;
        }
        return 0;
}
