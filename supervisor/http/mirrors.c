/*
 * Each idle connection asks for the lowest parts that nobody brings, so that
 * the faster a mirror is the more it does. A connection that finds nothing to
 * do looks for the one that would need longest and asks for the same bytes,
 * if it is at least twice as fast. That ends a download that waits for a slow
 * mirror, and a window that is full behind one.
 *
 * No lock is held while curl is called: its callbacks lock the parts.
 */
#include "http/mirrors.h"
#include "util/text.h"

#include <inttypes.h>
#include <string.h>

#define BUSY_TICK_MSEC   20 /* there is a rate to keep, or somebody to be helped */
#define TICK_MSEC        200
#define STALLED_USEC     USEC_PER_SEC          /* without a byte: anybody is faster */
#define HEDGE_USEC       (100 * USEC_PER_MSEC) /* not worth it for less */
#define RATE_BYTES       (64 * 1024)           /* fewer tell nothing about a connection */
#define WRONG_MAX        3
#define PAUSED_KEEP_USEC (10 * USEC_PER_SEC) /* then servers begin to hang up on us */
#define SAMPLE_USEC      (250 * USEC_PER_MSEC)
#define BURST_USEC       (100 * USEC_PER_MSEC)

static void publish_trouble(Mirrors *ms, const Mirror *m) {
        char *copy = m->troubles ? strdup(m->troubles) : NULL;

        pthread_mutex_lock(&ms->parts->mutex);
        free(ms->troubles[m->index]);
        ms->troubles[m->index] = copy;
        pthread_mutex_unlock(&ms->parts->mutex);
}

static void note(Mirrors *ms, Mirror *m, const char *text) {
        if (mirror_note(m, text) == 0)
                publish_trouble(ms, m);
}

/* What it learned about its mirror's speed. */
static void learn_rate(Transfer *t) {
        Mirror *m = t->mirror;
        uint64_t rate;

        if (t->active_usec == 0 || (t->bytes < RATE_BYTES && t->active_usec < HEDGE_USEC))
                return;
        rate = t->bytes * USEC_PER_SEC / t->active_usec + 1;
        m->rate = m->rate == 0 ? rate : (3 * m->rate + rate) / 4;
}

/* The request is over, whoever ended it. */
static void put_down(Mirrors *ms, Transfer *t) {
        if (!t->busy)
                return;
        if (!t->mirror->file)
                (void) curl_multi_remove_handle(ms->multi, t->curl);
        if (!transfer_is_probe(t))
                learn_rate(t);
        parts_leave(ms->parts, t->covers, t->n_covers);
        transfer_clear(t);
}

static Transfer *transfers_of(const Mirrors *ms, const Mirror *m) {
        return &ms->transfers[m->index * ms->options->per_mirror];
}

static void give_up(Mirrors *ms, Mirror *m, const char *text) {
        m->state = MIRROR_GONE;
        note(ms, m, text);
        pthread_mutex_lock(&ms->parts->mutex);
        ms->gone |= UINT64_C(1) << m->index;
        pthread_mutex_unlock(&ms->parts->mutex);
        for (unsigned i = 0; i < ms->options->per_mirror; i++)
                put_down(ms, &transfers_of(ms, m)[i]);
        parts_forget(ms->parts, m->index);
}

static uint64_t alive(const Mirrors *ms) {
        uint64_t mask = 0;

        for (size_t i = 0; i < ms->n_mirrors; i++)
                if (ms->mirrors[i].state != MIRROR_GONE)
                        mask |= UINT64_C(1) << i;
        return mask;
}

/* One line a mirror. */
static int fail_all(Mirrors *ms, const char *what) {
        cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return -ENOMEM;
        fprintf(f, "%s", what);
        for (size_t i = 0; i < ms->n_mirrors; i++)
                fprintf(f, "\nmirror %zu %s: %s", i + 1, ms->mirrors[i].shown,
                        ms->mirrors[i].troubles ?: "no trouble");
        if (fclose(f) != 0)
                return -ENOMEM;
        parts_fail(ms->parts, -EREMOTEIO, text);
        return 0;
}

static int begin(Mirrors *ms, Transfer *t) {
        int r = transfer_begin(t, ms->options, ms->now);

        if (r == 0 && !t->mirror->file && curl_multi_add_handle(ms->multi, t->curl) != CURLM_OK)
                r = -ENOMEM;
        return r;
}

