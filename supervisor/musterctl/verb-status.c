/*
 * musterctl status: one node as `systemctl status` shows a unit. What is not
 * known is not shown as if it were: a height that could not be read is
 * "unknown", with the error of the RPC.
 */
#include <stdarg.h>

#include "musterctl/args.h"
#include "musterctl/attention.h"
#include "musterctl/event.h"
#include "musterctl/job.h"
#include "musterctl/nodes.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "musterctl/when.h"
#include "util/text.h"

#define LABEL_WIDTH  11
#define EVENTS_SHOWN 10

static const Screen *screen = &settings.out;

/* "      Label: text", wrapped: what to do stands at the end of a reason. */
static void field(const char *label, Tone tone, const char *format, ...) _printf_(3, 4);

static void field(const char *label, Tone tone, const char *format, ...) {
        unsigned used = LABEL_WIDTH + 2;
        char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        printf("%*s%s %s", LABEL_WIDTH, label, *label ? ":" : " ", screen_on(screen, tone));
        text_put_wrapped(stdout, screen, text ?: "", screen->width > 2 * used ? screen->width - used : 0,
                         used);
        printf("%s\n", screen_off(screen));
        free(text);
}

static void since(const json_t *object, const char *key, char text[static 2 * WHEN_TEXT_MAX]) {
        int64_t at = json_i64(object, key, 0);
        char date[WHEN_TEXT_MAX], ago[WHEN_TEXT_MAX];

        if (at <= 0)
                text[0] = '\0';
        else
                snprintf(text, 2 * WHEN_TEXT_MAX, " since %s; %s", when_zoned(date, (uint64_t) at),
                         when_relative(ago, (uint64_t) at, now_realtime_usec()));
}

static void put_head_line(const json_t *n) {
        const char *verdict = json_str(n, "verdict"), *chain = json_str(n, "chain_id"),
                   *network = json_str(n, "network");
        char text[256];

        printf("%s%s%s ", screen_on(screen, node_is_unhealthy(n) ? TONE_BAD : verdict_tone(verdict)),
               screen_dot(screen), screen_off(screen));
        snprintf(text, sizeof text, "%s - %s%s%s%s%s%s", json_str(n, "name") ?: "?",
                 json_str(n, "family") ?: "", chain ? " " : "", chain ?: "",
                 network && !str_eq(network, chain) ? " (" : "",
                 network && !str_eq(network, chain) ? network : "",
                 network && !str_eq(network, chain) ? ")" : "");
        text_put(stdout, screen, text, screen->width > 2 ? screen->width - 2 : 0);
        putchar('\n');
}

static void put_verdict(const json_t *n) {
        const char *verdict = json_str(n, "verdict") ?: "unknown", *reason = json_str(n, "reason"),
                   *error = json_str(n, "rpc_error");
        char when[2 * WHEN_TEXT_MAX];

        since(n, "since_usec", when);
        field("Verdict", verdict_tone(verdict), "%s%s", verdict, when);
        if (reason && *reason)
                field("", TONE_PLAIN, "%s", reason);
        if (error)
                field("RPC", TONE_WAIT, "%s", error);
}

static void put_unit(const json_t *n) {
        int64_t pid = json_i64(n, "pid", 0), restarts = json_i64(n, "restarts", 0);
        const char *active = json_str(n, "active_state") ?: "unknown";
        const json_t *launch = json_object_get(n, "launch");
        char when[2 * WHEN_TEXT_MAX], process[64] = "";

        since(n, "active_since_usec", when);
        if (pid > 0)
                snprintf(process, sizeof process, ", pid %lld", (long long) pid);
        field("Unit", str_eq(active, "failed") ? TONE_BAD : TONE_PLAIN, "%s, %s (%s)%s",
              json_str(n, "unit") ?: "?", active, json_str(n, "sub_state") ?: "?", process);
        if (*when)
                field("", TONE_PLAIN, "%s%s", active, when);
        if (restarts > 0)
                field("", TONE_WAIT, "restarted by systemd %lld time%s", (long long) restarts,
                      restarts == 1 ? "" : "s");
        if (str_eq(json_str(launch, "result"), "refused"))
                field("Guard", TONE_BAD, "refused to start %s: %s", json_str(launch, "version") ?: "it",
                      json_str(launch, "reason") ?: "?");
        if (json_bool(n, "managed") && !json_bool(n, "permit"))
                field("Permit", TONE_WAIT, "none: systemd does not start this node");
}

