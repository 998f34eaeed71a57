/*
 * musterctl upgrade: says what will happen, asks, and watches it happen.
 */
#include "musterctl/act.h"
#include "musterctl/args.h"
#include "musterctl/ask.h"
#include "musterctl/plan.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "musterctl/when.h"
#include "util/name.h"
#include "util/text.h"

typedef struct UpgradeOptions {
        const char *at_time, *at_height;
        bool now, wait, no_wait;
        UpgradePlan plan;
} UpgradeOptions;

static int check_trigger(UpgradeOptions *o) {
        cleanup_fault_ Fault fault = {};
        uint64_t now = now_realtime_usec();

        if (o->now + !!o->at_time + !!o->at_height > 1)
                return usage_error("upgrade", "--now, --at-time and --at-height exclude each other");
        if (o->at_time) {
                o->plan.trigger = TRIGGER_TIME;
                if (when_parse(o->at_time, now, &o->plan.at_usec, &fault) < 0)
                        return usage_error("upgrade", "--at-time: %s", fault_text(&fault, -EINVAL));
                if (o->plan.at_usec <= now) {
                        char then[WHEN_TEXT_MAX], date[WHEN_TEXT_MAX];

                        return usage_error("upgrade", "--at-time: %s is past; it is %s",
                                           when_zoned(then, o->plan.at_usec), when_zoned(date, now));
                }
        }
        if (o->at_height) {
                o->plan.trigger = TRIGGER_HEIGHT;
                if (parse_u64(o->at_height, &o->plan.height) < 0 || o->plan.height == 0 ||
                    o->plan.height > INT64_MAX)
                        return usage_error("upgrade", "--at-height '%s': expected a block number",
                                           o->at_height);
        }
        return 0;
}

static int check_options(UpgradeOptions *o, const char *version) {
        cleanup_fault_ Fault fault = {};

        o->plan.version = version;
        if (version_check(version, "version", &fault) < 0)
                return usage_error("upgrade", "%s", fault_text(&fault, -EINVAL));
        if (o->wait && o->no_wait)
                return usage_error("upgrade", "--wait and --no-wait exclude each other");
        if (o->plan.rehearse && (o->at_time || o->at_height))
                return usage_error("upgrade",
                                   "--rehearse runs at once: it takes neither --at-time nor --at-height");
        return check_trigger(o);
}

/* Only for the plan that is shown: musterd has its own reading. */
static void put_plan(const UpgradePlan *plan, const json_t *node) {
        const char *path = json_str(node, "config_path");
        cleanup_(node_config_freep) NodeConfig *config = NULL;
        cleanup_fault_ Fault fault = {};
        int r = path ? node_config_read(path, &config, &fault) : -ENOENT;

        plan_put(stdout, &settings.out, plan, node, config, r < 0 ? fault_text(&fault, r) : NULL);
        fflush(stdout);
}

static int check_staged(const json_t *node, const char *version, Fault *reterr) {
        cleanup_strv_ char **staged = NULL;
        cleanup_free_ char *list = NULL;
        size_t size;
        FILE *f;

        if (json_strv(node, "staged", &staged) < 0)
                return 0; /* musterd knows */
        if (strv_contains(staged, version) || str_eq(version, json_str(node, "previous")))
                return 0;
        f = open_memstream(&list, &size);
        if (!f)
                return -errno;
        STRV_FOREACH (v, staged)
                fprintf(f, "%s%s", v == staged ? "; staged are: " : ", ", *v);
        if (fclose(f) != 0)
                return -ENOMEM;
        return fault_set(reterr, CTL_REFUSED,
                         "%s is not staged for %s%s; first: musterctl stage %s SOURCE --version %s "
                         "--sha256 HEX",
                         version, json_str(node, "name") ?: "?", list, json_str(node, "name") ?: "NODE",
                         version);
}

static int show_and_ask(const UpgradePlan *plan, const json_t *node, Fault *reterr) {
        cleanup_free_ char *question = NULL;

        if (!settings.json)
                put_plan(plan, node);
        if (plan->rehearse)
                return 0;
        if (asprintf(&question, "Upgrade %s to %s?", json_str(node, "name") ?: "?", plan->version) < 0)
                return -ENOMEM;
        return ask(question, reterr);
}

static int put_options(json_t *options, const UpgradePlan *plan) {
        char trigger[TRIGGER_TEXT_MAX];

        if (json_put_str(options, "trigger", plan_trigger(plan, trigger)) < 0 ||
            json_put_bool(options, "one-way", plan->one_way) < 0 ||
            json_put_bool(options, "no-rollback", plan->no_rollback) < 0 ||
            json_put_bool(options, "rehearse", plan->rehearse) < 0)
                return -ENOMEM;
        return 0;
}

static int run(const UpgradeOptions *o, const char *name) {
        bool wait = o->plan.trigger == TRIGGER_NOW ? !o->no_wait : o->wait;
        cleanup_(act_done) Act act = {};
        int r;

        r = act_open_allowed(&act, name);
        if (r == 0)
                r = check_staged(act.node, o->plan.version, &act.fault);
        if (r == 0)
                r = show_and_ask(&o->plan, act.node, &act.fault);
        if (r == 0)
                r = put_options(act.options, &o->plan);
        if (r == 0)
                r = act_start(&act, "Upgrade", o->plan.version, wait);
        return r != 0 ? complain(r, &act.fault)
                      : act_follow(&act, o->plan.rehearse ? "rehearse" : "upgrade", o->plan.version);
}

int verb_upgrade(int argc, char *argv[]) {
        UpgradeOptions o = {};
        const ArgOption options[] = {
                { "now", 0, ARG_FLAG, NULL, "at once (the default)", &o.now },
                { "at-time", 0, ARG_TEXT, "TIME", "\"2026-11-22 14:00\" (local), RFC 3339, or +10min",
                  &o.at_time },
                { "at-height", 0, ARG_TEXT, "N", "when the head reaches this block", &o.at_height },
                { "one-way", 0, ARG_FLAG, NULL, "the new release changes the data for good: never go back",
                  &o.plan.one_way },
                { "no-rollback", 0, ARG_FLAG, NULL, "leave a failed release in place", &o.plan.no_rollback },
                { "rehearse", 0, ARG_FLAG, NULL, "only try it on a copy, without network and keys",
                  &o.plan.rehearse },
                { "wait", 0, ARG_FLAG, NULL, "wait for the end (the default with --now)", &o.wait },
                { "no-wait", 0, ARG_FLAG, NULL, "return when it is accepted", &o.no_wait },
        };
        const ArgSpec spec = {
                "upgrade",
                options,
                ELEMENTSOF(options),
                2,
                2,
                "VERSION was staged before: musterctl stage. Exit status 0 if it is committed, 1 if it was "
                "aborted,\n"
                "rolled back or is stuck. Ctrl-C ends the waiting, not the upgrade.",
        };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        r = check_options(&o, operands[1]);
        return r != 0 ? r : run(&o, operands[0]);
}
