#pragma once
/*
 * The bytes of a manifest, for those who read or write them: manifest.c says
 * what they are.
 */
#include "archive/manifest.h"

#include <endian.h>
#include <string.h>

#define MANIFEST_HEAD_MAX 8192 /* bytes of the text head with its empty line */
#define MANIFEST_TEXT_MAX 256  /* bytes of one value of it */

#define LAYOUT_CHUNK  44 /* bytes of a part, chunked: offset, length, digest */
#define LAYOUT_FRAME  60 /* framed: and plain length, first extent, number of extents */
#define LAYOUT_EXTENT 52 /* file, offset, length, offset in the frame, digest */
#define LAYOUT_FILE   28 /* name, mode, kind, zero, size, mtime, nanoseconds */

typedef struct ManifestLayout {
        ManifestHead head;
        uint64_t n_parts, n_extents, names_size;
        size_t head_size; /* with the empty line */
} ManifestLayout;

static inline uint16_t layout_get16(const uint8_t *p) {
        uint16_t v;

        memcpy(&v, p, sizeof v);
        return le16toh(v);
}

static inline uint32_t layout_get32(const uint8_t *p) {
        uint32_t v;

        memcpy(&v, p, sizeof v);
        return le32toh(v);
}

static inline uint64_t layout_get64(const uint8_t *p) {
        uint64_t v;

        memcpy(&v, p, sizeof v);
        return le64toh(v);
}

static inline uint8_t *layout_put16(uint8_t *p, uint16_t v) {
        v = htole16(v);
        return (uint8_t *) memcpy(p, &v, sizeof v) + sizeof v;
}

static inline uint8_t *layout_put32(uint8_t *p, uint32_t v) {
        v = htole32(v);
        return (uint8_t *) memcpy(p, &v, sizeof v) + sizeof v;
}

static inline uint8_t *layout_put64(uint8_t *p, uint64_t v) {
        v = htole64(v);
        return (uint8_t *) memcpy(p, &v, sizeof v) + sizeof v;
}

/* -EBADMSG: the line, what was found, what was expected. On failure nothing is owned. */
int manifest_head_parse(const char *text, size_t size, ManifestLayout *ret, Fault *reterr);

/* The text with its empty line, owned. -EINVAL: a value that manifest_head_parse() would refuse. */
int manifest_head_format(const ManifestLayout *layout, char **ret, size_t *ret_size, Fault *reterr);

/* NULL, or why @path (NUL-terminated) may not stand in a manifest. */
const char *manifest_path_fault(const char *path);

/* As strcmp(), by components: what is below a directory comes right behind it. */
int manifest_path_compare(const char *a, const char *b);

/* What stands behind the body, borrowed. */
void manifest_signatures(const Manifest *m, const char **ret, size_t *ret_size);
