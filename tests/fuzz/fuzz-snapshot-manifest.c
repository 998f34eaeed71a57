/*
 * Manifests of snapshots on arbitrary bytes: what is accepted keeps every promise
 * of its header, as readers rely on them without looking again, and no signature
 * counts: the seeds' keys are not on the list.
 */
#include "archive/manifest-layout.h"
#include "crypto/signers.h"
#include "util/durable.h"
#include "util/text.h"

#include <assert.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char allowed[] = "nobody ssh-ed25519 "
                              "AAAAC3NzaC1lZDI1NTE5AAAAIHBe5fzXq5dXm9ULUDb9IgWdvbu5rUYjZ5pRLbBCRHrT\n";

/* Every byte of every file comes once, from within its frame. */
static void extents(const Manifest *m) {
        uint64_t total = 0;
        ManifestExtent e;
        ManifestPart p;
        ManifestFile f;

        for (size_t i = 0; i < manifest_n_parts(m); i++) {
                manifest_part(m, i, &p);
                assert(p.length > 0 && p.length <= MANIFEST_PART_MAX && p.plain_length <= MANIFEST_PART_MAX);
                assert(p.offset + p.length <= manifest_head(m)->archive_size);
                for (size_t n = p.first_extent; n < p.first_extent + p.n_extents; n++) {
                        assert(n < manifest_n_extents(m));
                        manifest_extent(m, n, &e);
                        assert(e.file < manifest_n_files(m));
                        manifest_file(m, e.file, &f);
                        assert(!f.directory && e.length > 0 && e.offset + e.length <= f.size);
                        assert((uint64_t) e.frame_offset + e.length <= p.plain_length);
                        assert(e.offset % MANIFEST_EXTENT_ALIGN == 0 && e.frame_offset % 512 == 0);
                        total += e.length;
                }
        }
        if (manifest_head(m)->mode == MANIFEST_FRAMED)
                assert(total == manifest_head(m)->plain_size);
}

static void files(const Manifest *m) {
        ManifestFile f, before;

        for (size_t i = 0; i < manifest_n_files(m); i++) {
                manifest_file(m, i, &f);
                assert(!manifest_path_fault(f.path) && f.mode <= 0777 && f.mtime_nsec < 1000000000);
                if (i > 0) {
                        manifest_file(m, i - 1, &before);
                        assert(manifest_path_compare(before.path, f.path) < 0);
                }
        }
}

static void signatures(const Manifest *m) {
        cleanup_(signers_freep) Signers *signers = NULL;
        cleanup_free_ char *problems = NULL;
        cleanup_strv_ char **who = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r;

        assert(signers_parse(allowed, "signers", &signers, NULL) == 0);
        r = manifest_signed_by(m, signers, 1790000000, &who, &problems, &fault);
        assert(r == 0 || r == -EBADMSG);
        assert(r == 0 ? strv_length(who) == 0 : fault.text != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_(manifest_freep) Manifest *m = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int fd = memfd_create("manifest", MFD_CLOEXEC), r;

        assert(fd >= 0 && write_all(fd, data, size) == 0);
        r = manifest_open(fd, "m", &m, &fault);
        assert(r == 0 || r == -EBADMSG);
        assert((r == 0) == (m != NULL) && (r == 0) == (fault.text == NULL));
        if (r == 0) {
                files(m);
                extents(m);
                signatures(m);
        }
        return 0;
}
