#pragma once
/*
 * A release's MANIFEST: every file below releases/VERSION but itself, written
 * by muster-stage, checked by the launcher before it executes.
 *
 *     muster-manifest/1
 *     version: VERSION
 *     SHA256 MODE SIZE PATH        64 hex, 4 octal digits, decimal, relative; sorted by PATH (bytes)
 *
 * PATH has no control character, no empty, "." or ".." component and at most
 * RELEASE_DEPTH_MAX components. Symbolic links inside a release are not
 * allowed, so there are only regular files and directories. Besides the
 * binary a release holds `arguments` and `environment`, one a line: the first
 * line of `arguments` is the binary's PATH.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/fault.h"

#define MANIFEST_NAME       "MANIFEST"
#define MANIFEST_MAX        (4 * 1024 * 1024)
#define RELEASE_DEPTH_MAX   64
#define RELEASE_PATH_MAX    1024 /* bytes of a PATH, without NUL */
#define RELEASE_ARGUMENTS   "arguments"
#define RELEASE_ENVIRONMENT "environment"

typedef struct ReleaseEntry {
        char digest[65];
        mode_t mode;
        uint64_t size;
        char *path;
} ReleaseEntry;

typedef struct ReleaseManifest {
        char *version;
        char digest[65]; /* of the MANIFEST file itself */
        ReleaseEntry *entries;
        size_t n_entries;
} ReleaseManifest;

/* Hashes every file below @release_dirfd and writes MANIFEST durably. Symlinks, devices etc. are -EINVAL. */
int release_manifest_create(int release_dirfd, const char *version, ReleaseManifest **ret, Fault *reterr);

/* Parses MANIFEST; -EBADMSG with the line and what was expected. */
int release_manifest_read(int release_dirfd, ReleaseManifest **ret, Fault *reterr);

/*
 * Every listed file is there with that mode, size and digest, and nothing else
 * is. -EBADMSG with the path and what differs; other errors of the disk as they are.
 */
int release_manifest_verify(const ReleaseManifest *manifest, int release_dirfd, Fault *reterr);

/* The entry of @path, or NULL; borrowed. */
const ReleaseEntry *release_manifest_find(const ReleaseManifest *manifest, const char *path);

/* Whether @path may stand in a MANIFEST: the rules above. */
bool release_path_is_valid(const char *path);

/* Opens the valid @path below @release_dirfd without leaving it and without following a link. fd or -errno.
 */
int release_open(int release_dirfd, const char *path, int flags);

ReleaseManifest *release_manifest_free(ReleaseManifest *manifest); /* returns NULL */
DEFINE_CLEANUP(ReleaseManifest *, release_manifest_free)