/* One that knows no ranges is of use where one request asks for everything. */
static bool can_give(const Mirrors *ms, const Mirror *m) {
        if (!m->whole)
                return true;
        if (m->n_pieces > 1)
                return false;
        return ms->laid_out ? parts_are_one(ms->parts)
                            : !ms->options->part && m->size <= ms->options->part_max;
}

/* All pieces are known. */
static int become_good(Mirrors *ms, Mirror *m) {
        cleanup_fault_ Fault fault = { 0 };
        char text[128];
        int r;

        if (!can_give(ms, m)) {
                snprintf(text, sizeof text,
                         "HTTP 200 with the whole file (%" PRIu64
                         " bytes) although 1 byte was asked for: expected HTTP 206",
                         m->size);
                give_up(ms, m, text);
                return 0;
        }
        if (!ms->laid_out && ms->options->size == 0) {
                r = parts_lay_out(ms->parts, m->size, &fault);
                if (r < 0) {
                        parts_fail(ms->parts, r, fault.text);
                        return 0;
                }
                ms->laid_out = true;
        }
        if (m->size == ms->parts->size) {
                m->state = MIRROR_GOOD;
                parts_opened(ms->parts);
                return 0;
        }
        snprintf(text, sizeof text, "says the file has %" PRIu64 " bytes, expected %" PRIu64, m->size,
                 ms->parts->size);
        give_up(ms, m, text);
        return 0;
}

/* The last piece is there; is another one to be asked for? */
static int probed(Mirrors *ms, Mirror *m) {
        const Piece *p = &m->pieces[m->n_pieces - 1];
        int r;

        if (p->size == 0 || p->size > INT64_MAX - m->size) {
                give_up(ms, m, p->size == 0 ? "has an empty file" : "says the file is larger than any");
                return 0;
        }
        m->size += p->size;
        if (!m->split || (ms->laid_out && m->size >= ms->parts->size))
                return become_good(ms, m);
        r = mirror_next_piece(m);
        if (r == -ERANGE) {
                give_up(ms, m, "has more split parts than names of this form");
                return 0;
        }
        return r;
}

static void failed(Mirrors *ms, Mirror *m, uint64_t begun_usec, uint64_t bytes, const char *text) {
        char last[64];

        note(ms, m, text);
        if (bytes > 0)
                m->failures = 0;
        if (m->whole)
                parts_forget(ms->parts, m->index);
        if (mirror_forgive(m, begun_usec, ms->now, ms->options->retries))
                return;
        snprintf(last, sizeof last, "failed %u times in a row", m->failures + 1);
        give_up(ms, m, last);
}

/* A request ended with @r of transfer_end() or transfer_read(). */
static int ended(Mirrors *ms, Transfer *t, int r) {
        cleanup_fault_ Fault why = { .text = TAKE_PTR(t->why.text) };
        bool probe = transfer_is_probe(t);
        uint64_t bytes = t->bytes, begun = t->begun_usec;
        Piece *piece = transfer_piece(t);
        Mirror *m = t->mirror;

        put_down(ms, t);
        if (r < 0)
                return r;
        if (r == 0) {
                m->failures = 0;
                return probe ? probed(ms, m) : 0;
        }
        if (!m->file && piece->current && !str_eq(piece->current, piece->url)) {
                free(TAKE_PTR(piece->current)); /* where it led has expired: ask again */
                if (r == TRANSFER_E_ABSENT)
                        r = TRANSFER_E_FAILED;
        }
        if (r == TRANSFER_E_ABSENT && probe && m->n_pieces > 1) {
                mirror_drop_piece(m);
                return become_good(ms, m);
        }
        if (r == TRANSFER_E_FAILED)
                failed(ms, m, begun, bytes, fault_text(&why, r));
        else
                give_up(ms, m, fault_text(&why, r));
        return 0;
}

static int begin_probe(Mirrors *ms, Mirror *m) {
        Transfer *t = transfers_of(ms, m);
        int r;

        do {
                if (t->busy)
                        return 0;
                t->piece = m->n_pieces - 1;
                t->from = 0;
                t->to = 1;
                r = begin(ms, t);
                if (r == 0 && m->file) /* it has its answer; the next split part is asked for at once */
                        r = ended(ms, t, t->outcome);
        } while (r == 0 && m->file && m->state == MIRROR_NEW && m->retry_usec <= ms->now);
        return r;
}

