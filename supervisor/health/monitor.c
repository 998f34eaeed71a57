/*
 * The node is polled on a timer whose ticks are counted from its first one, so
 * that they do not drift; a tick that finds the poll before it still under way
 * does nothing. What a poll costs the node is kept low: facts that do not
 * change while a process lives are asked once, then every minute or so.
 */
#include "health/monitor.h"
#include "health/poll.h"
#include "health/witness.h"
#include "util/text.h"

#include <inttypes.h>

#define URGENT_INTERVAL  (250 * USEC_PER_MSEC)
#define TIMER_ACCURACY   (1 * USEC_PER_MSEC)
#define DEFAULT_INTERVAL (1 * USEC_PER_SEC)
#define BACKOFF_MAX      4
#define REFERENCE_FACTOR 5
#define FIXED_EVERY      60 /* polls */

/* Further than any chain gets between two polls unless it says that it is syncing. */
#define LEAP_BLOCKS 1000

struct Monitor {
        sd_event *event;
        PollTarget target;
        char *url, *probe_path, *chain_id;
        uint64_t interval;
        VerdictRules rules;
        MonitorHandler handler;
        MonitorProbe probe;
        void *userdata;

        sd_event_source *timer;
        uint64_t next_at;
        bool urgent;
        unsigned backoff; /* 1, 2, 4 */

        Poll *poll;
        bool probing, probe_is_stale; /* stale: it asked the process before this one */
        uint64_t probe_since;
        unsigned since_fixed; /* polls since the fixed facts were asked; 0: ask them now */

        Witnesses *witnesses;
        uint64_t looked_at;

        ChainSample sample;
        int64_t believed; /* the newest head of this process that was not doubted */
        int64_t doubted;  /* a leap that waits for its second poll */
        VerdictMemory memory;
        Verdict verdict;
        char *reason;
        uint64_t since_realtime;
};

Monitor *monitor_free(Monitor *m) {
        if (!m)
                return NULL;
        sd_event_source_disable_unref(m->timer);
        poll_free(m->poll);
        witnesses_free(m->witnesses);
        chain_sample_done(&m->sample);
        sd_event_unref(m->event);
        free(m->url);
        free(m->probe_path);
        free(m->chain_id);
        free(m->reason);
        free(m);
        return NULL;
}

const ChainSample *monitor_sample(const Monitor *m) {
        return &m->sample;
}

Verdict monitor_verdict(const Monitor *m, const char **ret_reason, uint64_t *ret_since_realtime) {
        if (ret_reason)
                *ret_reason = m->reason ?: "";
        if (ret_since_realtime)
                *ret_since_realtime = m->since_realtime;
        return m->verdict;
}

bool monitor_has_asked(const Monitor *m) {
        return m->memory.n_polls > 0;
}

size_t monitor_references(const Monitor *m, const ReferenceView **ret) {
        return witnesses_views(m->witnesses, ret);
}

/* Returns whether the verdict is another one. */
static bool monitor_judge(Monitor *m) {
        const ReferenceView *references;
        size_t n = witnesses_views(m->witnesses, &references);
        uint64_t now = now_realtime_usec();
        Verdict before = m->verdict;
        char *reason = NULL;

        m->verdict = verdict_judge(&m->memory, &m->rules, &m->sample, references, n, now_monotonic_usec(),
                                   now, &reason);
        free(m->reason);
        m->reason = reason;
        if (m->verdict != before)
                m->since_realtime = now;
        return m->verdict != before;
}

/* The last thing that an entry point does: the handler may free @m. */
static void monitor_report(Monitor *m) {
        bool changed = monitor_judge(m);

        m->handler(m, changed, m->userdata);
}

static void on_witnesses(Witnesses *witnesses, void *userdata) {
        monitor_report(userdata);
}

static bool unit_is_idle(const Monitor *m) {
        return m->memory.have_facts && !unit_facts_running(&m->memory.facts);
}

static uint64_t monitor_interval(const Monitor *m) {
        return m->urgent && URGENT_INTERVAL < m->interval ? URGENT_INTERVAL : m->interval * m->backoff;
}

static void monitor_schedule(Monitor *m, uint64_t at) {
        m->next_at = at;
        (void) sd_event_source_set_time(m->timer, at);
        (void) sd_event_source_set_enabled(m->timer, SD_EVENT_ONESHOT);
}

static void look_at_references(Monitor *m) {
        uint64_t now = now_monotonic_usec();

        if (m->looked_at && now - m->looked_at < REFERENCE_FACTOR * m->interval)
                return;
        m->looked_at = now;
        witnesses_look(m->witnesses, &m->sample);
}

