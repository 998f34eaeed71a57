#include "util/hex.h"
#include "util/cleanup.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

char *hex_encode(const void *data, size_t size, char *ret) {
        const unsigned char *bytes = data;

        for (size_t i = 0; i < size; i++) {
                ret[2 * i] = digits[bytes[i] >> 4];
                ret[2 * i + 1] = digits[bytes[i] & 0xf];
        }
        ret[2 * size] = 0;
        return ret;
}

int hex_decode(const char *text, void *ret, size_t size) {
        unsigned char *bytes = ret;

        if (!text || strlen(text) != 2 * size || strspn(text, digits) != 2 * size)
                return -EBADMSG;
        for (size_t i = 0; i < size; i++)
                bytes[i] = (unsigned char) ((strchr(digits, text[2 * i]) - digits) << 4 |
                                            (strchr(digits, text[2 * i + 1]) - digits));
        return 0;
}
