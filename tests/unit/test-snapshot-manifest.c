/*
 * Manifests of snapshots: what is built is read again as it was; every way in
 * which the bytes of one can be wrong is refused with its reason; signatures
 * are those of the real ssh-keygen.
 */
#include "tests/unit/shell.h"
#include "archive/manifest-layout.h"
#include "crypto/signers.h"

#include <sys/mman.h>
#include <time.h>

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const ManifestHead about = {
        .family = (char *) "cometbft",
        .chain = (char *) "kaia-1 \xc3\xa9",
        .height = 123456,
        .block_hash = (char *) "0xabc",
        .software = (char *) "kcnd v2.0.1",
        .created = 1790000000,
        .expires = 1800000000,
        .codec = ARCHIVE_TAR_ZSTD,
        .archive_size = 300,
        .archive_sha256 = DIGEST,
};

/* "a" a directory, "a/big" of 6000 bytes in two frames, "a-x" of 10, "empty". */
static int build(const ManifestHead *head, ManifestMode mode, Fault *reterr) {
        static const ManifestFile files[] = {
                { .path = "a", .directory = true, .mode = 0755, .mtime_sec = 1 },
                { .path = "a/big",
                  .size = 6000,
                  .mode = 0600,
                  .mtime_sec = 1234567890,
                  .mtime_nsec = 999999999 },
                { .path = "a-x", .size = 10, .mode = 0644 },
                { .path = "empty", .mode = 0777 },
        };
        cleanup_(manifest_builder_freep) ManifestBuilder *b = NULL;
        ManifestPart part = { .length = 100, .plain_length = 8192, .sha256 = { 1 } };
        int fd = memfd_create("manifest", MFD_CLOEXEC), r;

        assert_true(fd >= 0);
        assert_int_equal(manifest_builder_new(mode, &b), 0);
        for (size_t i = 0; mode == MANIFEST_FRAMED && i < ELEMENTSOF(files); i++)
                assert_int_equal(manifest_builder_file(b, files + i), 0);
        for (unsigned i = 0; i < 3; i++) {
                ManifestExtent e[] = {
                        { .file = 1, .length = 4096, .frame_offset = 1536, .sha256 = { 7 } },
                        { .file = 1, .offset = 4096, .length = 1904 },
                        { .file = 2, .length = 10, .frame_offset = 2560 },
                };

                part.offset = i * 100;
                for (unsigned n = i == 0 ? 0 : 1; mode == MANIFEST_FRAMED && i < 2 && n < (i == 0 ? 1 : 3);
                     n++)
                        assert_int_equal(manifest_builder_extent(b, e + n), 0);
                assert_int_equal(manifest_builder_part(b, &part), 0);
        }
        r = manifest_builder_write(b, head, fd, reterr);
        if (r >= 0)
                return fd;
        close(fd);
        return r;
}

static Manifest *built(ManifestMode mode) {
        cleanup_fault_ Fault fault = { 0 };
        Manifest *m = NULL;
        int fd = build(&about, mode, &fault);

        if (fd < 0 || manifest_open(fd, "m", &m, &fault) < 0)
                fail_msg("%s", fault_text(&fault, fd));
        return m;
}

