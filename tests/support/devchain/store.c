/*
 * A crash leaves at most a torn or missing last block, never a wrong one in the
 * middle: blocks are appended in order and the tail is checked by its own hash.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "durable.h"
#include "log.h"

static void path_in(const Store *s, const char *name, char ret_path[PATH_MAX]) {
        snprintf(ret_path, PATH_MAX, "%.4000s/%s", s->dir, name);
}

int store_claim(Store *s, const char *dir) {
        static const char *const folders[] = { "", "config", "data" };
        char path[PATH_MAX], owner[32] = {};
        cleanup_fd_ int fd = -1;
        int r;

        snprintf(s->dir, sizeof(s->dir), "%s", dir);
        for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
                path_in(s, folders[i], path);
                r = durable_mkdir(path);
                if (r < 0) {
                        log_error("Failed to make '%s': %s", path, strerror(-r));
                        return r;
                }
        }

        path_in(s, "LOCK", path);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
                log_error("Failed to open '%s': %m", path);
                return -errno;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (pread(fd, owner, sizeof(owner) - 1, 0) < 0)
                        owner[0] = '\0';
                log_error("Failed to lock '%s': data directory is in use by pid %.*s", path,
                          (int) strcspn(owner, "\n"), owner);
                return -EWOULDBLOCK;
        }
        r = snprintf(owner, sizeof(owner), "%d\n", getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, owner, (size_t) r, 0) != r) {
                log_error("Failed to write '%s': %m", path);
                return -EIO;
        }
        s->lock_fd = TAKE_FD(fd);
        return 0;
}

int store_check_version(Store *s, unsigned data_version, bool *ret_migrate) {
        cleanup_free_ char *text = NULL;
        char path[PATH_MAX], blocks[PATH_MAX];
        unsigned found;
        int r;

        path_in(s, "data-version", path);
        path_in(s, "data/blocks", blocks);
        r = durable_read(path, &text);
        if (r == -ENOENT) {
                s->first = access(blocks, F_OK) < 0;
                *ret_migrate = true;
                return 0;
        }
        if (r == 0 && sscanf(text, "%u", &found) != 1)
                r = -EINVAL;
        if (r < 0) {
                log_error("Failed to read '%s': %s", path, strerror(-r));
                return r;
        }
        if (found > data_version) {
                log_error("Failed to open '%s': data version %u is newer than %u, the newest that this "
                          "binary can read; "
                          "refusing to touch it",
                          s->dir, found, data_version);
                return -EPROTO;
        }
        if (found < data_version)
                log_info("migrating data from version %u to %u", found, data_version);
        *ret_migrate = found < data_version;
        return 0;
}

int store_seal_version(Store *s, unsigned data_version) {
        char path[PATH_MAX], text[32];
        int r;

        path_in(s, "data-version", path);
        snprintf(text, sizeof(text), "%u\n", data_version);
        r = durable_write(path, 0644, text);
        if (r < 0)
                log_error("Failed to write '%s': %s", path, strerror(-r));
        return r;
}

static int read_record(const Store *s, uint64_t height, Block *ret) {
        char line[BLOCK_LINE + 1] = {};

        if (pread(s->blocks_fd, line, BLOCK_LINE, (off_t) ((height - 1) * BLOCK_LINE)) != BLOCK_LINE)
                return -EIO;
        return block_parse(line, ret) && ret->height == height ? 0 : -EBADMSG;
}

/* Cuts what a crash left unfinished: a part of a line, then a last block that is not itself. */
static int find_head(Store *s) {
        uint64_t count;
        struct stat st;
        Block b;

        if (fstat(s->blocks_fd, &st) < 0)
                return -errno;
        count = (uint64_t) st.st_size / BLOCK_LINE;
        if (count > 0 && (read_record(s, count, &b) < 0 || !block_verify(&b, s->chain_id)))
                count--;
        if (count * BLOCK_LINE != (uint64_t) st.st_size) {
                log_warn("dropping a torn tail after block %" PRIu64, count);
                if (ftruncate(s->blocks_fd, (off_t) (count * BLOCK_LINE)) < 0)
                        return -errno;
        }
        s->head = s->genesis;
        return count == 0 ? 0 : read_record(s, count, &s->head);
}

int store_open(Store *s, const char *chain_id, uint32_t n_validators) {
        char path[PATH_MAX];
        Block b;
        int r;

        snprintf(s->chain_id, sizeof(s->chain_id), "%s", chain_id);
        block_genesis(&s->genesis, chain_id, n_validators);

        path_in(s, "data/blocks", path);
        s->blocks_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (s->blocks_fd < 0) {
                log_error("Failed to open '%s': %m", path);
                return -errno;
        }
        if (read_record(s, 1, &b) == 0 &&
            (strcmp(b.parent, s->genesis.hash) != 0 || !block_verify(&b, chain_id))) {
                log_error("Failed to open '%s': it is of another chain than '%s' with %u validators", path,
                          chain_id, n_validators);
                return -EBADMSG;
        }
        r = find_head(s);
        if (r < 0)
                log_error("Failed to open '%s': %s", path, strerror(-r));
        return r;
}

int store_append(Store *s, const Block *b) {
        char line[BLOCK_LINE + 1];

        block_format(b, line);
        if (pwrite(s->blocks_fd, line, BLOCK_LINE, (off_t) ((b->height - 1) * BLOCK_LINE)) != BLOCK_LINE) {
                log_error("Failed to append block %" PRIu64 ": %m", b->height);
                return -EIO;
        }
        s->head = *b;
        return 0;
}

int store_sync(Store *s) {
        if (s->blocks_fd >= 0 && fsync(s->blocks_fd) < 0) {
                log_error("Failed to sync the chain: %m");
                return -errno;
        }
        return 0;
}

int store_read(const Store *s, uint64_t height, Block *ret) {
        if (height == 0 || height > s->head.height) {
                if (height != 0)
                        return STORE_E_NONE;
                *ret = s->genesis;
                return 0;
        }
        return read_record(s, height, ret);
}

void store_done(Store *s) {
        closep(&s->blocks_fd);
        closep(&s->lock_fd);
        s->blocks_fd = s->lock_fd = -1;
}
