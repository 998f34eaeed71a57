/*
 * Format: OpenSSH's PROTOCOL.sshsig. What is made is verified before it is given
 * out: a signature that a fault of the machine made wrong could betray the key.
 */
#include "crypto/sshsig-sign.h"
#include "crypto/ssh-wire.h"
#include "util/text.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define SIGNATURE_SIZE 64
#define LINE           70 /* characters of base64, as ssh-keygen wraps it */

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

/* What the key signs. */
static int signed_bytes(const char *namespace, const SshSigDigests *digests, char **ret, size_t *ret_size) {
        FILE *f = open_memstream(ret, ret_size);

        if (!f)
                return -ENOMEM;
        fputs("SSHSIG", f);
        ssh_wire_put_text(f, namespace);
        ssh_wire_put_text(f, "");
        ssh_wire_put_text(f, "sha512");
        ssh_wire_put_string(f, digests->sha512, sizeof digests->sha512);
        return fclose(f) == 0 ? 0 : -ENOMEM;
}

static int sign(const SshPrivateKey *key, const void *data, size_t size,
                uint8_t ret[static SIGNATURE_SIZE]) {
        cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
        cleanup_(EVP_PKEY_freep) EVP_PKEY *pkey = NULL;
        size_t n = SIGNATURE_SIZE;
        bool done;

        if (!context)
                return -ENOMEM;
        pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, ssh_private_key_seed(key),
                                            SSH_ED25519_SIZE);
        done = pkey && EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
               EVP_DigestSign(context, ret, &n, data, size) == 1 && n == SIGNATURE_SIZE;
        ERR_clear_error();
        return done ? 0 : -EIO;
}

static int blob_of(const SshPrivateKey *key, const char *namespace,
                   const uint8_t signature[static SIGNATURE_SIZE], char **ret, size_t *ret_size) {
        const char *type = ssh_key_type_to_string(SSH_KEY_ED25519);
        FILE *f = open_memstream(ret, ret_size);

        if (!f)
                return -ENOMEM;
        fputs("SSHSIG", f);
        ssh_wire_put_u32(f, 1);
        ssh_wire_put_u32(f, 4 + strlen(type) + 4 + SSH_ED25519_SIZE);
        ssh_wire_put_text(f, type);
        ssh_wire_put_string(f, ssh_private_key_public(key)->point, SSH_ED25519_SIZE);
        ssh_wire_put_text(f, namespace);
        ssh_wire_put_text(f, "");
        ssh_wire_put_text(f, "sha512");
        ssh_wire_put_u32(f, 4 + strlen(type) + 4 + SIGNATURE_SIZE);
        ssh_wire_put_text(f, type);
        ssh_wire_put_string(f, signature, SIGNATURE_SIZE);
        return fclose(f) == 0 ? 0 : -ENOMEM;
}

static int armor(const char *blob, size_t size, char **ret, size_t *ret_size) {
        cleanup_free_ char *base64 = malloc((size + 2) / 3 * 4 + 1);
        size_t n;
        FILE *f;

        if (!base64)
                return -ENOMEM;
        n = (size_t) EVP_EncodeBlock((unsigned char *) base64, (const unsigned char *) blob, (int) size);
        f = open_memstream(ret, ret_size);
        if (!f)
                return -ENOMEM;
        fputs("-----BEGIN SSH SIGNATURE-----\n", f);
        for (size_t i = 0; i < n; i += LINE)
                fprintf(f, "%.*s\n", LINE, base64 + i);
        fputs("-----END SSH SIGNATURE-----\n", f);
        return fclose(f) == 0 ? 0 : -ENOMEM;
}

static int verify(const char *text, size_t size, const char *namespace, const SshSigDigests *digests) {
        cleanup_(sshsig_freep) SshSig *sig = NULL;
        int r;

        r = sshsig_parse(text, size, &sig, NULL);
        if (r >= 0)
                r = sshsig_verify(sig, namespace, digests, NULL);
        return r == -ENOMEM ? r : r == 0 ? 0 : -EIO;
}

int sshsig_sign(const SshPrivateKey *key, const char *namespace, const SshSigDigests *digests, char **ret,
                Fault *reterr) {
        cleanup_free_ char *message = NULL, *blob = NULL, *text = NULL;
        uint8_t signature[SIGNATURE_SIZE];
        size_t size;
        int r;

        assert(namespace && *namespace);
        r = signed_bytes(namespace, digests, &message, &size);
        if (r >= 0)
                r = sign(key, message, size, signature);
        if (r >= 0)
                r = blob_of(key, namespace, signature, &blob, &size);
        if (r >= 0)
                r = armor(blob, size, &text, &size);
        if (r >= 0)
                r = verify(text, size, namespace, digests);
        if (r == -EIO)
                return fault_set(reterr, r, "OpenSSL failed to sign");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(text);
        return 0;
}
