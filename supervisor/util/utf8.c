#include "util/utf8.h"
#include "util/cleanup.h"

#include <string.h>

typedef struct Lead {
        unsigned char first, last; /* of the first byte */
        unsigned char low, high; /* of the second: neither overlong, nor a surrogate, nor beyond U+10FFFF */
        size_t length;
} Lead;

static const Lead leads[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static size_t lead_length(const unsigned char *p, size_t left) {
        for (const Lead *lead = leads; lead < leads + ELEMENTSOF(leads); lead++) {
                if (p[0] < lead->first || p[0] > lead->last)
                        continue;
                if (left < lead->length || p[1] < lead->low || p[1] > lead->high)
                        return 0;
                for (size_t i = 2; i < lead->length; i++)
                        if ((p[i] & 0xc0) != 0x80)
                                return 0;
                return lead->length;
        }
        return 0;
}

size_t utf8_decode(const char *s, size_t left, uint32_t *ret) {
        const unsigned char *p = (const unsigned char *) s;
        uint32_t code;
        size_t n;

        if (left == 0)
                return 0;
        if (p[0] < 0x80) {
                *ret = p[0];
                return 1;
        }
        n = lead_length(p, left);
        if (n == 0)
                return 0;
        code = p[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++)
                code = code << 6 | (p[i] & 0x3f);
        *ret = code;
        return n;
}

size_t utf8_length(const char *s, size_t left) {
        uint32_t code;

        return utf8_decode(s, left, &code);
}

char *utf8_clean(const char *s) {
        char *copy = strdup(s);
        size_t left = copy ? strlen(copy) : 0;

        for (char *p = copy; left > 0;) {
                size_t n = utf8_length(p, left);

                if (n == 0) {
                        *p = '?';
                        n = 1;
                }
                p += n;
                left -= n;
        }
        return copy;
}
