#include "unit/cgroup.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PIDS_SHOWN  16

static int cgroup_read(const char *cgroup, const char *file, char **ret) {
        cleanup_free_ char *path = NULL;

        if (asprintf(&path, CGROUP_ROOT "%s/%s", cgroup, file) < 0)
                return -ENOMEM;
        return read_small_file(AT_FDCWD, path, 64 * 1024, ret, NULL);
}

int cgroup_is_populated(const char *cgroup, bool *ret) {
        cleanup_free_ char *text = NULL;
        int r;

        if (!cgroup || !*cgroup) {
                *ret = false;
                return 0;
        }
        r = cgroup_read(cgroup, "cgroup.events", &text);
        if (r == -ENOENT || r == -ENODEV) { /* removed with its last process */
                *ret = false;
                return 0;
        }
        if (r < 0)
                return r;
        if (strstr(text, "populated 0"))
                *ret = false;
        else if (strstr(text, "populated 1"))
                *ret = true;
        else
                return -EBADMSG;
        return 0;
}

int cgroup_pids(const char *cgroup, char **ret) {
        cleanup_free_ char *text = NULL;
        int r = 0;

        if (cgroup && *cgroup)
                r = cgroup_read(cgroup, "cgroup.procs", &text);
        if (r < 0 && r != -ENOENT && r != -ENODEV)
                return r;
        if (!text) {
                text = strdup("");
                if (!text)
                        return -ENOMEM;
        }
        for (char *p = text, shown = 0; *p; p++)
                if (*p == '\n') {
                        *p = ' ';
                        if (++shown == PIDS_SHOWN)
                                p[1] = 0;
                }
        if (*text)
                text[strlen(text) - 1] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}
