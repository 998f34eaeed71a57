/*
 * Format: OpenSSH's PROTOCOL.key. The public key stands in it three times; all
 * must be the one that belongs to the secret: with another one beside the secret
 * an Ed25519 signature would give the secret away.
 */
#include "crypto/ssh-private-key.h"
#include "crypto/base64.h"
#include "crypto/ssh-wire.h"
#include "util/text.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define END   "\n-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1" /* with its NUL */

struct SshPrivateKey {
        SshKey public;
        uint8_t seed[SSH_ED25519_SIZE];
};

/* Bytes that are wiped when they leave scope. */
typedef struct Secret {
        uint8_t *data;
        size_t size;
} Secret;

static void secret_done(Secret *s) {
        if (s->data)
                OPENSSL_cleanse(s->data, s->size);
        free(s->data);
        s->data = NULL;
}
#define cleanup_secret_ cleanup_(secret_done)

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

/* Reads into one buffer, so that no copy stays in memory that was given back. */
static int read_secret(int dirfd, const char *path, Secret *ret, Fault *reterr) {
        cleanup_fd_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;
        size_t n = 0;

        if (fd < 0 || fstat(fd, &st) < 0)
                return fault_errno(reterr, -errno, "cannot open it");
        if (!S_ISREG(st.st_mode) || st.st_size > SSH_PRIVATE_KEY_MAX)
                return fault_set(reterr, -EBADMSG, "it is no regular file of at most %d bytes",
                                 SSH_PRIVATE_KEY_MAX);
        if (st.st_mode & 077)
                return fault_set(reterr, -EPERM,
                                 "its mode %04o lets others at it: chmod 600, and consider it known",
                                 (unsigned) st.st_mode & 07777);
        ret->size = SSH_PRIVATE_KEY_MAX + 1;
        ret->data = calloc(1, ret->size);
        if (!ret->data)
                return -ENOMEM;
        for (ssize_t got = 1; got > 0 && n < SSH_PRIVATE_KEY_MAX; n += (size_t) got) {
                got = read(fd, ret->data + n, SSH_PRIVATE_KEY_MAX - n);
                if (got < 0)
                        return fault_errno(reterr, -errno, "cannot read it");
        }
        return 0;
}

/* @text is NUL-terminated. */
static int unarmor(const char *text, Secret *ret, Fault *reterr) {
        const char *stop, *rest;
        int r;

        if (!str_starts(text, BEGIN))
                return fault_set(reterr, str_starts(text, "-----BEGIN ") ? -ENOTSUP : -EBADMSG,
                                 "it is not in OpenSSH's own format: it does not begin with %.*s",
                                 (int) strlen(BEGIN) - 1, BEGIN);
        stop = strstr(text, END);
        rest = stop ? stop + strlen(END) : NULL;
        if (!stop || rest[strspn(rest, "\r\n")])
                return fault_set(reterr, -EBADMSG, "it does not end with%s", END);
        text += strlen(BEGIN);
        r = stop > text ? base64_decode(text, (size_t) (stop - text), &ret->data, &ret->size) : -EBADMSG;
        return r < 0 ? fault_set(reterr, r, "its inside is not base64") : 0;
}

static bool point_belongs_to_seed(const SshPrivateKey *key) {
        cleanup_(EVP_PKEY_freep) EVP_PKEY *pkey =
                EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->seed, sizeof key->seed);
        uint8_t point[SSH_ED25519_SIZE];
        size_t n = sizeof point;
        bool same = pkey && EVP_PKEY_get_raw_public_key(pkey, point, &n) == 1 && n == sizeof point &&
                    memcmp(point, key->public.point, n) == 0;

        ERR_clear_error();
        return same;
}

