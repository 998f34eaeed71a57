/*
 * musterctl show: everything of Describe() as key=value, for scripts.
 */
#include <strings.h>

#include "musterctl/args.h"
#include "musterctl/flatten.h"
#include "musterctl/nodes.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "util/text.h"

typedef struct Choice {
        char *const *wanted; /* NULL: all */
        const char *want;    /* the one looked for now */
        bool value_only;
        unsigned found;
} Choice;

/* "hold" chooses hold.reason too. */
static bool is_wanted(const char *key, const char *want) {
        size_t n = strlen(want);

        return strncasecmp(key, want, n) == 0 && (key[n] == '\0' || key[n] == '.');
}

static void put(const char *key, const char *value, void *userdata) {
        Choice *c = userdata;

        if (c->want && !is_wanted(key, c->want))
                return;
        c->found++;
        if (!c->value_only)
                printf("%s=", key);
        /* A script gets the bytes, a terminal what can do it no harm. */
        if (settings.out.terminal)
                text_put(stdout, &settings.out, value, 0);
        else
                fputs(value, stdout);
        putchar('\n');
}

static int show(const json_t *node, Choice *c) {
        int r = 0;

        if (!c->wanted)
                return flatten(node, NULL, put, c);
        STRV_FOREACH (want, c->wanted) {
                c->want = *want;
                c->found = 0;
                r = flatten(node, NULL, put, c);
                if (r < 0)
                        return r;
                if (c->found == 0)
                        return usage_error("show",
                                           "a node has no property '%s'; musterctl show NODE lists them",
                                           *want);
        }
        return 0;
}

int verb_show(int argc, char *argv[]) {
        cleanup_strv_ char **wanted = NULL;
        Choice choice = {};
        const ArgOption options[] = {
                { "property", 'p', ARG_LIST, "PROP", "this property only; may be given several times",
                  &wanted },
                { "value", 0, ARG_FLAG, NULL, "values without their names", &choice.value_only },
        };
        const ArgSpec spec = { "show", options, ELEMENTSOF(options), 1, 1, NULL };
        cleanup_(daemon_freep) Daemon *daemon = NULL;
        cleanup_json_ json_t *manager = NULL;
        cleanup_fault_ Fault fault = {};
        const json_t *node;
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        r = nodes_open(operands[0], &daemon, &manager, &node, &fault);
        if (r == 0) {
                choice.wanted = wanted;
                r = settings.json ? print_json(node) : show(node, &choice);
                if (r == CTL_USAGE)
                        return r;
        }
        return r != 0 ? complain(r, &fault) : 0;
}
