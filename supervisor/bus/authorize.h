#pragma once
/*
 * Who calls, and may they? Asks the bus for the caller's uid and process,
 * logind for the session, polkit for the action; all asynchronously. root is
 * not asked for: it could do all of this without muster.
 */
#include <systemd/sd-bus.h>
#include "bus/service.h"

/* Runs when the caller is authorized. Replies to @call itself. @by is borrowed. */
typedef void (*AuthorizedHandler)(BusService *service, sd_bus_message *call, const Caller *by);

/*
 * Refusals are replied to from here. @command and @why are what the caller says
 * (may be NULL). Returns 1 (the reply follows) or -errno, as a vtable method does.
 */
int bus_authorize(BusService *service, sd_bus_message *call, const char *action, const char *command,
                  const char *why, AuthorizedHandler handler);