static void what_is_built_is_read_again(void **state) {
        cleanup_(manifest_freep) Manifest *m = built(MANIFEST_FRAMED);
        const ManifestHead *h = manifest_head(m);
        char digest[SHA256_HEX_SIZE];
        ManifestExtent e;
        const void *body;
        ManifestPart p;
        ManifestFile f;
        size_t size;

        assert_int_equal(h->mode, MANIFEST_FRAMED);
        assert_string_equal(h->family, about.family);
        assert_string_equal(h->chain, about.chain);
        assert_int_equal(h->height, about.height);
        assert_string_equal(h->block_hash, about.block_hash);
        assert_string_equal(h->software, about.software);
        assert_int_equal(h->created, about.created);
        assert_int_equal(h->expires, about.expires);
        assert_string_equal(h->archive_sha256, DIGEST);
        assert_int_equal(h->plain_size, 6010);
        assert_int_equal(h->n_files, 4);
        assert_int_equal(manifest_n_parts(m), 3);
        assert_int_equal(manifest_n_extents(m), 3);
        assert_int_equal(manifest_n_files(m), 4);
        manifest_part(m, 1, &p);
        assert_int_equal(p.offset, 100);
        assert_int_equal(p.plain_length, 8192);
        assert_int_equal(p.first_extent, 1);
        assert_int_equal(p.n_extents, 2);
        assert_int_equal(p.sha256[0], 1);
        manifest_extent(m, 0, &e);
        assert_int_equal(e.file, 1);
        assert_int_equal(e.length, 4096);
        assert_int_equal(e.frame_offset, 1536);
        assert_int_equal(e.sha256[0], 7);
        manifest_file(m, 1, &f);
        assert_string_equal(f.path, "a/big");
        assert_false(f.directory);
        assert_int_equal(f.size, 6000);
        assert_int_equal(f.mode, 0600);
        assert_int_equal(f.mtime_sec, 1234567890);
        assert_int_equal(f.mtime_nsec, 999999999);
        manifest_body(m, &body, &size);
        assert_int_equal(sha256_buffer_hex(body, size, digest), 0);
        assert_string_equal(manifest_digest(m), digest);
        assert_memory_equal(body, "muster-snapshot: 1\nmode: framed\n", 32);
}

static void chunks_of_any_archive_need_no_files(void **state) {
        cleanup_(manifest_freep) Manifest *m = built(MANIFEST_CHUNKED);
        ManifestPart p;

        manifest_part(m, 2, &p);
        assert_int_equal(p.offset, 200);
        assert_int_equal(p.length, 100);
        assert_int_equal(p.plain_length, 0);
        assert_int_equal(p.n_extents, 0);
        assert_int_equal(p.sha256[0], 1);
        assert_int_equal(manifest_n_files(m), 0);
        assert_int_equal(manifest_n_extents(m), 0);
}

static void what_the_maker_did_not_say_is_left_out(void **state) {
        ManifestHead bare = { .height = -1,
                              .created = 1,
                              .codec = ARCHIVE_TAR_ZSTD,
                              .archive_size = 300,
                              .archive_sha256 = DIGEST };
        cleanup_(manifest_freep) Manifest *m = NULL;
        int fd = build(&bare, MANIFEST_FRAMED, NULL);

        assert_int_equal(manifest_open(fd, "m", &m, NULL), 0);
        assert_null(manifest_head(m)->family);
        assert_null(manifest_head(m)->software);
        assert_int_equal(manifest_head(m)->height, -1);
        assert_int_equal(manifest_head(m)->expires, 0);
}

static void a_head_that_could_not_be_read_is_not_written(void **state) {
        static const char *const bad[] = { "", " x", "x ", "a\nb", "\t", "\x7f" };
        cleanup_fault_ Fault fault = { 0 };
        char large[MANIFEST_TEXT_MAX + 2];
        ManifestHead head = about;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                head.chain = (char *) bad[i];
                assert_int_equal(build(&head, MANIFEST_FRAMED, &fault), -EINVAL);
                assert_says(&fault, "'chain'");
        }
        memset(large, 'x', sizeof large - 1);
        large[sizeof large - 1] = 0;
        head.chain = large;
        assert_int_equal(build(&head, MANIFEST_FRAMED, &fault), -EINVAL);
        head = about;
        head.created = 0;
        assert_int_equal(build(&head, MANIFEST_FRAMED, &fault), -EINVAL);
        assert_says(&fault, "'created'");
}

/* ---- Damage ---- */

/* The bytes of a manifest, to be changed. */
typedef struct Bytes {
        uint8_t *data;
        size_t size, head, parts, extents, files, names;
} Bytes;

