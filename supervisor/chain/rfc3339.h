#pragma once
/* Times as RFC 3339 writes them, which is how CometBFT tells block times. Pure. */
#include <stdint.h>

/* "2026-11-22T14:05:09.123456Z" or with "+02:00": seconds since 1970, the fraction dropped. -EINVAL. */
int parse_rfc3339(const char *text, int64_t *ret);
