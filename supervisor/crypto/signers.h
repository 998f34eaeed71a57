#pragma once
/*
 * Who may sign what: OpenSSH's allowed_signers (ssh-keygen(1) "ALLOWED
 * SIGNERS"), one key a line:
 *
 *     PRINCIPALS [OPTIONS] KEYTYPE BASE64 [COMMENT]
 *
 * OPTIONS: namespaces="LIST" (patterns with * ? and !), valid-after="TIME",
 * valid-before="TIME" (YYYYMMDD[HHMM[SS]][Z]). cert-authority and unknown
 * options are errors, as are key types other than those of crypto/sshsig.h: a
 * key that could never count must not look as if it did.
 */
#include <stddef.h>
#include "crypto/sshsig.h"

#define SIGNERS_MAX (256 * 1024) /* bytes of the text */

typedef struct Signers Signers;

/* Outcomes of signers_find(). */
enum {
        _SIGNERS_E_SUCCESS,
        SIGNERS_E_UNKNOWN, /* the key is on no line */
        SIGNERS_E_REFUSED, /* its line forbids this namespace or this time */
};

/* -EBADMSG: the fault names line and what was expected; @name is what the text is called there. An empty
 * list is one. */
int signers_parse(const char *text, const char *name, Signers **ret, Fault *reterr);

/* 0: @key may sign for @namespace at @now_sec (seconds since 1970); *ret_principals is borrowed. Else
 * SIGNERS_E_*. */
int signers_find(const Signers *signers, const SshKey *key, const char *namespace, uint64_t now_sec,
                 const char **ret_principals, Fault *reterr);

/* How many distinct key points are listed: the most that k of n can ever reach. */
size_t signers_count(const Signers *signers);

Signers *signers_free(Signers *signers); /* returns NULL */
DEFINE_CLEANUP(Signers *, signers_free)