static Bytes bytes_of(ManifestMode mode) {
        cleanup_(manifest_freep) Manifest *m = built(mode);
        const void *body;
        Bytes b = { 0 };

        manifest_body(m, &body, &b.size);
        b.data = malloc(b.size);
        memcpy(b.data, body, b.size);
        b.head = (size_t) ((char *) memmem(body, b.size, "\n\n", 2) - (char *) body) + 2;
        b.parts = b.head;
        b.extents = b.parts + 3 * LAYOUT_FRAME;
        b.files = b.extents + 3 * LAYOUT_EXTENT;
        b.names = b.files + 4 * LAYOUT_FILE;
        return b;
}

static int open_bytes(const void *data, size_t size, Fault *reterr) {
        cleanup_(manifest_freep) Manifest *m = NULL;
        int fd = memfd_create("manifest", MFD_CLOEXEC);

        assert_int_equal(write_all(fd, data, size), 0);
        return manifest_open(fd, "m", &m, reterr);
}

static void every_damaged_record_is_refused_with_its_reason(void **state) {
        cleanup_free_ uint8_t *copy = NULL;
        Bytes b = bytes_of(MANIFEST_FRAMED);
        const struct {
                size_t at;
                unsigned size; /* of the number */
                uint64_t value;
                const char *says;
        } bad[] = {
                { b.parts, 8, 1, "part 0 is at 1 with 100 bytes, expected 0 of an archive of 300" },
                { b.parts + LAYOUT_FRAME, 8, 101, "part 1 is at 101" },
                { b.parts + LAYOUT_FRAME + 8, 4, 0xffffffff, "part 1 is at 100 with 4294967295 bytes" },
                { b.parts + 8, 4, 0, "part 0 has 0 bytes" },
                { b.parts + 2 * LAYOUT_FRAME + 8, 4, 99, "the parts end at 299, archive-size is 300" },
                { b.parts + 12, 4, 0, "part 0 has 0 plain bytes" },
                { b.parts + 12, 4, MANIFEST_PART_MAX + 1, "plain bytes, expected 1 to 16777216" },
                { b.parts + 48, 8, 1, "part 0 has extents 1 and 1 more" },
                { b.parts + LAYOUT_FRAME + 48, 8, 0, "part 1 has extents 0" },
                { b.parts + LAYOUT_FRAME + 56, 4, 3, "part 1 has extents 1 and 3 more" },
                { b.parts + LAYOUT_FRAME + 56, 4, 1, "part 2 has extents 3 and 0 more, expected 2" },
                { b.extents, 4, 2, "extent 0 is of file 2 at 0, expected file 1 at 0" },
                { b.extents, 4, 0xffffffff, "extent 0 is of file 4294967295" },
                { b.extents + 4, 8, 4096, "extent 0 is of file 1 at 4096" },
                { b.extents + 12, 4, 0, "extent 0 has 0 bytes" },
                { b.extents + 12, 4, 6001, "extent 0 has 6001 bytes, 'a/big' has 6000 there" },
                { b.extents + 12, 4, 4095, "extent 1 is of file 1 at 4096, expected file 1 at 4095" },
                { b.extents + 12, 4, 6000, "extent 1 is of file 1 at 4096, expected file 2 at 0" },
                { b.extents + 16, 4, 100, "in its frame at 100" },
                { b.extents + 16, 4, 4608, "extent 0: bytes 4608 to 8704" },
                { b.extents + 16, 4, 0xfffffe00, "extent 0: bytes 4294966784 to 4294970880" },
                { b.extents + 2 * LAYOUT_EXTENT + 16, 4, 1536,
                  "extent 2: bytes 1536 to 1546 of a frame of which 1904" },
                { b.files, 4, 1, "file 0: its name is at 1, expected 0" },
                { b.files + LAYOUT_FILE + 4, 2, 04755, "mode 4755" },
                { b.files + LAYOUT_FILE + 6, 1, 1, "directory 'a/big' has a size" },
                { b.files + LAYOUT_FILE + 6, 1, 2, "has kind 2" },
                { b.files + LAYOUT_FILE + 7, 1, 1, "zero 1" },
                { b.files + 6, 1, 0, "its directory is not listed before it" },
                { b.files + LAYOUT_FILE + 8, 8, 7000, "plain-size is 6010" },
                { b.files + LAYOUT_FILE + 8, 8, UINT64_MAX, "file 'a/big' is too large" },
                { b.files + LAYOUT_FILE + 16, 8, UINT64_MAX, "no time since 1970" },
                { b.files + LAYOUT_FILE + 24, 4, 1000000000, "no time since 1970" },
                { b.names, 1, 'b', "file 1, 'a/big', comes twice or out of order, after 'b'" },
                { b.names, 1, '/', "is absolute" },
                { b.names, 1, '.', "has a component '.'" },
                { b.names, 1, 7, "control character" },
                { b.names, 1, 0, "empty component" },
                { b.names + 4, 1, '/', "empty component" },
                { b.names + 2, 1, 'A', "file 1, 'A/big', comes twice or out of order" },
                { b.names + 6, 1, 0, "file 2: its name is at 8, expected 7" },
                { b.size - 1, 1, 'x', "has no end" },
        };

        copy = malloc(b.size);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_fault_ Fault fault = { 0 };
                uint64_t value = htole64(bad[i].value);

                memcpy(copy, b.data, b.size);
                memcpy(copy + bad[i].at, &value, bad[i].size);
                assert_int_equal(open_bytes(copy, b.size, &fault), -EBADMSG);
                if (!fault.text || !strstr(fault.text, bad[i].says))
                        print_message("case %zu\n", i);
                assert_says(&fault, bad[i].says);
                assert_says(&fault, "manifest 'm'");
        }
        free(b.data);
}

