#pragma once
/*
 * Local files as sources of a release: muster-stage runs as its own user and
 * sees neither /home nor /root nor /tmp, so it gets a copy.
 */
#include "util/fault.h"

/*
 * "https://..." is handed on as it is. A file is copied by root to
 * @spool/SHA256-NAME (0644, durable) while its digest is checked against @sha256
 * (64 lower-case hex); for anybody else it must be readable for all where it
 * lies, and its resolved path is handed on. 0, CTL_FAILED, CTL_USAGE or -errno.
 */
int spool_source(const char *spool, const char *source, const char *sha256, char **ret, Fault *reterr);

/*
 * Copies publisher signatures (@source.sig, @source.sig.1 to @source.sig.9) along to beside @copy, which
 * spool_source() made in @spool or handed on: then there is nothing to do. 0, CTL_FAILED or -errno.
 */
int spool_signatures(const char *spool, const char *source, const char *copy, Fault *reterr);

/* Whether muster-stage can read @path (absolute, resolved) where it lies: 0, or CTL_FAILED with why not and
 * what to do. */
int spool_check_readable(const char *path, Fault *reterr);