static uint64_t fastest(const Mirrors *ms) {
        uint64_t rate = 0;

        for (size_t i = 0; i < ms->n_mirrors; i++)
                if (ms->mirrors[i].state == MIRROR_GOOD && ms->mirrors[i].rate > rate)
                        rate = ms->mirrors[i].rate;
        return rate;
}

/* Connections that a mirror may use: fewer, when it is much slower than another. */
static unsigned connections_of(const Mirrors *ms, const Mirror *m, uint64_t best) {
        uint64_t n = ms->options->per_mirror;

        if (m->state != MIRROR_GOOD)
                return 0;
        if (m->file || m->failures > 0 || (m->rate == 0 && best > 0)) /* one of them tries */
                return 1;
        if (m->rate > 0 && best / 2 > m->rate)
                n = n * 2 * m->rate / best;
        return n > 0 ? (unsigned) n : 1;
}

/* Such that all connections find something in the window. */
static size_t parts_per_request(const Mirrors *ms, const Mirror *m, uint64_t best) {
        size_t n = 0;

        for (size_t i = 0; i < ms->n_mirrors; i++)
                n += ms->mirrors[i].state == MIRROR_NEW ? ms->options->per_mirror
                                                        : connections_of(ms, &ms->mirrors[i], best);
        n = n > 0 ? ms->parts->n_slots / n : 1;
        if (n > ms->options->per_request)
                n = ms->options->per_request;
        if (best / 2 > m->rate)
                n = 1;
        return n > 0 ? n : 1;
}

static uint64_t piece_end(uint64_t offset, void *userdata) {
        const Piece *p = mirror_piece_at(userdata, offset);

        return p->base + p->size;
}

/* The request for what @t now covers. */
static int ask(Mirrors *ms, Transfer *t) {
        const Cover *last = &t->covers[t->n_covers - 1];
        Piece *p = mirror_piece_at(t->mirror, t->from);

        if (t->mirror->whole && t->from > p->base) { /* somebody else has begun it */
                parts_leave(ms->parts, t->covers, t->n_covers);
                t->n_covers = 0;
                return 0;
        }
        t->piece = (size_t) (p - t->mirror->pieces);
        t->to = last->offset + last->length;
        if (t->to > p->base + p->size)
                t->to = p->base + p->size;
        return begin(ms, t);
}

static uint64_t rate_of(const Transfer *t) {
        return t->active_usec > 0 ? t->bytes * USEC_PER_SEC / t->active_usec + 1 : 1;
}

/* Whether a connection of @m would end it in less than half the time, and may. */
static bool is_slower(const Transfer *t, const Mirror *m) {
        const Cover *c = &t->covers[t->at];
        uint64_t rate = rate_of(t), left = t->to - t->position;

        if (!t->busy || transfer_is_probe(t) || t->held || left == 0 || !cover_valid(c) ||
            c->slot->fillers > 1 || c->slot->pure || (c->slot->wrong & UINT64_C(1) << m->index))
                return false;
        if (t->quiet_bytes == 0 && t->quiet_usec > STALLED_USEC)
                return true;
        if (m->rate == 0) /* it never had a chance to show what it can do */
                return t->mirror != m && t->active_usec > 2 * HEDGE_USEC;
        return t->active_usec > HEDGE_USEC && m->rate / 2 > rate && left > rate * HEDGE_USEC / USEC_PER_SEC;
}

/* Nothing is left for @idle: helps the one that would need longest. */
static int hedge(Mirrors *ms, Transfer *idle) {
        Transfer *slowest = NULL;

        for (size_t i = 0; i < ms->n_transfers; i++) {
                Transfer *t = &ms->transfers[i];

                if (is_slower(t, idle->mirror) &&
                    (!slowest || (t->to - t->position) / rate_of(t) >
                                         (slowest->to - slowest->position) / rate_of(slowest)))
                        slowest = t;
        }
        if (!slowest)
                return 0;
        idle->n_covers = parts_share(ms->parts, idle->mirror->index, slowest->covers, slowest->n_covers,
                                     idle->covers, &idle->from);
        return idle->n_covers > 0 ? ask(ms, idle) : 0;
}

/*
 * Whether the others would fill the whole window while it brings one part, and then wait for it. What
 * only it may bring is asked of it all the same.
 */
