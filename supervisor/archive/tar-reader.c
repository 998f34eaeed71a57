/*
 * libarchive parses; it never touches the file system and opens no other format
 * than tar. What it hands out nearly always lies in the block that it was given,
 * so the writers get it without a copy.
 *
 * Pieces of large files are cut so that each begins at a multiple of 4096 in its
 * file: what a block has too much at its end is put before the first byte of
 * the next one. A direct write at another offset is several times slower.
 */
#include "archive/tar-reader.h"
#include "archive/direct.h"
#include "archive/path.h"
#include "util/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <locale.h>

#define CUT ((uint64_t) 4096)

typedef struct TarReader {
        const TarOptions *options;
        struct archive *archive;
        Block *block; /* that libarchive has now */
        int error;    /* of the queue */
        uint64_t entries, bytes;

        WrittenFile *file; /* NULL: its data is passed over */
        uint64_t size;
        uint8_t carried[CUT]; /* of the file's data, not yet handed on */
        size_t n_carried;
        uint64_t carried_offset;
} TarReader;

static void reader_done(TarReader *t) {
        if (t->archive)
                archive_read_free(t->archive);
        block_unref(t->block);
}

static la_ssize_t on_read(struct archive *a, void *userdata, const void **ret) {
        TarReader *t = userdata;
        void *next = NULL;
        int r;

        t->block = block_unref(t->block);
        r = queue_take(t->options->blocks, &next);
        if (r == QUEUE_E_END)
                return 0;
        if (r < 0) {
                t->error = r;
                archive_set_error(a, ECANCELED, "cancelled");
                return -1;
        }
        t->block = next;
        *ret = t->block->data;
        return (la_ssize_t) t->block->size;
}

static uint64_t position(const TarReader *t) {
        return (uint64_t) archive_filter_bytes(t->archive, 0);
}

static int damaged(const TarReader *t, const char *where, Fault *reterr) {
        if (t->error < 0)
                return t->error;
        return fault_set(reterr, -EBADMSG,
                         "The archive is damaged at %s, near offset %" PRIu64 " of the tar: %s", where,
                         position(t), archive_error_string(t->archive) ?: "no reason known");
}

/* ---- Data ---- */

static bool in_block(const TarReader *t, const uint8_t *data, size_t size) {
        const Block *b = t->block;

        return b && data >= b->data && data + size <= b->data + b->size;
}

static int flush_carried(TarReader *t) {
        size_t n = t->n_carried;

        t->n_carried = 0;
        return n > 0 ? writers_write(t->options->writers, t->file, NULL, t->carried, n, t->carried_offset)
                     : 0;
}

/* What is to be kept of a piece that ends with its block, so that the next one begins well. */
static size_t surplus(const TarReader *t, const uint8_t *data, size_t size, uint64_t offset) {
        size_t n = (size_t) ((offset + size) % CUT);

        if (t->size < DIRECT_SIZE_MIN || offset + size >= t->size || n >= size ||
            data + size != t->block->data + t->block->size)
                return 0;
        return n;
}

static int hand_on(TarReader *t, const uint8_t *data, size_t size, uint64_t offset) {
        Writers *w = t->options->writers;
        bool inside = in_block(t, data, size);
        size_t keep;
        int r;

        if (t->n_carried > 0 && inside && data == t->block->data &&
            offset == t->carried_offset + t->n_carried) {
                data -= t->n_carried; /* the headroom */
                memcpy(t->block->data - t->n_carried, t->carried, t->n_carried);
                size += t->n_carried;
                offset -= t->n_carried;
                t->n_carried = 0;
        }
        r = flush_carried(t);
        if (r < 0)
                return r;
        if (!inside)
                return writers_write(w, t->file, NULL, data, size, offset);
        keep = surplus(t, data, size, offset);
        memcpy(t->carried, data + size - keep, keep);
        t->n_carried = keep;
        t->carried_offset = offset + size - keep;
        return writers_write(w, t->file, t->block, data, size - keep, offset);
}

static int read_data(TarReader *t, const char *shown, Fault *reterr) {
        for (;;) {
                const void *data;
                la_int64_t offset;
                size_t size;
                int r;

                r = archive_read_data_block(t->archive, &data, &size, &offset);
                if (r == ARCHIVE_EOF)
                        return t->file ? flush_carried(t) : 0;
                if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                        return damaged(t, shown, reterr);
                if (size == 0)
                        continue;
                if (offset < 0 || (uint64_t) offset > t->size || size > t->size - (uint64_t) offset)
                        return fault_set(
                                reterr, -EBADMSG,
                                "%s has data at %" PRId64 " to %" PRId64 ", but %" PRIu64 " bytes only",
                                shown, (int64_t) offset, (int64_t) offset + (int64_t) size, t->size);
                r = t->file ? hand_on(t, data, size, (uint64_t) offset) : 0;
                if (r < 0)
                        return r;
        }
}

/* ---- Entries ---- */

