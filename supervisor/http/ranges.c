/*
 * The face of http/parts.h, which callers wait on, and http/mirrors.h, which
 * has the thread. Nothing here touches a disk but to read file sources.
 */
#include "http/ranges.h"
#include "http/mirrors.h"
#include "util/text.h"

#include <string.h>

struct Ranges {
        RangesOptions options;
        char **sources; /* a copy */
        Parts parts;
        Mirrors mirrors;
        bool has_parts, has_mirrors;
};

static RangesOptions with_defaults(RangesOptions o) {
        o.window = o.window ?: (uint64_t) 64 << 20;
        o.per_mirror = o.per_mirror ?: 4;
        o.per_request = o.per_request ?: 4;
        if (o.per_request > PARTS_PER_REQUEST_MAX)
                o.per_request = PARTS_PER_REQUEST_MAX;
        o.low_speed = o.low_speed ?: 1024;
        o.low_sec = o.low_sec ?: 15;
        o.connect_sec = o.connect_sec ?: 10;
        o.retries = o.retries ?: 3;
        return o;
}

static void start_curl(void) {
        (void) curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int set_up(Ranges *r, Fault *reterr) {
        int k;

        STRV_FOREACH (s, r->options.sources)
                if (strv_append(&r->sources, *s) < 0)
                        return -ENOMEM;
        r->options.sources = r->sources;
        k = parts_init(&r->parts, &r->options, strv_length(r->sources) + 1, reterr);
        r->has_parts = k == 0;
        if (k == 0 && r->options.size > 0)
                k = parts_lay_out(&r->parts, r->options.size, reterr);
        if (k < 0)
                return k;
        r->parts.wake = mirrors_wake;
        r->parts.userdata = &r->mirrors;
        r->has_mirrors = true;
        return mirrors_start(&r->mirrors, &r->options, &r->parts, reterr);
}

int ranges_open(const RangesOptions *options, Ranges **ret, Fault *reterr) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        cleanup_(ranges_freep) Ranges *r = calloc(1, sizeof *r);
        int k;

        if (!r)
                return -ENOMEM;
        (void) pthread_once(&once, start_curl);
        r->options = with_defaults(*options);
        k = set_up(r, reterr);
        if (k == 0)
                k = parts_wait(&r->parts, reterr);
        if (k == 0)
                *ret = TAKE_PTR(r);
        return k;
}

uint64_t ranges_size(const Ranges *r) {
        return r->parts.size;
}

size_t ranges_n_parts(const Ranges *r) {
        return r->parts.n_parts;
}

int ranges_take(Ranges *r, RangePart **ret, Fault *reterr) {
        return parts_take(&r->parts, ret, reterr);
}

void ranges_release(Ranges *r, RangePart *part) {
        parts_release(&r->parts, part);
}

void ranges_reject(Ranges *r, RangePart *part) {
        parts_reject(&r->parts, part);
}

void ranges_pause(Ranges *r, bool pause) {
        pthread_mutex_lock(&r->parts.mutex);
        r->parts.paused = pause;
        pthread_mutex_unlock(&r->parts.mutex);
        mirrors_wake(&r->mirrors);
}

void ranges_cancel(Ranges *r) {
        parts_fail(&r->parts, -ECANCELED, "The download was cancelled");
        mirrors_wake(&r->mirrors);
}

void ranges_stats(Ranges *r, RangesStats *ret) {
        pthread_mutex_lock(&r->parts.mutex);
        *ret = r->mirrors.stats;
        if (ret->received < r->parts.received)
                ret->received = r->parts.received;
        ret->rejected = r->parts.rejected;
        pthread_mutex_unlock(&r->parts.mutex);
}

const char *ranges_mirror_name(const Ranges *r, size_t mirror) {
        return r->mirrors.mirrors[mirror].shown;
}

char *ranges_mirror_trouble(Ranges *r, size_t mirror) {
        char *copy;

        pthread_mutex_lock(&r->parts.mutex);
        copy = r->mirrors.troubles[mirror] ? strdup(r->mirrors.troubles[mirror]) : NULL;
        pthread_mutex_unlock(&r->parts.mutex);
        return copy;
}

bool ranges_mirror_is_gone(Ranges *r, size_t mirror) {
        bool gone;

        pthread_mutex_lock(&r->parts.mutex);
        gone = r->mirrors.gone & UINT64_C(1) << mirror;
        pthread_mutex_unlock(&r->parts.mutex);
        return gone;
}

Ranges *ranges_free(Ranges *r) {
        if (!r)
                return NULL;
        if (r->has_mirrors) {
                parts_fail(&r->parts, -ECANCELED, "The download was cancelled");
                mirrors_stop(&r->mirrors);
        }
        if (r->has_parts)
                parts_done(&r->parts);
        strv_free(r->sources);
        free(r);
        return NULL;
}
