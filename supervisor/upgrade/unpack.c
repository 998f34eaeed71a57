/*
 * libarchive is used for the formats only. It never touches the file system:
 * names are judged here, and every file is made with O_EXCL under a directory
 * that was reached component by component without a link. A name that comes twice fails by
 * O_EXCL, a link cannot be followed because none is ever made.
 *
 * A crash leaves a half tree without MANIFEST, which the next attempt removes.
 */
#include "upgrade/unpack.h"
#include "upgrade/binary.h"
#include "upgrade/manifest.h"
#include "upgrade/plain.h"
#include "util/disk.h"
#include "util/durable.h"
#include "util/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define STEP             (256 * 1024)
#define CANDIDATES_SHOWN 10
#define SHOWN_MAX        120

typedef struct Unpacker {
        const UnpackOptions *options;
        int tree, archive_fd;
        uint64_t archive_size, max_files, max_bytes;
        uint64_t entries, directories, files, bytes;
        char **paths; /* of regular files */
        char *buffer;
        Plain *plain; /* NULL for zip */
        Fault plain_fault;
} Unpacker;

DEFINE_CLEANUP(struct archive *, archive_read_free)

static void unpacker_done(Unpacker *u) {
        strv_free(u->paths);
        free(u->buffer);
        plain_free(u->plain);
        fault_done(&u->plain_fault);
}

void unpack_result_done(UnpackResult *result) {
        free(result->binary);
        result->binary = NULL;
}

/* A name from an archive, fit for a terminal. Returns @buffer. */
static const char *shown(const char *name, char buffer[static SHOWN_MAX + 4]) {
        size_t n = 0;

        for (; name[n] && n < SHOWN_MAX; n++)
                buffer[n] = (unsigned char) name[n] < 0x20 || name[n] == 0x7f ? '?' : name[n];
        strcpy(buffer + n, name[n] ? "..." : "");
        return buffer;
}

/* Drops "." and doubled slashes; "" for the top itself. NULL *ret and a reason for what must not be. */
static const char *clean_path(const char *name, char **ret) {
        cleanup_free_ char *path = malloc(strlen(name) + 2);
        size_t n = 0;

        if (!path)
                return "out of memory";
        if (name[0] == '/')
                return "an absolute path";
        for (const char *p = name; *p;) {
                size_t length = strcspn(p, "/");

                if (length == 2 && memcmp(p, "..", 2) == 0)
                        return "a path with '..'";
                if (length > 0 && !(length == 1 && p[0] == '.')) {
                        if (n > 0)
                                path[n++] = '/';
                        memcpy(path + n, p, length);
                        n += length;
                }
                p += length;
                p += strspn(p, "/");
        }
        path[n] = 0;
        if (n > 0 && !release_path_is_valid(path))
                return "a path that is too long, too deep or has control characters";
        if (str_eq(path, MANIFEST_NAME) || str_eq(path, RELEASE_ARGUMENTS) ||
            str_eq(path, RELEASE_ENVIRONMENT))
                return "a name at the top that muster needs itself: pack it into a directory";
        *ret = TAKE_PTR(path);
        return NULL;
}

/* Opens the directory @name below @dirfd, making it as needed; its mode does not depend on the umask. */
static int enter_directory(int dirfd, const char *name, uint64_t *made) {
        cleanup_fd_ int fd = -1;
        bool fresh = mkdirat(dirfd, name, 0755) >= 0;

        if (!fresh && errno != EEXIST)
                return -errno;
        fd = release_open(dirfd, name, O_RDONLY | O_DIRECTORY);
        if (fd >= 0 && fresh && fchmod(fd, 0755) < 0)
                return -errno;
        *made += fresh;
        return TAKE_FD(fd);
}

/*
 * The directory that holds the last component of @path, or is @path itself
 * with @whole, made as needed. Directories that only paths imply count too:
 * 10,000 files of 64 levels each would be a bomb of inodes.
 */
