/*
 * musterctl restore: says what will happen, asks, and watches it happen.
 */
#include "config/value.h"
#include "musterctl/act.h"
#include "musterctl/args.h"
#include "musterctl/ask.h"
#include "musterctl/settings.h"
#include "musterctl/trust.h"
#include "musterctl/verb.h"
#include "util/text.h"

typedef struct RestoreOrder {
        const char *manifest, *sha256, *signers, *limit, *strip;
        char digest[65]; /* @sha256 in lower case */
        uint64_t limit_rate;
        bool unsigned_, no_seed, no_wait, drop_old;
} RestoreOrder;

static int check_options(RestoreOrder *o) {
        cleanup_fault_ Fault fault = {};

        if (o->unsigned_ && (o->signers || o->sha256))
                return usage_error("restore", "--unsigned excludes --signers and --sha256");
        if (o->limit && (value_parse_size(o->limit, &o->limit_rate, &fault) < 0 || o->limit_rate < 1024))
                return usage_error("restore",
                                   "--limit-rate '%s': expected bytes a second, such as 500K, 100M or "
                                   "infinity, at least 1K",
                                   o->limit);
        return o->sha256 ? trust_digest("restore", o->sha256, o->digest) : 0;
}

/* The worker has another working directory. A URL stays as it is; owned. */
static int absolute(const char *source, char **ret, Fault *reterr) {
        if (strstr(source, "://")) {
                *ret = strdup(source);
                return *ret ? 0 : -ENOMEM;
        }
        *ret = realpath(source, NULL);
        return *ret ? 0 : fault_set(reterr, CTL_FAILED, "Failed to find '%s': %s", source, strerror(errno));
}

static int add_signers(json_t *options, const RestoreOrder *o, Fault *reterr) {
        cleanup_free_ char *text = NULL, *path = NULL;
        int r;

        if (!o->signers)
                return 0;
        r = trust_signers(o->signers, &text, reterr);
        if (r == 0)
                r = absolute(o->signers, &path, reterr);
        if (r != 0)
                return r;
        if (json_put_str(options, "signers", text) < 0 || json_put_str(options, "signers-name", path) < 0)
                return -ENOMEM;
        return 0;
}

static int add_places(json_t *options, const RestoreOrder *o, char *const *sources, Fault *reterr) {
        cleanup_strv_ char **places = NULL;
        int r;

        STRV_FOREACH (source, sources) {
                cleanup_free_ char *place = NULL;

                r = absolute(*source, &place, reterr);
                if (r == 0)
                        r = strv_append(&places, place);
                if (r != 0)
                        return r;
        }
        if (o->manifest) {
                cleanup_free_ char *place = NULL;

                r = absolute(o->manifest, &place, reterr);
                if (r == 0)
                        r = json_put_str(options, "manifest", place);
                if (r != 0)
                        return r;
        }
        return json_put_strv(options, "sources", places);
}

static int put_options(json_t *options, const RestoreOrder *o, char *const *sources, Fault *reterr) {
        int r;

        if (json_put_str(options, "sha256", o->sha256 ? o->digest : NULL) < 0 ||
            json_put_str(options, "prefix", o->strip) < 0 ||
            (o->unsigned_ && json_put_bool(options, "unsigned", true) < 0) ||
            (o->no_seed && json_put_bool(options, "seed", false) < 0) ||
            (o->drop_old && json_put_bool(options, "drop-old", true) < 0) ||
            (o->limit &&
             json_put_u64(options, "limit-rate", o->limit_rate > INT64_MAX ? INT64_MAX : o->limit_rate) < 0))
                return -ENOMEM;
        r = add_signers(options, o, reterr);
        if (r == 0)
                r = add_places(options, o, sources, reterr);
        return r;
}

static const char *trust(const RestoreOrder *o) {
        return o->unsigned_ ? "nobody: neither signature nor digest is asked for"
               : o->signers ? "a signature of one of --signers"
               : o->sha256  ? "the SHA-256 that was given"
                            : "a signature of one of the node's configured signers";
}

