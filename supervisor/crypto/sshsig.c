/*
 * Formats: OpenSSH's PROTOCOL.sshsig, PROTOCOL.u2f (security keys) and RFC
 * 8709 (Ed25519). Nothing of a signature is believed before OpenSSL has
 * verified it; parsing alone gives claims.
 */
#include "crypto/sshsig.h"
#include "crypto/base64.h"
#include "crypto/ssh-wire.h"
#include "util/text.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#define BEGIN                  "-----BEGIN SSH SIGNATURE-----"
#define END                    "-----END SSH SIGNATURE-----"
#define MAGIC                  "SSHSIG"
#define ED25519_SIGNATURE_SIZE 64
#define SK_USER_PRESENT        0x01
#define NAMESPACE_MAX          256

static const char *const key_types[_SSH_KEY_TYPE_MAX] = {
        [SSH_KEY_ED25519] = "ssh-ed25519",
        [SSH_KEY_SK_ED25519] = "sk-ssh-ed25519@openssh.com",
};

struct SshSig {
        SshKey key;
        char *namespace;
        bool sha256; /* else sha512 */
        uint8_t signature[ED25519_SIGNATURE_SIZE];
        uint8_t flags; /* security keys */
        uint32_t counter;
};

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

const char *ssh_key_type_to_string(SshKeyType type) {
        return key_types[type];
}

static int take_key_type(SshWire *c, SshKeyType *ret, Fault *reterr) {
        char buffer[41];
        SshWire name;

        if (!ssh_wire_take_string(c, &name))
                return fault_set(reterr, -EBADMSG, "truncated before the key's type");
        for (SshKeyType t = 0; t < _SSH_KEY_TYPE_MAX; t++)
                if (ssh_wire_is(&name, key_types[t])) {
                        *ret = t;
                        return 0;
                }
        return fault_set(reterr, -ENOTSUP, "key type '%s' is not supported: expected %s or %s",
                         ssh_wire_text(&name, buffer), key_types[SSH_KEY_ED25519],
                         key_types[SSH_KEY_SK_ED25519]);
}

void ssh_key_done(SshKey *key) {
        free(key->application);
        key->application = NULL;
}

bool ssh_key_equal(const SshKey *a, const SshKey *b) {
        return a->type == b->type && memcmp(a->point, b->point, sizeof a->point) == 0 &&
               str_eq(a->application, b->application);
}

int ssh_key_parse(const uint8_t *blob, size_t size, SshKey *ret, Fault *reterr) {
        SshWire c = { blob, size }, point, application;
        SshKey key = { 0 };
        int r;

        r = take_key_type(&c, &key.type, reterr);
        if (r < 0)
                return r;
        if (!ssh_wire_take_string(&c, &point) || point.left != sizeof key.point)
                return fault_set(reterr, -EBADMSG, "the public key is not %zu bytes long", sizeof key.point);
        memcpy(key.point, point.p, sizeof key.point);
        if (key.type == SSH_KEY_SK_ED25519) {
                if (!ssh_wire_take_string(&c, &application) || application.left == 0 ||
                    application.left > 255 || memchr(application.p, 0, application.left))
                        return fault_set(reterr, -EBADMSG,
                                         "the security key's application is missing or not text");
                key.application = ssh_wire_dup(&application);
                if (!key.application)
                        return -ENOMEM;
        }
        if (c.left > 0) {
                ssh_key_done(&key);
                return fault_set(reterr, -EBADMSG, "%zu bytes too many after the public key", c.left);
        }
        *ret = key;
        return 0;
}

int ssh_key_fingerprint(const SshKey *key, char ret[static SSH_FINGERPRINT_MAX]) {
        unsigned char digest[SHA256_DIGEST_LENGTH], text[48];
        cleanup_free_ char *blob = NULL;
        size_t size;
        FILE *f;
        int n;

        f = open_memstream(&blob, &size);
        if (!f)
                return -ENOMEM;
        ssh_wire_put_string(f, key_types[key->type], strlen(key_types[key->type]));
        ssh_wire_put_string(f, key->point, sizeof key->point);
        if (key->application)
                ssh_wire_put_string(f, key->application, strlen(key->application));
        if (fclose(f) != 0)
                return -ENOMEM;
        if (!SHA256((const unsigned char *) blob, size, digest))
                return -EIO;
        n = EVP_EncodeBlock(text, digest, sizeof digest);
        while (n > 0 && text[n - 1] == '=')
                n--;
        snprintf(ret, SSH_FINGERPRINT_MAX, "SHA256:%.*s", n, (const char *) text);
        return 0;
}

int sshsig_digest(const void *message, size_t size, SshSigDigests *ret) {
        SshSigDigests d;

        if (!SHA256(message, size, d.sha256) || !SHA512(message, size, d.sha512))
                return -EIO;
        *ret = d;
        return 0;
}