static int open_directory(Unpacker *u, const char *path, bool whole, const char **ret_name, Fault *reterr) {
        cleanup_fd_ int fd = fcntl(u->tree, F_DUPFD_CLOEXEC, 3);
        const char *p = path;
        char name[NAME_MAX + 1];

        if (fd < 0)
                return -errno;
        while (*p) {
                size_t n = strcspn(p, "/");
                int next;

                if (!p[n] && !whole)
                        break;
                snprintf(name, sizeof name, "%.*s", (int) n, p);
                next = enter_directory(fd, name, &u->directories);
                if (next == -ENOTDIR || next == -ELOOP)
                        return fault_set(reterr, -EBADMSG,
                                         "Entry '%s' needs a directory where another entry is a file", path);
                if (next < 0)
                        return fault_errno(reterr, next, "Failed to make the directory of '%s'", path);
                if (u->directories > u->max_files) {
                        close(next);
                        return fault_set(reterr, -EBADMSG,
                                         "The archive has more than %" PRIu64 " directories", u->max_files);
                }
                close(fd);
                fd = next;
                p += n + (p[n] == '/');
        }
        *ret_name = p;
        return TAKE_FD(fd);
}

static int no_space(const Unpacker *u, const char *path, uint64_t need, Fault *reterr) {
        char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX], c[SIZE_TEXT_MAX];
        uint64_t room;
        int r;

        r = disk_room(u->tree, &room);
        if (r < 0)
                return r;
        return fault_set(reterr, -ENOSPC,
                         "No space to unpack '%s': %s needed beside the %s unpacked so far, %s may be taken "
                         "from the node's disk",
                         path, format_size(a, need), format_size(b, u->bytes), format_size(c, room));
}

/* Before a file of @size bytes: does it fit the caps and the disk? */
static int check_room(const Unpacker *u, const char *path, uint64_t size, Fault *reterr) {
        char most[SIZE_TEXT_MAX];
        uint64_t room;
        int r;

        if (size > u->max_bytes - u->bytes)
                return fault_set(reterr, -EBADMSG, "The archive unpacks to more than %s (at entry '%s')",
                                 format_size(most, u->max_bytes), path);
        r = disk_room(u->tree, &room);
        if (r < 0)
                return r;
        return size > room ? no_space(u, path, size, reterr) : 0;
}

static int create_file(Unpacker *u, const char *path, bool executable, Fault *reterr) {
        cleanup_fd_ int parent = -1, fd = -1;
        const char *name;

        parent = open_directory(u, path, false, &name, reterr);
        if (parent < 0)
                return parent;
        fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST)
                return fault_set(reterr, -EBADMSG, "Entry '%s' comes twice", path);
        if (fd < 0 && errno == ENOSPC)
                return no_space(u, path, 0, reterr);
        if (fd < 0 || fchmod(fd, executable ? 0755 : 0644) < 0)
                return fault_errno(reterr, -errno, "Failed to make '%s'", path);
        if (strv_append(&u->paths, path) < 0)
                return -ENOMEM;
        u->files++;
        return TAKE_FD(fd);
}

/* A zip may tell no size, or a false one: each piece is checked again. */
static int write_some(Unpacker *u, int fd, const char *path, size_t size, Fault *reterr) {
        int r;

        r = check_room(u, path, size, reterr);
        if (r < 0)
                return r;
        r = write_all(fd, u->buffer, size);
        if (r == -ENOSPC)
                return no_space(u, path, size, reterr);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to write '%s'", path);
        u->bytes += size;
        return 0;
}

static void show(Unpacker *u, struct archive *a) {
        uint64_t done = u->plain ? plain_consumed(u->plain) : (uint64_t) archive_filter_bytes(a, -1);

        if (u->options->progress)
                u->options->progress(done, u->archive_size, u->files, u->bytes, u->options->userdata);
}

/* The archive's own complaint, or that of the decompressor below it. */
static int archive_failed(const Unpacker *u, struct archive *a, const char *where, Fault *reterr) {
        if (u->plain_fault.text)
                return fault_set(reterr, -EBADMSG, "%s", u->plain_fault.text);
        return fault_set(reterr, -EBADMSG, "The archive is damaged at %s: %s", where,
                         archive_error_string(a) ?: "no reason known");
}

