/*
 * Whole blocks of a file go directly to the disk, and need no exclusion. The bytes
 * of its last block that is not whole go through the page cache, alone, so that
 * the file has its exact size at once, and nobody waits for a write of so
 * little. No page ever holds both: it would overwrite what was written directly
 * beside it. Where they would (other offsets, pages larger than a block), what is
 * not aligned is read, changed and written back in whole blocks, alone; the last
 * one is padded with zeros, which makes the file too long until direct_trim(): a
 * crash in between leaves a partial restore, which is never taken for a whole one.
 */
#include "archive/direct.h"
#include "util/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define BOUNCE    ((size_t) 1 << 20)
#define ALIGN_MAX ((uint32_t) 64 << 10) /* beyond, padding would cost more than the page cache */

/*
 * At least a page, though a disk may take 512: ext4 and xfs do less than one of their
 * blocks alone, with zeros around it. Also where the kernel does not tell (before 6.1).
 */
#define BLOCK_GUESS 4096

static void ask_alignment(DirectFile *f) {
        f->memory = f->block = BLOCK_GUESS;
#ifdef STATX_DIOALIGN
        struct statx st;

        if (statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0 || !(st.stx_mask & STATX_DIOALIGN))
                return;
        if (st.stx_dio_offset_align == 0 || st.stx_dio_offset_align > ALIGN_MAX ||
            st.stx_dio_mem_align > ALIGN_MAX)
                f->direct = false;
        else {
                if (st.stx_dio_offset_align > BLOCK_GUESS)
                        f->block = st.stx_dio_offset_align;
                f->memory = st.stx_dio_mem_align;
        }
#endif
}

static int set_direct(int fd, bool on) {
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0)
                return -errno;
        return fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) < 0 ? -errno : 0;
}

int direct_open(DirectFile *f, int fd, uint64_t size, bool buffered) {
        int r;

        *f = (DirectFile){ .fd = fd, .size = size, .page = (uint32_t) sysconf(_SC_PAGESIZE) };
        r = size > INT64_MAX ? -EFBIG : ftruncate(fd, (off_t) size) < 0 ? -errno : 0;
        if (r >= 0)
                r = -pthread_rwlock_init(&f->lock, NULL);
        if (r < 0) {
                close(fd);
                return r;
        }
        f->direct = !buffered && size >= DIRECT_SIZE_MIN;
        if (f->direct)
                ask_alignment(f);
        if (f->direct && set_direct(fd, true) < 0)
                f->direct = false;
        f->begun_direct = f->direct;
        return 0;
}