static bool would_hold_up(const Mirrors *ms, const Mirror *m, uint64_t best) {
        uint64_t others = 0;

        if (!ms->options->in_order || m->rate == 0)
                return false;
        for (size_t i = 0; i < ms->n_mirrors; i++)
                if (i != m->index && ms->mirrors[i].failures == 0)
                        others += ms->mirrors[i].rate * connections_of(ms, &ms->mirrors[i], best);
        return others / m->rate > ms->parts->n_slots && !parts_has_suspect(ms->parts);
}

static int employ(Mirrors *ms, Mirror *m, uint64_t best) {
        unsigned busy = 0, may = would_hold_up(ms, m, best) ? 0 : connections_of(ms, m, best);
        size_t max = parts_per_request(ms, m, best);
        int r = 0;

        for (unsigned i = 0; i < ms->options->per_mirror; i++)
                busy += transfers_of(ms, m)[i].busy;
        for (unsigned i = 0; r == 0 && i < ms->options->per_mirror && busy < may; i++) {
                Transfer *t = &transfers_of(ms, m)[i];

                if (t->busy)
                        continue;
                t->n_covers = parts_pick(ms->parts, m->index, max, piece_end, m, t->covers, &t->from);
                r = t->n_covers > 0 ? ask(ms, t) : hedge(ms, t);
                if (!t->busy) {
                        ms->idle = true;
                        break;
                }
                busy++;
        }
        return r;
}

/* The lowest parts go to the fastest mirror first. */
static int schedule(Mirrors *ms) {
        uint64_t best = fastest(ms), done = 0;
        int r = 0;

        ms->idle = false;
        for (size_t i = 0; r == 0 && i < ms->n_mirrors; i++)
                if (ms->mirrors[i].state == MIRROR_NEW && ms->mirrors[i].retry_usec <= ms->now)
                        r = begin_probe(ms, &ms->mirrors[i]);
        for (size_t n = 0; r == 0 && n < ms->n_mirrors; n++) {
                Mirror *m = NULL;

                for (size_t i = 0; i < ms->n_mirrors; i++)
                        if (!(done & UINT64_C(1) << i) && (!m || ms->mirrors[i].rate > m->rate))
                                m = &ms->mirrors[i];
                done |= UINT64_C(1) << m->index;
                if (m->state == MIRROR_GOOD && m->retry_usec <= ms->now)
                        r = employ(ms, m, best);
        }
        return r;
}

static int read_messages(Mirrors *ms, bool *ret_more) {
        CURLMsg *message;
        int left, r = 0;

        while (r == 0 && (message = curl_multi_info_read(ms->multi, &left))) {
                CURLcode code = message->data.result;
                Transfer *t = NULL;
                bool again = false;

                if (message->msg != CURLMSG_DONE)
                        continue;
                *ret_more = true;
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &t);
                r = transfer_end(t, code, &again);
                if (!again) {
                        r = ended(ms, t, r);
                        continue;
                }
                (void) curl_multi_remove_handle(ms->multi, t->curl);
                if (curl_multi_add_handle(ms->multi, t->curl) != CURLM_OK)
                        r = -ENOMEM;
        }
        return r;
}

static int read_files(Mirrors *ms, bool *ret_more) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ms->n_transfers; i++) {
                Transfer *t = &ms->transfers[i];

                if (!t->busy || !t->mirror->file)
                        continue;
                t->held = ms->pace.paused || (ms->pace.rate > 0 && ms->pace.tokens <= 0);
                if (t->held)
                        continue;
                r = transfer_read(t);
                *ret_more = true;
                if (r != 0 || t->position == t->to)
                        r = ended(ms, t, r);
        }
        return r;
}

/* Time passes for those that are not held back by us. */
static void tick(Mirrors *ms, uint64_t usec) {
        for (size_t i = 0; i < ms->n_transfers; i++) {
                Transfer *t = &ms->transfers[i];
                uint64_t begun = t->begun_usec, bytes = t->bytes;
                char text[96];

                if (!t->busy)
                        continue;
                if (transfer_is_moot(t)) {
                        put_down(ms, t);
                        continue;
                }
                if (t->held || ms->pace.paused)
                        continue;
                t->active_usec += usec;
                t->quiet_usec += usec;
                if (t->quiet_usec < ms->options->low_sec * USEC_PER_SEC)
                        continue;
                if (t->quiet_bytes >= ms->options->low_speed * ms->options->low_sec ||
                    (transfer_is_probe(t) && t->bytes > 0)) {
                        t->quiet_usec = t->quiet_bytes = 0;
                        continue;
                }
                snprintf(text, sizeof text, "slower than %" PRIu64 " bytes a second for %u s",
                         ms->options->low_speed, ms->options->low_sec);
                bytes = t->quiet_bytes;
                put_down(ms, t);
                failed(ms, t->mirror, begun, bytes, text);
        }
}

