#pragma once
/*
 * Which manifest a fetch goes by, and whether it may.
 *
 * Trusted is one that a listed signer signed for MANIFEST_NAMESPACE, one whose
 * digest is FetchOptions.sha256, and any with allow_unsigned. One that nobody
 * vouches for but that names sha256 as its archive's is a hint: its digests find
 * wrong bytes early, and the whole archive is still held to sha256. All others,
 * and those of another chain or family, too old or expired, are refused.
 */
#include "archive/fetch.h"
#include "archive/manifest.h"

typedef struct FetchManifest {
        Manifest *manifest; /* owned; NULL: there is none, and none is needed */
        bool trusted;
        char *signed_by; /* owned; NULL: nobody who counts */
} FetchManifest;

void fetch_manifest_done(FetchManifest *found);

/* 0; FETCH_SNAPSHOT_E_REFUSED; -EREMOTEIO: FetchOptions.manifest could not be had; -EBADMSG: it is none;
 * -errno. */
int fetch_manifest(const FetchOptions *options, FetchManifest *ret, Fault *reterr);

/* Where the manifest of the archive @source is looked for. Owned; NULL without memory. */
char *fetch_manifest_beside(const char *source);

/* "file:///a%20b" as "/a b"; anything else as it is. Owned; NULL without memory. */
char *fetch_local_path(const char *source);
