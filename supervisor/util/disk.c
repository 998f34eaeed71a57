#include "util/disk.h"

#include <errno.h>
#include <sys/statvfs.h>

int disk_room(int fd, uint64_t *ret) {
        struct statvfs fs;
        uint64_t free_bytes, reserve;

        if (fstatvfs(fd, &fs) < 0)
                return -errno;
        if (fs.f_blocks == 0) { /* a memfd */
                *ret = UINT64_MAX;
                return 0;
        }
        free_bytes = (uint64_t) fs.f_bavail * fs.f_frsize;
        reserve = (uint64_t) fs.f_blocks * fs.f_frsize / 20;
        if (reserve > DISK_RESERVE_MAX)
                reserve = DISK_RESERVE_MAX;
        *ret = free_bytes > reserve ? free_bytes - reserve : 0;
        return 0;
}
