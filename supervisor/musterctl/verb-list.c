/*
 * musterctl list: every node in a line, and below what needs a person.
 */
#include "musterctl/args.h"
#include "musterctl/attention.h"
#include "musterctl/job.h"
#include "musterctl/nodes.h"
#include "musterctl/settings.h"
#include "musterctl/table.h"
#include "musterctl/verb.h"
#include "muster-build.h"
#include "util/text.h"

static const TableColumn columns[] = {
        { .title = "", .least = 1, .tight = true },
        { .title = "NAME", .least = 12 },
        { .title = "VERDICT", .least = 11 },
        { .title = "HEIGHT", .least = 10, .right = true },
        { .title = "PEERS", .least = 5, .right = true },
        { .title = "VERSION", .least = 8 },
        { .title = "MODE", .least = 7 },
        { .title = "JOB", .least = 14 },
};

static int add_number(Table *t, const json_t *node, const char *key) {
        int64_t n = json_i64(node, key, -1);
        char text[24];

        if (n < 0)
                return table_add(t, NULL, TONE_PLAIN);
        snprintf(text, sizeof text, "%lld", (long long) n);
        return table_add(t, text, TONE_PLAIN);
}

/* "probation 42%: upgrade 1.7.1", what matters first: it may be cut; or what is left of the last one if it
 * is stuck. */
static int add_job(Table *t, const json_t *node) {
        const json_t *job = node_active_job(node), *last = json_object_get(node, "last");
        cleanup_free_ char *text = NULL;
        char share[16] = "";
        const char *ignored;
        int percent;

        if (!job && str_eq(json_str(last, "state"), "stuck"))
                job = last;
        if (!job)
                return table_add(t, NULL, TONE_PLAIN);
        percent = job_over(job) ? -1 : job_progress(json_str(job, "progress"), &ignored);
        if (percent >= 0)
                snprintf(share, sizeof share, " %d%%", percent);
        if (asprintf(&text, "%s%s: %s %s", json_str(job, "state") ?: "?", share,
                     json_str(job, "kind") ?: "job",
                     json_str(job, "source") ?: json_str(job, "version") ?: "") < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return table_add(t, text, state_tone(json_str(job, "state")));
}

static int add_node(Table *t, const json_t *node) {
        const char *verdict = json_str(node, "verdict") ?: "unknown";
        Tone tone = node_is_unhealthy(node) ? TONE_BAD : verdict_tone(verdict);
        int r = table_add(t, screen_dot(&settings.out), tone);

        if (r == 0)
                r = table_add(t, json_str(node, "name"), TONE_PLAIN);
        if (r == 0)
                r = table_add(t, verdict, verdict_tone(verdict));
        if (r == 0)
                r = add_number(t, node, "height");
        if (r == 0)
                r = add_number(t, node, "peers");
        if (r == 0)
                r = table_add(t, json_str(node, "version"), TONE_PLAIN);
        if (r == 0)
                r = table_add(t, json_str(node, "mode"), TONE_PLAIN);
        return r == 0 ? add_job(t, node) : r;
}

static int print_table(const json_t *nodes) {
        cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        const json_t *node;
        size_t i;

        if (!t)
                return -ENOMEM;
        json_array_foreach (nodes, i, node) {
                int r = add_node(t, node);

                if (r < 0)
                        return r;
        }
        table_put(stdout, &settings.out, t);
        return 0;
}

static int print_all(const json_t *manager) {
        const json_t *nodes = json_object_get(manager, "nodes"), *node;
        cleanup_free_ char *hints = NULL;
        size_t size, i;
        FILE *f;
        int r = 0;

        if (json_array_size(nodes) == 0)
                printf("No nodes: write %s/nodes.d/NAME.conf, then: musterctl reload\n", MUSTER_SYSCONFDIR);
        else
                r = print_table(nodes);
        if (r < 0)
                return r;
        f = open_memstream(&hints, &size);
        if (!f)
                return -errno;
        attention_put_manager(f, &settings.out, manager);
        json_array_foreach (nodes, i, node)
                attention_put_node(f, &settings.out, node);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (*hints)
                printf("\n%s", hints);
        return 0;
}

int verb_list(int argc, char *argv[]) {
        bool names = false;
        const ArgOption options[] = { { "names", 0, ARG_FLAG, NULL, "print the names alone, one a line",
                                        &names } };
        const ArgSpec spec = { "list", options, ELEMENTSOF(options), 0, 0, NULL };
        cleanup_(daemon_freep) Daemon *daemon = NULL;
        cleanup_json_ json_t *manager = NULL;
        cleanup_fault_ Fault fault = {};
        const json_t *nodes, *node;
        char **operands;
        size_t i;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        r = daemon_open(&daemon, &fault);
        if (r == 0)
                r = daemon_describe(daemon, &manager, &fault);
        if (r != 0)
                return complain(r, &fault);
        nodes = json_object_get(manager, "nodes");
        if (names) {
                json_array_foreach (nodes, i, node)
                        printf("%s\n", json_str(node, "name") ?: "");
                return 0;
        }
        r = settings.json ? print_json(manager) : print_all(manager);
        if (r < 0)
                return complain(r, NULL);
        json_array_foreach (nodes, i, node)
                if (node_is_unhealthy(node))
                        return CTL_UNHEALTHY;
        return 0;
}