static char *replaced(const char *text, const char *from, const char *to) {
        const char *at = strstr(text, from);
        char *result;

        assert_non_null(at);
        assert_true(asprintf(&result, "%.*s%s%s", (int) (at - text), text, to, at + strlen(from)) > 0);
        return result;
}

static void every_damaged_line_is_refused_with_its_number(void **state) {
        static const struct {
                const char *from, *to, *says;
        } bad[] = {
                { "muster-snapshot: 1", "muster-snapshot: 2",
                  "line 1 is 'muster-snapshot: 2', expected version 1" },
                { "muster-snapshot: 1", "<html>", "it is no snapshot manifest: it begins with '<html>'" },
                { "mode: framed", "mode: fried", "line 2 is 'mode: fried', expected chunked or framed" },
                { "mode: framed", "Mode: framed", "line 2 is 'Mode: framed', expected 'mode: ...'" },
                { "family: cometbft", "family: ", "line 3 is 'family: ', expected a text" },
                { "family: cometbft", "family: a\tb", "line 3" },
                { "height: 123456", "height: 0123456", "expected a block height" },
                { "height: 123456", "height: 9223372036854775808", "expected a block height" },
                { "height: 123456", "height: -1", "expected a block height" },
                { "height: 123456\n", "height: 1\nheight: 2\n", "line 6 is 'height: 2'" },
                { "created: 2026", "created: 26", "expected a time" },
                { "created: 2026-09-21", "created: 2026-02-31", "not in its one form" },
                { "codec: tar.zst", "codec: zip", "expected tar, tar.zst" },
                { "codec: tar.zst", "codec: tar.gz", "expected tar.zst in a framed snapshot" },
                { "archive-size: 300", "archive-size: 0", "the archive is empty" },
                { "archive-size: 300", "archive-size: 301", "the parts end at 300, archive-size is 301" },
                { "archive-size: 300", "archive-size: 18446744073709551615", "expected a number" },
                { "archive-sha256: 0", "archive-sha256: A", "64 hexadecimal" },
                { "plain-size: 6010", "plain-size: 6011", "plain-size is 6011" },
                { "files: 4", "files: 5", "truncated" },
                { "files: 4", "files: 9223372036854775807", "truncated" },
                { "parts: 3", "parts: 9000000000000", "truncated" },
                { "extents: 3", "extents: 99999999", "truncated" },
                { "names-size: 18", "names-size: 19", "truncated" },
                { "names-size: 18", "names-size: 17", "" },
                { "names-size: 18\n", "names-size: 18\n: 1\n", "line 18 is ': 1', expected an empty line" },
                { "names-size: 18\n", "names-size: 18\nmore: 1\n",
                  "line 18 is 'more: 1', expected an empty line" },
        };
        Bytes b = bytes_of(MANIFEST_FRAMED);
        cleanup_free_ char *head = strndup((char *) b.data, b.head);

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_free_ char *text = replaced(head, bad[i].from, bad[i].to), *whole = NULL;
                cleanup_fault_ Fault fault = { 0 };
                size_t n = strlen(text);

                whole = malloc(n + b.size - b.head);
                memcpy(whole, text, n);
                memcpy(whole + n, b.data + b.head, b.size - b.head);
                assert_int_equal(open_bytes(whole, n + b.size - b.head, &fault), -EBADMSG);
                assert_says(&fault, bad[i].says);
        }
        free(b.data);
}