static void put_head(const json_t *n) {
        int64_t height = json_i64(n, "height", -1), target = json_i64(n, "target", -1),
                at = json_i64(n, "head_time", 0);
        const char *hash = json_str(n, "head_hash");
        char age[WHEN_TEXT_MAX], of[64] = "";

        if (height < 0) {
                field("Head", TONE_WAIT, "unknown");
                return;
        }
        if (json_bool(n, "syncing") && target >= 0)
                snprintf(of, sizeof of, " of %lld, syncing", (long long) target);
        field("Head", TONE_PLAIN, "%lld%s%s%s%s%.14s%s", (long long) height, of, at > 0 ? ", " : "",
              at > 0 ? when_relative(age, (uint64_t) at * USEC_PER_SEC, now_realtime_usec()) : "",
              hash ? ", " : "", hash ?: "", hash && strlen(hash) > 14 ? screen_ellipsis(screen) : "");
}

static void put_chain(const json_t *n) {
        const json_t *signing = json_object_get(n, "signing"), *council = json_object_get(n, "in_council");
        int64_t peers = json_i64(n, "peers", -1), height = json_i64(n, "signed_height", -1);
        char upto[48] = "";

        put_head(n);
        if (peers >= 0)
                field("Peers", peers == 0 ? TONE_BAD : TONE_PLAIN, "%lld", (long long) peers);
        else
                field("Peers", TONE_WAIT, "unknown");
        if (height >= 0)
                snprintf(upto, sizeof upto, ", signed %lld", (long long) height);
        if (json_is_boolean(signing) || json_is_boolean(council))
                field("Council", json_is_false(signing) && json_is_true(council) ? TONE_BAD : TONE_PLAIN,
                      "%s%s%s",
                      json_is_true(council)    ? "member, "
                      : json_is_false(council) ? "not a member, "
                                               : "",
                      json_is_true(signing)    ? "signing"
                      : json_is_false(signing) ? "not signing"
                                               : "signing unknown",
                      upto);
}

static void put_references(const json_t *n) {
        const json_t *references = json_object_get(n, "references"), *r;
        size_t i;

        json_array_foreach (references, i, r) {
                int64_t height = json_i64(r, "height", -1);
                const char *error = json_str(r, "error");
                char text[24] = "unknown";

                if (height >= 0)
                        snprintf(text, sizeof text, "%lld", (long long) height);
                field(i == 0 ? "References" : "", error ? TONE_WAIT : TONE_PLAIN, "%s (%s) %s%s%s",
                      json_str(r, "name") ?: "?", json_str(r, "provider") ?: "?", text, error ? ": " : "",
                      error ?: "");
        }
}

/* Those that are neither current nor previous. */
static void put_staged(const json_t *n, const char *current, const char *previous) {
        const json_t *staged = json_object_get(n, "staged"), *v;
        cleanup_free_ char *list = NULL;
        size_t size, i;
        FILE *f = open_memstream(&list, &size);

        if (!f)
                return;
        json_array_foreach (staged, i, v) {
                const char *name = json_string_value(v);

                if (name && !str_eq(name, current) && !str_eq(name, previous))
                        fprintf(f, "%s%s", ftello(f) > 0 ? ", " : "", name);
        }
        if (fclose(f) == 0 && *list)
                field("Staged", TONE_PLAIN, "%s", list);
}

