#pragma once
/*
 * Framed snapshots for tests, made here and not by archive/create.h: of files in
 * memory, with small frames, and with whatever lie a test wants told. And a small
 * web server in a process of its own, which knows ranges.
 */
#include "archive/manifest.h"
#include "archive/tar-head.h"
#include "crypto/sha256.h"
#include "tests/unit/scratch.h"
#include "util/hex.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <zstd.h>

#define FRAMED_CUT (256 * 1024) /* plain bytes of a large file in one frame */

typedef struct FramedFile {
        const char *path;
        size_t size;   /* DIRECTORY: a directory */
        unsigned seed; /* of its bytes */
} FramedFile;

#define DIRECTORY SIZE_MAX

typedef struct Framed {
        int dirfd;
        ManifestBuilder *builder;
        int archive;
        uint64_t archive_size, n_frames;
        uint8_t *plain; /* of the frame that is being filled */
        size_t n_plain;
        Sha256 *digest;
        size_t lie_frame; /* counted from 1: its plain length is told wrong */
} Framed;

/* Half of it compresses. */
static inline uint8_t *framed_bytes(const FramedFile *file) {
        uint8_t *data = malloc(file->size + 1);
        uint64_t x = file->seed * 2654435761U + 88172645463325252U;

        assert_non_null(data);
        for (size_t i = 0; i < file->size; i++) {
                x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                data[i] = i & 4096 ? (uint8_t) file->seed : (uint8_t) x;
        }
        return data;
}

static inline void framed_digest(const void *data, size_t size, uint8_t ret[static 32]) {
        char hex[SHA256_HEX_SIZE];

        assert_int_equal(sha256_buffer_hex(data, size, hex), 0);
        assert_int_equal(hex_decode(hex, ret, 32), 0);
}

static inline void framed_flush(Framed *f) {
        size_t bound = ZSTD_compressBound(f->n_plain), n;
        cleanup_free_ uint8_t *packed = malloc(bound);
        ManifestPart part = { .offset = f->archive_size, .plain_length = (uint32_t) f->n_plain };

        if (f->n_plain == 0)
                return;
        n = ZSTD_compress(packed, bound, f->plain, f->n_plain, 1);
        assert_false(ZSTD_isError(n));
        part.length = (uint32_t) n;
        if (++f->n_frames == f->lie_frame)
                part.plain_length += 512;
        framed_digest(packed, n, part.sha256);
        assert_int_equal(manifest_builder_part(f->builder, &part), 0);
        assert_int_equal(write_all(f->archive, packed, n), 0);
        assert_int_equal(sha256_update(f->digest, packed, n), 0);
        f->archive_size += n;
        f->n_plain = 0;
}

static inline void framed_put(Framed *f, const void *data, size_t size) {
        memcpy(f->plain + f->n_plain, data, size);
        f->n_plain += size;
}

static inline void framed_add(Framed *f, const FramedFile *file, uint64_t index) {
        static const uint8_t zeros[TAR_BLOCK];
        const bool directory = file->size == DIRECTORY;
        const size_t size = directory ? 0 : file->size;
        uint8_t head[TAR_HEAD_MAX];
        cleanup_free_ uint8_t *data = directory ? NULL : framed_bytes(file);
        const ManifestFile entry = { .path = file->path,
                                     .directory = directory,
                                     .size = size,
                                     .mode = directory ? 0755 : 0640,
                                     .mtime_sec = 1700000000 };
        const TarEntry tar = { .path = file->path,
                               .directory = directory,
                               .size = size,
                               .mode = entry.mode,
                               .mtime_sec = entry.mtime_sec };

        if (f->n_plain > 0 && f->n_plain + size > FRAMED_CUT)
                framed_flush(f);
        assert_int_equal(manifest_builder_file(f->builder, &entry), 0);
        framed_put(f, head, tar_head_format(&tar, head));
        for (size_t at = 0; at < size;) {
                ManifestExtent extent = { .file = index,
                                          .offset = at,
                                          .frame_offset = (uint32_t) f->n_plain };

                extent.length = (uint32_t) (size - at < FRAMED_CUT ? size - at : FRAMED_CUT);
                framed_digest(data + at, extent.length, extent.sha256);
                framed_put(f, data + at, extent.length);
                assert_int_equal(manifest_builder_extent(f->builder, &extent), 0);
                at += extent.length;
                if (at == size)
                        framed_put(f, zeros, TAR_PADDING(size));
                if (at == size ? size > FRAMED_CUT : true)
                        framed_flush(f);
        }
}

