/*
 * Each codec by its own library: libarchive's filters hand on 64 to 128 KiB at a
 * time, which costs a third of the speed, and take a gzip that is cut off, or has a
 * wrong checksum, for a whole one. One codec is chosen, so that a bomb cannot be
 * one within another.
 */
#include "archive/decoder.h"
#include "util/text.h"

#include <inttypes.h>
#include <limits.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define XZ_MEMORY_MAX ((uint64_t) 256 << 20) /* xz -9 takes 65 MiB */

typedef struct Codec {
        const char *name;
        int (*open)(Decoder *d);
        /* Some of the input becomes some of the output; sets in_frame. */
        int (*step)(Decoder *d, uint8_t *data, size_t room, size_t *ret_size, Fault *reterr);
} Codec;

struct Decoder {
        const Codec *codec;
        DecoderSource source;
        void *userdata;
        unsigned window_log_max;

        const uint8_t *in;
        size_t in_size;
        uint64_t given; /* by the source */
        uint64_t frame_start;
        bool ended;           /* the source has no more */
        bool in_frame, began; /* inside of a frame; at least one began */

        ZSTD_DCtx *zstd;
        LZ4F_dctx *lz4;
        z_stream gzip;
        lzma_stream xz;
};

uint64_t decoder_consumed(const Decoder *d) {
        return d->given - d->in_size;
}

static int refill(Decoder *d, Fault *reterr) {
        int r;

        if (d->in_size > 0 || d->ended)
                return 0;
        r = d->source(d->userdata, &d->in, &d->in_size, reterr);
        if (r < 0) {
                d->in_size = 0;
                return r;
        }
        d->given += d->in_size;
        d->ended = d->in_size == 0;
        return 0;
}

static void use(Decoder *d, size_t n) {
        d->in += n;
        d->in_size -= n;
}

static int damaged(const Decoder *d, const char *why, Fault *reterr) {
        return fault_set(reterr, -EBADMSG, "The archive is damaged near offset %" PRIu64 " (%s): %s",
                         decoder_consumed(d), d->codec->name, why);
}

static int trailing(const Decoder *d, uint64_t offset, Fault *reterr) {
        return fault_set(reterr, -EBADMSG,
                         "Something that is no %s follows the compressed data at offset %" PRIu64
                         ": the archive is damaged or something was appended",
                         d->codec->name, offset);
}

static int cut_off(const Decoder *d, Fault *reterr) {
        return fault_set(reterr, -EBADMSG,
                         "The archive is cut off: it ends at offset %" PRIu64
                         " in the middle of the compressed data",
                         d->given);
}

/* ---- Codecs ---- */

static int tar_step(Decoder *d, uint8_t *data, size_t room, size_t *ret_size, Fault *reterr) {
        size_t n = d->in_size < room ? d->in_size : room;

        memcpy(data, d->in, n);
        use(d, n);
        *ret_size = n;
        return 0;
}

static int zstd_open(Decoder *d) {
        d->zstd = ZSTD_createDCtx();
        if (!d->zstd)
                return -ENOMEM;
        return ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, (int) d->window_log_max))
                       ? -EINVAL
                       : 0;
}

static int zstd_failed(const Decoder *d, size_t code, bool first, Fault *reterr) {
        switch ((int) ZSTD_getErrorCode(code)) {
        case ZSTD_error_memory_allocation:
                return -ENOMEM;
        case ZSTD_error_frameParameter_windowTooLarge:
                return fault_set(reterr, -EBADMSG,
                                 "The archive was packed with a window of more than %" PRIu64
                                 " MiB (zstd --long): expected --long=%u or less",
                                 ((uint64_t) 1 << d->window_log_max) >> 20, d->window_log_max);
        case ZSTD_error_prefix_unknown:
                if (first)
                        return fault_set(reterr, -EBADMSG,
                                         "The archive is not zstd: its first bytes are others");
                return trailing(d, d->frame_start, reterr);
        default:
                return damaged(d, ZSTD_getErrorName(code), reterr);
        }
}

