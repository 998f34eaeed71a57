#include "health/facts.h"
#include "util/text.h"

#include <string.h>

static const char *const active_names[_UNIT_ACTIVE_MAX] = {
        [UNIT_ACTIVE_UNKNOWN] = "unknown",
        [UNIT_ACTIVE_ACTIVE] = "active",
        [UNIT_ACTIVE_RELOADING] = "reloading",
        [UNIT_ACTIVE_INACTIVE] = "inactive",
        [UNIT_ACTIVE_FAILED] = "failed",
        [UNIT_ACTIVE_ACTIVATING] = "activating",
        [UNIT_ACTIVE_DEACTIVATING] = "deactivating",
        [UNIT_ACTIVE_MAINTENANCE] = "maintenance",
};

static const char *const sub_names[_UNIT_SUB_MAX] = {
        [UNIT_SUB_OTHER] = "other",
        [UNIT_SUB_RUNNING] = "running",
        [UNIT_SUB_AUTO_RESTART] = "auto-restart",
        [UNIT_SUB_STOP_SIGTERM] = "stop-sigterm",
        [UNIT_SUB_FINAL_SIGTERM] = "final-sigterm",
        [UNIT_SUB_DEAD] = "dead",
        [UNIT_SUB_FAILED] = "failed",
};

static const char *const result_names[_UNIT_RESULT_MAX] = {
        [UNIT_RESULT_UNKNOWN] = "unknown",     [UNIT_RESULT_SUCCESS] = "success",
        [UNIT_RESULT_RESOURCES] = "resources", [UNIT_RESULT_PROTOCOL] = "protocol",
        [UNIT_RESULT_TIMEOUT] = "timeout",     [UNIT_RESULT_EXIT_CODE] = "exit-code",
        [UNIT_RESULT_SIGNAL] = "signal",       [UNIT_RESULT_CORE_DUMP] = "core-dump",
        [UNIT_RESULT_WATCHDOG] = "watchdog",   [UNIT_RESULT_START_LIMIT_HIT] = "start-limit-hit",
        [UNIT_RESULT_OOM_KILL] = "oom-kill",   [UNIT_RESULT_EXEC_CONDITION] = "exec-condition",
};

static unsigned lookup(const char *const *names, size_t n, const char *text) {
        for (unsigned i = 1; text && i < n; i++)
                if (str_eq(names[i], text))
                        return i;
        return 0;
}

UnitActive unit_active_from_string(const char *text) {
        return lookup(active_names, _UNIT_ACTIVE_MAX, text);
}

UnitSub unit_sub_from_string(const char *text) {
        return lookup(sub_names, _UNIT_SUB_MAX, text);
}

UnitResult unit_result_from_string(const char *text) {
        return lookup(result_names, _UNIT_RESULT_MAX, text);
}

const char *unit_active_to_string(UnitActive active) {
        return active_names[active];
}

const char *unit_result_to_string(UnitResult result) {
        return result_names[result];
}

bool unit_facts_running(const UnitFacts *facts) {
        return facts->active == UNIT_ACTIVE_ACTIVE || facts->active == UNIT_ACTIVE_RELOADING;
}

const char *unit_facts_end(char buffer[static UNIT_TEXT_MAX], const UnitFacts *facts) {
        UnitResult ended = facts->failure == UNIT_RESULT_UNKNOWN ? facts->result : facts->failure;
        int status = facts->failure == UNIT_RESULT_UNKNOWN ? facts->exit_status : facts->failure_status;
        const char *result = unit_result_to_string(ended);

        if (status == LAUNCH_REFUSED_STATUS)
                snprintf(buffer, UNIT_TEXT_MAX, "%s, status %d: muster-launch refused to start it", result,
                         status);
        else if (ended == UNIT_RESULT_SIGNAL && sigabbrev_np(status))
                snprintf(buffer, UNIT_TEXT_MAX, "%s SIG%s", result, sigabbrev_np(status));
        else if (status != 0)
                snprintf(buffer, UNIT_TEXT_MAX, "%s, status %d", result, status);
        else
                snprintf(buffer, UNIT_TEXT_MAX, "%s", result);
        return buffer;
}