/* @prefix.tar.zst and @prefix.manifest; @files end with a path of NULL. @about may be NULL. */
static inline void framed_make_lying(int dirfd, const char *prefix, const FramedFile *files,
                                     const ManifestHead *about, size_t lie_frame) {
        Framed f = { .dirfd = dirfd, .plain = malloc(4 * FRAMED_CUT), .lie_frame = lie_frame };
        ManifestHead head = about ? *about : (ManifestHead){ .height = -1, .created = 1700000000 };
        static const uint8_t end[TAR_END];
        char name[256];
        int fd;

        snprintf(name, sizeof name, "%s.tar.zst", prefix);
        f.archive = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(f.archive >= 0);
        assert_int_equal(sha256_new(&f.digest), 0);
        assert_int_equal(manifest_builder_new(MANIFEST_FRAMED, &f.builder), 0);
        for (uint64_t i = 0; files[i].path; i++)
                framed_add(&f, &files[i], i);
        framed_put(&f, end, sizeof end);
        framed_flush(&f);
        head.created = head.created ?: 1700000000;
        head.codec = ARCHIVE_TAR_ZSTD;
        head.archive_size = f.archive_size;
        assert_int_equal(sha256_final_hex(f.digest, head.archive_sha256), 0);
        snprintf(name, sizeof name, "%s.manifest", prefix);
        fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        {
                cleanup_fault_ Fault fault = {};
                int r = manifest_builder_write(f.builder, &head, fd, &fault);

                if (r < 0)
                        fail_msg("%s", fault_text(&fault, r));
        }
        close(fd);
        close(f.archive);
        manifest_builder_free(f.builder);
        sha256_free(f.digest);
        free(f.plain);
}

static inline void framed_make(int dirfd, const char *prefix, const FramedFile *files) {
        framed_make_lying(dirfd, prefix, files, NULL, 0);
}

static inline Manifest *framed_open(int dirfd, const char *name) {
        cleanup_fault_ Fault fault = {};
        int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC), r;
        Manifest *m = NULL;

        assert_true(fd >= 0);
        r = manifest_open(fd, name, &m, &fault);
        if (r < 0)
                fail_msg("%s", fault_text(&fault, r));
        return m;
}

/* Writes @files themselves, as a seed. */
static inline void framed_write_tree(int dirfd, const FramedFile *files) {
        for (; files->path; files++) {
                cleanup_free_ uint8_t *data = NULL;

                if (files->size == DIRECTORY) {
                        assert_return_code(mkdirat(dirfd, files->path, 0755), errno);
                        continue;
                }
                data = framed_bytes(files);
                put_file(dirfd, files->path, data, files->size, 0640);
        }
}

/* @dirfd holds @files below @strip ("a/" or ""), byte for byte, mode and time. */
static inline void framed_is_there(int dirfd, const FramedFile *files, const char *strip) {
        for (; files->path; files++) {
                const char *path = files->path + (str_starts(files->path, strip) ? strlen(strip) : 0);
                cleanup_free_ uint8_t *data = NULL;
                cleanup_free_ char *found = NULL;
                struct stat st;
                size_t n;

                if (str_eq(path, "") || (*strip && path == files->path))
                        continue;
                assert_return_code(fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW), errno);
                assert_int_equal(st.st_mtim.tv_sec, 1700000000);
                if (files->size == DIRECTORY) {
                        assert_true(S_ISDIR(st.st_mode));
                        continue;
                }
                assert_int_equal(st.st_mode, S_IFREG | 0640);
                data = framed_bytes(files);
                assert_int_equal(read_small_file(dirfd, path, (size_t) 1 << 30, &found, &n), 0);
                assert_int_equal(n, files->size);
                if (memcmp(found, data, n) != 0)
                        fail_msg("'%s' has other bytes", path);
        }
}

/* ---- A mirror ---- */

typedef struct Mirror {
        pid_t pid;
        unsigned port;
        char url[64]; /* "http://127.0.0.1:PORT", without a final slash */
} Mirror;

typedef struct MirrorHabits {
        uint64_t corrupt; /* counted from 1: the byte of the archive that comes wrong */
        uint64_t pace;    /* bytes a second of each connection; 0: all there is */
} MirrorHabits;

