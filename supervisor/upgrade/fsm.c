#include "upgrade/fsm.h"
#include "util/text.h"

typedef struct StateInfo {
        const char *name; /* on disk: append only, never rename */
        UpgradeResume resume;
        bool touches_node;
        UpgradeState next[_UPGRADE_EVENT_MAX];
} StateInfo;

/* clang-format off */
static const StateInfo states[_UPGRADE_STATE_MAX] = {
        [UPGRADE_FETCHING] = { "fetching", UPGRADE_RESUME_REDO, false, {
                [UPGRADE_EV_OK]      = UPGRADE_VERIFYING,
                [UPGRADE_EV_FAIL]    = UPGRADE_ABORTED,
                [UPGRADE_EV_CANCEL]  = UPGRADE_ABORTED,
        }},
        [UPGRADE_VERIFYING] = { "verifying", UPGRADE_RESUME_REDO, false, {
                [UPGRADE_EV_OK]      = UPGRADE_STAGED,
                [UPGRADE_EV_FAIL]    = UPGRADE_ABORTED,
                [UPGRADE_EV_CANCEL]  = UPGRADE_ABORTED,
        }},
        [UPGRADE_STAGED] = { "staged", UPGRADE_RESUME_REDO, false, {
                [UPGRADE_EV_OK]      = UPGRADE_ARMED,
                [UPGRADE_EV_FAIL]    = UPGRADE_ABORTED,
                [UPGRADE_EV_CANCEL]  = UPGRADE_ABORTED,
        }},
        [UPGRADE_ARMED] = { "armed", UPGRADE_RESUME_REDO, false, {
                [UPGRADE_EV_OK]      = UPGRADE_DRAINING,
                [UPGRADE_EV_FAIL]    = UPGRADE_ABORTED,
                [UPGRADE_EV_CANCEL]  = UPGRADE_ABORTED,
        }},
        [UPGRADE_DRAINING] = { "draining", UPGRADE_RESUME_REDO, false, {
                [UPGRADE_EV_OK]      = UPGRADE_STOPPING,
                [UPGRADE_EV_FAIL]    = UPGRADE_ABORTED,
                [UPGRADE_EV_CANCEL]  = UPGRADE_ABORTED,
        }},
        [UPGRADE_STOPPING] = { "stopping", UPGRADE_RESUME_REDO, true, {
                [UPGRADE_EV_OK]      = UPGRADE_GUARDING,
                [UPGRADE_EV_FAIL]    = UPGRADE_ROLLING_BACK,
                [UPGRADE_EV_CANCEL]  = UPGRADE_ROLLING_BACK,
                [UPGRADE_EV_GIVE_UP] = UPGRADE_STUCK, /* the node ignored its signal */
        }},
        [UPGRADE_GUARDING] = { "guarding", UPGRADE_RESUME_REDO, true, {
                [UPGRADE_EV_OK]      = UPGRADE_SWITCHING,
                [UPGRADE_EV_FAIL]    = UPGRADE_ROLLING_BACK,
                [UPGRADE_EV_CANCEL]  = UPGRADE_ROLLING_BACK,
                [UPGRADE_EV_GIVE_UP] = UPGRADE_STUCK,
        }},
        [UPGRADE_SWITCHING] = { "switching", UPGRADE_RESUME_REDO, true, {
                [UPGRADE_EV_OK]      = UPGRADE_STARTING,
                [UPGRADE_EV_FAIL]    = UPGRADE_ROLLING_BACK,
                [UPGRADE_EV_CANCEL]  = UPGRADE_ROLLING_BACK,
                [UPGRADE_EV_GIVE_UP] = UPGRADE_STUCK,
        }},
        [UPGRADE_STARTING] = { "starting", UPGRADE_RESUME_REDO, true, {
                [UPGRADE_EV_OK]      = UPGRADE_PROBATION,
                [UPGRADE_EV_FAIL]    = UPGRADE_ROLLING_BACK,
                [UPGRADE_EV_CANCEL]  = UPGRADE_ROLLING_BACK,
                [UPGRADE_EV_GIVE_UP] = UPGRADE_STUCK,
        }},
        [UPGRADE_PROBATION] = { "probation", UPGRADE_RESUME_REDO, true, {
                [UPGRADE_EV_OK]      = UPGRADE_COMMITTED,
                [UPGRADE_EV_FAIL]    = UPGRADE_ROLLING_BACK,
                [UPGRADE_EV_CANCEL]  = UPGRADE_ROLLING_BACK,
                [UPGRADE_EV_GIVE_UP] = UPGRADE_STUCK,
        }},
        [UPGRADE_ROLLING_BACK] = { "rolling-back", UPGRADE_RESUME_REDO, true, {
                [UPGRADE_EV_OK]      = UPGRADE_ROLLED_BACK,
                [UPGRADE_EV_FAIL]    = UPGRADE_STUCK,
                [UPGRADE_EV_GIVE_UP] = UPGRADE_STUCK,
        }},     /* no CANCEL: there is nothing safer to go to */
        [UPGRADE_COMMITTED] = { "committed", UPGRADE_RESUME_END, true, {} },
        [UPGRADE_ROLLED_BACK] = { "rolled-back", UPGRADE_RESUME_END, true, {} },
        [UPGRADE_ABORTED] = { "aborted", UPGRADE_RESUME_END, false, {} },
        [UPGRADE_STUCK] = { "stuck", UPGRADE_RESUME_END, true, {} },
};
/* clang-format on */

static bool is_state(UpgradeState state) {
        return state > _UPGRADE_NONE && state < _UPGRADE_STATE_MAX;
}

int upgrade_fsm_next(UpgradeState state, UpgradeEvent event, UpgradeState *ret_next) {
        UpgradeState next;

        if (!is_state(state) || event >= _UPGRADE_EVENT_MAX)
                return UPGRADE_E_ILLEGAL;
        next = states[state].next[event];
        if (next == _UPGRADE_NONE)
                return UPGRADE_E_ILLEGAL;
        *ret_next = next;
        return 0;
}

UpgradeResume upgrade_fsm_resume(UpgradeState state) {
        return is_state(state) ? states[state].resume : _UPGRADE_RESUME_UNSET;
}

bool upgrade_state_is_end(UpgradeState state) {
        return is_state(state) && states[state].resume == UPGRADE_RESUME_END;
}

bool upgrade_state_touches_node(UpgradeState state) {
        return is_state(state) && states[state].touches_node;
}

const char *upgrade_state_to_string(UpgradeState state) {
        return is_state(state) ? states[state].name : NULL;
}

UpgradeState upgrade_state_from_string(const char *name) {
        for (UpgradeState s = _UPGRADE_NONE + 1; s < _UPGRADE_STATE_MAX; s++)
                if (str_eq(states[s].name, name))
                        return s;
        return _UPGRADE_NONE;
}