static int unpack_file(Unpacker *u, struct archive *a, struct archive_entry *entry, const char *path,
                       Fault *reterr) {
        cleanup_fd_ int fd = -1;
        bool told = archive_entry_size_is_set(entry);
        uint64_t size = told ? (uint64_t) archive_entry_size(entry) : 0, left = told ? size : UINT64_MAX;
        int r;

        r = check_room(u, path, size, reterr);
        if (r < 0)
                return r;
        fd = create_file(u, path, archive_entry_perm(entry) & 0100, reterr);
        if (fd < 0)
                return fd;
        for (;;) {
                la_ssize_t n = archive_read_data(a, u->buffer, STEP);

                if (n < 0)
                        return archive_failed(u, a, path, reterr);
                if (n == 0)
                        return 0;
                if ((uint64_t) n > left)
                        return fault_set(reterr, -EBADMSG,
                                         "Entry '%s' has more than the %" PRIu64
                                         " bytes that the archive tells",
                                         path, size);
                left -= (uint64_t) n;
                r = write_some(u, fd, path, (size_t) n, reterr);
                if (r < 0)
                        return r;
                show(u, a);
        }
}

static int unpack_directory(Unpacker *u, const char *path, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        const char *name;

        fd = open_directory(u, path, true, &name, reterr);
        return fd < 0 ? fd : 0;
}

/* What an entry is, if that must not be in a release; else NULL. */
static const char *forbidden(struct archive_entry *entry) {
        if (archive_entry_hardlink(entry))
                return "a hard link";
        if (archive_entry_perm(entry) & S_ISUID)
                return "setuid";
        if (archive_entry_perm(entry) & S_ISGID)
                return "setgid";
        if (archive_entry_perm(entry) & S_ISVTX)
                return "sticky";
        switch (archive_entry_filetype(entry)) {
        case AE_IFREG:
        case AE_IFDIR:
                return NULL;
        case AE_IFLNK:
                return "a symbolic link";
        case AE_IFCHR:
        case AE_IFBLK:
                return "a device";
        case AE_IFIFO:
                return "a fifo";
        case AE_IFSOCK:
                return "a socket";
        default:
                return "of an unknown type";
        }
}

static int unpack_entry(Unpacker *u, struct archive *a, struct archive_entry *entry, Fault *reterr) {
        const char *name = archive_entry_pathname(entry), *why;
        cleanup_free_ char *path = NULL;
        char buffer[SHOWN_MAX + 4];

        if (++u->entries > u->max_files)
                return fault_set(reterr, -EBADMSG, "The archive has more than %" PRIu64 " entries",
                                 u->max_files);
        if (!name || !*name)
                return fault_set(reterr, -EBADMSG, "Entry %" PRIu64 " has no name, or one that is not UTF-8",
                                 u->entries);
        why = forbidden(entry) ?: clean_path(name, &path);
        if (why)
                return fault_set(reterr, -EBADMSG,
                                 "Entry '%s' is %s: a release has only plain files and directories "
                                 "below its own directory",
                                 shown(name, buffer), why);
        if (archive_entry_filetype(entry) == AE_IFDIR)
                return unpack_directory(u, path, reterr);
        if (!*path)
                return fault_set(reterr, -EBADMSG, "Entry '%s' has no file name", shown(name, buffer));
        return unpack_file(u, a, entry, path, reterr);
}

static int unpack_entries(Unpacker *u, struct archive *a, Fault *reterr) {
        for (;;) {
                struct archive_entry *entry;
                char where[40];
                int r;

                r = archive_read_next_header(a, &entry);
                if (r == ARCHIVE_EOF)
                        break;
                if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
                        snprintf(where, sizeof where, "entry %" PRIu64, u->entries + 1);
                        return archive_failed(u, a, where, reterr);
                }
                r = unpack_entry(u, a, entry, reterr);
                if (r < 0)
                        return r;
        }
        return u->files > 0 ? 0 : fault_set(reterr, -EBADMSG, "The archive holds no file");
}

