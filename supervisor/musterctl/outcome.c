/*
 * One table a vocabulary. The vocabularies belong to musterd; a word that a
 * newer musterd adds must never look healthy or finished here.
 */
#include "musterctl/outcome.h"

#include "util/text.h"

static const struct {
        const char *name;
        Tone tone;
        bool unhealthy;
} verdicts[] = {
        { "healthy", TONE_GOOD, false },   { "starting", TONE_WAIT, false },
        { "syncing", TONE_WAIT, false },   { "held", TONE_WAIT, false },
        { "unknown", TONE_WAIT, false },   { "local-stall", TONE_BAD, true },
        { "not-signing", TONE_BAD, true }, { "forked", TONE_BAD, true },
        { "down", TONE_BAD, true },        { "crash-looping", TONE_BAD, true },
};

Tone verdict_tone(const char *verdict) {
        for (size_t i = 0; i < ELEMENTSOF(verdicts); i++)
                if (str_eq(verdicts[i].name, verdict))
                        return verdicts[i].tone;
        return TONE_WAIT;
}

bool verdict_is_unhealthy(const char *verdict) {
        for (size_t i = 0; i < ELEMENTSOF(verdicts); i++)
                if (str_eq(verdicts[i].name, verdict))
                        return verdicts[i].unhealthy;
        return false;
}

static const struct {
        const char *name;
        Tone tone;
} ends[] = {
        { "committed", TONE_GOOD },
        { "rolled-back", TONE_BAD },
        { "aborted", TONE_BAD },
        { "stuck", TONE_BAD },
};

Tone state_tone(const char *state) {
        if (str_eq(state, "staged"))
                return TONE_GOOD;
        if (str_eq(state, "rolling-back"))
                return TONE_BAD;
        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                if (str_eq(ends[i].name, state))
                        return ends[i].tone;
        return TONE_WAIT;
}

static bool rests_at_staged(const char *kind) {
        return str_eq(kind, "stage") || str_eq(kind, "rehearse") || str_eq(kind, "snapshot");
}

bool job_is_over(const char *kind, const char *state) {
        if ((str_eq(kind, "stage") || str_eq(kind, "snapshot")) && str_eq(state, "staged"))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                if (str_eq(ends[i].name, state))
                        return true;
        return false;
}

bool transition_ends_job(const char *kind, const char *from, const char *to) {
        return job_is_over(kind, to) ||
               (str_eq(kind, "rehearse") && str_eq(from, "staged") && str_eq(to, "staged"));
}

int job_exit(const char *kind, const char *state) {
        if (str_eq(state, "committed"))
                return CTL_OK;
        if (rests_at_staged(kind) && str_eq(state, "staged"))
                return CTL_OK;
        return CTL_FAILED;
}

static const struct {
        const char *name;
        int status;
} errors[] = {
        { "org.muster1.Error.Busy", CTL_BUSY },
        { "org.muster1.Error.Refused", CTL_REFUSED },
        { "org.muster1.Error.NotFound", CTL_FAILED },
        { "org.muster1.Error.Invalid", CTL_USAGE },
        { "org.muster1.Error.Failed", CTL_FAILED },
        { "org.freedesktop.DBus.Error.AccessDenied", CTL_DENIED },
        { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", CTL_DENIED },
        { "org.freedesktop.DBus.Error.ServiceUnknown", CTL_AWAY },
        { "org.freedesktop.DBus.Error.NameHasNoOwner", CTL_AWAY },
        { "org.freedesktop.DBus.Error.NoReply", CTL_AWAY },
        { "org.freedesktop.DBus.Error.Disconnected", CTL_AWAY },
        { "org.freedesktop.DBus.Error.NoServer", CTL_AWAY },
};

int error_exit(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                if (str_eq(errors[i].name, name))
                        return errors[i].status;
        return CTL_FAILED;
}

int outcome_exit(int r) {
        return r < 0 || r == CTL_AWAY || r == CTL_DETACHED ? CTL_FAILED : r;
}
