#pragma once
/*
 * Is what is on this disk what a manifest says? Reading only.
 */
#include "archive/fetch.h"
#include "archive/manifest.h"

typedef struct VerifyReport {
        uint64_t files, bytes; /* looked at; of an archive parts and compressed bytes */
        uint64_t wrong, missing,
                extra; /* extra: files that the manifest does not know; protected ones are not counted */
} VerifyReport;

/* A finding: path, or offset of a part, and what is wrong with it. */
typedef void (*VerifyFinding)(const char *what, const char *why, void *userdata);

/* An archive file of any mode: every part's digest, sizes, the whole digest. 0; 1: findings; -errno. */
int verify_archive(const Manifest *m, int fd, FetchControl *control, VerifyFinding finding, void *userdata,
                   VerifyReport *ret, Fault *reterr);

/* A directory against a framed manifest: every extent. -EOPNOTSUPP for a chunked one. @protect is passed
 * over. */
int verify_directory(const Manifest *m, int dirfd, char *const *protect, FetchControl *control,
                     VerifyFinding finding, void *userdata, VerifyReport *ret, Fault *reterr);
