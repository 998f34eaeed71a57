#include "config/line.h"
#include "util/utf8.h"

/* Length of the character at @s: 0 if it is a control character or no UTF-8. */
static size_t character_length(const char *s) {
        uint32_t c;
        size_t n = utf8_decode(s, SIZE_MAX, &c);

        /* C1 controls and the two line separators are control characters as well. */
        if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
                return 0;
        return n;
}

bool text_is_line(const char *s) {
        while (*s) {
                size_t n = character_length(s);

                if (n == 0)
                        return false;
                s += n;
        }
        return true;
}

void text_make_line(char *s) {
        while (*s) {
                size_t n = character_length(s);

                if (n == 0)
                        *s = '?';
                s += n ?: 1;
        }
}
