/*
 * FETCH_PARTIAL stands from before the first byte until after the last one is
 * durable. A crash in place_clear() leaves it beside the rest, which is removed
 * next time; one in place_complete() leaves it at most beside a whole tree.
 */
#include "archive/fetch-place.h"
#include "archive/fetch.h"
#include "util/directory.h"
#include "util/durable.h"
#include "util/json.h"
#include "util/text.h"
#include "util/tree.h"

#include <fcntl.h>
#include <sys/file.h>

#define OWN       ".muster-"
#define TEMPORARY ".#" OWN /* what durable_write() leaves when it is killed */

/* Calls @found for every entry. < 0 ends it. */
static int for_each(int dirfd, int (*found)(int dirfd, const char *name, void *userdata), void *userdata) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r;

        r = directory_list(dirfd, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) >= 0 && entry)
                r = found(dirfd, entry->d_name, userdata);
        return r;
}

static bool is_data(const char *name) {
        return !str_starts(name, OWN) && !str_starts(name, TEMPORARY) && !str_eq(name, "lost+found");
}

static int sweep_temporary(int dirfd, const char *name, void *userdata) {
        return str_starts(name, TEMPORARY) && unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Keeps the first one's name in *userdata. */
static int note_data(int dirfd, const char *name, void *userdata) {
        char **first = userdata;

        if (*first || !is_data(name))
                return 0;
        *first = strdup(name);
        return *first ? 0 : -ENOMEM;
}

static int remove_data(int dirfd, const char *name, void *userdata) {
        return is_data(name) ? tree_remove(dirfd, name, userdata) : 0;
}

static int clear_data(int dirfd, Fault *reterr) {
        for (;;) {
                cleanup_free_ char *left = NULL;
                int r;

                r = for_each(dirfd, remove_data, reterr);
                if (r >= 0)
                        r = for_each(dirfd, note_data, &left);
                if (r < 0 || !left)
                        return r;
        }
}

static int write_partial(int dirfd, const char *name, const char *digest, const char *prefix,
                         Fault *reterr) {
        cleanup_json_ json_t *object = json_object();
        int r;

        if (!object || json_put_u64(object, "version", 1) < 0 ||
            json_put_str(object, "mode", digest ? "framed" : "stream") < 0 ||
            json_put_str(object, "manifest", digest) < 0 || json_put_str(object, "prefix", prefix) < 0)
                return -ENOMEM;
        r = json_write_file(dirfd, FETCH_PARTIAL, object, 0600);
        return r < 0 ? fault_errno(reterr, r, "Failed to write in '%s'", name) : 0;
}

/* There is FETCH_PARTIAL, @old, and data beside it. */
static int take_up(int dirfd, const char *name, const json_t *old, const char *digest, const char *prefix,
                   bool *ret_continues, Fault *reterr) {
        const char *had = json_str(old, "manifest");

        if (str_eq(json_str(old, "mode"), "stream"))
                return clear_data(dirfd, reterr);
        if (!str_eq(json_str(old, "mode"), "framed") || !had)
                return fault_set(reterr, FETCH_SNAPSHOT_E_REFUSED,
                                 "'%s' has a '" FETCH_PARTIAL "' that nobody can read: remove the directory "
                                 "or name an empty one",
                                 name);
        if (!str_eq(had, digest))
                return fault_set(reterr, FETCH_SNAPSHOT_E_REFUSED,
                                 "'%s' holds a partial restore of another snapshot (manifest %.16s..., now "
                                 "%.16s%s): remove it or name an empty directory",
                                 name, had, digest ?: "without a trusted manifest", digest ? "..." : "");
        if (!str_eq(json_str(old, "prefix"), prefix))
                return fault_set(reterr, FETCH_SNAPSHOT_E_REFUSED,
                                 "'%s' holds a partial restore with the prefix '%s', now '%s': remove it or "
                                 "strip the same",
                                 name, json_str(old, "prefix") ?: "", prefix ?: "");
        *ret_continues = true;
        return 0;
}

static int lock(int dirfd, const char *name, Fault *reterr) {
        if (flock(dirfd, LOCK_EX | LOCK_NB) >= 0)
                return 0;
        if (errno == EWOULDBLOCK)
                return fault_set(reterr, -EBUSY, "Another process is restoring into '%s': wait for it",
                                 name);
        return fault_errno(reterr, -errno, "Failed to lock '%s'", name);
}

int place_claim(int dirfd, const char *name, const char *digest, const char *prefix, bool *ret_continues,
                Fault *reterr) {
        cleanup_json_ json_t *old = NULL;
        cleanup_free_ char *data = NULL;
        int r;

        *ret_continues = false;
        r = lock(dirfd, name, reterr);
        if (r < 0)
                return r;
        r = for_each(dirfd, sweep_temporary, NULL);
        if (r >= 0)
                r = for_each(dirfd, note_data, &data);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to look into '%s'", name);
        r = json_read_file(dirfd, FETCH_PARTIAL, &old, reterr);
        if (r == -ENOENT && data)
                return fault_set(reterr, FETCH_SNAPSHOT_E_REFUSED,
                                 "'%s' is not empty ('%s' is in it): name an empty directory or a new one",
                                 name, data);
        if (r == -EBADMSG && data)
                return fault_set(reterr, FETCH_SNAPSHOT_E_REFUSED,
                                 "'%s' has a damaged '" FETCH_PARTIAL "': remove the directory or name an "
                                 "empty one",
                                 name);
        if (r < 0 && r != -ENOENT && r != -EBADMSG)
                return r;
        if (data) {
                r = take_up(dirfd, name, old, digest, prefix, ret_continues, reterr);
                if (r != 0 || *ret_continues)
                        return r;
        }
        if (reterr)
                fault_done(reterr);
        r = durable_unlink(dirfd, FETCH_PROGRESS);
        return r < 0 ? fault_errno(reterr, r, "Failed to remove '" FETCH_PROGRESS "'")
                     : write_partial(dirfd, name, digest, prefix, reterr);
}

static int remove_marks(int dirfd, Fault *reterr) {
        int r;

        if (unlinkat(dirfd, FETCH_PROGRESS, 0) < 0 && errno != ENOENT)
                return fault_errno(reterr, -errno, "Failed to remove '" FETCH_PROGRESS "'");
        r = durable_unlink(dirfd, FETCH_PARTIAL);
        return r < 0 ? fault_errno(reterr, r, "Failed to remove '" FETCH_PARTIAL "'") : 0;
}

int place_complete(int dirfd, Fault *reterr) {
        (void) for_each(dirfd, sweep_temporary, NULL);
        return remove_marks(dirfd, reterr);
}

int place_clear(int dirfd, Fault *reterr) {
        int r;

        r = clear_data(dirfd, reterr);
        if (r < 0)
                return r;
        (void) for_each(dirfd, sweep_temporary, NULL);
        return remove_marks(dirfd, reterr);
}
