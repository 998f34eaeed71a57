#pragma once
/*
 * What an upgrade will do, shown before it is asked for.
 */
#include "config/node.h"
#include "musterctl/screen.h"
#include "util/json.h"

typedef enum TriggerKind { TRIGGER_NOW, TRIGGER_TIME, TRIGGER_HEIGHT } TriggerKind;

typedef struct UpgradePlan {
        const char *version;
        TriggerKind trigger;
        uint64_t at_usec, height;
        bool one_way, no_rollback, rehearse;
} UpgradePlan;

/* "now", "time:REALTIME_USEC", "height:N": as musterd reads it. */
#define TRIGGER_TEXT_MAX 40
char *plan_trigger(const UpgradePlan *plan, char buffer[static TRIGGER_TEXT_MAX]);

/* @config NULL: the file could not be read, @error says why. */
void plan_put(FILE *f, const Screen *screen, const UpgradePlan *plan, const json_t *node,
              const NodeConfig *config, const char *error);
