#pragma once
/*
 * The files of a new snapshot: they appear under their names when all of them are
 * whole and durable, and not before.
 */
#include "archive/create.h"

typedef struct Publish {
        int dirfd; /* borrowed */
        char *name, *partial;
        int fd; /* -1: none */
        bool published;
} Publish;

/* Only with it is a Publish that was never begun fit for publish_done(). */
#define PUBLISH_NONE ((Publish){ .dirfd = -1, .fd = -1 })

/* -EEXIST: PREFIX and SUFFIX are there; -EBUSY: another process makes it; what an earlier crash left goes.
 */
int publish_begin(Publish *p, int dirfd, const char *prefix, const char *suffix, Fault *reterr);

/* Renames all @n, in order, and makes that durable. A failure takes back what was renamed. */
int publish_all(Publish *const *files, size_t n, Fault *reterr);

/* Removes what was not published. */
void publish_done(Publish *p);

struct SshPrivateKey;

/* The manifest of @builder into @p, checked as a reader checks it, signed where @key is not NULL. */
int publish_manifest(const Publish *p, const ManifestBuilder *builder, const ManifestHead *head,
                     const struct SshPrivateKey *key, CreateReport *report, Fault *reterr);
