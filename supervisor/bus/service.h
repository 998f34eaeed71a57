#pragma once
/*
 * org.muster1 on the system bus: connects, takes the name, serves the objects,
 * and begins anew when the bus goes away. The daemon does not depend on it: a
 * node is watched, and an upgrade goes on as far as it can, without a bus.
 */
#include <systemd/sd-bus.h>
#include "daemon/daemon.h"

#define MUSTER_BUS_NAME "org.muster1"
#define MUSTER_BUS_PATH "/org/muster1"

typedef struct BusService BusService;

/* Connects, now and again every second until it works. Becomes @daemon's observer. */
int bus_service_new(sd_event *event, Daemon *daemon, BusService **ret);
BusService *bus_service_free(BusService *service); /* returns NULL */
DEFINE_CLEANUP(BusService *, bus_service_free)

Daemon *bus_service_daemon(BusService *service);

/* How many calls wait for polkit: authorize.c counts, and bounds them. */
unsigned *bus_service_waiting(BusService *service);