static int zstd_step(Decoder *d, uint8_t *data, size_t room, size_t *ret_size, Fault *reterr) {
        ZSTD_inBuffer in = { .src = d->in, .size = d->in_size };
        ZSTD_outBuffer out = { .dst = data, .size = room };
        size_t code = ZSTD_decompressStream(d->zstd, &out, &in);

        use(d, in.pos);
        if (ZSTD_isError(code))
                return zstd_failed(d, code, d->frame_start == 0, reterr);
        d->in_frame = code != 0;
        *ret_size = out.pos;
        return 0;
}

static int lz4_open(Decoder *d) {
        return LZ4F_isError(LZ4F_createDecompressionContext(&d->lz4, LZ4F_VERSION)) ? -ENOMEM : 0;
}

static int lz4_step(Decoder *d, uint8_t *data, size_t room, size_t *ret_size, Fault *reterr) {
        size_t in = d->in_size, out = room;
        bool between = !d->in_frame;
        size_t code = LZ4F_decompress(d->lz4, data, &out, d->in, &in, NULL);

        if (LZ4F_isError(code)) {
                if (between && d->began)
                        return trailing(d, d->frame_start, reterr);
                return damaged(d, LZ4F_getErrorName(code), reterr);
        }
        use(d, in);
        d->in_frame = code != 0;
        *ret_size = out;
        return 0;
}

static int gzip_open(Decoder *d) {
        return inflateInit2(&d->gzip, MAX_WBITS + 16) == Z_OK ? 0 : -ENOMEM;
}

static int gzip_step(Decoder *d, uint8_t *data, size_t room, size_t *ret_size, Fault *reterr) {
        z_stream *z = &d->gzip;
        bool between = !d->in_frame;
        uInt in = d->in_size < UINT_MAX ? (uInt) d->in_size : UINT_MAX,
             out = room < UINT_MAX ? (uInt) room : UINT_MAX;
        int r;

        if (between && inflateReset(z) != Z_OK)
                return -EINVAL;
        z->next_in = (z_const Bytef *) (uintptr_t) d->in;
        z->avail_in = in;
        z->next_out = data;
        z->avail_out = out;
        r = inflate(z, Z_NO_FLUSH);
        use(d, in - z->avail_in);
        *ret_size = out - z->avail_out;
        d->in_frame = r != Z_STREAM_END;
        if (r == Z_MEM_ERROR)
                return -ENOMEM;
        if (r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR)
                return 0;
        if (between && d->frame_start > 0 && str_eq(z->msg, "incorrect header check"))
                return trailing(d, d->frame_start, reterr);
        return damaged(d, z->msg ?: "a dictionary is asked for", reterr);
}

static int xz_open(Decoder *d) {
        return lzma_stream_decoder(&d->xz, XZ_MEMORY_MAX, LZMA_CONCATENATED) == LZMA_OK ? 0 : -ENOMEM;
}

static const char *xz_reason(lzma_ret code) {
        switch ((int) code) {
        case LZMA_MEMLIMIT_ERROR:
                return "it needs more than 256 MiB of memory: pack it with xz -9 or less";
        case LZMA_FORMAT_ERROR:
                return "its first bytes are others";
        case LZMA_OPTIONS_ERROR:
                return "it uses what is not supported";
        case LZMA_BUF_ERROR:
                return "no progress";
        default:
                return "a checksum or a structure is wrong";
        }
}

/* Concatenated streams and their padding are the library's matter: only it knows where the end is. */
static int xz_step(Decoder *d, uint8_t *data, size_t room, size_t *ret_size, Fault *reterr) {
        lzma_stream *x = &d->xz;
        size_t n = d->in_size;
        lzma_ret code;

        x->next_in = d->in;
        x->avail_in = n;
        x->next_out = data;
        x->avail_out = room;
        code = lzma_code(x, d->ended ? LZMA_FINISH : LZMA_RUN);
        use(d, n - x->avail_in);
        *ret_size = room - x->avail_out;
        d->in_frame = code != LZMA_STREAM_END;
        if (code == LZMA_OK || code == LZMA_STREAM_END || (code == LZMA_BUF_ERROR && d->ended))
                return 0;
        return code == LZMA_MEM_ERROR ? -ENOMEM : damaged(d, xz_reason(code), reterr);
}

