#include "archive/mirror-watch.h"
#include "util/text.h"

static void tell(Ranges *ranges, size_t mirror, const RangesStats *stats, const FetchControl *control) {
        cleanup_free_ char *trouble = ranges_mirror_trouble(ranges, mirror), *text = NULL;

        if (asprintf(&text, "Mirror '%s' is given up: %s; %zu of %zu mirrors are left",
                     ranges_mirror_name(ranges, mirror), trouble ?: "no reason is known",
                     stats->mirrors_left, stats->mirrors) < 0) {
                text = NULL;
                return;
        }
        control->notice(text, control->userdata);
}

void mirror_watch(MirrorWatch *watch, Ranges *ranges, const FetchControl *control) {
        RangesStats stats;

        ranges_stats(ranges, &stats);
        if (!control || !control->notice || stats.mirrors_left == stats.mirrors)
                return;
        for (size_t i = 0; i < stats.mirrors; i++)
                if (!(watch->told & UINT64_C(1) << i) && ranges_mirror_is_gone(ranges, i)) {
                        watch->told |= UINT64_C(1) << i;
                        tell(ranges, i, &stats, control);
                }
}
