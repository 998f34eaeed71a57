#include "crypto/ssh-wire.h"
#include "util/text.h"

bool ssh_wire_take(SshWire *w, size_t size, const uint8_t **ret) {
        if (w->left < size)
                return false;
        *ret = w->p;
        w->p += size;
        w->left -= size;
        return true;
}

bool ssh_wire_take_u32(SshWire *w, uint32_t *ret) {
        const uint8_t *p;

        if (!ssh_wire_take(w, 4, &p))
                return false;
        *ret = (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
        return true;
}

bool ssh_wire_take_string(SshWire *w, SshWire *ret) {
        const uint8_t *p;
        uint32_t size;

        if (!ssh_wire_take_u32(w, &size) || !ssh_wire_take(w, size, &p))
                return false;
        *ret = (SshWire){ p, size };
        return true;
}

bool ssh_wire_is(const SshWire *w, const char *text) {
        return w->left == strlen(text) && memcmp(w->p, text, w->left) == 0;
}

const char *ssh_wire_text(const SshWire *w, char buffer[static 41]) {
        size_t n = w->left < 40 ? w->left : 40;

        for (size_t i = 0; i < n; i++)
                buffer[i] = w->p[i] > 0x20 && w->p[i] < 0x7f ? (char) w->p[i] : '?';
        buffer[n] = 0;
        return buffer;
}

/* strndup() would look for a NUL beyond the bytes. */
char *ssh_wire_dup(const SshWire *w) {
        char *text = malloc(w->left + 1);

        if (!text)
                return NULL;
        memcpy(text, w->p, w->left);
        text[w->left] = 0;
        return text;
}

void ssh_wire_put_u32(FILE *f, size_t n) {
        const uint8_t bytes[4] = { (uint8_t) (n >> 24), (uint8_t) (n >> 16), (uint8_t) (n >> 8),
                                   (uint8_t) n };

        fwrite(bytes, 1, sizeof bytes, f);
}

void ssh_wire_put_string(FILE *f, const void *data, size_t size) {
        ssh_wire_put_u32(f, size);
        fwrite(data, 1, size, f);
}

void ssh_wire_put_text(FILE *f, const char *text) {
        ssh_wire_put_string(f, text, strlen(text));
}