int sshsig_digest_fd(int fd, SshSigDigests *ret, uint64_t *ret_size) {
        cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *a = EVP_MD_CTX_new(), *b = EVP_MD_CTX_new();
        const size_t room = 256 * 1024;
        cleanup_free_ char *buffer = malloc(room);
        uint64_t total = 0;
        SshSigDigests d;

        if (!a || !b || !buffer)
                return -ENOMEM;
        if (EVP_DigestInit_ex(a, EVP_sha256(), NULL) != 1 || EVP_DigestInit_ex(b, EVP_sha512(), NULL) != 1)
                return -EIO;
        for (;;) {
                ssize_t n = read(fd, buffer, room);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                if (EVP_DigestUpdate(a, buffer, (size_t) n) != 1 ||
                    EVP_DigestUpdate(b, buffer, (size_t) n) != 1)
                        return -EIO;
                total += (uint64_t) n;
        }
        if (EVP_DigestFinal_ex(a, d.sha256, NULL) != 1 || EVP_DigestFinal_ex(b, d.sha512, NULL) != 1)
                return -EIO;
        *ret = d;
        if (ret_size)
                *ret_size = total;
        return 0;
}

SshSig *sshsig_free(SshSig *sig) {
        if (sig) {
                ssh_key_done(&sig->key);
                free(sig->namespace);
                free(sig);
        }
        return NULL;
}

const SshKey *sshsig_key(const SshSig *sig) {
        return &sig->key;
}

const char *sshsig_namespace(const SshSig *sig) {
        return sig->namespace;
}

/* The innermost part: key type, signature and, of a security key, flags and counter. */
static int parse_signature(SshWire c, SshSig *sig, Fault *reterr) {
        SshKeyType type;
        SshWire bytes;
        const uint8_t *flags;
        int r;

        r = take_key_type(&c, &type, reterr);
        if (r < 0)
                return r;
        if (type != sig->key.type)
                return fault_set(reterr, -EBADMSG, "a signature of type %s under a key of type %s",
                                 key_types[type], key_types[sig->key.type]);
        if (!ssh_wire_take_string(&c, &bytes) || bytes.left != sizeof sig->signature)
                return fault_set(reterr, -EBADMSG, "the Ed25519 signature is not %zu bytes long",
                                 sizeof sig->signature);
        memcpy(sig->signature, bytes.p, sizeof sig->signature);
        if (type == SSH_KEY_SK_ED25519) {
                if (!ssh_wire_take(&c, 1, &flags) || !ssh_wire_take_u32(&c, &sig->counter))
                        return fault_set(reterr, -EBADMSG,
                                         "truncated before the security key's flags and counter");
                sig->flags = *flags;
        }
        if (c.left > 0)
                return fault_set(reterr, -EBADMSG, "%zu bytes too many after the signature", c.left);
        return 0;
}

static int parse_hash(const SshWire *name, SshSig *sig, Fault *reterr) {
        char buffer[41];

        if (!ssh_wire_is(name, "sha256") && !ssh_wire_is(name, "sha512"))
                return fault_set(reterr, -ENOTSUP, "hash '%s' is not supported: expected sha512 or sha256",
                                 ssh_wire_text(name, buffer));
        sig->sha256 = ssh_wire_is(name, "sha256");
        return 0;
}

static int parse_blob(SshWire c, SshSig *sig, Fault *reterr) {
        SshWire key, namespace, reserved, hash, signature;
        const uint8_t *magic;
        uint32_t version;
        int r;

        if (!ssh_wire_take(&c, strlen(MAGIC), &magic) || memcmp(magic, MAGIC, strlen(MAGIC)) != 0)
                return fault_set(reterr, -EBADMSG, "does not begin with " MAGIC);
        if (!ssh_wire_take_u32(&c, &version) || version != 1)
                return fault_set(reterr, -ENOTSUP, "format version is not 1");
        if (!ssh_wire_take_string(&c, &key) || !ssh_wire_take_string(&c, &namespace) ||
            !ssh_wire_take_string(&c, &reserved) || !ssh_wire_take_string(&c, &hash) ||
            !ssh_wire_take_string(&c, &signature))
                return fault_set(reterr, -EBADMSG, "truncated");
        if (c.left > 0)
                return fault_set(reterr, -EBADMSG, "%zu bytes too many at the end", c.left);
        if (reserved.left > 0)
                return fault_set(reterr, -ENOTSUP, "the reserved field is not empty");
        if (namespace.left == 0 || namespace.left > NAMESPACE_MAX || memchr(namespace.p, 0, namespace.left))
                return fault_set(reterr, -EBADMSG,
                                 "the namespace is empty, longer than %d bytes or not text", NAMESPACE_MAX);
        sig->namespace = ssh_wire_dup(&namespace);
        if (!sig->namespace)
                return -ENOMEM;
        r = parse_hash(&hash, sig, reterr);
        if (r >= 0)
                r = ssh_key_parse(key.p, key.left, &sig->key, reterr);
        return r >= 0 ? parse_signature(signature, sig, reterr) : r;
}