/* What is encrypted in a key that has a passphrase. */
static int parse_private(SshWire c, SshPrivateKey *key, Fault *reterr) {
        const char *type = ssh_key_type_to_string(SSH_KEY_ED25519);
        SshWire name, point, secret, comment;
        uint32_t a, b;

        if (!ssh_wire_take_u32(&c, &a) || !ssh_wire_take_u32(&c, &b) || a != b)
                return fault_set(reterr, -EBADMSG, "its two check numbers differ");
        if (!ssh_wire_take_string(&c, &name) || !ssh_wire_is(&name, type) ||
            !ssh_wire_take_string(&c, &point) || !ssh_wire_take_string(&c, &secret) ||
            !ssh_wire_take_string(&c, &comment))
                return fault_set(reterr, -EBADMSG, "its private part is damaged");
        if (secret.left != 2 * SSH_ED25519_SIZE || point.left != sizeof key->public.point ||
            memcmp(point.p, key->public.point, point.left) != 0 ||
            memcmp(secret.p + SSH_ED25519_SIZE, key->public.point, SSH_ED25519_SIZE) != 0)
                return fault_set(reterr, -EBADMSG, "its public keys differ");
        if (c.left >= 8)
                return fault_set(reterr, -EBADMSG, "%zu bytes too many at its end", c.left);
        for (size_t i = 0; i < c.left; i++)
                if (c.p[i] != i + 1)
                        return fault_set(reterr, -EBADMSG, "its padding is wrong");
        memcpy(key->seed, secret.p, sizeof key->seed);
        if (!point_belongs_to_seed(key))
                return fault_set(reterr, -EBADMSG, "its public key does not belong to its secret");
        return 0;
}

static int parse(const Secret *blob, const char *namespace, SshPrivateKey *key, Fault *reterr) {
        SshWire c = { blob->data, blob->size }, cipher, kdf, options, public, private;
        uint32_t n;
        int r;

        if (c.left < sizeof MAGIC || memcmp(c.p, MAGIC, sizeof MAGIC) != 0)
                return fault_set(reterr, -EBADMSG, "its inside does not begin with " MAGIC);
        c.p += sizeof MAGIC;
        c.left -= sizeof MAGIC;
        if (!ssh_wire_take_string(&c, &cipher) || !ssh_wire_take_string(&c, &kdf) ||
            !ssh_wire_take_string(&c, &options) || !ssh_wire_take_u32(&c, &n) ||
            !ssh_wire_take_string(&c, &public) || !ssh_wire_take_string(&c, &private) || c.left > 0)
                return fault_set(reterr, -EBADMSG, "its inside is truncated or too long");
        if (!ssh_wire_is(&cipher, "none"))
                return fault_set(
                        reterr, -ENOTSUP,
                        "it has a passphrase: leave it out here, sign by `ssh-keygen -Y sign -n %s -f "
                        "KEY FILE` and append FILE.sig to FILE",
                        namespace);
        if (!ssh_wire_is(&kdf, "none") || options.left > 0 || n != 1)
                return fault_set(reterr, -EBADMSG, "it holds %u keys or a key derivation, expected one key",
                                 n);
        r = ssh_key_parse(public.p, public.left, &key->public, reterr);
        if (r < 0)
                return r;
        if (key->public.type != SSH_KEY_ED25519)
                return fault_set(
                        reterr, -ENOTSUP,
                        "it is kept in a security key: leave it out here, sign by `ssh-keygen -Y sign "
                        "-n %s -f KEY FILE` and append FILE.sig to FILE",
                        namespace);
        return parse_private(private, key, reterr);
}

static int load(int dirfd, const char *path, const char *namespace, SshPrivateKey *key, Fault *reterr) {
        cleanup_secret_ Secret text = { 0 }, blob = { 0 };
        int r;

        r = read_secret(dirfd, path, &text, reterr);
        if (r >= 0)
                r = unarmor((const char *) text.data, &blob, reterr);
        return r < 0 ? r : parse(&blob, namespace, key, reterr);
}

int ssh_private_key_read(int dirfd, const char *path, const char *namespace, SshPrivateKey **ret,
                         Fault *reterr) {
        cleanup_(ssh_private_key_freep) SshPrivateKey *key = calloc(1, sizeof *key);
        int r;

        if (!key)
                return -ENOMEM;
        r = load(dirfd, path, namespace, key, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "Failed to use the key '%s'", path);
        *ret = TAKE_PTR(key);
        return 0;
}

const SshKey *ssh_private_key_public(const SshPrivateKey *key) {
        return &key->public;
}

const uint8_t *ssh_private_key_seed(const SshPrivateKey *key) {
        return key->seed;
}

SshPrivateKey *ssh_private_key_free(SshPrivateKey *key) {
        if (key) {
                ssh_key_done(&key->public);
                OPENSSL_cleanse(key, sizeof *key);
                free(key);
        }
        return NULL;
}
