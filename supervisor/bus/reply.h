#pragma once
/*
 * Small things that both objects do: errors by name, JSON answers, the options
 * that callers pass along.
 */
#include <systemd/sd-bus.h>
#include "bus/service.h"

#define BUS_TEXT_MAX 4096 /* of a command line or reason that a caller passes */
#define BUS_LIST_MAX 64   /* entries of an array of strings */

/* An option that a method takes, besides "command" and "reason"; the list ends with a name of NULL. */
typedef struct BusOption {
        const char *name;
        const char *type; /* "s", "as", "b", "u" or "t" */
} BusOption;

/* Replies with the error that @r (DAEMON_E_* or -errno) stands for. */
void bus_reply_fault(sd_bus_message *call, int r, const Fault *fault);

/* Replies with one string: @json, compact. */
void bus_reply_json(sd_bus_message *call, const json_t *json);

/*
 * Reads a{ss} (@own NULL: no options but the common ones) or a{sv} at the
 * message's position as a JSON object. Nothing is ignored: -EINVAL with the
 * key that is not known, of another type, given twice or too long.
 */
int bus_read_options(sd_bus_message *call, const char *signature, const BusOption *own, json_t **ret,
                     Fault *reterr);