static void put_versions(const json_t *n) {
        const char *client = json_str(n, "client_version"), *current = json_str(n, "version"),
                   *previous = json_str(n, "previous");

        field("Version", current ? TONE_BOLD : TONE_PLAIN, "%s", current ?: "none switched to yet");
        if (client)
                field("", TONE_PLAIN, "calls itself %s", client);
        if (previous)
                field("Previous", TONE_PLAIN, "%s", previous);
        put_staged(n, current, previous);
        if (json_str(n, "old_data"))
                field("Old data", TONE_WAIT,
                      "of before restore %s is kept; back to it: musterctl rollback %s",
                      json_str(n, "old_data"), json_str(n, "name") ?: "NODE");
}

/* A configuration error names each fault in a line. */
static void put_lines(const char *text) {
        cleanup_free_ char *copy = text ? strdup(text) : NULL;

        for (char *rest = copy, *line; rest && (line = strsep(&rest, "\n"));)
                field("", TONE_PLAIN, "%s", line);
}

static const char *signer_meaning(const char *signer) {
        return str_eq(signer, "remote")  ? "remote, guarded at the signer"
               : str_eq(signer, "local") ? "local, guarded here"
                                         : signer;
}

static void put_rights(const json_t *n, const json_t *manager) {
        const json_t *hold = json_object_get(n, "hold");
        const char *mark = json_str(n, "highwater"), *error = json_str(n, "config_error"),
                   *applied = json_str(n, "applied");
        cleanup_free_ char *todo = attention_apply_command(n);
        char user[USER_TEXT_MAX], when[2 * WHEN_TEXT_MAX];

        field("Mode", TONE_PLAIN, "%s, role %s, signer %s%s", json_str(n, "mode") ?: "?",
              json_str(n, "role") ?: "?", signer_meaning(json_str(n, "signer")) ?: "?",
              json_bool(n, "managed") ? "" : ", observed only");
        if (mark && *mark)
                field("High water", TONE_PLAIN, "%s", mark);
        if (json_is_object(hold)) {
                since(hold, "since_usec", when);
                field("Held", TONE_WAIT, "by %s%s", user_text(user, json_i64(hold, "uid", -1)), when);
                field("", TONE_PLAIN, "%s; release it: musterctl unhold %s", json_str(hold, "reason") ?: "?",
                      json_str(n, "name") ?: "");
        }
        if (json_bool(manager, "frozen"))
                field("Frozen", TONE_WAIT, "%s; end it: musterctl thaw",
                      json_str(manager, "freeze_reason") ?: "?");
        field("Config", error ? TONE_BAD : todo ? TONE_WAIT : TONE_PLAIN, "%s, %s", json_str(n, "config_path") ?: "?",
              error  ? "broken, the old one stays in force"
              : todo ? attention_applied(n)
                     : applied ?: "?");
        put_lines(error);
        if (todo)
                field("", TONE_PLAIN, "run: %s", todo);
}

static void put_job(const char *label, const json_t *job, const json_t *events) {
        unsigned used = LABEL_WIDTH + 2, width = screen->width > used ? screen->width - used : screen->width;
        const char *why = json_str(job, "why"), *reason = json_str(job, "reason"),
                   *trigger = json_str(job, "trigger"), *progress = json_str(job, "progress");
        cleanup_free_ char *title = job_title(screen, job);
        bool over = job_over(job);
        char user[USER_TEXT_MAX], when[2 * WHEN_TEXT_MAX], spent[DURATION_TEXT_MAX];
        int64_t downtime = json_i64(job, "downtime_usec", -1);

        field(label, TONE_BOLD, "%s, by %s%s%s", title ?: "?", user_text(user, json_i64(job, "uid", -1)),
              why && *why ? ": " : "", why ?: "");
        since(job, "since_usec", when);
        field("", state_tone(json_str(job, "state")), "%s%s", json_str(job, "state") ?: "?", when);
        printf("%*s", (int) used, "");
        job_chain_put(stdout, screen, job, events, width);
        putchar('\n');
        if (!over && progress && *progress) {
                printf("%*s", (int) used, "");
                job_bar_put(stdout, screen, progress, width);
                putchar('\n');
        }
        if (reason && *reason)
                field("", TONE_PLAIN, "%s", reason);
        if (json_bool(job, "paused"))
                field("", TONE_WAIT, "paused, also over a reboot, until: musterctl resume");
        if (!over && trigger && *trigger && !str_eq(trigger, "now"))
                field("", TONE_PLAIN, "trigger %s", trigger);
        if (downtime >= 0)
                field("", TONE_PLAIN, "%s of downtime", format_duration(spent, (uint64_t) downtime));
}

