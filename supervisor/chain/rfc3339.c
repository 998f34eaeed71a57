#include "chain/rfc3339.h"
#include "util/cleanup.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

/* "Z", "+hh:mm" or "-hh:mm" and nothing behind it; seconds east of Greenwich. */
static int parse_offset(const char *s, int64_t *ret) {
        if (strcmp(s, "Z") == 0) {
                *ret = 0;
                return 0;
        }
        if ((s[0] != '+' && s[0] != '-') || strlen(s) != 6 || s[3] != ':' ||
            !isdigit((unsigned char) s[1]) || !isdigit((unsigned char) s[2]) ||
            !isdigit((unsigned char) s[4]) || !isdigit((unsigned char) s[5]))
                return -EINVAL;
        *ret = ((s[1] - '0') * 10 + s[2] - '0') * 3600 + ((s[4] - '0') * 10 + s[5] - '0') * 60;
        if (s[0] == '-')
                *ret = -*ret;
        return 0;
}

int parse_rfc3339(const char *text, int64_t *ret) {
        struct tm tm = {};
        int64_t offset;
        const char *s;
        int r;

        if (!text || !isdigit((unsigned char) text[0]))
                return -EINVAL;
        s = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        if (!s)
                return -EINVAL;
        if (*s == '.') {
                if (!isdigit((unsigned char) s[1]))
                        return -EINVAL;
                s++;
                s += strspn(s, "0123456789");
        }
        r = parse_offset(s, &offset);
        if (r < 0)
                return r;
        *ret = (int64_t) timegm(&tm) - offset;
        return 0;
}