static const Codec codecs[_ARCHIVE_CODEC_MAX] = {
        [ARCHIVE_TAR] = { "tar", NULL, tar_step },
        [ARCHIVE_TAR_ZSTD] = { "zstd", zstd_open, zstd_step },
        [ARCHIVE_TAR_LZ4] = { "lz4", lz4_open, lz4_step },
        [ARCHIVE_TAR_GZIP] = { "gzip", gzip_open, gzip_step },
        [ARCHIVE_TAR_XZ] = { "xz", xz_open, xz_step },
};

int decoder_new(ArchiveCodec codec, unsigned window_log_max, DecoderSource source, void *userdata,
                Decoder **ret, Fault *reterr) {
        cleanup_(decoder_freep) Decoder *d = NULL;
        int r;

        if ((unsigned) codec >= _ARCHIVE_CODEC_MAX)
                return fault_set(reterr, -EINVAL, "It is not known how the archive is compressed");
        d = calloc(1, sizeof *d);
        if (!d)
                return -ENOMEM;
        d->codec = &codecs[codec];
        d->source = source;
        d->userdata = userdata;
        d->window_log_max = window_log_max ?: DECODER_WINDOW_LOG;
        r = d->codec->open ? d->codec->open(d) : 0;
        if (r < 0)
                return fault_errno(reterr, r, "Failed to set up the decoder for %s", d->codec->name);
        *ret = TAKE_PTR(d);
        return 0;
}

Decoder *decoder_free(Decoder *d) {
        if (d) {
                ZSTD_freeDCtx(d->zstd);
                LZ4F_freeDecompressionContext(d->lz4);
                (void) inflateEnd(&d->gzip); /* refuses what was never begun */
                lzma_end(&d->xz);
                free(d);
        }
        return NULL;
}

int decoder_read(Decoder *d, uint8_t *data, size_t room, size_t *ret_size, Fault *reterr) {
        size_t n = 0;

        while (n < room) {
                size_t got = 0, before;
                int r;

                r = refill(d, reterr);
                if (r < 0)
                        return r;
                if (d->in_size == 0 && !d->in_frame)
                        break;
                if (!d->in_frame)
                        d->frame_start = decoder_consumed(d);
                before = d->in_size;
                r = d->codec->step(d, data + n, room - n, &got, reterr);
                if (r < 0)
                        return r;
                d->began = true;
                n += got;
                if (got == 0 && before == d->in_size && (before > 0 || d->in_frame))
                        return d->ended ? cut_off(d, reterr) : damaged(d, "no progress", reterr);
        }
        if (n == 0 && room > 0 && !d->began)
                return fault_set(reterr, -EBADMSG, "The archive is empty");
        *ret_size = n;
        return 0;
}

ArchiveCodec decoder_codec_of_bytes(const uint8_t *data, size_t size) {
        static const struct {
                ArchiveCodec codec;
                size_t offset, size;
                const char *magic;
        } known[] = {
                { ARCHIVE_TAR_ZSTD, 0, 4, "\x28\xb5\x2f\xfd" },
                { ARCHIVE_TAR_LZ4, 0, 4, "\x04\x22\x4d\x18" },
                { ARCHIVE_TAR_GZIP, 0, 2, "\x1f\x8b" },
                { ARCHIVE_TAR_XZ, 0, 6, "\xfd\x37zXZ" },
                { ARCHIVE_TAR, 257, 5, "ustar" },
        };

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (known[i].offset + known[i].size <= size &&
                    memcmp(data + known[i].offset, known[i].magic, known[i].size) == 0)
                        return known[i].codec;
        return _ARCHIVE_CODEC_MAX;
}
