#pragma once
/*
 * How a release is run: its binary, its arguments, its environment, out of the
 * files `arguments` and `environment` that were frozen into it when it was
 * staged (DESIGN.md "On disk").
 */
#include "upgrade/manifest.h"

#define INVOCATION_FILE_MAX (1024 * 1024)

typedef struct Invocation {
        char *path;         /* the binary's path inside the release */
        char *binary;       /* absolute */
        char **argv;        /* [0] is `binary` */
        char **environment; /* KEY=VALUE */
} Invocation;

void invocation_done(Invocation *invocation);
#define cleanup_invocation_ cleanup_(invocation_done)

/*
 * @release_path is where @release_dirfd is, absolute and without links. With a
 * @manifest (may be NULL) the bytes read must be the ones that it lists.
 * -EBADMSG with file and line of what is wrong.
 */
int invocation_read(int release_dirfd, const char *release_path, const ReleaseManifest *manifest,
                    Invocation *ret, Fault *reterr);

/* @base without MUSTER_* and without what the release sets, then the release's. An owned strv. */
int invocation_environment(const Invocation *invocation, char *const *base, char ***ret);