static void put_jobs(const json_t *n, const json_t *events) {
        const json_t *jobs = json_object_get(n, "jobs"), *last = json_object_get(n, "last"), *job;
        size_t i;

        json_array_foreach (jobs, i, job)
                put_job("Job", job, events);
        if (json_is_object(last) && node_job(n, json_str(last, "id")) == last)
                put_job("Last job", last, events);
        if (str_eq(json_str(last, "state"), "stuck"))
                field("", TONE_BAD, "musterd does nothing more by itself: a person is needed");
}

static void put_events(const json_t *events) {
        const json_t *e;
        size_t i;

        if (json_array_size(events) > 0)
                putchar('\n');
        json_array_foreach (events, i, e)
                event_put(stdout, screen, e, 0);
}

static int put_node(Daemon *daemon, const json_t *manager, const json_t *n, Fault *reterr) {
        cleanup_json_ json_t *events = NULL;
        int r = daemon_list_events(daemon, json_str(n, "name") ?: "", 0, EVENTS_SHOWN, &events, reterr);

        if (r != 0)
                return r;
        put_head_line(n);
        put_verdict(n);
        put_unit(n);
        put_chain(n);
        put_references(n);
        put_versions(n);
        put_rights(n, manager);
        put_jobs(n, events);
        put_events(events);
        return 0;
}

static int print_json_nodes(const json_t *manager, char *const *names) {
        cleanup_json_ json_t *nodes = NULL;

        if (names[0] && !names[1])
                return print_json(nodes_find(manager, names[0]));
        if (!names[0])
                return print_json(json_object_get(manager, "nodes"));
        nodes = json_array();
        STRV_FOREACH (name, names)
                if (json_array_append(nodes, (json_t *) nodes_find(manager, *name)) < 0)
                        return -ENOMEM;
        return print_json(nodes);
}

static int put_nodes(Daemon *daemon, const json_t *manager, char *const *names, Fault *reterr) {
        const json_t *nodes = json_object_get(manager, "nodes"), *node;
        size_t i;
        int r = 0, shown = 0;

        if (settings.json)
                return print_json_nodes(manager, names);
        json_array_foreach (nodes, i, node)
                if (r == 0 && (!names[0] || strv_contains(names, json_str(node, "name")))) {
                        if (shown++ > 0)
                                putchar('\n');
                        r = put_node(daemon, manager, node, reterr);
                }
        return r;
}

int verb_status(int argc, char *argv[]) {
        const ArgSpec spec = { "status", NULL, 0, 0, -1, "Without NODE: every node." };
        cleanup_(daemon_freep) Daemon *daemon = NULL;
        cleanup_json_ json_t *manager = NULL;
        cleanup_fault_ Fault fault = {};
        const json_t *nodes, *node;
        char **names;
        size_t i;
        int r;

        if (!args_parse(&spec, argc, argv, &names, &r))
                return r;
        r = daemon_open(&daemon, &fault);
        if (r == 0)
                r = daemon_describe(daemon, &manager, &fault);
        STRV_FOREACH (name, names)
                if (r == 0)
                        r = nodes_check(manager, *name, &fault);
        if (r == 0)
                r = put_nodes(daemon, manager, names, &fault);
        if (r != 0)
                return complain(r, &fault);
        nodes = json_object_get(manager, "nodes");
        json_array_foreach (nodes, i, node)
                if ((!names[0] || strv_contains(names, json_str(node, "name"))) && node_is_unhealthy(node))
                        return CTL_UNHEALTHY;
        return 0;
}
