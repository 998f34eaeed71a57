/*
 * Signatures and signer lists on arbitrary bytes. The first byte says which;
 * what parses must hold what its header promises, and no signature may verify:
 * the seeds are signatures of another message than the one asked about.
 */
#include "crypto/signers.h"
#include "crypto/sshsig.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void signature(const char *text, size_t size) {
        static const char message[] = "a message that no seed has signed";
        cleanup_(sshsig_freep) SshSig *sig = NULL;
        cleanup_fault_ Fault fault = { 0 };
        char fingerprint[SSH_FINGERPRINT_MAX];
        SshSigDigests digests;
        int r = sshsig_parse(text, size, &sig, &fault);

        assert(r == 0 || r == -EBADMSG || r == -ENOTSUP);
        assert((r == 0) == (sig != NULL) && (r == 0) == (fault.text == NULL));
        if (r != 0)
                return;
        assert(*sshsig_namespace(sig));
        assert(ssh_key_fingerprint(sshsig_key(sig), fingerprint) == 0);
        assert(sshsig_digest(message, strlen(message), &digests) == 0);
        assert(sshsig_verify(sig, sshsig_namespace(sig), &digests, &fault) != 0);
}

static void list(const char *data, size_t size) {
        cleanup_(signers_freep) Signers *signers = NULL;
        cleanup_free_ char *text = strndup(data, size);
        cleanup_fault_ Fault fault = { 0 };
        const SshKey key = { .type = SSH_KEY_ED25519 };
        const char *who;
        int r = signers_parse(text, "signers", &signers, &fault);

        assert(r == 0 || r == -EBADMSG);
        assert(r == 0 || strncmp(fault.text, "signers:", 8) == 0);
        if (r == 0)
                (void) signers_find(signers, &key, "file", 1700000000, &who, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size > 0 && data[0] == 'L')
                list((const char *) data + 1, size - 1);
        else if (size > 0)
                signature((const char *) data + 1, size - 1);
        return 0;
}
