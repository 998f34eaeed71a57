/*
 * Archives as tools make them and as an attacker would, header by header, from a
 * file to a directory through all the threads.
 */
#include "archive/stream.h"
#include "tests/unit/scratch.h"
#include "util/hex.h"

#include <archive.h>
#include <archive_entry.h>
#include <zstd.h>

typedef struct Tar {
        uint8_t *data;
        size_t size, room;
} Tar;

static void add(Tar *t, const void *data, size_t size) {
        if (t->size + size > t->room) {
                t->room = 2 * (t->size + size) + 65536;
                t->data = realloc(t->data, t->room);
        }
        if (data)
                memcpy(t->data + t->size, data, size);
        else
                memset(t->data + t->size, 0, size);
        t->size += size;
}

static void put_octal(char *field, size_t n, uint64_t value) {
        if (value >> (3 * (n - 1))) { /* base 256 */
                memset(field, 0, n);
                field[0] = (char) 0x80;
                for (size_t i = 0; i < 8; i++)
                        field[n - 1 - i] = (char) (value >> (8 * i));
        } else
                snprintf(field, n, "%0*llo", (int) n - 1, (unsigned long long) value);
}

static void add_header(Tar *t, const char *name, char type, unsigned mode, uint64_t size, const char *link) {
        char h[512] = { 0 };
        unsigned sum = 0;

        memcpy(h, name, strnlen(name, 100));
        put_octal(h + 100, 8, mode);
        put_octal(h + 108, 8, 0);
        put_octal(h + 116, 8, 0);
        put_octal(h + 124, 12, size);
        put_octal(h + 136, 12, 1000);
        memset(h + 148, ' ', 8);
        h[156] = type;
        if (link)
                strcpy(h + 157, link);
        memcpy(h + 257, "ustar\00000", 8);
        for (size_t i = 0; i < sizeof h; i++)
                sum += (unsigned char) h[i];
        snprintf(h + 148, 8, "%06o", sum & 0777777);
        add(t, h, sizeof h);
}

static void add_data(Tar *t, const void *data, size_t size) {
        add(t, data, size);
        add(t, NULL, (512 - size % 512) % 512);
}

static void add_file(Tar *t, const char *name, const void *data, size_t size) {
        add_header(t, name, '0', 0644, size, NULL);
        add_data(t, data, size);
}

static void add_end(Tar *t) {
        add(t, NULL, 1024);
}

static void tar_done(Tar *t) {
        free(t->data);
}
#define cleanup_tar_ cleanup_(tar_done)

static void fill(uint8_t *data, size_t size) {
        uint32_t seed = 5;

        for (size_t i = 0; i < size; i++) {
                seed = seed * 1664525 + 1013904223;
                data[i] = (uint8_t) (i % 3000 < 1000 ? seed >> 24 : 'a' + i % 7);
        }
}

/* ---- One run ---- */

typedef struct Run {
        ArchiveCodec codec;
        const Manifest *manifest;
        const char *sha256;
        uint32_t part; /* 0: 64 KiB */
        FetchControl *control;
        OutputStats stats;
        RangesStats mirrors;
} Run;

static void manifest_part_of(size_t i, uint64_t *ret_offset, uint32_t *ret_length, void *userdata) {
        ManifestPart part;

        manifest_part(userdata, i, &part);
        *ret_offset = part.offset;
        *ret_length = part.length;
}

