/*
 * musterctl stage: hands a release to musterd and waits until it is staged.
 */
#include "muster-build.h"
#include "musterctl/act.h"
#include "musterctl/args.h"
#include "musterctl/settings.h"
#include "musterctl/spool.h"
#include "musterctl/trust.h"
#include "musterctl/verb.h"
#include "util/name.h"
#include "util/text.h"

#define SPOOL MUSTER_STATEDIR "/spool"

typedef struct StageOrder {
        const char *version, *sha256, *binary, *signers, *need;
        char digest[65]; /* @sha256 in lower case */
        uint64_t threshold;
        bool no_wait;
} StageOrder;

static int check_digest(StageOrder *o) {
        if (!o->sha256)
                return usage_error(
                        "stage", "--sha256 is required: sha256sum FILE prints it, compare it with what the "
                                 "publisher says");
        return trust_digest("stage", o->sha256, o->digest);
}

static int check_options(StageOrder *o) {
        cleanup_fault_ Fault fault = {};

        if (!o->version)
                return usage_error(
                        "stage", "--version is required: the name that this release shall have, e.g. 1.7.1");
        if (version_check(o->version, "version", &fault) < 0)
                return usage_error("stage", "%s", fault_text(&fault, -EINVAL));
        if (o->need && !o->signers)
                return usage_error("stage", "--need goes with --signers FILE");
        o->threshold = 1;
        if (o->need && (parse_u64(o->need, &o->threshold) < 0 || o->threshold == 0 || o->threshold > 64))
                return usage_error("stage",
                                   "--need '%s': expected how many of the signers must have signed, 1 to 64",
                                   o->need);
        return check_digest(o);
}

static int add_signers(json_t *options, const StageOrder *o, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        int r;

        if (!o->signers)
                return 0;
        r = trust_signers(o->signers, &text, reterr);
        if (r < 0)
                return r;
        if (json_put_str(options, "signers", text) < 0 || !json_object_get(options, "signers"))
                return fault_set(reterr, CTL_FAILED,
                                 "--signers '%s' is no text: expected lines of allowed_signers, see "
                                 "ssh-keygen(1)",
                                 o->signers);
        return json_put_u64(options, "need", o->threshold);
}

static int add_sources(json_t *options, const StageOrder *o, char *const *sources, Fault *reterr) {
        cleanup_strv_ char **paths = NULL;

        STRV_FOREACH (source, sources) {
                cleanup_free_ char *path = NULL;
                int r = spool_source(SPOOL, *source, o->digest, &path, reterr);

                if (r == 0 && o->signers)
                        r = spool_signatures(SPOOL, *source, path, reterr);
                if (r == 0)
                        r = strv_append(&paths, path);
                if (r != 0)
                        return r;
        }
        return json_put_strv(options, "sources", paths);
}

static int put_options(json_t *options, const StageOrder *o, char *const *sources, Fault *reterr) {
        int r;

        if (json_put_str(options, "version", o->version) < 0 ||
            json_put_str(options, "sha256", o->digest) < 0 || json_put_str(options, "binary", o->binary) < 0)
                return -ENOMEM;
        r = add_signers(options, o, reterr);
        if (r == 0)
                r = add_sources(options, o, sources, reterr);
        return r;
}

static int run(const StageOrder *o, const char *name, char *const *sources) {
        cleanup_(act_done) Act act = {};
        int r;

        r = act_open_allowed(&act, name);
        if (r == 0)
                r = put_options(act.options, o, sources, &act.fault);
        if (r == 0)
                r = act_start(&act, "Stage", NULL, !o->no_wait);
        return r != 0 ? complain(r, &act.fault) : act_follow(&act, "stage", o->version);
}

int verb_stage(int argc, char *argv[]) {
        StageOrder order = {};
        const ArgOption options[] = {
                { "version", 0, ARG_TEXT, "V", "the name that the release shall have (required)",
                  &order.version },
                { "sha256", 0, ARG_TEXT, "HEX", "digest of the file as published (required)",
                  &order.sha256 },
                { "binary", 0, ARG_TEXT, "PATH", "the binary inside an archive, if not the configured one",
                  &order.binary },
                { "signers", 0, ARG_TEXT, "FILE", "allowed_signers(5) of the publisher", &order.signers },
                { "need", 0, ARG_TEXT, "K", "how many of them must have signed (1)", &order.need },
                { "no-wait", 0, ARG_FLAG, NULL, "do not wait until it is staged", &order.no_wait },
        };
        const ArgSpec spec = {
                "stage",
                options,
                ELEMENTSOF(options),
                2,
                -1,
                "SOURCE: a URL or a local file, several are mirrors of one file: a bare binary, .tar.gz, "
                ".tar.zst,\n"
                ".tar.xz or .zip. A local file is copied to " SPOOL
                " (as root), or must be readable for all.\n"
                "The running node is not touched. Ctrl-C ends the waiting, not the staging.",
        };
        char **operands;
        int r;

        if (!args_parse(&spec, argc, argv, &operands, &r))
                return r;
        r = check_options(&order);
        return r != 0 ? r : run(&order, operands[0], operands + 1);
}
