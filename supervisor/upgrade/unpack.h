#pragma once
/*
 * From a downloaded archive, or a bare binary, to files below a directory.
 *
 * What it is is decided by its content: ELF or "#!" is the binary itself;
 * .tar, .tar.gz, .tar.zst, .tar.xz and .zip are archives of regular files and
 * directories. Anything else in one (links of both kinds, devices, fifos,
 * setuid, setgid and sticky modes, "..", absolute paths, a path twice, bytes
 * after the end of a tar) is an error that names the entry. Owners, times and
 * extended attributes are ignored; modes become 0755 where the owner may
 * execute and 0644 else, because the node's user must be able to read them.
 */
#include <stdint.h>
#include <sys/types.h>
#include "util/fault.h"

#define UNPACK_FILES_MAX 10000
#define UNPACK_BYTES_MAX ((uint64_t) 8 << 30)

typedef struct UnpackOptions {
        const char *binary; /* wanted path of the binary, valid by release_path_is_valid() */
        uint64_t max_files; /* files and directories; 0: UNPACK_FILES_MAX */
        uint64_t max_bytes; /* 0: UNPACK_BYTES_MAX */
        void (*progress)(uint64_t read, uint64_t archive_size, uint64_t files, uint64_t bytes,
                         void *userdata);
        void *userdata;
} UnpackOptions;

typedef struct UnpackResult {
        char *binary; /* owned: the path it has below the directory */
        uint64_t files, bytes;
} UnpackResult;

void unpack_result_done(UnpackResult *result);

/*
 * Unpacks @archive_fd (a regular file, read from its beginning) below
 * @tree_dirfd, which must be empty. The binary is the entry at @binary, else
 * the only one that ends in "/" and @binary, else the only one of its base
 * name. It must be a script or ELF of this machine's architecture, and
 * becomes executable. Nothing is fsynced. On failure the tree is to be
 * removed by the caller. -EBADMSG: the archive is at fault, -ENOSPC, -errno.
 */
int unpack(int archive_fd, int tree_dirfd, const UnpackOptions *options, UnpackResult *ret, Fault *reterr);