static void release_held(Mirrors *ms) {
        ms->turn++;
        for (size_t i = 0; i < ms->n_transfers; i++) {
                Transfer *t = &ms->transfers[(i + ms->turn) % ms->n_transfers];

                if (!t->busy || !t->held || t->mirror->file)
                        continue;
                if (ms->pace.rate > 0 && ms->pace.tokens <= 0)
                        return;
                t->held = false;
                (void) curl_easy_pause(t->curl, CURLPAUSE_CONT);
        }
}

/* Paused for long: what is under way is given back, nobody is blamed. */
static void let_go(Mirrors *ms) {
        for (size_t i = 0; i < ms->n_transfers; i++)
                put_down(ms, &ms->transfers[i]);
}

/* What others asked for meanwhile. False: all is over. */
static bool hear(Mirrors *ms) {
        bool paused, over;

        pthread_mutex_lock(&ms->parts->mutex);
        paused = ms->parts->paused;
        over = ms->parts->error != 0 || (ms->parts->laid_out && ms->parts->n_done == ms->parts->n_parts);
        pthread_mutex_unlock(&ms->parts->mutex);
        if (paused && ms->paused_usec == 0)
                ms->paused_usec = ms->now;
        if (!paused)
                ms->paused_usec = 0;
        ms->pace.paused = paused;
        return !over;
}

static void count_wrong(Mirrors *ms) {
        for (size_t i = 0; i < ms->n_mirrors; i++) {
                Mirror *m = &ms->mirrors[i];
                unsigned wrong;
                uint64_t at;
                char text[96];

                pthread_mutex_lock(&ms->parts->mutex);
                wrong = ms->parts->wrong[i];
                at = ms->parts->wrong_at[i];
                pthread_mutex_unlock(&ms->parts->mutex);
                if (wrong == m->wrong || m->state == MIRROR_GONE)
                        continue;
                m->wrong = wrong;
                snprintf(text, sizeof text, "gave wrong bytes in the part at %" PRIu64, at);
                note(ms, m, text);
                if (wrong < WRONG_MAX)
                        continue;
                snprintf(text, sizeof text, "gave wrong bytes %u times", wrong);
                give_up(ms, m, text);
        }
}

static int check_hope(Mirrors *ms) {
        uint64_t offset, mask = alive(ms);
        uint32_t length;
        char text[128];

        if (mask == 0)
                return fail_all(ms, "No mirror is left to bring the file");
        if (!parts_hopeless(ms->parts, mask, &offset, &length))
                return 0;
        snprintf(text, sizeof text,
                 "Every mirror gave wrong bytes for the part at %" PRIu64 " (%" PRIu32 " bytes)", offset,
                 length);
        return fail_all(ms, text);
}

static void refill(Mirrors *ms, uint64_t usec) {
        int64_t most;

        if (ms->pace.rate == 0)
                return;
        most = (int64_t) (ms->pace.rate * BURST_USEC / USEC_PER_SEC) + 1;
        if (usec > USEC_PER_SEC)
                usec = USEC_PER_SEC;
        ms->pace.tokens += (int64_t) (ms->pace.rate * usec / USEC_PER_SEC);
        if (ms->pace.tokens > most)
                ms->pace.tokens = most;
}

static void sample(Mirrors *ms) {
        size_t n = ms->n_samples, size = ELEMENTSOF(ms->samples), oldest;
        RangesStats s = { .received = ms->pace.received, .mirrors = ms->n_mirrors };

        if (n == 0 || ms->now - ms->samples[(n - 1) % size].usec >= SAMPLE_USEC) {
                ms->samples[n % size].usec = ms->now;
                ms->samples[n % size].received = ms->pace.received;
                ms->n_samples = ++n;
        }
        oldest = n > size ? n % size : 0;
        if (ms->now > ms->samples[oldest].usec)
                s.bytes_per_sec = (s.received - ms->samples[oldest].received) * USEC_PER_SEC /
                                  (ms->now - ms->samples[oldest].usec);
        for (size_t i = 0; i < ms->n_mirrors; i++)
                s.mirrors_left += ms->mirrors[i].state != MIRROR_GONE;
        for (size_t i = 0; i < ms->n_transfers; i++)
                s.connections += ms->transfers[i].busy;
        pthread_mutex_lock(&ms->parts->mutex);
        ms->stats = s;
        pthread_mutex_unlock(&ms->parts->mutex);
}

