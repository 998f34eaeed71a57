#pragma once
/*
 * OpenSSH's detached signatures (PROTOCOL.sshsig), as `ssh-keygen -Y sign`
 * makes them: parsed and verified here, never made.
 *
 * Keys: ssh-ed25519 and sk-ssh-ed25519@openssh.com (a security key must have
 * seen its user's touch). Hashes: sha512 and sha256. Everything else, also
 * certificates, is refused by name.
 *
 * What verifies here verifies with `ssh-keygen -Y verify`. The other way
 * round we are stricter: version must be 1, the reserved field empty, only
 * blanks may surround the armor, the user-presence flag of a security key is
 * required.
 *
 * A good signature says that its key signed these bytes for that namespace.
 * Whether the key may is crypto/signers.h's answer: never act on one alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/fault.h"

#define SSHSIG_MAX       (16 * 1024) /* bytes of an armored signature; OpenSSH's are under 600 */
#define SSH_ED25519_SIZE 32

/* Outcomes of sshsig_verify(): the direct caller's to handle. */
enum {
        _SSHSIG_E_SUCCESS,
        SSHSIG_E_NAMESPACE, /* signed for another purpose */
        SSHSIG_E_BAD,       /* other content, other key, or no touch of the security key */
};

typedef enum SshKeyType {
        SSH_KEY_ED25519,
        SSH_KEY_SK_ED25519,
        _SSH_KEY_TYPE_MAX,
} SshKeyType;

typedef struct SshKey {
        SshKeyType type;
        uint8_t point[SSH_ED25519_SIZE];
        char *application; /* security keys: "ssh:" or so; NULL else */
} SshKey;

const char *ssh_key_type_to_string(SshKeyType type);

/* Parses the wire form (what the base64 of a public key decodes to). -EBADMSG, -ENOTSUP with the type's
 * name. */
int ssh_key_parse(const uint8_t *blob, size_t size, SshKey *ret, Fault *reterr);
void ssh_key_done(SshKey *key);

/* Same type, point and application. */
bool ssh_key_equal(const SshKey *a, const SshKey *b);

/* "SHA256:..." as ssh-keygen -l prints it. */
#define SSH_FINGERPRINT_MAX 64
int ssh_key_fingerprint(const SshKey *key, char ret[static SSH_FINGERPRINT_MAX]);

/* Both hashes of the signed message: which one counts is the signature's choice. */
typedef struct SshSigDigests {
        uint8_t sha256[32];
        uint8_t sha512[64];
} SshSigDigests;

int sshsig_digest(const void *message, size_t size, SshSigDigests *ret);
/* From the current offset to the end; *ret_size may be NULL. */
int sshsig_digest_fd(int fd, SshSigDigests *ret, uint64_t *ret_size);

typedef struct SshSig SshSig;

/* Parses the armored text. -EBADMSG with the text of what is wrong, -ENOTSUP for keys and hashes not listed
 * above. */
int sshsig_parse(const char *text, size_t size, SshSig **ret, Fault *reterr);

const SshKey *sshsig_key(const SshSig *sig);     /* borrowed */
const char *sshsig_namespace(const SshSig *sig); /* borrowed; what it claims until verified */

/* 0: @sig's key signed the message of @digests for @namespace. SSHSIG_E_*: it did not, and why. -errno. */
int sshsig_verify(const SshSig *sig, const char *namespace, const SshSigDigests *digests, Fault *reterr);

SshSig *sshsig_free(SshSig *sig); /* returns NULL */
DEFINE_CLEANUP(SshSig *, sshsig_free)
