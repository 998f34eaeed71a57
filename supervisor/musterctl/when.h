#pragma once
/*
 * Moments as operators write and read them. Written without a zone a time is
 * local, as everywhere on the machine; shown times are local too.
 */
#include <stdint.h>
#include "util/fault.h"

/*
 * "2026-11-22 14:00[:30]" (local), "2026-11-22T14:00:30Z", "...+09:00" (RFC 3339),
 * "+10min" (from @now). -EINVAL with what was expected; a local time that the
 * clocks jump over is -EINVAL too.
 */
int when_parse(const char *text, uint64_t now, uint64_t *ret_usec, Fault *reterr);

/* As when_parse(), and a bare duration or "-10min" is that long before @now: for --since. */
int when_parse_past(const char *text, uint64_t now, uint64_t *ret_usec, Fault *reterr);

#define WHEN_TEXT_MAX 64
char *when_date(char buffer[static WHEN_TEXT_MAX], uint64_t usec);  /* "2026-11-22 14:05:09"; "-" for 0 */
char *when_zoned(char buffer[static WHEN_TEXT_MAX], uint64_t usec); /* "2026-11-22 14:05:09 CET" */
char *when_clock(char buffer[static WHEN_TEXT_MAX], uint64_t usec); /* "14:05:09.123" */

/* "2min 3s ago", "in 4s", "now". */
char *when_relative(char buffer[static WHEN_TEXT_MAX], uint64_t usec, uint64_t now);
