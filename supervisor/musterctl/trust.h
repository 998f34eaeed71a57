#pragma once
/*
 * Whom a file from elsewhere is trusted for: --sha256 and --signers.
 */
#include "util/fault.h"

/* @text as 64 lower-case digits. 0, or the exit status of @verb after the complaint was printed. */
int trust_digest(const char *verb, const char *text, char ret[static 65]);

/* The text of an allowed_signers file, owned. 0 or -errno. */
int trust_signers(const char *path, char **ret, Fault *reterr);
