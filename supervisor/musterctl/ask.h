#pragma once
/*
 * Asking before what cannot be taken back.
 */
#include "util/fault.h"

/*
 * 0: go on (--yes, or "y" on the terminal). CTL_USAGE: neither a terminal nor
 * --yes. CTL_FAILED: the answer was no. @question without "[y/N]".
 */
int ask(const char *question, Fault *reterr);