static int unpack_file(const Scratch *s, const char *name, const char *other, Run *run, Fault *fault) {
        cleanup_free_ char *path = NULL, *second = NULL;
        static char *const protect[] = { (char *) "data/priv_validator_state.json", NULL };
        OutputOptions output_options = { .protect = protect };
        cleanup_(output_freep) Output *output = NULL;
        cleanup_(ranges_freep) Ranges *ranges = NULL;
        cleanup_fd_ int into = -1;
        int r;

        (void) tree_remove(s->fd, "into", NULL);
        assert_int_equal(mkdirat(s->fd, "into", 0755), 0);
        into = openat(s->fd, "into", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(output_new(into, &output_options, &output, fault), 0);
        assert_true(asprintf(&path, "%s/%s", s->path, name) > 0);
        assert_true(asprintf(&second, "%s/%s", s->path, other ?: "") > 0);
        char *sources[] = { path, other ? second : NULL, NULL };
        RangesOptions ranges_options = { .sources = sources,
                                         .part_max = run->part ?: 65536,
                                         .in_order = true };
        if (run->manifest) {
                ranges_options.size = manifest_head(run->manifest)->archive_size;
                ranges_options.part = manifest_part_of;
                ranges_options.n_parts = manifest_n_parts(run->manifest);
                ranges_options.userdata = (void *) (uintptr_t) run->manifest;
        }
        r = ranges_open(&ranges_options, &ranges, fault);
        if (r < 0)
                return r;
        const StreamOptions options = { .ranges = ranges,
                                        .manifest = run->manifest,
                                        .sha256 = run->sha256,
                                        .codec = run->codec,
                                        .output = output,
                                        .control = run->control };
        r = stream_unpack(&options, fault);
        output_stats(output, &run->stats);
        ranges_stats(ranges, &run->mirrors);
        return r < 0 ? r : output_finish(output, fault);
}

static int unpack(const Scratch *s, const void *data, size_t size, Run *run, Fault *fault) {
        put_file(s->fd, "archive", data, size, 0644);
        return unpack_file(s, "archive", NULL, run, fault);
}

static int unpack_tar(const Scratch *s, const Tar *t, Fault *fault) {
        Run run = { .codec = ARCHIVE_TAR };

        return unpack(s, t->data, t->size, &run, fault);
}

static Tar compressed(const Tar *t) {
        Tar z = { .room = ZSTD_compressBound(t->size) };

        z.data = malloc(z.room);
        z.size = ZSTD_compress(z.data, z.room, t->data, t->size, 1);
        return z;
}

static void check_file(const Scratch *s, const char *name, const void *data, size_t size) {
        cleanup_free_ char *path = NULL, *text = NULL;
        size_t n;

        assert_true(asprintf(&path, "into/%s", name) > 0);
        assert_int_equal(read_small_file(s->fd, path, 128 << 20, &text, &n), 0);
        assert_int_equal(n, size);
        assert_memory_equal(text, data, size);
}

/* ---- What is right ---- */

static Tar sample_tar(size_t large, uint8_t **ret) {
        uint8_t *data = malloc(large);
        Tar t = { 0 };

        fill(data, large);
        add_header(&t, "./", '5', 0755, 0, NULL);
        add_header(&t, "d/", '5', 0700, 0, NULL);
        add_file(&t, "d/small", "small", 5);
        add_file(&t, "large", data, large);
        add_file(&t, "empty", NULL, 0);
        add_file(&t, "odd", data + 1, 70001);
        add_end(&t);
        *ret = data;
        return t;
}

static void an_archive_is_unpacked_by_every_codec(void **ctx) {
        static const int filters[] = { [ARCHIVE_TAR] = ARCHIVE_FILTER_NONE,
                                       [ARCHIVE_TAR_ZSTD] = ARCHIVE_FILTER_ZSTD,
                                       [ARCHIVE_TAR_LZ4] = ARCHIVE_FILTER_LZ4,
                                       [ARCHIVE_TAR_GZIP] = ARCHIVE_FILTER_GZIP,
                                       [ARCHIVE_TAR_XZ] = ARCHIVE_FILTER_XZ };
        const size_t large = 300000;
        cleanup_free_ uint8_t *data = malloc(large);
        cleanup_free_ char *out = malloc(1 << 20);

        fill(data, large);
        for (ArchiveCodec codec = 0; codec < _ARCHIVE_CODEC_MAX; codec++) {
                struct archive *a = archive_write_new();
                cleanup_fault_ Fault fault = { 0 };
                Run run = { .codec = codec % 2 ? codec : _ARCHIVE_CODEC_MAX };
                size_t size;

                assert_int_equal(archive_write_set_format_pax(a), ARCHIVE_OK);
                assert_int_equal(archive_write_add_filter(a, filters[codec]), ARCHIVE_OK);
                assert_int_equal(archive_write_set_bytes_in_last_block(a, 1), ARCHIVE_OK);
                assert_int_equal(archive_write_open_memory(a, out, 1 << 20, &size), ARCHIVE_OK);
                for (int i = 0; i < 2; i++) {
                        struct archive_entry *e = archive_entry_new();

                        archive_entry_set_filetype(e, AE_IFREG);
                        archive_entry_set_perm(e, 04755);
                        archive_entry_set_mtime(e, 1234, 567);
                        archive_entry_set_pathname(e, i ? "data/b" : "data/a");
                        archive_entry_set_size(e, (la_int64_t) large);
                        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
                        assert_int_equal(archive_write_data(a, data, large), large);
                        archive_entry_free(e);
                }
                assert_int_equal(archive_write_close(a), ARCHIVE_OK);
                archive_write_free(a);
                if (unpack(*ctx, out, size, &run, &fault) < 0)
                        fail_msg("%s: %s", archive_codec_to_string(codec), fault.text);
                check_file(*ctx, "data/a", data, large);
                check_file(*ctx, "data/b", data, large);
                assert_int_equal(run.stats.bytes, 2 * large);
        }
}

static void blocks_are_cut_and_joined_without_loss(void **ctx) {
        static const size_t extra[] = { 0, 1, 511, 4096 * 3 + 700 };

        for (size_t i = 0; i < ELEMENTSOF(extra); i++) {
                cleanup_fault_ Fault fault = { 0 };
                cleanup_free_ uint8_t *data = NULL;
                const size_t large = (13 << 20) + extra[i];
                cleanup_tar_ Tar t = sample_tar(large, &data);
                cleanup_tar_ Tar z = compressed(&t);
                Run run = { .codec = ARCHIVE_TAR_ZSTD, .part = 1 << 20 };

                if (unpack(*ctx, z.data, z.size, &run, &fault) < 0)
                        fail_msg("%s", fault.text);
                check_file(*ctx, "large", data, large);
                check_file(*ctx, "odd", data + 1, 70001);
                check_file(*ctx, "d/small", "small", 5);
                check_file(*ctx, "empty", "", 0);
        }
}

static void long_and_foreign_names_arrive(void **ctx) {
        static const char record[] = "25 path=pax/gr\xc3\xbc\xc3\x9f"
                                     "e.long\n";
        cleanup_fault_ Fault fault = { 0 };
        cleanup_tar_ Tar t = { 0 };
        char name[201];

        memset(name, 'n', 200);
        name[100] = '/';
        name[200] = 0;
        assert_int_equal(strlen(record), 25);
        add_header(&t, "././@LongLink", 'L', 0644, sizeof name, NULL);
        add_data(&t, name, sizeof name);
        add_file(&t, "short", "gnu", 3);
        add_header(&t, "PaxHeaders/x", 'x', 0644, strlen(record), NULL);
        add_data(&t, record, strlen(record));
        add_file(&t, "x", "pax", 3);
        add_end(&t);
        if (unpack_tar(*ctx, &t, &fault) < 0)
                fail_msg("%s", fault.text);
        check_file(*ctx, name, "gnu", 3);
        check_file(*ctx,
                   "pax/gr\xc3\xbc\xc3\x9f"
                   "e.long",
                   "pax", 3);
}

/* ---- What is hostile ---- */

static void everything_but_files_and_directories_is_refused(void **ctx) {
        static const struct {
                char type;
                const char *word;
        } bad[] = { { '1', "hard link" },
                    { '2', "symbolic link" },
                    { '3', "device" },
                    { '4', "device" },
                    { '6', "fifo" } };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = { 0 };
                cleanup_tar_ Tar t = { 0 };

                add_file(&t, "first", "x", 1);
                add_header(&t, "evil", bad[i].type, 0644, 0, "first");
                add_end(&t);
                assert_int_equal(unpack_tar(*ctx, &t, &fault), -EBADMSG);
                assert_says(&fault, "'evil'");
                assert_says(&fault, bad[i].word);
                assert_int_equal(faccessat(((Scratch *) *ctx)->fd, "into/evil", F_OK, AT_SYMLINK_NOFOLLOW),
                                 -1);
        }
}

