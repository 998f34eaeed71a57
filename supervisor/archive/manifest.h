#pragma once
/*
 * The manifest of a snapshot, PREFIX.manifest: what the archive is, and the
 * digests by which any part of it can be verified alone.
 *
 * On disk: a text head of "key: value" lines in a fixed order, an empty line,
 * binary tables (little-endian, packed, mapped and never parsed as a whole), and
 * behind them any number of armored SSHSIG signatures of all that stands before
 * the first one, namespace MANIFEST_NAMESPACE. `ssh-keygen -Y sign -n
 * snapshot.v1@muster` signs a manifest, and its .sig appended makes the signed one.
 * The exact layout is at the top of manifest.c.
 *
 * Chunked: the digests of consecutive chunks of any archive. Framed: a .tar.zst
 * of ours whose zstd frames can each be decoded and placed alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "crypto/sha256.h"
#include "util/fault.h"

#define MANIFEST_NAMESPACE "snapshot.v1@muster"
#define MANIFEST_SUFFIX    ".manifest"

/* Nothing larger is read; see RESTORE.md for what a TB takes. */
#define MANIFEST_SIZE_MAX ((uint64_t) 2 << 30)
#define MANIFEST_PATH_MAX 4096
#define MANIFEST_PART_MAX ((uint32_t) 16 << 20) /* longest chunk or frame, compressed and plain */

typedef enum ManifestMode { MANIFEST_CHUNKED, MANIFEST_FRAMED, _MANIFEST_MODE_MAX } ManifestMode;

typedef enum ArchiveCodec {
        ARCHIVE_TAR,
        ARCHIVE_TAR_ZSTD,
        ARCHIVE_TAR_LZ4,
        ARCHIVE_TAR_GZIP,
        ARCHIVE_TAR_XZ,
        _ARCHIVE_CODEC_MAX,
} ArchiveCodec;

const char *
archive_codec_to_string(ArchiveCodec codec); /* "tar", "tar.zst", "tar.lz4", "tar.gz", "tar.xz" */
ArchiveCodec archive_codec_from_string(const char *name); /* _ARCHIVE_CODEC_MAX if none */

/* Texts are owned, NULL where the maker did not say. */
typedef struct ManifestHead {
        ManifestMode mode;
        char *family;   /* chain family */
        char *chain;    /* chain id */
        int64_t height; /* -1: not said */
        char *block_hash;
        char *software;   /* what the node that it was taken of called itself */
        uint64_t created; /* seconds since 1970 */
        uint64_t expires; /* 0: never */
        ArchiveCodec codec;
        uint64_t archive_size;
        char archive_sha256[SHA256_HEX_SIZE];
        uint64_t plain_size; /* bytes of regular files; chunked: 0 if not known */
        uint64_t n_files;    /* entries, directories too; chunked: 0 if not known */
} ManifestHead;

void manifest_head_done(ManifestHead *head);

/* A chunk, or a compressed frame. */
typedef struct ManifestPart {
        uint64_t offset; /* in the archive */
        uint32_t length;
        uint32_t plain_length; /* of tar bytes; chunked: 0 */
        uint8_t sha256[32];    /* of the @length bytes as they are in the archive */
        uint64_t first_extent; /* framed: its extents are consecutive */
        uint32_t n_extents;
} ManifestPart;

/* Bytes of one regular file inside one frame. */
typedef struct ManifestExtent {
        uint64_t file;   /* index of a file */
        uint64_t offset; /* in the file; a multiple of MANIFEST_EXTENT_ALIGN */
        uint32_t length;
        uint32_t frame_offset; /* in the plain bytes of the frame; a multiple of 512 */
        uint8_t sha256[32];    /* of the plain bytes */
} ManifestExtent;

#define MANIFEST_EXTENT_ALIGN 4096 /* so that each can be written directly or reflinked by itself */

typedef struct ManifestFile {
        const char *path; /* borrowed, NUL-terminated; relative, no "." or ".." or "//", never ends in '/' */
        bool directory;
        uint64_t size;
        mode_t mode; /* 0777 at most */
        int64_t mtime_sec;
        uint32_t mtime_nsec;
} ManifestFile;

typedef struct Manifest Manifest;

/*
 * Takes over @fd (a regular file or memfd) and maps it. Everything is checked here:
 * afterwards every accessor's answer is in bounds, parts cover the archive
 * without a gap, extents cover every file exactly once, paths are clean, unique
 * and no file is another's directory. -EBADMSG: offset or line, what was found, what was expected.
 * Nothing is said about signatures.
 */
int manifest_open(int fd, const char *name, Manifest **ret, Fault *reterr);
Manifest *manifest_free(Manifest *m); /* returns NULL */
DEFINE_CLEANUP(Manifest *, manifest_free)

const ManifestHead *manifest_head(const Manifest *m);
size_t manifest_n_parts(const Manifest *m);
size_t manifest_n_extents(const Manifest *m); /* framed, else 0 */
size_t manifest_n_files(const Manifest *m);   /* framed, else 0 */
void manifest_part(const Manifest *m, size_t i, ManifestPart *ret);
void manifest_extent(const Manifest *m, size_t i, ManifestExtent *ret);
void manifest_file(const Manifest *m, size_t i, ManifestFile *ret);

/* The signed bytes, borrowed; and their digest, by which a manifest is pinned and partial restores are
 * keyed. */
void manifest_body(const Manifest *m, const void **ret, size_t *ret_size);
const char *manifest_digest(const Manifest *m); /* 64 hex digits */

/*
 * Who signed it and may: principals of @signers for MANIFEST_NAMESPACE at @now_sec,
 * owned strv, each once; empty if nobody. @ret_problems (may be NULL): a text that
 * says of each signature that does not count why; owned, NULL if there is none.
 * -EBADMSG: what stands behind the body is no signature.
 */
struct Signers;
int manifest_signed_by(const Manifest *m, const struct Signers *signers, uint64_t now_sec,
                       char ***ret_principals, char **ret_problems, Fault *reterr);

/* ---- Making one ---- */
typedef struct ManifestBuilder ManifestBuilder;

int manifest_builder_new(ManifestMode mode, ManifestBuilder **ret);
ManifestBuilder *manifest_builder_free(ManifestBuilder *b); /* returns NULL */
DEFINE_CLEANUP(ManifestBuilder *, manifest_builder_free)

/* Copied. 0 or -ENOMEM. Files are numbered in the order of their addition; extents belong to the next part.
 */
int manifest_builder_file(ManifestBuilder *b, const ManifestFile *file);
int manifest_builder_extent(ManifestBuilder *b, const ManifestExtent *extent);
int manifest_builder_part(ManifestBuilder *b,
                          const ManifestPart *part); /* its first_extent and n_extents are set here */

/* Writes the unsigned manifest to @fd, in which nothing is yet. */
int manifest_builder_write(const ManifestBuilder *b, const ManifestHead *head, int fd, Fault *reterr);
