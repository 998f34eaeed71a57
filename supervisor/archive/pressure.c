/*
 * PSI of the node's cgroup and not of the machine: what the restore itself waits
 * for is no reason to stop. avg10 falls slowly, hence the wide gap between the
 * two thresholds.
 */
#include "archive/pressure.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>

#define PRESSURE_FILE_MAX 4096

/* "12.34" as 1234. */
static int parse_hundredths(const char *s) {
        int whole = 0, digits = 0;

        for (; *s >= '0' && *s <= '9'; s++, digits++) {
                whole = whole * 10 + (*s - '0');
                if (digits > 3)
                        return PRESSURE_UNKNOWN;
        }
        if (digits == 0 || *s != '.' || s[1] < '0' || s[1] > '9' || s[2] < '0' || s[2] > '9')
                return PRESSURE_UNKNOWN;
        return whole * 100 + (s[1] - '0') * 10 + (s[2] - '0');
}

int pressure_parse(const char *text) {
        static const char begin[] = "some avg10=";

        for (const char *line = text; line && *line; line = strchr(line, '\n')) {
                if (*line == '\n')
                        line++;
                if (str_starts(line, begin))
                        return parse_hundredths(line + sizeof begin - 1);
        }
        return PRESSURE_UNKNOWN;
}

int pressure_read(const char *cgroup) {
        cleanup_free_ char *text = NULL;
        cleanup_fd_ int dirfd = open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (dirfd < 0 || read_small_file(dirfd, "io.pressure", PRESSURE_FILE_MAX, &text, NULL) < 0)
                return PRESSURE_UNKNOWN;
        return pressure_parse(text);
}

bool pressure_gate(PressureGate *gate, int avg10, uint64_t now_usec) {
        if (!gate->paused) {
                if (avg10 <= PRESSURE_PAUSE || now_usec < gate->earliest)
                        return false;
                gate->paused = true;
                gate->since = now_usec;
                return true;
        }
        if (avg10 >= PRESSURE_RESUME && now_usec - gate->since < PRESSURE_PAUSE_MAX_USEC)
                return true;
        gate->paused = false;
        gate->earliest = now_usec + PRESSURE_WORK_MIN_USEC;
        return false;
}