static void names_that_lead_out_or_come_twice_are_refused(void **ctx) {
        static const struct {
                const char *name, *word;
        } bad[] = { { "../evil", "'..'" },           { "/evil", "absolute" }, { "a/../../evil", "'..'" },
                    { ".muster-partial", "muster" }, { "first", "twice" },    { "first/x", "directory" },
                    { "./first", "twice" } };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = { 0 };
                cleanup_tar_ Tar t = { 0 };

                add_file(&t, "first", "x", 1);
                add_file(&t, bad[i].name, "y", 1);
                add_end(&t);
                assert_int_equal(unpack_tar(*ctx, &t, &fault), -EBADMSG);
                assert_says(&fault, bad[i].word);
        }
        assert_int_equal(faccessat(((Scratch *) *ctx)->fd, "evil", F_OK, 0), -1);
}

static void protected_names_are_passed_over_with_their_data(void **ctx) {
        cleanup_free_ uint8_t *data = malloc(5 << 20);
        cleanup_fault_ Fault fault = { 0 };
        cleanup_tar_ Tar t = { 0 };
        Run run = { .codec = ARCHIVE_TAR };

        fill(data, 5 << 20);
        add_file(&t, "./Data//Priv_validator_state.json", data, 5 << 20);
        add_header(&t, "data/priv_validator_state.json", '5', 0755, 0, NULL);
        add_file(&t, "data/other", "x", 1);
        add_end(&t);
        if (unpack(*ctx, t.data, t.size, &run, &fault) < 0)
                fail_msg("%s", fault.text);
        assert_int_equal(run.stats.ignored, 2);
        check_file(*ctx, "data/other", "x", 1);
        assert_int_equal(faccessat(((Scratch *) *ctx)->fd, "into/data/priv_validator_state.json", F_OK, 0),
                         -1);
}

