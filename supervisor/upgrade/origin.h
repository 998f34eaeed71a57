#pragma once
/*
 * What a release was made of: releases/.source-VERSION, JSON of "sha256" and
 * "sha512" (hex), "size" (bytes) and "source" (display form) of the archive. It
 * tells whether the same is asked for again; one without its release means
 * nothing.
 */
#include "crypto/sshsig.h"

typedef struct Origin {
        SshSigDigests digests;
        uint64_t size;
        char *name; /* owned; the source, as source_display() */
} Origin;

void origin_done(Origin *origin);
#define cleanup_origin_ cleanup_(origin_done)

/* Durable, by rename. 0 or -errno. */
int origin_write(int releases_dirfd, const char *version, const Origin *origin);

/* -ENOENT: there is none; -EBADMSG: not to be understood. */
int origin_read(int releases_dirfd, const char *version, Origin *ret);

/* Not there: success. Not fsynced. */
int origin_remove(int releases_dirfd, const char *version, Fault *reterr);