static inline void mirror_send(int to, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = send(to, p, size, MSG_NOSIGNAL);

                if (n <= 0)
                        _exit(0);
                p += n;
                size -= (size_t) n;
        }
}

static inline void mirror_body(int to, int fd, uint64_t from, uint64_t end, const MirrorHabits *habits,
                               bool archive) {
        char buffer[16384];

        while (from < end) {
                size_t want = end - from < sizeof buffer ? end - from : sizeof buffer;
                ssize_t n = pread(fd, buffer, want, (off_t) from);

                if (n <= 0)
                        _exit(0);
                if (archive && habits->corrupt > from && habits->corrupt <= from + (uint64_t) n)
                        buffer[habits->corrupt - 1 - from] ^= 1;
                mirror_send(to, buffer, (size_t) n);
                from += (uint64_t) n;
                if (habits->pace > 0)
                        usleep((useconds_t) ((uint64_t) n * USEC_PER_SEC / habits->pace));
        }
}

static inline void mirror_answer(int to, int dirfd, const char *request, const MirrorHabits *habits) {
        const char *range = strcasestr(request, "\r\nRange: bytes=");
        unsigned long long first = 0, last = UINT64_MAX;
        char path[512] = "", head[512];
        cleanup_fd_ int fd = -1;
        struct stat st;

        if (sscanf(request, "%*s /%500s", path) != 1)
                _exit(0);
        path[strcspn(path, "?")] = 0;
        fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0) {
                static const char absent[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

                mirror_send(to, absent, sizeof absent - 1);
                return;
        }
        if (range && sscanf(range + 15, "%llu-%llu", &first, &last) >= 1) {
                last = last >= (unsigned long long) st.st_size ? (unsigned long long) st.st_size - 1 : last;
                snprintf(head, sizeof head,
                         "HTTP/1.1 206 Partial Content\r\nETag: \"%s\"\r\nContent-Range: bytes "
                         "%llu-%llu/%lld\r\n"
                         "Content-Length: %llu\r\n\r\n",
                         path, first, last, (long long) st.st_size, last - first + 1);
        } else {
                last = (unsigned long long) st.st_size - 1;
                snprintf(head, sizeof head,
                         "HTTP/1.1 200 OK\r\nETag: \"%s\"\r\nContent-Length: %lld\r\n\r\n", path,
                         (long long) st.st_size);
        }
        mirror_send(to, head, strlen(head));
        if (!str_starts(request, "HEAD"))
                mirror_body(to, fd, first, last + 1, habits, strstr(path, ".tar") != NULL);
}

static inline void mirror_connection(int to, int dirfd, const MirrorHabits *habits) {
        char request[8192];
        size_t n = 0;

        for (;;) {
                ssize_t more = recv(to, request + n, sizeof request - 1 - n, 0);

                if (more <= 0)
                        _exit(0);
                n += (size_t) more;
                request[n] = 0;
                if (!strstr(request, "\r\n\r\n"))
                        continue;
                mirror_answer(to, dirfd, request, habits);
                n = 0;
        }
}

/* Serves @dirfd until mirror_stop(). A connection is a process, so that nothing here can be raced. */
static inline void mirror_start(Mirror *m, int dirfd, MirrorHabits habits) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t length = sizeof address;
        int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(listening >= 0);
        assert_return_code(bind(listening, (struct sockaddr *) &address, sizeof address), errno);
        assert_return_code(listen(listening, 64), errno);
        assert_return_code(getsockname(listening, (struct sockaddr *) &address, &length), errno);
        m->port = ntohs(address.sin_port);
        snprintf(m->url, sizeof m->url, "http://127.0.0.1:%u", m->port);
        m->pid = fork();
        assert_true(m->pid >= 0);
        if (m->pid > 0) {
                close(listening);
                return;
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
                int to = accept(listening, NULL, NULL);

                if (to < 0)
                        _exit(1);
                if (fork() == 0) {
                        prctl(PR_SET_PDEATHSIG, SIGKILL);
                        close(listening);
                        mirror_connection(to, dirfd, &habits);
                }
                close(to);
        }
}

static inline void mirror_stop(Mirror *m) {
        kill(m->pid, SIGKILL);
        waitpid(m->pid, NULL, 0);
}