static void sizes_that_are_claimed_only_are_not_believed(void **ctx) {
        static const uint64_t claims[] = { 1000, (uint64_t) 9 << 30, (uint64_t) 1 << 60 };

        for (size_t i = 0; i < ELEMENTSOF(claims); i++) {
                cleanup_fault_ Fault fault = { 0 };
                cleanup_tar_ Tar t = { 0 };
                int r;

                add_header(&t, "claims", '0', 0644, claims[i], NULL);
                add_data(&t, "x", 1);
                r = unpack_tar(*ctx, &t, &fault);
                assert_true(r == -EBADMSG || (r == -ENOSPC && i > 0));
                assert_says(&fault, "claims");
        }
}

/* Old GNU: a map in the header. */
static void add_sparse(Tar *t, const char *name, uint64_t size, uint64_t offset, const void *data,
                       size_t n) {
        unsigned sum = 0;
        uint8_t *h;

        add_header(t, name, 'S', 0644, n, NULL);
        h = t->data + t->size - 512;
        memcpy(h + 257, "ustar  ", 8);
        put_octal((char *) h + 386, 12, offset);
        put_octal((char *) h + 398, 12, n);
        put_octal((char *) h + 483, 12, size);
        memset(h + 148, ' ', 8);
        for (size_t i = 0; i < 512; i++)
                sum += h[i];
        snprintf((char *) h + 148, 8, "%06o", sum & 0777777);
        add_data(t, data, n);
}

static void sparse_files_are_honoured_as_far_as_the_disk_goes(void **ctx) {
        cleanup_fault_ Fault fault = { 0 };
        cleanup_tar_ Tar good = { 0 }, bomb = { 0 };
        const Scratch *s = *ctx;
        cleanup_fd_ int fd = -1;
        uint8_t back[4];
        int r;

        add_sparse(&good, "sparse", ((uint64_t) 5 << 30) + 4, (uint64_t) 5 << 30, "tail", 4);
        add_end(&good);
        r = unpack_tar(*ctx, &good, &fault);
        if (r == -ENOSPC)
                skip();
        if (r < 0)
                fail_msg("%s", fault.text);
        fd = openat(s->fd, "into/sparse", O_RDONLY | O_CLOEXEC);
        assert_int_equal(pread(fd, back, 4, (off_t) 5 << 30), 4);
        assert_memory_equal(back, "tail", 4);
        add_sparse(&bomb, "bomb", (uint64_t) 1 << 55, 0, "head", 4);
        add_end(&bomb);
        assert_int_equal(unpack_tar(*ctx, &bomb, &fault), -ENOSPC);
        assert_says(&fault, "No space to unpack 'bomb'");
}