/* *ret_more: there is more to do before anything comes. */
static int step(Mirrors *ms, bool *ret_more) {
        int running, r = 0;

        count_wrong(ms);
        if (!ms->pace.paused) {
                release_held(ms);
                r = schedule(ms);
        } else if (ms->now - ms->paused_usec > PAUSED_KEEP_USEC)
                let_go(ms);
        if (r == 0 && curl_multi_perform(ms->multi, &running) != CURLM_OK)
                r = -EIO;
        if (r == 0)
                r = read_messages(ms, ret_more);
        if (r == 0)
                r = read_files(ms, ret_more);
        return r == 0 ? check_hope(ms) : r;
}

static void *run(void *userdata) {
        Mirrors *ms = userdata;
        int r = 0;

        ms->now = now_monotonic_usec();
        while (r == 0 && hear(ms)) {
                uint64_t before = ms->now;
                bool more = false;

                ms->now = now_monotonic_usec();
                refill(ms, ms->now - before);
                tick(ms, ms->now - before);
                r = step(ms, &more);
                sample(ms);
                if (r == 0 && !more)
                        (void) curl_multi_poll(ms->multi, NULL, 0,
                                               ms->pace.rate > 0 || ms->idle ? BUSY_TICK_MSEC : TICK_MSEC,
                                               NULL);
        }
        if (r < 0)
                parts_fail(ms->parts, r, NULL);
        let_go(ms);
        sample(ms);
        return NULL;
}

void mirrors_wake(void *mirrors) {
        Mirrors *ms = mirrors;

        (void) curl_multi_wakeup(ms->multi);
}

static int set_up(Mirrors *ms, Fault *reterr) {
        for (size_t i = 0; i < ms->n_mirrors; i++) {
                int r = mirror_init(&ms->mirrors[i], i, ms->options->sources[i], reterr);

                if (r < 0)
                        return r;
                for (unsigned k = 0; k < ms->options->per_mirror; k++)
                        transfers_of(ms, &ms->mirrors[i])[k] = (Transfer){
                                .parts = ms->parts,
                                .pace = &ms->pace,
                                .mirror = &ms->mirrors[i],
                                .fd = -1,
                        };
        }
        ms->multi = curl_multi_init();
        if (!ms->multi ||
            curl_multi_setopt(ms->multi, CURLMOPT_MAXCONNECTS, (long) ms->n_transfers) != CURLM_OK)
                return -ENOMEM;
        return 0;
}

int mirrors_start(Mirrors *ms, const RangesOptions *options, Parts *parts, Fault *reterr) {
        size_t n = strv_length(options->sources);
        int r;

        *ms = (Mirrors){ .options = options, .parts = parts, .pace.rate = options->limit_rate };
        if (n == 0 || n > MIRRORS_MAX)
                return fault_set(reterr, -EINVAL, "%zu sources are given: expected 1 to %d", n, MIRRORS_MAX);
        ms->laid_out = options->size > 0;
        ms->mirrors = calloc(n, sizeof *ms->mirrors);
        ms->troubles = calloc(n, sizeof *ms->troubles);
        ms->transfers = calloc(n * options->per_mirror, sizeof *ms->transfers);
        if (!ms->mirrors || !ms->troubles || !ms->transfers)
                return -ENOMEM;
        ms->n_mirrors = n;
        ms->n_transfers = n * options->per_mirror;
        for (size_t i = 0; i < ms->n_transfers; i++)
                ms->transfers[i].fd = -1;
        r = set_up(ms, reterr);
        if (r < 0)
                return r;
        r = pthread_create(&ms->thread, NULL, run, ms);
        ms->running = r == 0;
        return -r;
}

void mirrors_stop(Mirrors *ms) {
        if (ms->running) {
                mirrors_wake(ms);
                (void) pthread_join(ms->thread, NULL);
        }
        for (size_t i = 0; i < ms->n_transfers; i++)
                transfer_done(&ms->transfers[i]);
        for (size_t i = 0; i < ms->n_mirrors; i++) {
                mirror_done(&ms->mirrors[i]);
                free(ms->troubles[i]);
        }
        if (ms->multi)
                (void) curl_multi_cleanup(ms->multi);
        free(ms->mirrors);
        free(ms->troubles);
        free(ms->transfers);
}
