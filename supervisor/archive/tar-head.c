#include "archive/tar-head.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_ROOM    100
#define OCTAL_MAX    ((uint64_t) 077777777777) /* 11 digits: 8 GiB - 1, the year 2242 */
#define CHECKSUM_AT  148
#define RECORD_EXTRA 32 /* of a pax record besides its value: length, blank, key, '=', line break */

typedef struct Ustar {
        char name[NAME_ROOM], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type,
                link[NAME_ROOM];
        char magic[8], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
} Ustar;

_Static_assert(sizeof(Ustar) == TAR_BLOCK, "a header is one block");

/* @path may be longer than there is room for: the pax header has all of it then. */
static void put_block(uint8_t *at, const char *path, char type, uint64_t size, mode_t mode, uint64_t mtime) {
        Ustar u = { .type = type,
                    .magic = "ustar\0"
                             "00" };
        char digits[16];
        unsigned sum = 0;
        size_t n = strlen(path);

        memcpy(u.name, path, n < NAME_ROOM ? n : NAME_ROOM);
        snprintf(u.mode, sizeof u.mode, "%07o", (unsigned) mode & 0777);
        memcpy(u.uid, "0000000", 8);
        memcpy(u.gid, "0000000", 8);
        memcpy(u.major, "0000000", 8);
        memcpy(u.minor, "0000000", 8);
        snprintf(digits, sizeof digits, "%011" PRIo64, size);
        memcpy(u.size, digits, sizeof u.size);
        snprintf(digits, sizeof digits, "%011" PRIo64, mtime);
        memcpy(u.mtime, digits, sizeof u.mtime);
        memset(u.checksum, ' ', sizeof u.checksum);
        memcpy(at, &u, sizeof u);
        for (size_t i = 0; i < TAR_BLOCK; i++)
                sum += at[i];
        snprintf(digits, sizeof digits, "%06o", sum & 0777777);
        memcpy(at + CHECKSUM_AT, digits, 7); /* six digits, NUL; the blank behind stays */
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. Returns its size. */
static size_t put_record(char *at, const char *key, const char *value) {
        size_t bare = strlen(key) + strlen(value) + 3, length = bare;
        char digits[24];
        int n;

        for (;;) {
                n = snprintf(digits, sizeof digits, "%zu", length);
                if (bare + (size_t) n == length)
                        break;
                length = bare + (size_t) n;
        }
        return (size_t) sprintf(at, "%s %s=%s\n", digits, key, value);
}

/* Pax values are UTF-8 unless said otherwise; names on a disk are any bytes. */
static bool is_utf8(const char *s) {
        const uint8_t *p = (const uint8_t *) s;

        while (*p) {
                unsigned n = *p < 0x80                 ? 0
                             : *p >= 0xc2 && *p < 0xe0 ? 1
                             : *p >= 0xe0 && *p < 0xf0 ? 2
                             : *p >= 0xf0 && *p < 0xf5 ? 3
                                                       : 4;
                uint8_t first = *p++;

                if (n == 4)
                        return false;
                if (n > 1 && ((first == 0xe0 && *p < 0xa0) || (first == 0xed && *p > 0x9f) ||
                              (first == 0xf0 && *p < 0x90) || (first == 0xf4 && *p > 0x8f)))
                        return false;
                for (; n > 0; n--, p++)
                        if ((*p & 0xc0) != 0x80)
                                return false;
        }
        return true;
}

size_t tar_head_format(const TarEntry *e, uint8_t ret[static TAR_HEAD_MAX]) {
        char records[TAR_HEAD_MAX - 3 * TAR_BLOCK] = "", path[sizeof records - 4 * RECORD_EXTRA], number[24];
        uint64_t mtime = e->mtime_sec < 0 ? 0 : (uint64_t) e->mtime_sec;
        size_t n = 0, size = 0;

        snprintf(path, sizeof path, "%s%s", e->path, e->directory ? "/" : "");
        if (strlen(path) > NAME_ROOM) {
                if (!is_utf8(path))
                        n += put_record(records + n, "hdrcharset", "BINARY");
                n += put_record(records + n, "path", path);
        }
        if (e->size > OCTAL_MAX) {
                snprintf(number, sizeof number, "%" PRIu64, e->size);
                n += put_record(records + n, "size", number);
        }
        if (n > 0) {
                size_t whole = n + TAR_PADDING(n);

                put_block(ret, "././@PaxHeader", 'x', n, 0644, 0);
                memcpy(ret + TAR_BLOCK, records, n);
                memset(ret + TAR_BLOCK + n, 0, whole - n);
                size = TAR_BLOCK + whole;
        }
        put_block(ret + size, path, e->directory ? '5' : '0', e->size > OCTAL_MAX ? 0 : e->size, e->mode,
                  mtime > OCTAL_MAX ? OCTAL_MAX : mtime);
        return size + TAR_BLOCK;
}