static void what_follows_the_end_of_the_tar_is_an_error(void **ctx) {
        cleanup_fault_ Fault fault = { 0 };
        cleanup_tar_ Tar t = { 0 };

        add_file(&t, "first", "x", 1);
        add_end(&t);
        add(&t, NULL, 9000); /* padding is fine */
        assert_int_equal(unpack_tar(*ctx, &t, NULL), 0);
        add(&t, "x", 1);
        assert_int_equal(unpack_tar(*ctx, &t, &fault), -EBADMSG);
        assert_says(&fault, "offset 11048");
}

static void a_cut_is_noticed_wherever_it_is(void **ctx) {
        cleanup_tar_ Tar t = { 0 };

        add_file(&t, "first", "x", 1);
        add_header(&t, "dir", '5', 0755, 0, NULL);
        add_file(&t, "second", "y", 1);
        for (size_t size = 0; size <= t.size; size += size % 512 == 0 ? 511 : 1) {
                cleanup_fault_ Fault fault = { 0 };
                Tar cut = { .data = t.data, .size = size };
                int r = unpack_tar(*ctx, &cut, &fault);

                /* An empty file has nothing to fetch: the mirrors are told so already. */
                if (r != -EBADMSG && !(size == 0 && r == -EREMOTEIO))
                        fail_msg("cut at %zu: %d %s", size, r, fault.text ?: "");
        }
}

static void an_error_page_is_called_so(void **ctx) {
        static const char html[] = "<html><body>404 not found</body></html>";
        cleanup_fault_ Fault fault = { 0 };
        Run run = { .codec = _ARCHIVE_CODEC_MAX };

        assert_int_equal(unpack(*ctx, html, strlen(html), &run, &fault), -EBADMSG);
        assert_says(&fault, "<html><body>404");
}

/* ---- Digests ---- */