static const char *skip_blanks(const char *s, const char *end) {
        while (s < end && strchr(" \t\r\n", *s) && *s)
                s++;
        return s;
}

int sshsig_parse(const char *text, size_t size, SshSig **ret, Fault *reterr) {
        cleanup_(sshsig_freep) SshSig *sig = calloc(1, sizeof *sig);
        cleanup_free_ uint8_t *blob = NULL;
        const char *end = text + size, *begin, *stop;
        size_t blob_size;
        int r;

        if (!sig)
                return -ENOMEM;
        if (size > SSHSIG_MAX)
                return fault_set(reterr, -EBADMSG, "not an SSH signature: longer than %d bytes", SSHSIG_MAX);
        begin = skip_blanks(text, end);
        if ((size_t) (end - begin) < strlen(BEGIN) || memcmp(begin, BEGIN, strlen(BEGIN)) != 0)
                return fault_set(reterr, -EBADMSG, "not an SSH signature: expected '" BEGIN "'");
        begin += strlen(BEGIN);
        stop = memmem(begin, (size_t) (end - begin), "\n" END, strlen("\n" END));
        if (!stop || skip_blanks(stop + strlen("\n" END), end) != end)
                return fault_set(reterr, -EBADMSG, "not an SSH signature: expected '" END "' at the end");
        r = base64_decode(begin, (size_t) (stop - begin), &blob, &blob_size);
        if (r < 0)
                return fault_set(reterr, r, "not an SSH signature: not base64 inside the armor");
        r = parse_blob((SshWire){ blob, blob_size }, sig, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "SSH signature");
        *ret = TAKE_PTR(sig);
        return 0;
}

/* What the key signed. For a security key that is a hash of it among the device's own claims. */
static int signed_bytes(const SshSig *sig, const SshSigDigests *digests, uint8_t **ret, size_t *ret_size) {
        cleanup_free_ char *text = NULL;
        const uint8_t tail[5] = { sig->flags, (uint8_t) (sig->counter >> 24), (uint8_t) (sig->counter >> 16),
                                  (uint8_t) (sig->counter >> 8), (uint8_t) sig->counter };
        uint8_t *wrapped;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        fwrite(MAGIC, 1, strlen(MAGIC), f);
        ssh_wire_put_string(f, sig->namespace, strlen(sig->namespace));
        ssh_wire_put_string(f, "", 0);
        ssh_wire_put_string(f, sig->sha256 ? "sha256" : "sha512", 6);
        ssh_wire_put_string(f, sig->sha256 ? digests->sha256 : digests->sha512,
                            sig->sha256 ? sizeof digests->sha256 : sizeof digests->sha512);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (sig->key.type == SSH_KEY_ED25519) {
                *ret = (uint8_t *) TAKE_PTR(text);
                *ret_size = size;
                return 0;
        }
        *ret_size = 2 * SHA256_DIGEST_LENGTH + sizeof tail;
        wrapped = malloc(*ret_size);
        if (!wrapped)
                return -ENOMEM;
        SHA256((const uint8_t *) sig->key.application, strlen(sig->key.application), wrapped);
        memcpy(wrapped + SHA256_DIGEST_LENGTH, tail, sizeof tail);
        SHA256((const uint8_t *) text, size, wrapped + SHA256_DIGEST_LENGTH + sizeof tail);
        *ret = wrapped;
        return 0;
}

int sshsig_verify(const SshSig *sig, const char *namespace, const SshSigDigests *digests, Fault *reterr) {
        cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
        cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        cleanup_free_ uint8_t *bytes = NULL;
        size_t size;
        int r;

        assert(namespace && *namespace);
        if (!context)
                return -ENOMEM;
        if (!str_eq(sig->namespace, namespace)) {
                SshWire c = { (const uint8_t *) sig->namespace, strlen(sig->namespace) };
                char buffer[41];

                return fault_set(reterr, SSHSIG_E_NAMESPACE, "signed for namespace '%s', expected '%s'",
                                 ssh_wire_text(&c, buffer), namespace);
        }
        if (sig->key.type == SSH_KEY_SK_ED25519 && !(sig->flags & SK_USER_PRESENT))
                return fault_set(reterr, SSHSIG_E_BAD, "the security key signed without its user's touch");
        r = signed_bytes(sig, digests, &bytes, &size);
        if (r < 0)
                return r;
        key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, sig->key.point, sizeof sig->key.point);
        if (!key || EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) != 1) {
                ERR_clear_error();
                return fault_set(reterr, -EIO, "OpenSSL refuses the public key");
        }
        r = EVP_DigestVerify(context, sig->signature, sizeof sig->signature, bytes, size);
        ERR_clear_error();
        return r == 1 ? 0 : fault_set(reterr, SSHSIG_E_BAD, "the signature is not of this content");
}