static void drop_heights(ChainSample *sample) {
        sample->height = sample->target = sample->signed_height = sample->blocks_to_proposal = CHAIN_UNKNOWN;
        sample->head_time = CHAIN_UNKNOWN;
        free(TAKE_PTR(sample->head_hash));
        sample->syncing = sample->in_council = sample->signing = TRI_UNKNOWN;
}

/* Heights of another chain are none: they must trigger nothing and raise no mark. */
static void drop_other_chain(const Monitor *m, ChainSample *sample) {
        if (m->chain_id && sample->chain_id && !str_eq(m->chain_id, sample->chain_id))
                drop_heights(sample);
}

/*
 * A head that leaps far ahead is believed when a second poll shows it too: one
 * answer of rubbish must not trigger what waits for a height.
 */
static void doubt_leap(Monitor *m, ChainSample *sample) {
        int64_t from = m->believed;
        char *text = NULL;

        if (sample->height == CHAIN_UNKNOWN)
                return;
        if (from == CHAIN_UNKNOWN || sample->syncing == TRI_YES || sample->height - from <= LEAP_BLOCKS ||
            (m->doubted != CHAIN_UNKNOWN && sample->height >= m->doubted)) {
                m->believed = sample->height;
                m->doubted = CHAIN_UNKNOWN;
                return;
        }
        m->doubted = sample->height;
        if (asprintf(&text,
                     "the head leapt from %" PRId64 " to %" PRId64
                     ": not believed until a second poll shows it",
                     from, sample->height) < 0)
                text = NULL;
        free(sample->error);
        sample->error = text;
        sample->answered = false;
        drop_heights(sample);
}

/* A poll ended, well or not. @sample is moved from. */
static void monitor_take(Monitor *m, ChainSample *sample) {
        drop_other_chain(m, sample);
        doubt_leap(m, sample);
        chain_sample_move(&m->sample, sample);
        if (!m->sample.answered || m->sample.error || m->sample.unsettled)
                m->since_fixed = 0; /* something was not told, or who answers next is another process */
        else if (m->since_fixed++ >= FIXED_EVERY)
                m->since_fixed = 0;
        if (m->sample.answered || !unit_is_idle(m))
                m->backoff = 1;
        else if (m->backoff < BACKOFF_MAX)
                m->backoff *= 2;
        verdict_note_sample(&m->memory, &m->sample);
        look_at_references(m);
        monitor_report(m);
}

/* A poll that could not even be begun. */
static void monitor_take_error(Monitor *m, const char *text) {
        cleanup_sample_ ChainSample failed;

        chain_sample_init(&failed);
        failed.at_monotonic = now_monotonic_usec();
        (void) str_replace(&failed.error, text);
        monitor_take(m, &failed);
}

static void on_poll(Poll *poll, ChainSample *sample, void *userdata) {
        cleanup_sample_ ChainSample taken;
        Monitor *m = userdata;

        chain_sample_init(&taken);
        chain_sample_move(&taken, sample);
        m->poll = poll_free(m->poll);
        monitor_take(m, &taken);
}

static void begin_probe(Monitor *m) {
        uint64_t now = now_monotonic_usec();
        int r;

        if (m->probing) {
                if (now - m->probe_since > m->target.timeout)
                        monitor_take_error(m, "the probe has been running for longer than rpc_timeout");
                return;
        }
        m->probing = true;
        m->probe_since = now;
        r = m->probe ? m->probe(m->userdata, m->probe_path) : -ENOSYS;
        if (r >= 0)
                return;
        m->probing = false;
        monitor_take_error(m, "the probe could not be begun");
}

static void begin_poll(Monitor *m) {
        unsigned want = CHAIN_WANT_STATE | CHAIN_WANT_DUTY;
        bool fixed = m->since_fixed == 0;
        int r;

        if (!m->url) {
                monitor_take_error(m, m->target.family->request_hash
                                              ? "no rpc address is configured"
                                              : "this chain family needs a probe, and none is configured");
                return;
        }
        if (fixed)
                want |= CHAIN_WANT_FIXED;
        r = poll_new(&m->poll, &m->target, want, fixed ? NULL : &m->sample, on_poll, m);
        if (r < 0)
                monitor_take_error(m, strerror(-r));
}

