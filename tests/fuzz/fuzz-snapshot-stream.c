/*
 * Archives of arbitrary bytes, decoded and unpacked for real: whatever comes out
 * has only regular files and directories, within the caps, none of the protected
 * ones, and nothing appears beside the directory. The first byte chooses the codec.
 */
#include "tests/fuzz/scratch.h"
#include "archive/decoder.h"
#include "archive/tar-reader.h"
#include "util/directory.h"
#include "util/text.h"
#include "util/tree.h"

#include <stdio.h>
#include <sys/stat.h>

#define FILES 20
#define BYTES 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Input {
        const uint8_t *data;
        size_t size;
} Input;

static int feed(void *userdata, const uint8_t **ret, size_t *ret_size, Fault *reterr) {
        Input *in = userdata;

        *ret = in->data;
        *ret_size = in->size;
        in->size = 0;
        return 0;
}

static void on_failed(void *userdata, int r, Fault *fault) {
        assert(r < 0 && fault->text);
}

/* Of regular files. */
static uint64_t check_tree(int dirfd) {
        cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        uint64_t bytes = 0;

        assert(directory_list(dirfd, &dir) >= 0);
        while (directory_next(dir, &entry) >= 0 && entry) {
                struct stat st;

                assert(fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) >= 0);
                assert(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
                assert((st.st_mode & 07000) == 0);
                assert(strcasecmp(entry->d_name, "protected") != 0);
                if (S_ISDIR(st.st_mode)) {
                        cleanup_fd_ int fd =
                                openat(dirfd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                        bytes += check_tree(fd);
                } else
                        bytes += (uint64_t) st.st_size;
        }
        return bytes;
}

/* At most a block of plain bytes: enough for headers, which are what can go wrong. */
static int decode(const uint8_t *data, size_t size, Block *b) {
        Input in = { data + 1, size - 1 };
        cleanup_(decoder_freep) Decoder *d = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r;

        assert(decoder_new((ArchiveCodec) (data[0] % _ARCHIVE_CODEC_MAX), 20, feed, &in, &d, &fault) == 0);
        r = decoder_read(d, b->data, BLOCK_SIZE, &b->size, &fault);
        assert(r == 0 || (r == -EBADMSG && fault.text));
        return r;
}

static int unpack(int tree, Block *b) {
        static char *const protect[] = { (char *) "*/protected", (char *) "protected", NULL };
        const OutputOptions options = { .protect = protect, .max_bytes = BYTES, .max_files = FILES };
        cleanup_(output_freep) Output *output = NULL;
        cleanup_(writers_freep) Writers *writers = NULL;
        cleanup_fault_ Fault fault = { 0 };
        TarOptions tar;
        Queue queue;
        Block *left;
        int r;

        assert(output_new(tree, &options, &output, &fault) == 0);
        assert(writers_new(2, on_failed, NULL, &writers) == 0);
        assert(queue_init(&queue, 2) == 0);
        assert(queue_put(&queue, b) == 0);
        queue_end(&queue);
        tar = (TarOptions){ .blocks = &queue, .output = output, .writers = writers };
        r = tar_unpack(&tar, &fault);
        if (r >= 0)
                r = writers_finish(writers);
        while ((left = queue_left(&queue)))
                block_unref(left);
        queue_done(&queue);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_(block_pool_freep) BlockPool *pool = NULL;
        cleanup_fd_ int tree = -1;
        struct stat st;
        Block *b;
        int r;

        if (size < 2)
                return 0;
        assert(mkdirat(scratch(), "tree", 0755) == 0);
        tree = openat(scratch(), "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert(tree >= 0 && block_pool_new(1, &pool) == 0 && block_pool_take(pool, &b) == 0);
        if (decode(data, size, b) == 0 && b->size > 0) {
                r = unpack(tree, b);
                assert(r == 0 || r == -EBADMSG || r == -ENOSPC || r == -ECANCELED);
                assert(check_tree(tree) <= BYTES);
        }
        assert(tree_remove(scratch(), "tree", NULL) == 0);
        assert(fstat(scratch(), &st) == 0 && st.st_nlink <= 2);
        return 0;
}