static la_ssize_t on_read(struct archive *a, void *userdata, const void **ret) {
        Unpacker *u = userdata;
        ssize_t n = plain_read(u->plain, ret, &u->plain_fault);

        if (n < 0)
                archive_set_error(a, (int) -n, "%s", fault_text(&u->plain_fault, (int) n));
        return n < 0 ? -1 : n;
}

/* What follows the end of a tar must be nothing but padding, and nothing may follow the compressed data. */
static int check_tail(Unpacker *u, struct archive *a, Fault *reterr) {
        uint64_t end = (uint64_t) archive_filter_bytes(a, 0);
        const void *block;
        ssize_t n;

        while ((n = plain_read(u->plain, &block, reterr)) > 0)
                ;
        if (n < 0)
                return (int) n == -EFBIG ? -EBADMSG : (int) n;
        if (plain_after_data(u->plain) > end)
                return fault_set(reterr, -EBADMSG,
                                 "The archive has other data behind its end at offset %" PRIu64, end);
        return plain_finish(u->plain, reterr);
}

static int unpack_tar(Unpacker *u, Fault *reterr) {
        cleanup_(archive_read_freep) struct archive *a = archive_read_new();
        const uint64_t headers = u->max_files * 2048 + ((uint64_t) 64 << 20);
        int r;

        if (!a)
                return -ENOMEM;
        r = plain_open(u->archive_fd, u->max_bytes + headers, &u->plain, reterr);
        if (r < 0)
                return r;
        if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
            archive_read_open(a, u, NULL, on_read, NULL) != ARCHIVE_OK)
                return fault_set(
                        reterr, -EBADMSG,
                        "%s: expected an ELF binary, a script, or .tar, .tar.gz, .tar.zst, .tar.xz or .zip",
                        u->plain_fault.text ?: "The download is no release");
        r = unpack_entries(u, a, reterr);
        return r >= 0 ? check_tail(u, a, reterr) : r;
}

static int unpack_zip(Unpacker *u, Fault *reterr) {
        cleanup_(archive_read_freep) struct archive *a = archive_read_new();

        if (!a)
                return -ENOMEM;
        if (lseek(u->archive_fd, 0, SEEK_SET) < 0)
                return -errno;
        if (archive_read_support_format_zip_seekable(a) != ARCHIVE_OK ||
            archive_read_open_fd(a, u->archive_fd, STEP) != ARCHIVE_OK)
                return fault_set(reterr, -EBADMSG, "The zip archive is damaged: %s",
                                 archive_error_string(a) ?: "no central directory");
        return unpack_entries(u, a, reterr);
}

/* The whole file is the binary: it goes to where it is wanted. */
static int unpack_bare(Unpacker *u, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        int r;

        r = check_room(u, u->options->binary, u->archive_size, reterr);
        if (r < 0)
                return r;
        fd = create_file(u, u->options->binary, true, reterr);
        if (fd < 0)
                return fd;
        if (lseek(u->archive_fd, 0, SEEK_SET) < 0)
                return -errno;
        for (;;) {
                ssize_t n = read(u->archive_fd, u->buffer, STEP);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fault_errno(reterr, -errno, "Failed to read the download");
                if (n == 0)
                        return 0;
                r = write_some(u, fd, u->options->binary, (size_t) n, reterr);
                if (r < 0)
                        return r;
                if (u->options->progress)
                        u->options->progress(u->bytes, u->archive_size, 1, u->bytes, u->options->userdata);
        }
}

typedef bool (*PathMatch)(const char *path, const char *wanted);

static bool is_below(const char *path, const char *wanted) {
        size_t n = strlen(path), m = strlen(wanted);

        return n > m && path[n - m - 1] == '/' && str_ends(path, wanted);
}

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static bool has_base_name(const char *path, const char *wanted) {
        return str_eq(base_name(path), base_name(wanted));
}