/* What an entry is, if that must not be in a snapshot; else NULL. */
static const char *forbidden(struct archive_entry *entry) {
        if (archive_entry_hardlink(entry))
                return "a hard link";
        switch (archive_entry_filetype(entry)) {
        case AE_IFREG:
                return archive_entry_size_is_set(entry) && archive_entry_size(entry) >= 0
                               ? NULL
                               : "a file without a size";
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

static int count(TarReader *t, struct archive_entry *entry, const char *shown, Fault *reterr) {
        const TarOptions *o = t->options;
        char a[SIZE_TEXT_MAX];

        t->size = archive_entry_filetype(entry) == AE_IFREG ? (uint64_t) archive_entry_size(entry) : 0;
        if (o->max_entries > 0 && t->entries > o->max_entries)
                return fault_set(reterr, -EBADMSG,
                                 "The archive has more than the %" PRIu64 " entries of its manifest (at %s)",
                                 o->max_entries, shown);
        if (o->max_bytes > 0 && t->size > o->max_bytes - t->bytes)
                return fault_set(reterr, -EBADMSG,
                                 "The archive unpacks to more than the %s of its manifest (at %s)",
                                 format_size(a, o->max_bytes), shown);
        t->bytes += t->size;
        return 0;
}

static int unpack_file(TarReader *t, struct archive_entry *entry, const char *name, const char *shown,
                       Fault *reterr) {
        OutputFile *file;
        int r;

        r = output_file_open(t->options->output, name, t->size, archive_entry_perm(entry),
                             archive_entry_mtime(entry), (uint32_t) archive_entry_mtime_nsec(entry), &file,
                             reterr);
        if (r < 0)
                return r;
        t->file = NULL;
        t->n_carried = 0;
        if (r == 0) {
                r = writers_begin(t->options->writers, file, &t->file);
                if (r < 0)
                        return r;
        }
        r = read_data(t, shown, reterr);
        if (r >= 0 && t->file)
                writers_end(t->options->writers, t->file);
        t->file = NULL;
        return r;
}

static int unpack_entry(TarReader *t, struct archive_entry *entry, Fault *reterr) {
        const char *name = archive_entry_pathname(entry), *why;
        char shown[PATH_SHOWN_MAX + 16], buffer[PATH_SHOWN_MAX + 4];
        int r;

        t->entries++;
        if (!name || !*name)
                return fault_set(reterr, -EBADMSG,
                                 "Entry %" PRIu64 " at offset %" PRIu64
                                 " of the tar has no name, or one that is not UTF-8",
                                 t->entries, position(t));
        snprintf(shown, sizeof shown, "entry '%s'", path_shown(name, buffer));
        why = forbidden(entry);
        if (why)
                return fault_set(reterr, -EBADMSG,
                                 "E%s is %s: a snapshot has only regular files and directories", shown + 1,
                                 why);
        r = count(t, entry, shown, reterr);
        if (r < 0)
                return r;
        if (archive_entry_filetype(entry) == AE_IFREG)
                return unpack_file(t, entry, name, shown, reterr);
        r = output_directory(t->options->output, name, archive_entry_perm(entry), archive_entry_mtime(entry),
                             (uint32_t) archive_entry_mtime_nsec(entry), reterr);
        return r < 0 ? r : 0;
}

/* ---- The end ---- */

static int check_zeros(const Block *b, size_t from, Fault *reterr) {
        for (size_t i = from; i < b->size; i++)
                if (b->data[i] != 0)
                        return fault_set(reterr, -EBADMSG,
                                         "The archive has other data behind its end, at offset %" PRIu64
                                         " of the tar: something was appended",
                                         b->offset + i);
        return 0;
}

/* Nothing but zeros may follow; reading on is what lets the decoder see the end of its data. */
static int check_tail(TarReader *t, Fault *reterr) {
        uint64_t end = position(t);
        void *item;
        int r = 0;

        if (t->block && end < t->block->offset + t->block->size)
                r = check_zeros(t->block, end > t->block->offset ? (size_t) (end - t->block->offset) : 0,
                                reterr);
        while (r >= 0) {
                r = queue_take(t->options->blocks, &item);
                if (r != 0)
                        return r < 0 ? r : 0;
                block_unref(t->block);
                t->block = item;
                r = check_zeros(t->block, 0, reterr);
        }
        return r;
}

static int unpack_entries(TarReader *t, Fault *reterr) {
        for (;;) {
                struct archive_entry *entry;
                uint64_t before = position(t);
                char where[40];
                int r;

                r = archive_read_next_header(t->archive, &entry);
                if (r == ARCHIVE_EOF) {
                        if (t->error < 0)
                                return t->error;
                        if (position(t) - before < 512)
                                return fault_set(reterr, -EBADMSG,
                                                 "The archive is cut off: the tar ends at offset %" PRIu64
                                                 " without its end mark of zeros",
                                                 before);
                        return check_tail(t, reterr);
                }
                snprintf(where, sizeof where, "entry %" PRIu64, t->entries + 1);
                if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                        return damaged(t, where, reterr);
                r = unpack_entry(t, entry, reterr);
                if (r < 0)
                        return r;
                /* With the padding, so that the position tells whether an end mark comes. */
                if (archive_read_data_skip(t->archive) < ARCHIVE_WARN)
                        return damaged(t, where, reterr);
        }
}

static int open_tar(TarReader *t, Fault *reterr) {
        t->archive = archive_read_new();
        if (!t->archive || archive_read_support_format_tar(t->archive) != ARCHIVE_OK)
                return -ENOMEM;
        if (archive_read_open(t->archive, t, NULL, on_read, NULL) == ARCHIVE_OK)
                return 0;
        if (t->error < 0)
                return t->error;
        return fault_set(reterr, -EBADMSG, "What was unpacked is no tar archive: %s",
                         archive_error_string(t->archive) ?: "no reason known");
}

int tar_unpack(const TarOptions *options, Fault *reterr) {
        cleanup_(reader_done) TarReader t = { .options = options };
        /* In the C locale libarchive gives no name to an entry whose pax name is not ASCII. */
        locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0), old = (locale_t) 0;
        int r;

        if (utf8)
                old = uselocale(utf8);
        r = open_tar(&t, reterr);
        if (r >= 0)
                r = unpack_entries(&t, reterr);
        if (utf8) {
                uselocale(old);
                freelocale(utf8);
        }
        return r;
}
