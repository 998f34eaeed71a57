/*
 * Pure but for the read: a hook that floods costs a read and a memmove, never
 * memory.
 */
#include "hook/output.h"
#include "util/durable.h"
#include "util/text.h"

#include <ctype.h>

#define LINE_MAX_BYTES 200

void hook_output_done(HookOutput *output) {
        free(output->data);
        output->data = NULL;
        output->size = 0;
}

static void take_last(HookOutput *o, const char *data, size_t size) {
        size_t over;

        if (size > o->max) {
                data += size - o->max;
                size = o->max;
                o->dropped = true;
        }
        if (o->size + size > o->max) {
                over = o->size + size - o->max;
                memmove(o->data, o->data + over, o->size - over);
                o->size -= over;
                o->dropped = true;
        }
        memcpy(o->data + o->size, data, size);
        o->size += size;
}

static void take_first(HookOutput *o, const char *data, size_t size) {
        if (o->size + size > o->max) {
                size = o->max - o->size;
                o->dropped = true;
        }
        memcpy(o->data + o->size, data, size);
        o->size += size;
}

int hook_output_read(HookOutput *output, int fd, int echo_fd) {
        char buffer[4096];
        ssize_t n;

        if (!output->data) {
                output->data = malloc(output->max);
                if (!output->data)
                        return -ENOMEM;
        }
        do
                n = read(fd, buffer, sizeof buffer);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        if (echo_fd >= 0)
                (void) write_all(echo_fd, buffer, (size_t) n);
        if (output->keep_last)
                take_last(output, buffer, (size_t) n);
        else
                take_first(output, buffer, (size_t) n);
        return (int) n;
}

/* Bytes of the UTF-8 sequence at @s, 0 if it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s, size_t left) {
        uint32_t code;
        size_t n;

        if (s[0] == 0)
                return 0;
        if (s[0] < 0x80)
                return 1;
        n = s[0] >= 0xf0 && s[0] <= 0xf4  ? 4
            : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
            : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                                          : 0;
        if (n == 0 || n > left)
                return 0;
        code = s[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (s[i] & 0x3f);
        }
        if ((n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)) ||
            (code >= 0xd800 && code < 0xe000))
                return 0;
        return n;
}

char *hook_output_text(const HookOutput *output) {
        char *text = malloc(output->size + 1);
        size_t i = 0, n;

        if (!text)
                return NULL;
        while (i < output->size) {
                n = utf8_length((const unsigned char *) output->data + i, output->size - i);
                if (n == 0) {
                        text[i++] = '?';
                        continue;
                }
                memcpy(text + i, output->data + i, n);
                i += n;
        }
        text[i] = 0;
        return text;
}

char *hook_output_last_line(const char *text) {
        const char *end = text + strlen(text), *begin;
        size_t size;
        char *line;

        while (end > text && isspace((unsigned char) end[-1]))
                end--;
        for (begin = end; begin > text && begin[-1] != '\n'; begin--)
                ;
        size = (size_t) (end - begin);
        if (size > LINE_MAX_BYTES) {
                size = LINE_MAX_BYTES;
                while (size > 0 && ((unsigned char) begin[size] & 0xc0) == 0x80)
                        size--; /* never half a character */
        }
        line = strndup(begin, size);
        for (char *c = line; c && *c; c++)
                if (iscntrl((unsigned char) *c))
                        *c = '?';
        return line;
}