/* How many files match; *ret_path is the last one. */
static size_t count_matches(char *const *paths, PathMatch match, const char *wanted, const char **ret_path) {
        size_t count = 0;

        STRV_FOREACH (p, paths)
                if (match(*p, wanted)) {
                        *ret_path = *p;
                        count++;
                }
        return count;
}

/* "a, b, c and 4 more" of what matches, or of all files when @match is NULL. */
static int list_candidates(char *const *paths, PathMatch match, const char *wanted, char **ret) {
        cleanup_free_ char *text = NULL;
        size_t size, count = 0;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        STRV_FOREACH (p, paths)
                if (!match || match(*p, wanted)) {
                        if (count < CANDIDATES_SHOWN)
                                fprintf(f, "%s%s", count > 0 ? ", " : "", *p);
                        count++;
                }
        if (count > CANDIDATES_SHOWN)
                fprintf(f, " and %zu more", count - CANDIDATES_SHOWN);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

static int find_binary(const Unpacker *u, const char **ret, Fault *reterr) {
        static const PathMatch rules[] = { is_below, has_base_name };
        const char *wanted = u->options->binary;
        cleanup_free_ char *list = NULL;

        if (strv_contains(u->paths, wanted)) {
                *ret = wanted;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(rules); i++) {
                size_t count = count_matches(u->paths, rules[i], wanted, ret);

                if (count == 1)
                        return 0;
                if (count == 0)
                        continue;
                if (list_candidates(u->paths, rules[i], wanted, &list) < 0)
                        return -ENOMEM;
                return fault_set(reterr, -EBADMSG,
                                 "The archive has %zu files that could be the binary '%s': %s; name one by "
                                 "its whole path",
                                 count, wanted, list);
        }
        if (list_candidates(u->paths, NULL, wanted, &list) < 0)
                return -ENOMEM;
        return fault_set(reterr, -EBADMSG, "The archive has no binary '%s'; its files are: %s", wanted,
                         list);
}

static int finish_binary(Unpacker *u, UnpackResult *ret, Fault *reterr) {
        cleanup_fd_ int fd = -1;
        const char *path = NULL;
        int r;

        r = find_binary(u, &path, reterr);
        if (r < 0)
                return r;
        fd = release_open(u->tree, path, O_RDONLY);
        if (fd < 0)
                return fault_errno(reterr, fd, "Failed to open '%s'", path);
        r = binary_check(fd, path, reterr);
        if (r < 0)
                return r == -ENOEXEC ? -EBADMSG : r;
        if (fchmod(fd, 0755) < 0)
                return fault_errno(reterr, -errno, "Failed to make '%s' executable", path);
        ret->binary = strdup(path);
        ret->files = u->files;
        ret->bytes = u->bytes;
        return ret->binary ? 0 : -ENOMEM;
}

int unpack(int archive_fd, int tree_dirfd, const UnpackOptions *options, UnpackResult *ret, Fault *reterr) {
        cleanup_(unpacker_done) Unpacker u = {
                .options = options,
                .tree = tree_dirfd,
                .archive_fd = archive_fd,
                .max_files = options->max_files ?: UNPACK_FILES_MAX,
                .max_bytes = options->max_bytes ?: UNPACK_BYTES_MAX,
                .buffer = malloc(STEP),
        };
        char head[4];
        struct stat st;
        ssize_t n;
        int r;

        if (!u.buffer)
                return -ENOMEM;
        n = pread(archive_fd, head, sizeof head, 0);
        if (n < 0 || fstat(archive_fd, &st) < 0)
                return fault_errno(reterr, -errno, "Failed to read the download");
        if (n == 0)
                return fault_set(reterr, -EBADMSG, "The download is empty");
        u.archive_size = (uint64_t) st.st_size;
        if (binary_is_bare(head, (size_t) n))
                r = unpack_bare(&u, reterr);
        else if (n == 4 && memcmp(head, "PK\3\4", 4) == 0)
                r = unpack_zip(&u, reterr);
        else
                r = unpack_tar(&u, reterr);
        return r >= 0 ? finish_binary(&u, ret, reterr) : r;
}
