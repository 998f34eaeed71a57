/*
 * Mirrors are not trusted with signatures either: one that hides or damages
 * them only sends us to the next. A key counts once, however many lines,
 * principals or files carry it.
 */
#include "upgrade/publisher.h"
#include "crypto/signers.h"
#include "http/download.h"
#include "util/text.h"

#include <inttypes.h>
#include <string.h>

#define FILES_A_SOURCE 10

#define NAMESPACE       "release.v1@muster"
#define NAMESPACE_OTHER "file" /* what `ssh-keygen -Y sign` is commonly told */

typedef struct Tally {
        const PublisherPolicy *policy;
        const SshSigDigests *digests;
        FetchLimits limits;
        Signers *signers;
        uint8_t (*points)[SSH_ED25519_SIZE]; /* keys that count so far */
        size_t n_points;
        char **signed_by;
        char **rejected; /* "URL: why" */
} Tally;

static void tally_done(Tally *t) {
        signers_free(t->signers);
        free(t->points);
        strv_free(t->signed_by);
        strv_free(t->rejected);
}

static int parse_policy(const PublisherPolicy *policy, Signers **ret, Fault *reterr) {
        cleanup_(signers_freep) Signers *signers = NULL;
        int r;

        r = signers_parse(policy->signers, "signers", &signers, reterr);
        if (r < 0)
                return r;
        if (policy->need < 1)
                return fault_set(reterr, -EINVAL,
                                 "Signers are given but 0 signatures are needed: expected at least 1");
        if (policy->need > signers_count(signers))
                return fault_set(reterr, -EINVAL,
                                 "%" PRIu64 " publisher signatures are needed, but only %zu keys are "
                                 "listed",
                                 policy->need, signers_count(signers));
        *ret = TAKE_PTR(signers);
        return 0;
}

int publisher_check_policy(const PublisherPolicy *policy, Fault *reterr) {
        cleanup_(signers_freep) Signers *signers = NULL;

        return parse_policy(policy, &signers, reterr);
}

static int reject(Tally *t, const char *source, const char *why) {
        cleanup_free_ char *text = NULL, *url = NULL;

        if (source_display(source, &url) < 0 || asprintf(&text, "%s: %s", url, why) < 0)
                return -ENOMEM;
        return strv_append(&t->rejected, text);
}

static int count(Tally *t, const SshKey *key, const char *principals) {
        void *larger;

        for (size_t i = 0; i < t->n_points; i++)
                if (memcmp(t->points[i], key->point, sizeof key->point) == 0)
                        return 0;
        larger = reallocarray(t->points, t->n_points + 1, sizeof *t->points);
        if (!larger)
                return -ENOMEM;
        t->points = larger;
        memcpy(t->points[t->n_points++], key->point, sizeof key->point);
        return strv_append(&t->signed_by, principals);
}

/* Who made this signature, if it is good and theirs counts. > 0: it does not count, the fault says why. */
static int judge(const Tally *t, const SshSig *sig, const char **ret_principals, Fault *reterr) {
        const char *namespace = str_eq(sshsig_namespace(sig), NAMESPACE_OTHER) ? NAMESPACE_OTHER : NAMESPACE;
        int r;

        r = sshsig_verify(sig, namespace, t->digests, reterr);
        if (r != 0)
                return r;
        return signers_find(t->signers, sshsig_key(sig), namespace, now_realtime_usec() / USEC_PER_SEC,
                            ret_principals, reterr);
}

static int take_signature(Tally *t, const char *source, const char *text, size_t size) {
        cleanup_(sshsig_freep) SshSig *sig = NULL;
        cleanup_fault_ Fault why = { 0 };
        const char *principals = NULL;
        int r;

        r = sshsig_parse(text, size, &sig, &why);
        if (r == -EBADMSG || r == -ENOTSUP)
                return reject(t, source, fault_text(&why, r));
        if (r < 0)
                return r;
        r = judge(t, sig, &principals, &why);
        if (r < 0)
                return r;
        return r > 0 ? reject(t, source, fault_text(&why, r)) : count(t, sshsig_key(sig), principals);
}

/* All signature files beside @source; a source that is down is not asked ten times. */
static int ask_source(Tally *t, const char *source) {
        int failed = 0;

        for (int i = 0; i < FILES_A_SOURCE && t->n_points < t->policy->need; i++) {
                cleanup_free_ char *url = NULL, *text = NULL;
                cleanup_fault_ Fault why = { 0 };
                char suffix[16] = ".sig";
                size_t size;
                int r;

                if (i > 0)
                        snprintf(suffix, sizeof suffix, ".sig.%d", i);
                if (source_with_suffix(source, suffix, &url) < 0)
                        return -ENOMEM;
                r = download_small(url, &t->limits, &text, &size, &why);
                if (r < 0)
                        return r;
                if (r == FETCH_E_ABSENT)
                        continue;
                failed += r > 0;
                r = r > 0 ? reject(t, url, fault_text(&why, r)) : take_signature(t, url, text, size);
                if (r < 0 || failed >= 2)
                        return r;
        }
        return 0;
}

static int too_few(const Tally *t, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        fprintf(f, "%zu of %" PRIu64 " publisher signatures that are needed are good", t->n_points,
                t->policy->need);
        STRV_FOREACH (s, t->signed_by)
                fprintf(f, "%s%s", s == t->signed_by ? " (" : ", ", *s);
        fprintf(f, "%s", t->n_points > 0 ? ")" : "");
        STRV_FOREACH (s, t->rejected)
                fprintf(f, "; %s", *s);
        if (!t->rejected)
                fprintf(f,
                        "; no other signature is beside the archive (SOURCE.sig, SOURCE.sig.1 to "
                        "SOURCE.sig.%d)",
                        FILES_A_SOURCE - 1);
        if (fclose(f) != 0)
                return -ENOMEM;
        return fault_set(reterr, -EBADMSG, "%s", text);
}

int publisher_verify(const PublisherPolicy *policy, char *const *sources, const FetchLimits *limits,
                     const SshSigDigests *digests, char ***ret_signed_by, Fault *reterr) {
        cleanup_(tally_done) Tally t = { .policy = policy, .digests = digests, .limits = *limits };
        int r;

        r = parse_policy(policy, &t.signers, reterr);
        if (r < 0)
                return r;
        t.limits.max_size = SSHSIG_MAX;
        STRV_FOREACH (s, sources) {
                r = ask_source(&t, *s);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to verify publisher signatures");
                if (t.n_points >= policy->need)
                        break;
        }
        if (t.n_points < policy->need)
                return too_few(&t, reterr);
        *ret_signed_by = TAKE_PTR(t.signed_by);
        return 0;
}
