#pragma once
/*
 * The directory that a snapshot is unpacked into. What an archive names is
 * believed in nothing: only regular files and directories are made, below the
 * directory, through no link, with O_EXCL, mode & 0777; owner, links, devices,
 * ACLs, flags and times before 1970 are no matter of the archive.
 *
 * Paths are normalised ("./a//b/" is "a/b"); what is absolute, has "..", a
 * control character, is too long, names our own ".muster-*" at the top, or is a
 * file that comes twice, is refused. A directory may come twice: the last one counts, with u+rwx. Protected
 * names (keys, signing state) are matched after normalisation and after the prefix is stripped, without
 * regard to case, and are ignored with a notice: they are never written.
 *
 * Files of at least 64 KiB are written with O_DIRECT where the file system lets
 * us, so that the page cache stays the node's. Thread-safe unless said.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include "util/fault.h"

#define OUTPUT_E_IGNORED                                                                                    \
        1 /* protected, or outside the prefix: nothing is made, its bytes are to be skipped */

typedef struct Output Output;
typedef struct OutputFile OutputFile;

typedef struct OutputOptions {
        char *const *protect; /* patterns as guard/match.h; may be NULL */
        const char *prefix;   /* "data/": stripped; entries outside of it are ignored; NULL: none */
        uint64_t max_bytes;   /* plain bytes at most; 0: what the disk has room for */
        uint64_t max_files;   /* 0: what the disk has inodes for */
        bool buffered;        /* never O_DIRECT */
        bool resume;          /* files and directories that are there already are kept and continued */
        /* An entry that was ignored, and why; once each. May be NULL. Called under a lock. */
        void (*notice)(const char *path, const char *why, void *userdata);
        void *userdata;
} OutputOptions;

typedef struct OutputStats {
        uint64_t bytes, files,
                ignored; /* bytes: written and planned of regular files; files: entries made */
} OutputStats;

/* @dirfd stays the caller's and must outlive it. */
int output_new(int dirfd, const OutputOptions *options, Output **ret, Fault *reterr);
Output *output_free(Output *o); /* returns NULL; open files are closed */
DEFINE_CLEANUP(Output *, output_free)

/* Directories above are made as needed. 0, OUTPUT_E_IGNORED, -EBADMSG: refused, and why; -ENOSPC, -errno. */
int output_directory(Output *o, const char *path, mode_t mode, int64_t mtime_sec, uint32_t mtime_nsec,
                     Fault *reterr);

/* A regular file of exactly @size bytes. As output_directory(). */
int output_file_open(Output *o, const char *path, uint64_t size, mode_t mode, int64_t mtime_sec,
                     uint32_t mtime_nsec, OutputFile **ret, Fault *reterr);

/*
 * At @offset; several threads may write to one file. Direct where @data, @offset and
 * all but the last write's @size are aligned for it, else through an aligned
 * buffer or the page cache. -EFBIG beyond the size of the file.
 */
int output_file_write(OutputFile *f, const void *data, size_t size, uint64_t offset, Fault *reterr);

/* Shares @size bytes of @from_fd (FICLONERANGE); -EOPNOTSUPP where that is not possible: copy then. */
int output_file_clone(OutputFile *f, int from_fd, uint64_t from_offset, uint64_t size, uint64_t offset,
                      Fault *reterr);

/* Sets mode and times and closes. Always frees @f, also on failure. */
int output_file_close(OutputFile *f, Fault *reterr);

void output_stats(Output *o, OutputStats *ret);

/* Modes and times of directories, then syncfs(): what is there is durable. Not with open files. */
int output_finish(Output *o, Fault *reterr);

/*
 * Whether there is room for @bytes and @files more on the file system of @dirfd, with
 * what is left to the node (util/disk.h). 0, or -ENOSPC: how much is missing.
 */
int output_room(int dirfd, uint64_t bytes, uint64_t files, Fault *reterr);
