/*
 * The order is checked whole before anything is done, although musterd wrote
 * it: what stands in it becomes file names and lines of files.
 */
#include "upgrade/stage-order.h"
#include "upgrade/manifest.h"
#include "util/name.h"
#include "util/text.h"
#include "http/fetch.h"

#include <ctype.h>

void stage_order_done(StageOrder *order) {
        free(order->version);
        free(order->sha256);
        free(order->binary);
        free(order->signers);
        strv_free(order->sources);
        strv_free(order->arguments);
        strv_free(order->environment);
        *order = (StageOrder){ 0 };
}

static int expected(Fault *reterr, const char *key, const char *what) {
        return fault_set(reterr, -EBADMSG, "Order member \"%s\": expected %s", key, what);
}

static int take_string(const json_t *order, const char *key, char **ret, Fault *reterr) {
        const char *s = json_str(order, key);

        if (!s)
                return expected(reterr, key, "a string");
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

static int take_lines(const json_t *order, const char *key, char ***ret, Fault *reterr) {
        int r = json_strv(order, key, ret);

        if (r == -EBADMSG)
                return expected(reterr, key, "an array of strings");
        if (r < 0)
                return r;
        STRV_FOREACH (s, *ret)
                if (strchr(*s, '\n'))
                        return expected(reterr, key,
                                        "strings without a newline: they are stored one a line");
        return 0;
}

static bool is_assignment(const char *s) {
        size_t n = strcspn(s, "=");

        if (n == 0 || s[n] != '=' || isdigit((unsigned char) s[0]))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char) s[i]) && s[i] != '_')
                        return false;
        return true;
}

static int take_number(const json_t *order, const char *key, uint64_t *ret, Fault *reterr) {
        int r = json_u64(order, key, ret);

        return r == -ENOENT ? 0 : r < 0 ? expected(reterr, key, "a number") : 0;
}

static int take_signers(const json_t *order, StageOrder *o, Fault *reterr) {
        const json_t *signers = json_object_get(order, "signers");
        int r;

        r = take_number(order, "need", &o->need, reterr);
        if (r < 0)
                return r;
        if (!signers || json_is_null(signers))
                return o->need > 0
                               ? expected(reterr, "signers", "the list of keys, because \"need\" is given")
                               : 0;
        r = take_string(order, "signers", &o->signers, reterr);
        if (r >= 0 && !json_object_get(order, "need"))
                o->need = 1;
        return r;
}

static int check(const StageOrder *o, Fault *reterr) {
        if (!version_is_valid(o->version))
                return version_check(o->version, "Order member \"version\":", reterr);
        if (strlen(o->sha256) != 64 || strspn(o->sha256, "0123456789abcdef") != 64)
                return expected(reterr, "sha256", "64 lower-case hex digits");
        if (!release_path_is_valid(o->binary) || str_eq(o->binary, MANIFEST_NAME) ||
            str_eq(o->binary, RELEASE_ARGUMENTS) || str_eq(o->binary, RELEASE_ENVIRONMENT))
                return expected(reterr, "binary",
                                "a path relative to the release, without '..', that is not one of "
                                "muster's own files");
        if (strv_length(o->sources) == 0)
                return expected(reterr, "sources", "at least one");
        STRV_FOREACH (s, o->sources)
                if (!source_is_valid(*s))
                        return expected(reterr, "sources", "http://, https:// or absolute paths");
        STRV_FOREACH (s, o->environment)
                if (!is_assignment(*s))
                        return expected(reterr, "environment",
                                        "KEY=VALUE with a KEY of letters, digits and '_'");
        return 0;
}

int stage_order_parse(const json_t *order, StageOrder *ret, Fault *reterr) {
        cleanup_(stage_order_done) StageOrder o = { 0 };
        int r;

        r = take_string(order, "version", &o.version, reterr);
        if (r >= 0)
                r = take_string(order, "sha256", &o.sha256, reterr);
        if (r >= 0)
                r = take_string(order, "binary", &o.binary, reterr);
        if (r >= 0)
                r = take_lines(order, "sources", &o.sources, reterr);
        if (r >= 0)
                r = take_lines(order, "arguments", &o.arguments, reterr);
        if (r >= 0)
                r = take_lines(order, "environment", &o.environment, reterr);
        if (r >= 0)
                r = take_number(order, "max_size", &o.max_size, reterr);
        if (r >= 0)
                r = take_signers(order, &o, reterr);
        if (r >= 0)
                r = check(&o, reterr);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        *ret = o;
        o = (StageOrder){ 0 };
        return 0;
}
