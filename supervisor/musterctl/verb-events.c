/*
 * musterctl events: the record, and following it.
 */
#include "musterctl/args.h"
#include "musterctl/event.h"
#include "musterctl/nodes.h"
#include "musterctl/pager.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "musterctl/watch.h"
#include "musterctl/when.h"
#include "util/text.h"

#define SHOWN        30    /* without -n and --since */
#define READ_AT_MOST 65536 /* events of one answer: a message of the bus has a limit */
#define LOOK_ANYWAY  (5 * USEC_PER_SEC)

typedef struct Question {
        const char *node; /* "": all */
        uint64_t number, since;
        unsigned node_width; /* 0: one node only */
} Question;

/* What happened at @since or later; a new reference. NULL without memory. */
static json_t *cut_before(const json_t *events, uint64_t since) {
        json_t *rest = json_array(), *e;
        size_t i;

        json_array_foreach ((json_t *) events, i, e)
                if (rest && json_i64(e, "at_usec", 0) >= (int64_t) since && json_array_append(rest, e) < 0) {
                        json_decref(rest);
                        rest = NULL;
                }
        return rest;
}

/* The newest events: @number of them, or as many as reach back to @since. Oldest first. */
static int read_tail(Daemon *daemon, const Question *q, json_t **ret, Fault *reterr) {
        unsigned ask = q->number < READ_AT_MOST ? (unsigned) q->number : READ_AT_MOST;

        for (;;) {
                cleanup_json_ json_t *events = NULL;
                int r = daemon_list_events(daemon, q->node, 0, ask, &events, reterr);
                size_t n;

                if (r != 0)
                        return r;
                n = json_array_size(events);
                if (q->since > 0 && n >= ask && ask < READ_AT_MOST &&
                    json_i64(json_array_get(events, 0), "at_usec", 0) >= (int64_t) q->since) {
                        ask = ask * 8 < READ_AT_MOST ? ask * 8 : READ_AT_MOST;
                        continue;
                }
                *ret = cut_before(events, q->since);
                return *ret ? 0 : -ENOMEM;
        }
}

static unsigned widest_node(const json_t *events) {
        unsigned width = 4;
        const json_t *e;
        size_t i;

        json_array_foreach (events, i, e) {
                unsigned w = text_width(&settings.out, json_str(e, "node") ?: "");

                if (w > width)
                        width = w;
        }
        return width;
}

static uint64_t last_id(const json_t *events) {
        int64_t id = json_i64(json_array_get(events, json_array_size(events) - 1), "id", 0);

        return id > 0 ? (uint64_t) id : 0;
}

static int put_events(FILE *f, const Screen *screen, const Question *q, const json_t *events) {
        const json_t *e;
        size_t i;

        json_array_foreach (events, i, e)
                if (settings.json) {
                        if (json_dumpf(e, f, JSON_COMPACT | JSON_PRESERVE_ORDER) < 0)
                                return -EIO;
                        fputc('\n', f);
                } else
                        event_put(f, screen, e, q->node_width);
        return 0;
}

static int print_tail(const Question *q, const json_t *events) {
        cleanup_free_ char *text = NULL;
        Screen screen = settings.out;
        size_t size;
        FILE *f;
        int r;

        if (settings.json)
                return print_json(events);
        f = open_memstream(&text, &size);
        if (!f)
                return -errno;
        /* The pager scrolls sideways: nothing need be cut for it. */
        if (json_array_size(events) >= screen.rows && screen.rows > 0 && !settings.no_pager)
                screen.width = 0;
        r = put_events(f, &screen, q, events);
        if (fclose(f) != 0)
                return -ENOMEM;
        return r < 0 ? r : page_text(text, size);
}

/* The tail and everything that comes after it, for ever. */
static int follow(Daemon *daemon, const Question *q, Fault *reterr) {
        cleanup_(watch_freep) Watch *watch = NULL;
        cleanup_json_ json_t *tail = NULL;
        int r;

        r = watch_new(daemon, q->node, UINT64_MAX, &watch, reterr);
        if (r == 0)
                r = read_tail(daemon, q, &tail, reterr);
        if (r == 0)
                r = put_events(stdout, &settings.out, q, tail);
        if (r != 0)
                return r;
        if (json_array_size(tail) > 0)
                watch_from(watch, last_id(tail));
        for (;;) {
                cleanup_json_ json_t *events = NULL;

                r = watch_take(watch, &events, reterr);
                if (r == 0)
                        r = put_events(stdout, &settings.out, q, events);
                if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
                        r = -EPIPE;
                if (r == 0)
                        r = watch_wait(watch, LOOK_ANYWAY);
                if (r == CTL_AWAY)
                        r = watch_return(watch, reterr);
                if (r == CTL_DETACHED)
                        watch_die_interrupted();
                if (r != 0)
                        return r;
        }
}

static int read_options(const char *number, const char *since, bool following, Question *q) {
        cleanup_fault_ Fault fault = {};

        q->number = since ? 512 : following ? 10 : SHOWN;
        if (number && (parse_u64(number, &q->number) < 0 || q->number == 0 || q->number > READ_AT_MOST))
                return usage_error("events", "-n '%s': expected a number from 1 to %d", number,
                                   READ_AT_MOST);
        if (number && since)
                return usage_error("events", "-n and --since exclude each other");
        if (since && when_parse_past(since, now_realtime_usec(), &q->since, &fault) < 0)
                return usage_error("events", "--since: %s", fault_text(&fault, -EINVAL));
        return 0;
}

static int ask(Question *q, char *const *operands, bool following, Fault *reterr) {
        cleanup_(daemon_freep) Daemon *daemon = NULL;
        cleanup_json_ json_t *manager = NULL, *events = NULL;
        int r;

        r = daemon_open(&daemon, reterr);
        if (r == 0)
                r = daemon_describe(daemon, &manager, reterr);
        if (r == 0 && operands[0])
                r = nodes_check(manager, operands[0], reterr);
        if (r != 0)
                return r;
        q->node = operands[0] ?: "";
        q->node_width = operands[0] ? 0 : nodes_name_width(manager, 4);
        if (following)
                return follow(daemon, q, reterr);
        r = read_tail(daemon, q, &events, reterr);
        if (r != 0)
                return r;
        if (!operands[0]) /* no wider than what is shown */
                q->node_width = widest_node(events);
        return print_tail(q, events);
}

int verb_events(int argc, char *argv[]) {
        const char *number = NULL, *since = NULL;
        bool following = false;
        const ArgOption options[] = {
                { "follow", 'f', ARG_FLAG, NULL, "go on with what happens from now on", &following },
                { "lines", 'n', ARG_TEXT, "N", "the newest N (30; with -f 10)", &number },
                { "since", 0, ARG_TEXT, "TIME", "from \"2026-11-22 14:00\", or 10min ago: 10min", &since },
        };
        const ArgSpec spec = {
                "events", options, ELEMENTSOF(options),
                0,        1,       "Without NODE: of every node. --json with -f prints one event a line."
        };
        cleanup_fault_ Fault fault = {};
        Question question = {};
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        r = read_options(number, since, following, &question);
        if (r != 0)
                return r;
        r = ask(&question, operands, following, &fault);
        return r != 0 ? complain(r, &fault) : 0;
}
