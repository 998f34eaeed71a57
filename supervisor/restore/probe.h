#pragma once
/*
 * Does the new binary run here? Executes the release's version command as this
 * user, away from the node's data, and explains what stands in the way: not
 * there, not readable, not executable, another machine's, a missing library or
 * interpreter, a crash, a hang.
 */
#include "upgrade/invocation.h"

#define PROBE_TIMEOUT (30 * USEC_PER_SEC)

/*
 * Is every file of @release (absolute) as it was when it was staged? The launcher
 * asks the same at the start; to know it before costs no downtime.
 */
int probe_files(const char *release, Fault *reterr);

/*
 * @release: absolute. @version_command: arguments that make the binary print its
 * version; none: only that it is there and may be executed is checked. The
 * command runs in a scratch directory below @state_dirfd, its HOME too.
 * *ret_output: the first line it printed. @timeout in microseconds.
 */
int probe_release(const char *release, char *const *version_command, int state_dirfd, uint64_t timeout,
                  char **ret_output, Fault *reterr);

/* PATH, HOME and what the release sets: the environment of probe and rehearsal. An owned strv. */
int probe_environment(const Invocation *invocation, const char *home, char ***ret);
