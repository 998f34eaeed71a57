/*
 * libarchive would peel layer after layer; here the filter is chosen once and
 * by name, so that a bomb cannot be a bomb within a bomb. What follows the
 * last frame is looked at too: libarchive stops there and says nothing.
 */
#include "upgrade/plain.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define STEP (128 * 1024)

struct Plain {
        struct archive *filter; /* NULL: not compressed */
        int fd;
        uint64_t size, max, given, after_data;
        char *buffer;
};

typedef struct Layer {
        const char *name;
        unsigned char magic[6];
        size_t n_magic;
        int code;
} Layer;

static const Layer layers[] = {
        { "gzip", { 0x1f, 0x8b }, 2, ARCHIVE_FILTER_GZIP },
        { "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, ARCHIVE_FILTER_ZSTD },
        { "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, ARCHIVE_FILTER_XZ },
};

Plain *plain_free(Plain *p) {
        if (p) {
                if (p->filter)
                        archive_read_free(p->filter);
                free(p->buffer);
                free(p);
        }
        return NULL;
}

uint64_t plain_consumed(const Plain *p) {
        return p->filter ? (uint64_t) archive_filter_bytes(p->filter, -1) : p->given;
}

uint64_t plain_after_data(const Plain *p) {
        return p->after_data;
}

static int open_filter(Plain *p, const Layer *layer, Fault *reterr) {
        struct archive_entry *entry;

        p->filter = archive_read_new();
        if (!p->filter)
                return -ENOMEM;
        if (archive_read_append_filter(p->filter, layer->code) != ARCHIVE_OK ||
            archive_read_support_format_raw(p->filter) != ARCHIVE_OK ||
            archive_read_open_fd(p->filter, p->fd, STEP) != ARCHIVE_OK ||
            archive_read_next_header(p->filter, &entry) != ARCHIVE_OK)
                return fault_set(reterr, -EBADMSG, "Failed to decompress the download, which begins like %s",
                                 layer->name);
        return 0;
}

int plain_open(int fd, uint64_t max, Plain **ret, Fault *reterr) {
        cleanup_(plain_freep) Plain *p = calloc(1, sizeof *p);
        unsigned char head[6] = { 0 };
        struct stat st;
        ssize_t n;
        int r;

        if (!p)
                return -ENOMEM;
        p->fd = fd;
        p->max = max;
        p->buffer = malloc(STEP);
        if (!p->buffer)
                return -ENOMEM;
        if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        p->size = (uint64_t) st.st_size;
        n = pread(fd, head, sizeof head, 0);
        if (n < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(layers); i++)
                if ((size_t) n >= layers[i].n_magic &&
                    memcmp(head, layers[i].magic, layers[i].n_magic) == 0) {
                        r = open_filter(p, &layers[i], reterr);
                        if (r < 0)
                                return r;
                        break;
                }
        *ret = TAKE_PTR(p);
        return 0;
}

ssize_t plain_read(Plain *p, const void **ret, Fault *reterr) {
        size_t tail;
        ssize_t n;

        do
                n = p->filter ? archive_read_data(p->filter, p->buffer, STEP) : read(p->fd, p->buffer, STEP);
        while (n < 0 && !p->filter && errno == EINTR);
        if (n < 0 && p->filter)
                return fault_set(reterr, -EBADMSG, "Failed to decompress: %s",
                                 archive_error_string(p->filter) ?: "damaged");
        if (n < 0)
                return fault_errno(reterr, -errno, "Failed to read the archive");
        if ((uint64_t) n > p->max - p->given)
                return fault_set(reterr, -EFBIG, "The archive unpacks to more than %" PRIu64 " bytes",
                                 p->max);
        for (tail = (size_t) n; tail > 0 && p->buffer[tail - 1] == 0;)
                tail--;
        if (tail > 0)
                p->after_data = p->given + tail;
        p->given += (uint64_t) n;
        *ret = p->buffer;
        return n;
}

int plain_finish(Plain *p, Fault *reterr) {
        uint64_t consumed = plain_consumed(p);

        if (consumed == p->size)
                return 0;
        return fault_set(reterr, -EBADMSG,
                         "%" PRIu64 " bytes follow the compressed data at offset %" PRIu64
                         ": the archive is damaged or "
                         "something was appended",
                         p->size - consumed, consumed);
}
