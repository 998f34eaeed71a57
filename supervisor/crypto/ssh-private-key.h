#pragma once
/*
 * An OpenSSH private key file, "openssh-key-v1", without a passphrase, of type
 * ssh-ed25519: what `ssh-keygen -t ed25519 -N ''` writes. Others are refused with
 * what to do instead. The secret bytes are wiped before their memory is freed.
 */
#include "crypto/sshsig.h"

#define SSH_PRIVATE_KEY_MAX (16 * 1024) /* bytes of the file */

typedef struct SshPrivateKey SshPrivateKey;

/*
 * -EPERM: others than its owner may read it, as ssh refuses it; -ENOTSUP: encrypted,
 * or of another type: @namespace tells how to sign by ssh-keygen; -EBADMSG; -errno.
 */
int ssh_private_key_read(int dirfd, const char *path, const char *namespace, SshPrivateKey **ret,
                         Fault *reterr);

const SshKey *ssh_private_key_public(const SshPrivateKey *key); /* borrowed */

/* For crypto/sshsig-sign.c: 32 bytes, borrowed. */
const uint8_t *ssh_private_key_seed(const SshPrivateKey *key);

SshPrivateKey *ssh_private_key_free(SshPrivateKey *key); /* returns NULL */
DEFINE_CLEANUP(SshPrivateKey *, ssh_private_key_free)
