#pragma once
/*
 * Small things that both objects do: errors by name, JSON answers, the options
 * that callers pass along.
 */
#include <systemd/sd-bus.h>
#include "bus/service.h"

#define BUS_TEXT_MAX 4096 /* of a command line or reason that a caller passes */

/* Replies with the error that @r (DAEMON_E_* or -errno) stands for. */
void bus_reply_fault(sd_bus_message *call, int r, const Fault *fault);

/* Replies with one string: @json, compact. */
void bus_reply_json(sd_bus_message *call, const json_t *json);

/*
 * Reads a{ss} or a{sv} at the message's position as a JSON object: strings,
 * booleans, integers, arrays of strings. -EINVAL with the key that is of
 * another type, or too long.
 */
int bus_read_options(sd_bus_message *call, const char *signature, json_t **ret, Fault *reterr);
