/*
 * MANIFEST on arbitrary bytes: what is read is sorted, has only valid paths,
 * and is found again by name.
 */
#include "tests/fuzz/scratch.h"
#include "upgrade/manifest.h"
#include "util/name.h"
#include "util/text.h"

#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
        cleanup_fault_ Fault fault = { 0 };
        cleanup_fd_ int fd =
                openat(scratch(), MANIFEST_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int r;

        assert(fd >= 0 && write(fd, data, size) == (ssize_t) size);
        r = release_manifest_read(scratch(), &m, &fault);
        assert(unlinkat(scratch(), MANIFEST_NAME, 0) == 0);
        assert(r == 0 || r == -EBADMSG);
        assert((r == 0) == (m != NULL));
        if (r != 0) {
                assert(strncmp(fault.text, MANIFEST_NAME ":", strlen(MANIFEST_NAME ":")) == 0);
                return 0;
        }
        assert(version_is_valid(m->version));
        for (size_t i = 0; i < m->n_entries; i++) {
                const ReleaseEntry *e = &m->entries[i];

                assert(release_path_is_valid(e->path) && !str_eq(e->path, MANIFEST_NAME));
                assert(strlen(e->digest) == 64 && e->mode <= 07777);
                assert(release_manifest_find(m, e->path) == e);
                assert(i == 0 || strcmp(e[-1].path, e->path) < 0);
        }
        return 0;
}
