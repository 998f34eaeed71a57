/*
 * Every codec, fed in pieces of every kind, whole, concatenated, cut off, and
 * with something behind it.
 */
#include "archive/decoder.h"
#include "tests/unit/scratch.h"

#include <archive.h>
#include <archive_entry.h>
#include <lz4frame.h>
#include <zstd.h>

typedef struct Bytes {
        uint8_t *data;
        size_t size;
} Bytes;

typedef struct Feed {
        Bytes bytes;
        size_t at, step;
        uint8_t *piece; /* a copy, so that ASan sees who reads beyond */
} Feed;

static int feed(void *userdata, const uint8_t **ret, size_t *ret_size, Fault *reterr) {
        Feed *f = userdata;
        size_t n = f->bytes.size - f->at < f->step ? f->bytes.size - f->at : f->step;

        free(f->piece);
        f->piece = malloc(n + 1);
        memcpy(f->piece, f->bytes.data + f->at, n);
        f->at += n;
        *ret = f->piece;
        *ret_size = n;
        return 0;
}

static Bytes plain_bytes(size_t size) {
        Bytes b = { malloc(size + 1), size };
        uint32_t seed = 1;

        for (size_t i = 0; i < size; i++) {
                seed = seed * 1664525 + 1013904223;
                b.data[i] = (uint8_t) (i % 3000 < 1000 ? seed >> 24 : 'a' + i % 7);
        }
        return b;
}

static Bytes by_libarchive(Bytes plain, int filter) {
        Bytes b = { malloc(2 * plain.size + 65536), 0 };
        struct archive_entry *e = archive_entry_new();
        struct archive *a = archive_write_new();

        assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
        assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
        assert_int_equal(archive_write_set_bytes_in_last_block(a, 1), ARCHIVE_OK);
        assert_int_equal(archive_write_open_memory(a, b.data, 2 * plain.size + 65536, &b.size), ARCHIVE_OK);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_pathname(e, "x");
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        assert_int_equal(archive_write_data(a, plain.data, plain.size), plain.size);
        assert_int_equal(archive_write_close(a), ARCHIVE_OK);
        archive_write_free(a);
        archive_entry_free(e);
        return b;
}

static Bytes compress(ArchiveCodec codec, Bytes plain) {
        Bytes b = { NULL, plain.size };

        switch (codec) {
        case ARCHIVE_TAR_ZSTD:
                b.data = malloc(ZSTD_compressBound(plain.size));
                b.size = ZSTD_compress(b.data, ZSTD_compressBound(plain.size), plain.data, plain.size, 3);
                break;
        case ARCHIVE_TAR_LZ4:
                b.data = malloc(LZ4F_compressFrameBound(plain.size, NULL));
                b.size = LZ4F_compressFrame(b.data, LZ4F_compressFrameBound(plain.size, NULL), plain.data,
                                            plain.size, NULL);
                break;
        case ARCHIVE_TAR_GZIP:
                return by_libarchive(plain, ARCHIVE_FILTER_GZIP);
        case ARCHIVE_TAR_XZ:
                return by_libarchive(plain, ARCHIVE_FILTER_XZ);
        case ARCHIVE_TAR:
        case _ARCHIVE_CODEC_MAX:
                b.data = malloc(plain.size + 1);
                memcpy(b.data, plain.data, plain.size);
        }
        return b;
}

static Bytes joined(Bytes a, Bytes b) {
        Bytes c = { malloc(a.size + b.size + 1), a.size + b.size };

        memcpy(c.data, a.data, a.size);
        memcpy(c.data + a.size, b.data, b.size);
        return c;
}

/* Decodes all; 0 and @plain is what came out, or the error. */
static int decode(ArchiveCodec codec, unsigned window, Bytes in, size_t step, size_t room, Bytes *plain,
                  Fault *fault) {
        cleanup_(decoder_freep) Decoder *d = NULL;
        Feed f = { .bytes = in, .step = step };
        size_t n, most = 64 << 20;
        int r;

        plain->data = malloc(most);
        plain->size = 0;
        r = decoder_new(codec, window, feed, &f, &d, fault);
        do {
                if (r < 0)
                        break;
                n = 0;
                r = decoder_read(d, plain->data + plain->size, room, &n, fault);
                if (r >= 0)
                        plain->size += n;
                assert_true(plain->size + room <= most);
        } while (r >= 0 && n == room);
        if (r >= 0)
                assert_int_equal(decoder_consumed(d), in.size);
        free(f.piece);
        return r;
}

static int outcome(ArchiveCodec codec, Bytes in, Fault *fault) {
        Bytes plain;
        int r;

        r = decode(codec, 0, in, 10000, 1 << 20, &plain, fault);
        free(plain.data);
        return r;
}

