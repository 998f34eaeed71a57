#pragma once
/*
 * The wire format of SSH keys and signatures (RFC 4251, section 5): big-endian
 * numbers, and strings with their length before them. One cursor checks all
 * lengths: it never reads beyond its end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What is still to be read; the bytes are borrowed. */
typedef struct SshWire {
        const uint8_t *p;
        size_t left;
} SshWire;

/* Each: false, with nothing set, if there are not as many bytes. */
bool ssh_wire_take(SshWire *w, size_t size, const uint8_t **ret);
bool ssh_wire_take_u32(SshWire *w, uint32_t *ret);
bool ssh_wire_take_string(SshWire *w, SshWire *ret);

bool ssh_wire_is(const SshWire *w, const char *text);

/* Printable for an error text: at most 40 bytes, others than visible ASCII as '?'. Returns @buffer. */
const char *ssh_wire_text(const SshWire *w, char buffer[static 41]);

/* Owned, with a NUL after it; NULL without memory. Whether there is a NUL inside is the caller's to look at.
 */
char *ssh_wire_dup(const SshWire *w);

/* To a memory stream, whose fclose() tells of what failed. */
void ssh_wire_put_u32(FILE *f, size_t n);
void ssh_wire_put_string(FILE *f, const void *data, size_t size);
void ssh_wire_put_text(FILE *f, const char *text);
