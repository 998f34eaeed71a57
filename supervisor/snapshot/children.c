/*
 * The journal lists, NUL-terminated: "muster-exchange 1", the id, then of every
 * child its name with a letter before it: 'o' goes out of the live directory, 'i'
 * comes in; at last "end". It is written once, before the first rename.
 *
 * First all go out, then all come in, with the file system synced in between.
 * So at any crash each name alone tells how far it got: what is in the out
 * directory went there and need not go again; what is not in the incoming one
 * came in. In between the live directory is a mixture and the journal says so.
 */
#include "snapshot/children.h"
#include "snapshot/clone.h"
#include "util/directory.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

#define MAGIC       "muster-exchange 1"
#define END         "end"
#define JOURNAL_MAX ((size_t) 256 << 20)

static bool stays(const char *name) {
        return str_starts(name, TREE_MARKER_PREFIX) || str_eq(name, "lost+found");
}

static int exists(int dirfd, const char *name) {
        struct stat st;

        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

int children_any(int dirfd) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r;

        r = directory_list(dirfd, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) >= 0 && entry)
                if (!stays(entry->d_name))
                        return 1;
        return r < 0 ? r : 0;
}

/* Whatever would stop a rename in the middle is looked for before the first one. */
static int check_child(const Children *c, int dirfd, const char *name, Fault *reterr) {
        struct statx sx;

        if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx) < 0)
                return fault_errno(reterr, -errno, "Failed to look at '%s' for '%s'", name, c->live_path);
        if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return fault_set(reterr, -EBUSY,
                                 "'%s' is a mount point inside '%s' and cannot change places: unmount it",
                                 name, c->live_path);
        if (S_ISDIR(sx.stx_mode) && faccessat(dirfd, name, W_OK, AT_EACCESS) < 0)
                return fault_errno(reterr, -errno, "The directory '%s' for '%s' may not be moved", name,
                                   c->live_path);
        return 0;
}

static int list(const Children *c, int dirfd, char letter, FILE *f, Fault *reterr) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r;

        r = directory_list(dirfd, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) >= 0 && entry) {
                if (stays(entry->d_name))
                        continue;
                r = check_child(c, dirfd, entry->d_name, reterr);
                if (r < 0)
                        return r;
                fprintf(f, "%c%s%c", letter, entry->d_name, 0);
        }
        return r < 0 ? fault_errno(reterr, r, "Failed to list the children for '%s'", c->live_path) : 0;
}

int children_plan(const Children *c, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        cleanup_fclose_ FILE *f = NULL;
        size_t size = 0;
        int r;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        fprintf(f, MAGIC "%c%s%c", 0, c->id, 0);
        r = list(c, c->live, 'o', f, reterr);
        if (r >= 0)
                r = list(c, c->incoming, 'i', f, reterr);
        fprintf(f, END "%c", 0);
        if (fclose(TAKE_PTR(f)) != 0 && r >= 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        if (size > JOURNAL_MAX)
                return fault_set(reterr, -EFBIG, "'%s' has too many children to change their places",
                                 c->live_path);
        r = durable_write(c->state_dirfd, c->journal, text, size, 0644);
        return r < 0 ? fault_errno(reterr, r, "Failed to write the journal of the exchange of '%s'",
                                   c->live_path)
                     : 0;
}

/* *ret_names: the first name, NUL-terminated one by one up to END. */
static int read_journal(int state_dirfd, const char *journal, const char *id, char **ret,
                        const char **ret_names, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        const char *found;
        size_t size;
        int r;

        r = read_small_file(state_dirfd, journal, JOURNAL_MAX, &text, &size);
        if (r < 0)
                return r == -ENOENT ? r : fault_errno(reterr, r, "Failed to read 'state/%s'", journal);
        if (size < sizeof MAGIC + sizeof END || !str_eq(text, MAGIC) ||
            memcmp(text + size - sizeof END, END, sizeof END) != 0 || text[size - sizeof END - 1])
                return fault_set(reterr, -EUCLEAN,
                                 "'state/%s' is no journal of an exchange: the data may be a mixture of two "
                                 "trees; do not start this node",
                                 journal);
        found = text + sizeof MAGIC;
        if (!str_eq(found, id))
                return fault_set(
                        reterr, -EBUSY,
                        "'state/%s' is the journal of another exchange, '%s', which was interrupted "
                        "and must be finished first",
                        journal, found);
        *ret_names = found + strlen(found) + 1;
        *ret = TAKE_PTR(text);
        return 0;
}

int children_planned(int state_dirfd, const char *journal, const char *id, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        const char *names;
        int r = read_journal(state_dirfd, journal, id, &text, &names, reterr);

        return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* @gone: there is nothing to be moved. */
static int move_child(const Children *c, int from, int to, const char *name, bool gone, Fault *reterr) {
        int there = exists(to, name);

        if (there < 0)
                return fault_errno(reterr, there, "Failed to look for '%s' of '%s'", name, c->live_path);
        if (gone && there)
                return 0;
        if (gone || there)
                return fault_set(
                        reterr, -EUCLEAN,
                        "'%s' of '%s' is %s: somebody changed it while its exchange was interrupted; "
                        "do not start this node",
                        name, c->live_path, gone ? "missing" : "there twice");
        if (renameat(from, name, to, name) < 0)
                return fault_errno(reterr, -errno, "Failed to move '%s' of '%s'", name, c->live_path);
        return 0;
}

static int move_all(const Children *c, const char *names, char letter, Fault *reterr) {
        for (const char *p = names; !str_eq(p, END); p += strlen(p) + 1) {
                int r;

                if (*p != letter)
                        continue;
                if (letter == 'o') {
                        r = exists(c->out, p + 1);
                        if (r == 0)
                                r = move_child(c, c->live, c->out, p + 1, false, reterr);
                } else {
                        r = exists(c->incoming, p + 1);
                        if (r >= 0)
                                r = move_child(c, c->incoming, c->live, p + 1, r == 0, reterr);
                }
                if (r < 0)
                        return fault_prefix(reterr, r, "The exchange of '%s' is half done", c->live_path);
        }
        return syncfs(c->live) < 0
                       ? fault_errno(reterr, -errno, "Failed to write '%s' to disk", c->live_path)
                       : 0;
}

int children_move(const Children *c, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        const char *names;
        int r;

        r = read_journal(c->state_dirfd, c->journal, c->id, &text, &names, reterr);
        if (r >= 0)
                r = move_all(c, names, 'o', reterr);
        return r < 0 ? r : move_all(c, names, 'i', reterr);
}
