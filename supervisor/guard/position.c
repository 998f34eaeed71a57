#include "guard/position.h"
#include "util/text.h"

#include <inttypes.h>

static int compare(int64_t a, int64_t b) {
        return a < b ? -1 : a > b;
}

int signing_position_compare(const SigningPosition *a, const SigningPosition *b) {
        int c;

        if (a->height < 0 || b->height < 0)
                return compare(a->height < 0 ? -1 : 0, b->height < 0 ? -1 : 0);
        c = compare(a->height, b->height);
        if (c == 0)
                c = compare(a->round, b->round);
        if (c == 0)
                c = compare(a->step, b->step);
        return c;
}

char *signing_position_format(char buffer[static SIGNING_POSITION_TEXT_MAX],
                              const SigningPosition *position) {
        if (position->height < 0)
                snprintf(buffer, SIGNING_POSITION_TEXT_MAX, "nothing signed");
        else
                snprintf(buffer, SIGNING_POSITION_TEXT_MAX,
                         "height %" PRId64 " round %" PRId64 " step %" PRId64, position->height,
                         position->round, position->step);
        return buffer;
}

bool signing_domain_matches(const char *a, const char *b) {
        return !a || !*a || !b || !*b || str_eq(a, b);
}
