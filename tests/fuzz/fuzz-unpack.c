/*
 * Archives of arbitrary bytes, unpacked for real: whatever comes out has only
 * regular files and directories, of the modes and within the caps promised,
 * and nothing appears beside the tree.
 */
#include "tests/fuzz/scratch.h"
#include "upgrade/manifest.h"
#include "util/tree.h"
#include "upgrade/unpack.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FILES 20
#define BYTES 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tree(int tree, const UnpackResult *result) {
        cleanup_(release_manifest_freep) ReleaseManifest *m = NULL;
        cleanup_fault_ Fault fault = { 0 };
        uint64_t bytes = 0;

        assert(release_manifest_create(tree, "1", &m, &fault) == 0);
        for (size_t i = 0; i < m->n_entries; i++) {
                assert(m->entries[i].mode == 0644 || m->entries[i].mode == 0755);
                bytes += m->entries[i].size;
        }
        assert(bytes <= BYTES && m->n_entries <= FILES && m->n_entries == result->files &&
               bytes == result->bytes);
        assert(release_manifest_find(m, result->binary)->mode == 0755);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const UnpackOptions options = { .binary = "bin/kcn", .max_files = FILES, .max_bytes = BYTES };
        cleanup_(unpack_result_done) UnpackResult result = { 0 };
        cleanup_fault_ Fault fault = { 0 };
        cleanup_fd_ int archive = memfd_create("archive", MFD_CLOEXEC), tree = -1;
        struct stat st;
        int r;

        assert(archive >= 0 && write(archive, data, size) == (ssize_t) size);
        assert(mkdirat(scratch(), "tree", 0755) == 0);
        tree = openat(scratch(), "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert(tree >= 0);
        r = unpack(archive, tree, &options, &result, &fault);
        assert(r == 0 || r == -EBADMSG);
        assert(r == 0 || fault.text);
        if (r == 0)
                check_tree(tree, &result);
        assert(tree_remove(scratch(), "tree", NULL) == 0);
        assert(fstat(scratch(), &st) == 0 && st.st_nlink <= 2);
        return 0;
}