static Manifest *chunked(const Scratch *s, const Tar *z, uint32_t chunk) {
        cleanup_(manifest_builder_freep) ManifestBuilder *b = NULL;
        ManifestHead head = { .mode = MANIFEST_CHUNKED,
                              .height = -1,
                              .codec = ARCHIVE_TAR_ZSTD,
                              .archive_size = z->size,
                              .created = 1 };
        cleanup_fault_ Fault fault = { 0 };
        char hex[SHA256_HEX_SIZE];
        Manifest *m = NULL;
        int fd;

        assert_int_equal(manifest_builder_new(MANIFEST_CHUNKED, &b), 0);
        for (size_t offset = 0; offset < z->size; offset += chunk) {
                size_t n = z->size - offset < chunk ? z->size - offset : chunk;
                ManifestPart part = { .offset = offset, .length = (uint32_t) n };

                assert_int_equal(sha256_buffer_hex(z->data + offset, n, hex), 0);
                assert_int_equal(hex_decode(hex, part.sha256, 32), 0);
                assert_int_equal(manifest_builder_part(b, &part), 0);
        }
        assert_int_equal(sha256_buffer_hex(z->data, z->size, head.archive_sha256), 0);
        fd = openat(s->fd, "manifest", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (manifest_builder_write(b, &head, fd, &fault) < 0 ||
            manifest_open(fd, "manifest", &m, &fault) < 0)
                fail_msg("%s", fault.text);
        return m;
}

static void a_wrong_part_is_fetched_elsewhere_and_never_decoded(void **ctx) {
        cleanup_free_ uint8_t *data = NULL;
        cleanup_tar_ Tar t = sample_tar(2 << 20, &data);
        cleanup_tar_ Tar z = compressed(&t);
        cleanup_(manifest_freep) Manifest *m = chunked(*ctx, &z, 65536);
        const Scratch *s = *ctx;
        Run run = { .codec = ARCHIVE_TAR_ZSTD, .manifest = m };
        cleanup_fault_ Fault fault = { 0 };

        put_file(s->fd, "good", z.data, z.size, 0644);
        z.data[z.size / 2] ^= 1;
        put_file(s->fd, "bad", z.data, z.size, 0644);
        if (unpack_file(s, "bad", "good", &run, &fault) < 0)
                fail_msg("%s", fault.text);
        assert_true(run.mirrors.rejected <= 65536);
        check_file(s, "large", data, 2 << 20);
        assert_int_equal(unpack_file(s, "bad", NULL, &run, &fault), -EREMOTEIO);
}

static void the_digest_of_the_whole_decides_without_a_manifest(void **ctx) {
        cleanup_free_ uint8_t *data = NULL;
        cleanup_tar_ Tar t = sample_tar(2 << 20, &data);
        cleanup_tar_ Tar z = compressed(&t);
        cleanup_fault_ Fault fault = { 0 };
        char digest[SHA256_HEX_SIZE];
        Run run = { .codec = ARCHIVE_TAR_ZSTD, .sha256 = digest };

        assert_int_equal(sha256_buffer_hex(z.data, z.size, digest), 0);
        assert_int_equal(unpack(*ctx, z.data, z.size, &run, NULL), 0);
        digest[0] = digest[0] == 'a' ? 'b' : 'a';
        assert_int_equal(unpack(*ctx, z.data, z.size, &run, &fault), -EBADMSG);
        assert_says(&fault, "SHA-256");
}

/* ---- Steering ---- */

static bool cancel_at_once(void *userdata) {
        return true;
}

static const char *pause_twice(void *userdata) {
        int *n = userdata;

        return (*n)++ < 2 ? "the node suffers" : NULL;
}

static void see_progress(const FetchProgress *p, void *userdata) {
        assert_string_equal(p->step, "download");
        assert_true(p->done <= p->total);
        assert_int_equal(p->paused, p->why_paused != NULL);
}

static void it_can_be_cancelled(void **ctx) {
        cleanup_free_ uint8_t *data = NULL;
        cleanup_tar_ Tar t = sample_tar(30 << 20, &data);
        FetchControl control = { .cancelled = cancel_at_once };
        Run run = { .codec = ARCHIVE_TAR, .control = &control };
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(unpack(*ctx, t.data, t.size, &run, &fault), -ECANCELED);
        assert_says(&fault, "Cancelled");
}

static void it_goes_on_after_a_pause(void **ctx) {
        cleanup_free_ uint8_t *data = NULL;
        cleanup_tar_ Tar t = sample_tar(8 << 20, &data);
        int n = 0;
        FetchControl control = { .pause = pause_twice, .progress = see_progress, .userdata = &n };
        Run run = { .codec = ARCHIVE_TAR, .control = &control };

        assert_int_equal(unpack(*ctx, t.data, t.size, &run, NULL), 0);
        assert_true(n > 0);
        check_file(*ctx, "large", data, 8 << 20);
}

static void names_tell_the_codec(void **ctx) {
        assert_int_equal(stream_codec_of_name("https://h/a.tar.zst"), ARCHIVE_TAR_ZSTD);
        assert_int_equal(stream_codec_of_name("https://h/a.tar.lz4?x=1#y"), ARCHIVE_TAR_LZ4);
        assert_int_equal(stream_codec_of_name("/a.tar.gz.part-aa"), ARCHIVE_TAR_GZIP);
        assert_int_equal(stream_codec_of_name("/a.tar.aa"), ARCHIVE_TAR);
        assert_int_equal(stream_codec_of_name("a.TAR.XZ.001"), ARCHIVE_TAR_XZ);
        assert_int_equal(stream_codec_of_name("a.tgz"), ARCHIVE_TAR_GZIP);
        assert_int_equal(stream_codec_of_name("latest"), _ARCHIVE_CODEC_MAX);
        assert_int_equal(stream_codec_of_name(".tar"), _ARCHIVE_CODEC_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scratch_new, scratch_free)
                T(an_archive_is_unpacked_by_every_codec),
                T(blocks_are_cut_and_joined_without_loss),
                T(long_and_foreign_names_arrive),
                T(everything_but_files_and_directories_is_refused),
                T(names_that_lead_out_or_come_twice_are_refused),
                T(protected_names_are_passed_over_with_their_data),
                T(sizes_that_are_claimed_only_are_not_believed),
                T(sparse_files_are_honoured_as_far_as_the_disk_goes),
                T(what_follows_the_end_of_the_tar_is_an_error),
                T(a_cut_is_noticed_wherever_it_is),
                T(an_error_page_is_called_so),
                T(a_wrong_part_is_fetched_elsewhere_and_never_decoded),
                T(the_digest_of_the_whole_decides_without_a_manifest),
                T(it_can_be_cancelled),
                T(it_goes_on_after_a_pause),
                cmocka_unit_test(names_tell_the_codec),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