void monitor_poll_now(Monitor *m) {
        if (m->poll)
                return;
        if (m->probe_path)
                begin_probe(m);
        else
                begin_poll(m);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Monitor *m = userdata;
        uint64_t now = now_monotonic_usec(), next = m->next_at + monitor_interval(m);

        monitor_schedule(m, next > now ? next : now + monitor_interval(m));
        monitor_poll_now(m);
        return 0;
}

void monitor_set_urgent(Monitor *m, bool urgent) {
        uint64_t at;

        if (m->urgent == urgent)
                return;
        m->urgent = urgent;
        at = now_monotonic_usec() + monitor_interval(m);
        if (at < m->next_at)
                monitor_schedule(m, at);
}

void monitor_set_facts(Monitor *m, const UnitFacts *facts) {
        uint64_t process = m->memory.process_since;
        bool began;

        verdict_note_facts(&m->memory, facts, now_monotonic_usec());
        began = m->memory.process_since != process;
        if (began) {
                /* What is under way asked the process before this one. */
                m->poll = poll_free(m->poll);
                m->probe_is_stale = m->probing;
                m->believed = m->doubted = CHAIN_UNKNOWN;
                m->since_fixed = 0;
                m->backoff = 1;
                monitor_schedule(m, now_monotonic_usec());
        }
        if (monitor_judge(m))
                m->handler(m, true, m->userdata);
}

void monitor_inherit(Monitor *m, Monitor *old) {
        if (m->target.family != old->target.family || !str_eq(m->url, old->url) ||
            !str_eq(m->probe_path, old->probe_path) || !str_eq(m->chain_id, old->chain_id))
                return;
        m->memory = old->memory;
        m->believed = old->believed;
        m->doubted = old->doubted;
        chain_sample_move(&m->sample, &old->sample);
        m->verdict = old->verdict;
        m->since_realtime = old->since_realtime;
        (void) monitor_judge(m);
}

void monitor_absorb_probe(Monitor *m, const char *text, const char *error) {
        cleanup_sample_ ChainSample sample;
        cleanup_fault_ Fault fault = {};
        int r;

        chain_sample_init(&sample);
        if (!m->probing)
                return;
        m->probing = false;
        if (m->probe_is_stale) {
                m->probe_is_stale = false;
                return;
        }
        if (error)
                (void) fault_set(&fault, -EIO, "%s: %s", m->probe_path, error);
        else {
                r = m->target.family->absorb(&sample, 0, 200, text, &fault);
                if (r < 0)
                        (void) fault_prefix(&fault, r, "%s", m->probe_path);
        }
        sample.error = TAKE_PTR(fault.text);
        sample.at_monotonic = now_monotonic_usec();
        monitor_take(m, &sample);
}

static int monitor_copy(Monitor *m, const NodeConfig *config) {
        m->interval = config->poll ?: config->block_time / 3 ?: DEFAULT_INTERVAL;
        m->rules.stall_after = config->stall_after;
        m->rules.start_timeout = config->probation.start_timeout;
        m->target.timeout = config->rpc_timeout;
        if (str_replace(&m->url, config->rpc) < 0 || str_replace(&m->probe_path, config->probe) < 0 ||
            str_replace(&m->chain_id, config->chain_id) < 0)
                return -ENOMEM;
        m->target.url = m->url;
        m->rules.chain_id = m->chain_id;
        return 0;
}

int monitor_new(Monitor **ret, sd_event *event, HttpClient *client, const NodeConfig *config,
                MonitorHandler handler, MonitorProbe probe, void *userdata) {
        cleanup_(monitor_freep) Monitor *m = calloc(1, sizeof *m);
        int r;

        if (!m)
                return -ENOMEM;
        chain_sample_init(&m->sample);
        m->believed = m->doubted = CHAIN_UNKNOWN;
        verdict_memory_init(&m->memory);
        m->event = sd_event_ref(event);
        m->target.client = client;
        m->target.family = chain_family_by_name(config->family);
        if (!m->target.family)
                return -EINVAL;
        m->handler = handler;
        m->probe = probe;
        m->userdata = userdata;
        m->backoff = 1;
        m->since_realtime = now_realtime_usec();
        r = monitor_copy(m, config);
        if (r == 0)
                r = witnesses_new(&m->witnesses, config, &m->target, on_witnesses, m);
        if (r < 0)
                return r;
        m->next_at = now_monotonic_usec();
        r = sd_event_add_time(event, &m->timer, CLOCK_MONOTONIC, m->next_at, TIMER_ACCURACY, on_timer, m);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(m->timer, "monitor-poll");
        (void) monitor_judge(m);
        *ret = TAKE_PTR(m);
        return 0;
}