static void no_truncated_manifest_is_taken(void **state) {
        for (ManifestMode mode = 0; mode < _MANIFEST_MODE_MAX; mode++) {
                Bytes b = bytes_of(mode);

                for (size_t n = 0; n < b.size; n++)
                        assert_int_equal(open_bytes(b.data, n, NULL), -EBADMSG);
                assert_int_equal(open_bytes(b.data, b.size, NULL), 0);
                free(b.data);
        }
}

static void paths_stand_in_the_order_of_a_walk(void **state) {
        static const char *const sorted[] = {
                "a", "a/b", "a/b/c", "a/b-", "a!", "a-", "aa", "b", "\xc3\xa9"
        };

        for (size_t i = 0; i < ELEMENTSOF(sorted); i++)
                for (size_t n = 0; n < ELEMENTSOF(sorted); n++)
                        assert_int_equal(manifest_path_compare(sorted[i], sorted[n]), i < n ? -1 : i > n);
        assert_null(manifest_path_fault("a/.b/..c/...d"));
        assert_non_null(manifest_path_fault("a/../b"));
        assert_non_null(manifest_path_fault("a/"));
        assert_non_null(manifest_path_fault(".muster-partial"));
        assert_null(manifest_path_fault("a/.muster-x"));
}

/* ---- Signatures ---- */

/* m: a manifest; keys alice, bob, carol; allowed: alice for anything, bob until 2020. */
static void prepare(const Scratch *s) {
        Bytes b = bytes_of(MANIFEST_FRAMED);

        put_file(s->fd, "m", b.data, b.size, 0644);
        free(b.data);
        assert_shell(s, "for k in alice bob carol; do ssh-keygen -q -t ed25519 -N '' -C $k -f $k; done; "
                        "{ echo \"alice,alice@x $(cat alice.pub)\"; "
                        "echo \"bob valid-before=\\\"20200101Z\\\" $(cat bob.pub)\"; } >allowed");
}

/* 0 and who signed the file @name, or what manifest_signed_by() answers. */
static int who_signed(const Scratch *s, const char *name, char ***ret, char **ret_problems, Fault *reterr) {
        cleanup_(signers_freep) Signers *signers = NULL;
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_free_ char *allowed = NULL;
        int fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC);

        assert_int_equal(read_small_file(s->fd, "allowed", 65536, &allowed, NULL), 0);
        assert_int_equal(signers_parse(allowed, "allowed", &signers, reterr), 0);
        assert_int_equal(manifest_open(fd, name, &m, reterr), 0);
        return manifest_signed_by(m, signers, (uint64_t) time(NULL), ret, ret_problems, reterr);
}