static void all_codecs_decode_in_pieces_of_every_kind(void **ctx) {
        static const size_t steps[] = { 7, 4096, 1 << 20 }, rooms[] = { 512, 4 << 20 };
        Bytes plain = plain_bytes(400000);

        for (ArchiveCodec codec = 0; codec < _ARCHIVE_CODEC_MAX; codec++)
                for (size_t i = 0; i < ELEMENTSOF(steps) * ELEMENTSOF(rooms); i++) {
                        cleanup_fault_ Fault fault = { 0 };
                        Bytes in = compress(codec, plain), out;

                        if (decode(codec, 0, in, steps[i % 3], rooms[i / 3], &out, &fault) < 0)
                                fail_msg("%s: %s", archive_codec_to_string(codec), fault.text);
                        assert_int_equal(out.size, plain.size);
                        assert_memory_equal(out.data, plain.data, plain.size);
                        free(in.data);
                        free(out.data);
                }
        free(plain.data);
}

static void concatenated_frames_are_one_stream(void **ctx) {
        Bytes plain = plain_bytes(50000), twice = joined(plain, plain);

        for (ArchiveCodec codec = ARCHIVE_TAR_ZSTD; codec < _ARCHIVE_CODEC_MAX; codec++) {
                cleanup_fault_ Fault fault = { 0 };
                Bytes one = compress(codec, plain), in = joined(one, one), out;

                if (decode(codec, 0, in, 999, 1 << 20, &out, &fault) < 0)
                        fail_msg("%s: %s", archive_codec_to_string(codec), fault.text);
                assert_int_equal(out.size, twice.size);
                assert_memory_equal(out.data, twice.data, twice.size);
                free(one.data);
                free(in.data);
                free(out.data);
        }
        free(plain.data);
        free(twice.data);
}

static void skippable_frames_are_passed_over(void **ctx) {
        static uint8_t skip[] = { 0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z' };
        Bytes plain = plain_bytes(50000), skipped = { skip, sizeof skip };

        for (ArchiveCodec codec = ARCHIVE_TAR_ZSTD; codec <= ARCHIVE_TAR_LZ4; codec++) {
                Bytes one = compress(codec, plain), before = joined(skipped, one),
                      in = joined(before, skipped), out;

                assert_int_equal(decode(codec, 0, in, 5, 1 << 20, &out, NULL), 0);
                assert_int_equal(out.size, plain.size);
                free(one.data);
                free(before.data);
                free(in.data);
                free(out.data);
        }
        free(plain.data);
}

static void what_follows_the_data_is_an_error(void **ctx) {
        static const struct {
                const char *data;
                size_t size;
        } tails[] = { { "garbage that is no frame", 24 }, { "x", 1 }, { "\0\0\0\0\0\0\0\0", 8 } };
        Bytes plain = plain_bytes(50000);

        for (ArchiveCodec codec = ARCHIVE_TAR_ZSTD; codec < _ARCHIVE_CODEC_MAX; codec++)
                for (size_t i = 0; i < ELEMENTSOF(tails); i++) {
                        cleanup_fault_ Fault fault = { 0 };
                        Bytes one = compress(codec, plain),
                              in = joined(one, (Bytes){ (uint8_t *) tails[i].data, tails[i].size });

                        /* Zeros may pad xz. */
                        if ((codec != ARCHIVE_TAR_XZ || i != 2) && outcome(codec, in, &fault) != -EBADMSG)
                                fail_msg("%s, tail %zu", archive_codec_to_string(codec), i);
                        free(one.data);
                        free(in.data);
                }
        free(plain.data);
}

static void a_cut_is_noticed_wherever_it_is(void **ctx) {
        Bytes plain = plain_bytes(30000);

        for (ArchiveCodec codec = ARCHIVE_TAR_ZSTD; codec < _ARCHIVE_CODEC_MAX; codec++) {
                Bytes in = compress(codec, plain);

                for (size_t cut = 1; cut < in.size; cut += cut < 30 || cut + 30 > in.size ? 1 : 301) {
                        cleanup_fault_ Fault fault = { 0 };

                        if (outcome(codec, (Bytes){ in.data, in.size - cut }, &fault) != -EBADMSG)
                                fail_msg("%s cut by %zu was not noticed", archive_codec_to_string(codec),
                                         cut);
                        assert_non_null(fault.text);
                }
                free(in.data);
        }
        free(plain.data);
}

static void a_wrong_checksum_is_noticed(void **ctx) {
        Bytes plain = plain_bytes(30000), in = compress(ARCHIVE_TAR_GZIP, plain);
        cleanup_fault_ Fault fault = { 0 };

        in.data[in.size - 6] ^= 1;
        assert_int_equal(outcome(ARCHIVE_TAR_GZIP, in, &fault), -EBADMSG);
        assert_says(&fault, "gzip");
        free(in.data);
        free(plain.data);
}

static void nothing_is_no_archive(void **ctx) {
        for (ArchiveCodec codec = 0; codec < _ARCHIVE_CODEC_MAX; codec++) {
                cleanup_fault_ Fault fault = { 0 };
                uint8_t none = 0;

                assert_int_equal(outcome(codec, (Bytes){ &none, 0 }, &fault), -EBADMSG);
        }
}

static void the_wrong_codec_is_named(void **ctx) {
        static uint8_t html[] = "<!DOCTYPE html><html><body>not found</body></html>";
        cleanup_fault_ Fault fault = { 0 };

        assert_int_equal(outcome(ARCHIVE_TAR_ZSTD, (Bytes){ html, sizeof html - 1 }, &fault), -EBADMSG);
        assert_says(&fault, "not zstd");
        assert_int_equal(outcome(ARCHIVE_TAR_LZ4, (Bytes){ html, sizeof html - 1 }, &fault), -EBADMSG);
        assert_int_equal(outcome(ARCHIVE_TAR_GZIP, (Bytes){ html, sizeof html - 1 }, &fault), -EBADMSG);
        assert_int_equal(outcome(ARCHIVE_TAR_XZ, (Bytes){ html, sizeof html - 1 }, &fault), -EBADMSG);
}

/* A frame whose header asks for a window of 2^@log bytes, with one short block. */
static Bytes long_frame(unsigned log) {
        static uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0, 0x19, 0x00, 0x00, 'a', 'b', 'c' };

        frame[5] = (uint8_t) ((log - 10) << 3);
        return (Bytes){ frame, sizeof frame };
}

