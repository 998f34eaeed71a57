/*
 * A signature counts if it verifies and its key is on the list for our
 * namespace today; every other one is told about and changes nothing, so that a
 * publisher may sign with keys that not everybody knows.
 */
#include "archive/manifest-layout.h"
#include "crypto/signers.h"
#include "util/text.h"

#define BEGIN          "-----BEGIN SSH SIGNATURE-----"
#define END            "-----END SSH SIGNATURE-----"
#define SIGNATURES_MAX 64

static const char *skip_blanks(const char *s, const char *end) {
        while (s < end && (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n'))
                s++;
        return s;
}

/* Cuts off the first armor of what is left: 0 and *ret_end behind it. */
static int find_end(const char *text, const char *end, unsigned n, const char **ret_end, Fault *reterr) {
        const char *stop;

        if ((size_t) (end - text) < strlen(BEGIN) || memcmp(text, BEGIN, strlen(BEGIN)) != 0)
                return fault_set(reterr, -EBADMSG,
                                 "%zu bytes behind the manifest%s are no signature: expected '" BEGIN "'",
                                 (size_t) (end - text), n > 1 ? "'s signatures" : "");
        stop = memmem(text, (size_t) (end - text), "\n" END, strlen("\n" END));
        if (!stop)
                return fault_set(reterr, -EBADMSG, "signature %u has no '" END "'", n);
        *ret_end = stop + strlen("\n" END);
        return 0;
}

/* 0 and the principals, borrowed of @signers; > 0 and a reason if it does not count; -EBADMSG. */
static int check_one(const char *text, size_t size, const Signers *signers, const SshSigDigests *digests,
                     uint64_t now_sec, const char **ret, Fault *reterr) {
        cleanup_(sshsig_freep) SshSig *sig = NULL;
        char fingerprint[SSH_FINGERPRINT_MAX];
        int r;

        r = sshsig_parse(text, size, &sig, reterr);
        if (r == -ENOTSUP)
                return 1;
        if (r < 0)
                return r;
        r = sshsig_verify(sig, MANIFEST_NAMESPACE, digests, reterr);
        if (r == 0)
                r = signers_find(signers, sshsig_key(sig), MANIFEST_NAMESPACE, now_sec, ret, reterr);
        if (r > 0 && !str_starts(fault_text(reterr, r), "key ") &&
            ssh_key_fingerprint(sshsig_key(sig), fingerprint) == 0)
                return fault_prefix(reterr, r, "key %s", fingerprint);
        return r;
}

static int tell(char **problems, unsigned n, const Fault *fault) {
        char *text;

        if (asprintf(&text, "%s%ssignature %u: %s", *problems ?: "", *problems ? "; " : "", n,
                     fault_text(fault, -EBADMSG)) < 0)
                return -ENOMEM;
        free(*problems);
        *problems = text;
        return 0;
}

int manifest_signed_by(const Manifest *m, const Signers *signers, uint64_t now_sec, char ***ret_principals,
                       char **ret_problems, Fault *reterr) {
        cleanup_strv_ char **principals = NULL;
        cleanup_free_ char *problems = NULL;
        const char *text, *end, *next = NULL, *who = NULL;
        const void *body;
        SshSigDigests digests;
        size_t size;
        int r;

        manifest_body(m, &body, &size);
        r = sshsig_digest(body, size, &digests);
        if (r < 0)
                return r;
        manifest_signatures(m, &text, &size);
        end = text + size;
        text = skip_blanks(text, end);
        for (unsigned n = 1; text < end; n++, text = skip_blanks(next, end)) {
                cleanup_fault_ Fault fault = { 0 };

                if (n > SIGNATURES_MAX)
                        return fault_set(reterr, -EBADMSG, "more than %d signatures", SIGNATURES_MAX);
                r = find_end(text, end, n, &next, reterr);
                if (r < 0)
                        return r;
                r = check_one(text, (size_t) (next - text), signers, &digests, now_sec, &who, &fault);
                if (r < 0)
                        return fault_set(reterr, r, "signature %u: %s", n, fault_text(&fault, r));
                if (r > 0)
                        r = tell(&problems, n, &fault);
                else if (!strv_contains(principals, who))
                        r = strv_append(&principals, who);
                if (r < 0)
                        return r;
        }
        if (!principals) {
                principals = calloc(1, sizeof *principals);
                if (!principals)
                        return -ENOMEM;
        }
        *ret_principals = TAKE_PTR(principals);
        if (ret_problems)
                *ret_problems = TAKE_PTR(problems);
        return 0;
}