static void a_signature_of_ssh_keygen_counts_when_appended(void **state) {
        const Scratch *s = *state;
        cleanup_strv_ char **who = NULL, **nobody = NULL;
        cleanup_free_ char *problems = NULL;

        prepare(s);
        assert_int_equal(who_signed(s, "m", &nobody, &problems, NULL), 0);
        assert_int_equal(strv_length(nobody), 0);
        assert_null(problems);
        assert_shell(s, "ssh-keygen -q -Y sign -n snapshot.v1@muster -f alice m; cat m m.sig >signed");
        assert_int_equal(who_signed(s, "signed", &who, &problems, NULL), 0);
        assert_int_equal(strv_length(who), 1);
        assert_string_equal(who[0], "alice,alice@x");
        assert_null(problems);
}

static void signatures_that_do_not_count_are_explained(void **state) {
        const Scratch *s = *state;
        cleanup_strv_ char **who = NULL;
        cleanup_free_ char *problems = NULL;
        cleanup_fault_ Fault all = { 0 };

        prepare(s);
        assert_shell(s,
                     "cp m signed; for k in bob carol alice alice; do rm -f m.sig; "
                     "ssh-keygen -q -Y sign -n snapshot.v1@muster -f $k m; cat m.sig >>signed; done; "
                     "rm m.sig; ssh-keygen -q -Y sign -n release.v1@muster -f alice m; cat m.sig >>signed; "
                     "echo other >other; ssh-keygen -q -Y sign -n snapshot.v1@muster -f alice other; "
                     "cat other.sig >>signed; ssh-keygen -q -t rsa -N '' -f rsa; rm m.sig; "
                     "ssh-keygen -q -Y sign -n snapshot.v1@muster -f rsa m; cat m.sig >>signed");
        assert_int_equal(who_signed(s, "signed", &who, &problems, NULL), 0);
        assert_int_equal(strv_length(who), 1);
        all.text = TAKE_PTR(problems);
        assert_says(&all, "signature 1: key SHA256:");
        assert_says(&all, "signature 2: key SHA256:");
        assert_says(&all, "signature 5: key SHA256:");
        assert_says(&all, "signed for namespace 'release.v1@muster', expected 'snapshot.v1@muster'");
        assert_says(&all, "signature 6: key SHA256:");
        assert_says(&all, "not of this content");
        assert_says(&all, "signature 7: ");
        assert_says(&all, "ssh-rsa");
        assert_null(strstr(all.text, "signature 3"));
        assert_null(strstr(all.text, "signature 4"));
}

static void garbage_behind_a_manifest_is_an_error(void **state) {
        const Scratch *s = *state;
        static const char *const bad[] = {
                "echo x >>signed",
                "head -c -10 signed >t; mv t signed",
                "echo x >t; cat m t m.sig >signed",
                "sed 's/^U/V/' m.sig >t; cat m t >signed",
                "head -c 1 /dev/zero >>signed",
        };

        prepare(s);
        assert_shell(s, "ssh-keygen -q -Y sign -n snapshot.v1@muster -f alice m");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_strv_ char **who = NULL;
                cleanup_fault_ Fault fault = { 0 };

                assert_shell(s, "cat m m.sig >signed; %s", bad[i]);
                assert_int_equal(who_signed(s, "signed", &who, NULL, &fault), -EBADMSG);
                assert_says(&fault, "signature");
                assert_null(who);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_built_is_read_again),
                cmocka_unit_test(chunks_of_any_archive_need_no_files),
                cmocka_unit_test(what_the_maker_did_not_say_is_left_out),
                cmocka_unit_test(a_head_that_could_not_be_read_is_not_written),
                cmocka_unit_test(every_damaged_record_is_refused_with_its_reason),
                cmocka_unit_test(every_damaged_line_is_refused_with_its_number),
                cmocka_unit_test(no_truncated_manifest_is_taken),
                cmocka_unit_test(paths_stand_in_the_order_of_a_walk),
                cmocka_unit_test_setup_teardown(a_signature_of_ssh_keygen_counts_when_appended, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(signatures_that_do_not_count_are_explained, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(garbage_behind_a_manifest_is_an_error, scratch_new,
                                                scratch_free),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
