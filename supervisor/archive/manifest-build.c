/*
 * The tables grow in memory in the form they have on disk. What is written is
 * not checked against manifest.c's rules here: who writes one opens it.
 */
#include "archive/manifest-layout.h"
#include "util/durable.h"
#include "util/text.h"

typedef struct Table {
        uint8_t *data;
        size_t size, room;
} Table;

struct ManifestBuilder {
        ManifestMode mode;
        Table parts, extents, files, names;
        uint64_t n_parts, n_extents, n_files, plain_size;
        uint64_t extents_in_parts; /* that a part has taken */
};

/* Room for @size more bytes at the end; NULL without memory. */
static uint8_t *table_grow(Table *t, size_t size) {
        if (t->room - t->size < size) {
                size_t room = t->room > 0 ? t->room * 2 : 4096;
                uint8_t *data;

                while (room - t->size < size)
                        room *= 2;
                data = realloc(t->data, room);
                if (!data)
                        return NULL;
                t->data = data;
                t->room = room;
        }
        t->size += size;
        return t->data + t->size - size;
}

int manifest_builder_new(ManifestMode mode, ManifestBuilder **ret) {
        ManifestBuilder *b = calloc(1, sizeof *b);

        if (!b)
                return -ENOMEM;
        b->mode = mode;
        *ret = b;
        return 0;
}

ManifestBuilder *manifest_builder_free(ManifestBuilder *b) {
        if (b) {
                free(b->parts.data);
                free(b->extents.data);
                free(b->files.data);
                free(b->names.data);
                free(b);
        }
        return NULL;
}

int manifest_builder_file(ManifestBuilder *b, const ManifestFile *file) {
        size_t size = strlen(file->path) + 1, at = b->names.size;
        uint8_t *name, *p;

        if (at + size > UINT32_MAX || b->n_files >= UINT32_MAX)
                return -EFBIG;
        name = table_grow(&b->names, size);
        if (!name)
                return -ENOMEM;
        memcpy(name, file->path, size);
        p = table_grow(&b->files, LAYOUT_FILE);
        if (!p) {
                b->names.size = at;
                return -ENOMEM;
        }
        p = layout_put32(p, (uint32_t) at);
        p = layout_put16(p, (uint16_t) file->mode);
        *p++ = file->directory;
        *p++ = 0;
        p = layout_put64(p, file->size);
        p = layout_put64(p, (uint64_t) file->mtime_sec);
        layout_put32(p, file->mtime_nsec);
        b->n_files++;
        b->plain_size += file->size;
        return 0;
}

int manifest_builder_extent(ManifestBuilder *b, const ManifestExtent *extent) {
        uint8_t *p = table_grow(&b->extents, LAYOUT_EXTENT);

        if (!p)
                return -ENOMEM;
        p = layout_put32(p, (uint32_t) extent->file);
        p = layout_put64(p, extent->offset);
        p = layout_put32(p, extent->length);
        p = layout_put32(p, extent->frame_offset);
        memcpy(p, extent->sha256, sizeof extent->sha256);
        b->n_extents++;
        return 0;
}

int manifest_builder_part(ManifestBuilder *b, const ManifestPart *part) {
        bool framed = b->mode == MANIFEST_FRAMED;
        uint8_t *p = table_grow(&b->parts, framed ? LAYOUT_FRAME : LAYOUT_CHUNK);

        if (!p)
                return -ENOMEM;
        p = layout_put64(p, part->offset);
        p = layout_put32(p, part->length);
        if (framed)
                p = layout_put32(p, part->plain_length);
        p = (uint8_t *) memcpy(p, part->sha256, sizeof part->sha256) + sizeof part->sha256;
        if (framed) {
                p = layout_put64(p, b->extents_in_parts);
                layout_put32(p, (uint32_t) (b->n_extents - b->extents_in_parts));
                b->extents_in_parts = b->n_extents;
        }
        b->n_parts++;
        return 0;
}

int manifest_builder_write(const ManifestBuilder *b, const ManifestHead *head, int fd, Fault *reterr) {
        ManifestLayout layout = { .head = *head, .n_parts = b->n_parts };
        cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        layout.head.mode = b->mode;
        if (b->mode == MANIFEST_FRAMED) {
                layout.head.n_files = b->n_files;
                layout.head.plain_size = b->plain_size;
                layout.n_extents = b->n_extents;
                layout.names_size = b->names.size;
        }
        r = manifest_head_format(&layout, &text, &size, reterr);
        if (r < 0)
                return r;
        if (size + b->parts.size + b->extents.size + b->files.size + b->names.size > MANIFEST_SIZE_MAX)
                return fault_set(reterr, -EFBIG, "The manifest would be larger than 2 GiB");
        r = write_all(fd, text, size);
        if (r >= 0)
                r = write_all(fd, b->parts.data, b->parts.size);
        if (r >= 0)
                r = write_all(fd, b->extents.data, b->extents.size);
        if (r >= 0)
                r = write_all(fd, b->files.data, b->files.size);
        if (r >= 0)
                r = write_all(fd, b->names.data, b->names.size);
        return r < 0 ? fault_errno(reterr, r, "Failed to write the manifest") : 0;
}