static int show_and_ask(const RestoreOrder *o, const json_t *node, char *const *sources, Fault *reterr) {
        const char *name = json_str(node, "name") ?: "?", *old = json_str(node, "old_data");
        cleanup_free_ char *question = NULL;
        size_t more = strv_length(sources) - 1;

        if (old && !o->drop_old)
                return fault_set(reterr, CTL_REFUSED,
                                 "the data of before restore %s is still kept: 'musterctl rollback %s' "
                                 "brings it back; to give it up for good: --drop-old",
                                 old, name);
        if (!settings.json) {
                printf("%11s: %s from %s", "Restore", name, sources[0]);
                if (more > 0)
                        printf(" and %zu more mirror%s", more, more == 1 ? "" : "s");
                printf("\n%11s: %s\n", "Trusted", trust(o));
                printf("%11s: it runs on while the snapshot arrives beside its data; this stops %s for the "
                       "exchange only\n",
                       "Node", name);
                printf("%11s: old data is kept until probation has passed, and comes back by itself if the "
                       "node does\n%11s  not follow the chain; then it is removed. Keys and signing state "
                       "are carried over and never go back\n",
                       "Data", "");
                if (old)
                        printf("%11s: the data that restore %s kept is removed first\n", "Gives up", old);
        }
        if (asprintf(&question, "Restore %s from %s?", name, sources[0]) < 0)
                return -ENOMEM;
        return ask(question, reterr);
}

static int run(const RestoreOrder *o, const char *name, char *const *sources) {
        cleanup_(act_done) Act act = {};
        int r;

        r = act_open_allowed(&act, name);
        if (r == 0)
                r = put_options(act.options, o, sources, &act.fault);
        if (r == 0)
                r = show_and_ask(o, act.node, sources, &act.fault);
        if (r == 0)
                r = act_start(&act, "Restore", NULL, !o->no_wait);
        return r != 0 ? complain(r, &act.fault) : act_follow(&act, "restore", json_str(act.node, "version"));
}

int verb_restore(int argc, char *argv[]) {
        RestoreOrder o = {};
        const ArgOption options[] = {
                { "manifest", 0, ARG_TEXT, "URL|FILE", "of the snapshot, if not beside it", &o.manifest },
                { "sha256", 0, ARG_TEXT, "HEX", "digest of the archive or of the manifest", &o.sha256 },
                { "signers", 0, ARG_TEXT, "FILE", "allowed_signers(5) of whom to trust", &o.signers },
                { "unsigned", 0, ARG_FLAG, NULL, "take it from anybody", &o.unsigned_ },
                { "limit-rate", 0, ARG_TEXT, "N[KMG]", "bytes a second at most", &o.limit },
                { "strip", 0, ARG_TEXT, "PREFIX", "the archive's directory that is the data directory",
                  &o.strip },
                { "no-seed", 0, ARG_FLAG, NULL, "download also what the live data has", &o.no_seed },
                { "drop-old", 0, ARG_FLAG, NULL, "give up what an earlier, stuck restore has kept",
                  &o.drop_old },
                { "no-wait", 0, ARG_FLAG, NULL, "return when it is accepted", &o.no_wait },
        };
        const ArgSpec spec = {
                "restore",
                options,
                ELEMENTSOF(options),
                2,
                -1,
                "SOURCE: a URL or a local file that the node's user may read; several are mirrors of one "
                "archive:\n"
                ".tar, .tar.zst, .tar.lz4, .tar.gz, .tar.xz, or a snapshot of 'musterctl snapshot create'.\n"
                "Without --signers, --sha256 and --unsigned: snapshot { signers = } of the node's file says "
                "whom to trust.\n"
                "Exit status 0 if it is committed, 1 if it was aborted, rolled back or is stuck. Ctrl-C "
                "ends "
                "the waiting,\n"
                "not the restore: musterctl cancel, pause and resume act on it.",
        };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        r = check_options(&o);
        return r != 0 ? r : run(&o, operands[0], operands + 1);
}
