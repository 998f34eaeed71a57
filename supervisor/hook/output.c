/*
 * Pure but for the read: a hook that floods costs a read and a memmove, never
 * memory.
 */
#include "hook/output.h"
#include "util/durable.h"
#include "util/text.h"
#include "util/utf8.h"

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

char *hook_output_text(const HookOutput *output) {
        char *text = malloc(output->size + 1);
        size_t i = 0, n;

        if (!text)
                return NULL;
        while (i < output->size) {
                n = output->data[i] ? utf8_length(output->data + i, output->size - i) : 0;
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
