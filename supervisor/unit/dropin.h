#pragma once
/*
 * The drop-ins of a node's units, rendered from its configuration: muster.conf in
 * {validator,muster-restore,muster-fetch}@NAME.service.d.
 * What is the same for every node stands in the templates; here is what differs.
 *
 *     # Written by musterctl apply from FILE; do not edit: use systemctl edit UNIT
 *     # muster-config-digest: HEX      SHA-256 of everything below this line
 *     [Service]
 *     ...
 */
#include "config/node.h"

#define DROPIN_NAME "muster.conf"
#define DROPIN_MAX  ((size_t) 1024 * 1024)

typedef enum DropinState {
        DROPIN_APPLIED, /* what the configuration renders to */
        DROPIN_MISSING, /* at least one of them is not there */
        DROPIN_STALE,   /* an older configuration's: "musterctl apply" was forgotten */
        DROPIN_EDITED,  /* not what musterctl wrote */
        _DROPIN_STATE_MAX,
} DropinState;

typedef enum DropinUnit { DROPIN_VALIDATOR, DROPIN_RESTORE, DROPIN_FETCH, _DROPIN_UNIT_MAX } DropinUnit;

/* A text a unit, owned. */
typedef struct Dropins {
        char *text[_DROPIN_UNIT_MAX];
} Dropins;

void dropins_done(Dropins *dropins);
#define cleanup_dropins_ cleanup_(dropins_done)

/* Pure. Only for a node that muster runs (-EINVAL otherwise). */
int dropin_render(const NodeConfig *config, Dropins *ret, Fault *reterr);

/* What is on disk against what the configuration renders to: the worst of them. -errno of reading. */
int dropin_check(const NodeConfig *config, DropinState *ret, Fault *reterr);

/* The same below @unit_dir instead of /etc/systemd/system. */
int dropin_check_in(const char *unit_dir, const NodeConfig *config, DropinState *ret, Fault *reterr);

/* One drop-in's text (NULL: there is none) against the rendered one. */
DropinState dropin_compare(const char *found, size_t found_size, const char *rendered);

/* "validator@NAME.service", "muster-restore@NAME.service", ...; owned, NULL: out of memory. */
char *dropin_unit_name(DropinUnit unit, const char *node);

const char *dropin_state_to_string(DropinState state); /* "applied", "missing", "stale", "edited" */
