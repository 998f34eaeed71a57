#include "crypto/base64.h"
#include "util/cleanup.h"

static int digit_of(char c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t size, uint8_t **ret, size_t *ret_size) {
        cleanup_free_ uint8_t *out = malloc(size / 4 * 3 + 3);
        uint32_t group = 0;
        unsigned digits = 0, padding = 0;
        size_t n = 0;

        if (!out)
                return -ENOMEM;
        for (size_t i = 0; i < size; i++) {
                int d;

                if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n')
                        continue;
                if (text[i] == '=') {
                        if (digits + padding < 2 || digits + padding >= 4)
                                return -EBADMSG;
                        padding++;
                        continue;
                }
                d = digit_of(text[i]);
                if (d < 0 || padding > 0)
                        return -EBADMSG;
                group = group << 6 | (uint32_t) d;
                if (++digits == 4) {
                        out[n++] = (uint8_t) (group >> 16);
                        out[n++] = (uint8_t) (group >> 8);
                        out[n++] = (uint8_t) group;
                        group = digits = 0;
                }
        }
        if (digits + padding != 0 && digits + padding != 4)
                return -EBADMSG;
        if (digits == 2) {
                if (group & 0xf)
                        return -EBADMSG;
                out[n++] = (uint8_t) (group >> 4);
        } else if (digits == 3) {
                if (group & 0x3)
                        return -EBADMSG;
                out[n++] = (uint8_t) (group >> 10);
                out[n++] = (uint8_t) (group >> 2);
        }
        if (n == 0)
                return -EBADMSG;
        *ret = TAKE_PTR(out);
        *ret_size = n;
        return 0;
}
