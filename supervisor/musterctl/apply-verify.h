#pragma once
/* What systemd thinks of drop-ins before they are installed, by systemd-analyze verify. */
#include "util/fault.h"

/*
 * @dir holds UNIT.d/muster.conf; the templates are those of the system. 0;
 * -EINVAL with the lines that complain about @unit; -errno if systemd-analyze
 * could not be run or did not end.
 */
int apply_verify(const char *dir, const char *unit, Fault *reterr);
