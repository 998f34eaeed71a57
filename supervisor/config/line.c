#include "config/line.h"

#include <stddef.h>
#include <stdint.h>

/* Length of the character at @s: 0 if it is a control character or no UTF-8. */
static size_t character_length(const unsigned char *s) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t n = s[0] < 0x80             ? 1
                   : (s[0] & 0xe0) == 0xc0 ? 2
                   : (s[0] & 0xf0) == 0xe0 ? 3
                   : (s[0] & 0xf8) == 0xf0 ? 4
                                           : 0;
        uint32_t c;

        if (n <= 1)
                return n == 1 && s[0] >= 0x20 && s[0] != 0x7f;
        c = s[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3f);
        }
        /* C1 controls and the two line separators are control characters as well. */
        if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || c < 0xa0 || c == 0x2028 ||
            c == 0x2029)
                return 0;
        return n;
}

bool text_is_line(const char *s) {
        while (*s) {
                size_t n = character_length((const unsigned char *) s);

                if (n == 0)
                        return false;
                s += n;
        }
        return true;
}

void text_make_line(char *s) {
        while (*s) {
                size_t n = character_length((const unsigned char *) s);

                if (n == 0)
                        *s = '?';
                s += n ?: 1;
        }
}