static int write_at(int fd, const uint8_t *data, size_t size, uint64_t offset) {
        while (size > 0) {
                ssize_t n = pwrite(fd, data, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                data += n;
                size -= (size_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}

/* Zeros behind the end, where a read is short. */
static int read_at(int fd, uint8_t *data, size_t size, uint64_t offset) {
        ssize_t n;

        do
                n = pread(fd, data, size, (off_t) offset);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        memset(data + n, 0, size - (size_t) n);
        return 0;
}

static uint64_t round_down(uint64_t n, uint32_t block) {
        return n - n % block;
}

static uint64_t round_up(uint64_t n, uint32_t block) {
        return round_down(n + block - 1, block);
}

/* Whole blocks; what @data lacks of the last one is zeros behind the end of the file. */
static int write_bounced(DirectFile *f, uint8_t *bounce, const uint8_t *data, size_t size, uint64_t offset) {
        while (size > 0) {
                size_t n = size < BOUNCE ? size : BOUNCE, whole = (size_t) round_up(n, f->block);
                int r;

                memcpy(bounce, data, n);
                memset(bounce + n, 0, whole - n);
                r = write_at(f->fd, bounce, whole, offset);
                if (r < 0)
                        return r;
                data += n;
                size -= n;
                offset += n;
        }
        return 0;
}

/* Under the lock, written: any bytes. */
static int write_changed(DirectFile *f, uint8_t *bounce, const uint8_t *data, size_t size, uint64_t offset) {
        while (size > 0) {
                uint64_t start = round_down(offset, f->block);
                size_t skip = (size_t) (offset - start), n = BOUNCE - skip < size ? BOUNCE - skip : size;
                size_t whole = (size_t) round_up(skip + n, f->block);
                int r;

                r = read_at(f->fd, bounce, whole, start);
                if (r < 0)
                        return r;
                memcpy(bounce + skip, data, n);
                f->padded = f->padded || start + whole > f->size;
                r = write_at(f->fd, bounce, whole, start);
                if (r < 0)
                        return r;
                data += n;
                size -= n;
                offset += n;
        }
        return 0;
}

static int with_bounce(DirectFile *f, const uint8_t *data, size_t size, uint64_t offset,
                       int (*write)(DirectFile *f, uint8_t *bounce, const uint8_t *data, size_t size,
                                    uint64_t offset)) {
        size_t align = f->memory > BLOCK_GUESS ? f->memory : BLOCK_GUESS;
        size_t room =
                size < BOUNCE - 2 * f->block ? (size_t) round_up(size, f->block) + 2 * f->block : BOUNCE;
        void *bounce;
        int r;

        if (posix_memalign(&bounce, align, room) != 0)
                return -ENOMEM;
        r = write(f, bounce, data, size, offset);
        free(bounce);
        return r;
}

static int write_whole(DirectFile *f, const uint8_t *data, size_t size, uint64_t offset) {
        if (size == 0)
                return 0;
        if ((uintptr_t) data % (f->memory ?: 1) != 0)
                return with_bounce(f, data, size, offset, write_bounced);
        return write_at(f->fd, data, size, offset);
}

/* Under the lock, written: the last bytes of the file, through the page cache. */
static int write_tail(DirectFile *f, const uint8_t *data, size_t size, uint64_t offset) {
        int r = set_direct(f->fd, false), q;

        if (r < 0)
                return r;
        r = write_at(f->fd, data, size, offset);
        q = set_direct(f->fd, true);
        return r < 0 ? r : q;
}

/* Under the lock. 1: the file system does not want it directly after all. */
static int try_direct(DirectFile *f, const uint8_t *data, size_t size, uint64_t offset,
                      int (*write)(DirectFile *f, const uint8_t *data, size_t size, uint64_t offset)) {
        int r = f->direct ? write(f, data, size, offset) : 1;

        return r == -EINVAL ? 1 : r;
}

static int write_any(DirectFile *f, const uint8_t *data, size_t size, uint64_t offset) {
        return with_bounce(f, data, size, offset, write_changed);
}

/* As try_direct(). */
static int write_direct(DirectFile *f, const uint8_t *data, size_t size, uint64_t offset) {
        bool aligned = offset % f->block == 0, end = offset + size == f->size;
        size_t tail = aligned && end && f->page <= f->block ? (size_t) (size % f->block) : 0;
        size_t whole = size - tail;
        int r = 0;

        if (aligned && whole % f->block == 0) {
                pthread_rwlock_rdlock(&f->lock);
                r = try_direct(f, data, whole, offset, write_whole);
                pthread_rwlock_unlock(&f->lock);
                if (r != 0 || tail == 0)
                        return r;
                data += whole;
                offset += whole;
                size = tail;
        }
        pthread_rwlock_wrlock(&f->lock);
        r = try_direct(f, data, size, offset, tail > 0 ? write_tail : write_any);
        pthread_rwlock_unlock(&f->lock);
        return r;
}

static int give_up_direct(DirectFile *f) {
        int r = 0;

        pthread_rwlock_wrlock(&f->lock);
        if (f->direct) {
                r = set_direct(f->fd, false);
                f->direct = r < 0;
                f->padded = true;
        }
        pthread_rwlock_unlock(&f->lock);
        return r;
}

int direct_write(DirectFile *f, const void *data, size_t size, uint64_t offset) {
        int r;

        if (offset > f->size || size > f->size - offset)
                return -EFBIG;
        if (size == 0)
                return 0;
        if (f->begun_direct) {
                r = write_direct(f, data, size, offset);
                if (r <= 0)
                        return r;
                r = give_up_direct(f);
                if (r < 0)
                        return r;
        }
        return write_at(f->fd, data, size, offset);
}

int direct_trim(DirectFile *f) {
        if (!f->padded)
                return 0;
        return ftruncate(f->fd, (off_t) f->size) < 0 ? -errno : 0;
}

void direct_close(DirectFile *f) {
        if (f->fd >= 0) {
                close(f->fd);
                pthread_rwlock_destroy(&f->lock);
        }
        f->fd = -1;
}
