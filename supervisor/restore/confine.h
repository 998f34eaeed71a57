#pragma once
/*
 * Keeps what a rehearsal runs away from the live data and the keys, by
 * whatever path its own configuration may name them (Landlock, Linux 5.19).
 */
#include "util/fault.h"

/*
 * A rule set by which everything is as before, but nothing below @hidden but
 * @visible, names in that directory, can be opened, and nothing be made in the
 * directories above. Both absolute. Returns a descriptor (close-on-exec);
 * -EOPNOTSUPP: this kernel does not do that.
 */
int confine_new(const char *hidden, const char *const *visible, Fault *reterr);

/* In a child before exec, async-signal-safe: for good, for it and all that it starts. -errno. */
int confine_self(int ruleset_fd);
