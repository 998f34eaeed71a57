#include "release.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"

#define TRAILER_HEAD     "devchain-release\n"
#define TRAILER_END      "devchain-release-end "
#define TRAILER_END_SIZE 30 /* TRAILER_END, eight digits, newline */
#define TRAILER_MAX      4096

static int parse_line(Release *r, const char *line) {
        size_t used = strlen(r->faults);

        if (strncmp(line, "version ", 8) == 0)
                return snprintf(r->version, sizeof(r->version), "%s", line + 8) < (int) sizeof(r->version)
                               ? 0
                               : -EINVAL;
        if (strncmp(line, "data-version ", 13) == 0)
                return sscanf(line + 13, "%u", &r->data_version) == 1 ? 0 : -EINVAL;
        if (strncmp(line, "fault ", 6) == 0) {
                size_t room = sizeof(r->faults) - used;

                return snprintf(r->faults + used, room, "%s\n", line + 6) < (int) room ? 0 : -EINVAL;
        }
        return -EINVAL;
}

int release_read(Release *ret) {
        Release r = { .version = RELEASE_VERSION_DEFAULT, .data_version = RELEASE_DATA_VERSION_DEFAULT };
        char end[TRAILER_END_SIZE + 1] = {}, text[TRAILER_MAX + 1] = {}, *save = NULL;
        cleanup_fd_ int fd = -1;
        struct stat st;
        unsigned len;

        fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (pread(fd, end, TRAILER_END_SIZE, st.st_size - TRAILER_END_SIZE) != TRAILER_END_SIZE)
                return -EIO;
        if (strncmp(end, TRAILER_END, strlen(TRAILER_END)) != 0) {
                *ret = r;
                return 0;
        }

        if (sscanf(end + strlen(TRAILER_END), "%8u\n", &len) != 1 || len > TRAILER_MAX)
                return -EINVAL;
        if (pread(fd, text, len, st.st_size - TRAILER_END_SIZE - (off_t) len) != (ssize_t) len)
                return -EIO;
        if (strncmp(text, TRAILER_HEAD, strlen(TRAILER_HEAD)) != 0)
                return -EINVAL;
        for (char *line = strtok_r(text + strlen(TRAILER_HEAD), "\n", &save); line;
             line = strtok_r(NULL, "\n", &save))
                if (parse_line(&r, line) < 0)
                        return -EINVAL;
        *ret = r;
        return 0;
}
