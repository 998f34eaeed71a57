#pragma once
/* The few calls that apply makes to systemd, synchronously, as root. */
#include <stdbool.h>
#include "util/fault.h"

typedef struct Systemd Systemd;

int systemd_open(Systemd **ret, Fault *reterr);
Systemd *systemd_free(Systemd *systemd); /* returns NULL */
DEFINE_CLEANUP(Systemd *, systemd_free)

int systemd_enable(Systemd *systemd, const char *unit, bool *ret_changed, Fault *reterr);
int systemd_disable(Systemd *systemd, const char *unit, Fault *reterr);

/* daemon-reload */
int systemd_reload(Systemd *systemd, Fault *reterr);

/* It has processes, or is about to: anything but "inactive" and "failed". */
int systemd_is_running(Systemd *systemd, const char *unit, bool *ret, Fault *reterr);
