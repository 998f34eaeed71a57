#pragma once
/*
 * Making a snapshot: PREFIX.tar.zst and PREFIX.manifest.
 *
 * The archive is an ordinary .tar.zst (pax where needed) that `zstd -d | tar x`
 * restores; its frames begin at file boundaries: small files are packed by
 * directory up to about 1 MiB, large ones cut at 4 MiB, each cut a frame of its own.
 * Names are sorted, owners are 0, so that equal trees give equal bytes.
 */
#include "archive/fetch.h"
#include "archive/manifest.h"

typedef struct CreateOptions {
        int from_fd;          /* the directory */
        const char *from;     /* its name in messages */
        int output_fd;        /* directory of the output */
        const char *prefix;   /* file name without a suffix */
        char *const *protect; /* left out, matched as guard/match.h says; each with a notice */
        int level;            /* zstd's; 0: 3 */
        unsigned threads;     /* 0: one a CPU */
        const ManifestHead
                *about; /* family, chain, height, block_hash, software, expires, created; the rest is made */
        const char *key; /* path of an unencrypted OpenSSH Ed25519 private key; NULL: not signed */
        FetchControl *control;
} CreateOptions;

typedef struct CreateReport {
        uint64_t archive_size, plain_size, files, left_out;
        bool changed; /* something changed while this ran: not consistent */
        char archive_sha256[SHA256_HEX_SIZE], manifest_digest[SHA256_HEX_SIZE];
} CreateReport;

/*
 * Both files appear by rename when they are durable; nothing is left on failure.
 * Names that exist are never replaced: -EEXIST. Links, devices, sockets and ".muster-*"
 * at the top are left out with a notice; a name that no manifest may hold is -EINVAL.
 */
int create_snapshot(const CreateOptions *options, CreateReport *ret, Fault *reterr);

/* The chunked manifest of an archive that exists: PREFIX.manifest. @path is a regular file. */
int create_manifest(const CreateOptions *options, const char *path, CreateReport *ret, Fault *reterr);