static void windows_beyond_the_policy_are_refused(void **ctx) {
        cleanup_fault_ Fault fault = { 0 };
        Bytes out;

        assert_int_equal(outcome(ARCHIVE_TAR_ZSTD, long_frame(27), NULL), 0);
        assert_int_equal(outcome(ARCHIVE_TAR_ZSTD, long_frame(31), &fault), -EBADMSG);
        assert_says(&fault, "--long=27");
        assert_int_equal(outcome(ARCHIVE_TAR_ZSTD, long_frame(28), NULL), -EBADMSG);
        assert_int_equal(decode(ARCHIVE_TAR_ZSTD, 28, long_frame(28), 100, 100, &out, NULL), 0);
        assert_int_equal(out.size, 3);
        free(out.data);
}

static int broken(void *userdata, const uint8_t **ret, size_t *ret_size, Fault *reterr) {
        *ret_size = 0;
        return fault_set(reterr, -EREMOTEIO, "no mirror is left");
}

static void a_failure_of_the_source_is_forwarded(void **ctx) {
        for (ArchiveCodec codec = 0; codec < _ARCHIVE_CODEC_MAX; codec++) {
                cleanup_(decoder_freep) Decoder *d = NULL;
                cleanup_fault_ Fault fault = { 0 };
                uint8_t data[512];
                size_t n;

                assert_int_equal(decoder_new(codec, 0, broken, NULL, &d, &fault), 0);
                assert_int_equal(decoder_read(d, data, sizeof data, &n, &fault), -EREMOTEIO);
                assert_says(&fault, "no mirror is left");
        }
}

static void the_first_bytes_tell_the_codec(void **ctx) {
        Bytes plain = plain_bytes(1000);

        memcpy(plain.data + 257, "ustar", 5);
        for (ArchiveCodec codec = 0; codec < _ARCHIVE_CODEC_MAX; codec++) {
                Bytes in = compress(codec, plain);

                assert_int_equal(decoder_codec_of_bytes(in.data, in.size), codec);
                free(in.data);
        }
        free(plain.data);
        assert_int_equal(decoder_codec_of_bytes((const uint8_t *) "<html>", 6), _ARCHIVE_CODEC_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_codecs_decode_in_pieces_of_every_kind),
                cmocka_unit_test(concatenated_frames_are_one_stream),
                cmocka_unit_test(skippable_frames_are_passed_over),
                cmocka_unit_test(what_follows_the_data_is_an_error),
                cmocka_unit_test(a_cut_is_noticed_wherever_it_is),
                cmocka_unit_test(a_wrong_checksum_is_noticed),
                cmocka_unit_test(nothing_is_no_archive),
                cmocka_unit_test(the_wrong_codec_is_named),
                cmocka_unit_test(windows_beyond_the_policy_are_refused),
                cmocka_unit_test(a_failure_of_the_source_is_forwarded),
                cmocka_unit_test(the_first_bytes_tell_the_codec),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
