#pragma once
/*
 * Detached signatures as `ssh-keygen -Y sign` makes them, to the byte: Ed25519
 * is deterministic, the hash is sha512.
 */
#include "crypto/ssh-private-key.h"

/* The armored text, owned, with its final line break. -ENOMEM, -EIO. */
int sshsig_sign(const SshPrivateKey *key, const char *namespace, const SshSigDigests *digests, char **ret,
                Fault *reterr);
