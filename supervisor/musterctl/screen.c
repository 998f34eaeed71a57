/*
 * Nothing here trusts its text: an escape sequence in a client's version
 * string must not reach the terminal of somebody who runs `musterctl list`.
 */
#include "musterctl/screen.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <wchar.h>

#include "util/text.h"
#include "util/utf8.h"

static unsigned number_from(const char *variable) {
        const char *text = getenv(variable);
        uint64_t n;

        return text && parse_u64(text, &n) == 0 && n > 0 && n <= 10000 ? (unsigned) n : 0;
}

void screen_detect(Screen *ret, int fd, bool no_color) {
        const char *term = getenv("TERM"), *color = getenv("NO_COLOR");
        struct winsize size = {};
        unsigned n;

        *ret = (Screen){
                .terminal = isatty(fd) > 0,
                .utf8 = str_eq(nl_langinfo(CODESET), "UTF-8"),
        };
        ret->color = ret->terminal && !no_color && !(color && *color) && term && !str_eq(term, "dumb");
        if (ret->terminal) {
                if (ioctl(fd, TIOCGWINSZ, &size) < 0)
                        size = (struct winsize){};
                ret->width = size.ws_col ?: 80;
                ret->rows = number_from("LINES") ?: size.ws_row ?: 24;
        }
        n = number_from("COLUMNS");
        if (n > 0)
                ret->width = n;
}

const char *screen_on(const Screen *screen, Tone tone) {
        static const char *const sequences[_TONE_MAX] = {
                [TONE_PLAIN] = "",           [TONE_GOOD] = "\033[0;1;32m", [TONE_WAIT] = "\033[0;1;33m",
                [TONE_BAD] = "\033[0;1;31m", [TONE_DIM] = "\033[0;2m",     [TONE_BOLD] = "\033[0;1m",
        };

        return screen->color ? sequences[tone] : "";
}

const char *screen_off(const Screen *screen) {
        return screen->color ? "\033[0m" : "";
}

const char *screen_dot(const Screen *screen) {
        return screen->utf8 ? "\u25cf" : "*";
}

const char *screen_arrow(const Screen *screen) {
        return screen->utf8 ? "\u2192" : "->";
}

const char *screen_ellipsis(const Screen *screen) {
        return screen->utf8 ? "\u2026" : "...";
}

static bool turns_text(uint32_t c) {
        return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
               (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
}

typedef struct Glyph {
        const char *bytes;
        size_t length;
        unsigned width;
} Glyph;

/* The next thing to show; advances *s. false at the end. */
static bool glyph_next(const Screen *screen, const char **s, Glyph *ret) {
        uint32_t c = 0;
        size_t length;
        int width;

        if (!**s)
                return false;
        length = utf8_decode(*s, SIZE_MAX, &c);
        *ret = (Glyph){ "?", 1, 1 };
        if (c == '\n' || c == '\r' || c == '\t')
                ret->bytes = " ";
        else if (length == 1 && c >= ' ' && c != 0x7f)
                ret->bytes = *s;
        else if (length > 1 && screen->utf8 && !turns_text(c) && (width = wcwidth((wchar_t) c)) >= 0)
                *ret = (Glyph){ *s, length, (unsigned) width };
        *s += length ?: 1;
        return true;
}

unsigned text_width(const Screen *screen, const char *text) {
        unsigned width = 0;
        Glyph g;

        while (glyph_next(screen, &text, &g))
                width += g.width;
        return width;
}

unsigned text_put(FILE *f, const Screen *screen, const char *text, unsigned max) {
        unsigned written = 0, dots = screen->utf8 ? 1 : 3, room = max;
        bool cut = max > 0 && text_width(screen, text) > max;
        Glyph g;

        if (cut)
                room = max > dots ? max - dots : 0;
        while (glyph_next(screen, &text, &g)) {
                if (cut && written + g.width > room)
                        break;
                fwrite(g.bytes, 1, g.length, f);
                written += g.width;
        }
        if (cut)
                for (unsigned i = 0; i < (max < dots ? max : dots); i++, written++)
                        fputs(screen->utf8 ? "\u2026" : ".", f);
        return written;
}

/* Bytes of @text up to the last blank that lets them fit, or as many as fit. */
static size_t wrap_at(const Screen *screen, const char *text, unsigned width) {
        const char *at = text, *blank = NULL, *before = text;
        unsigned used = 0;
        Glyph g;

        while (glyph_next(screen, &at, &g)) {
                if (*before == ' ' && before > text)
                        blank = before;
                used += g.width;
                if (used > width && before > text)
                        return (size_t) ((blank ?: before) - text);
                before = at;
        }
        return strlen(text);
}

void text_put_wrapped(FILE *f, const Screen *screen, const char *text, unsigned width, unsigned indent) {
        while (width > 0 && text_width(screen, text) > width) {
                size_t n = wrap_at(screen, text, width);
                cleanup_free_ char *line = strndup(text, n);

                if (!line)
                        break;
                text_put(f, screen, line, 0);
                fprintf(f, "\n%*s", (int) indent, "");
                text += n + strspn(text + n, " ");
        }
        text_put(f, screen, text, 0);
}

void text_put_padded(FILE *f, const Screen *screen, const char *text, Tone tone, unsigned width,
                     bool right) {
        unsigned natural = text_width(screen, text), taken = natural < width ? natural : width;

        if (right)
                fprintf(f, "%*s", (int) (width - taken), "");
        fputs(screen_on(screen, tone), f);
        taken = text_put(f, screen, text, width);
        if (tone != TONE_PLAIN)
                fputs(screen_off(screen), f);
        if (!right && taken < width)
                fprintf(f, "%*s", (int) (width - taken), "");
}
