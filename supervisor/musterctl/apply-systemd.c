#include "musterctl/apply-systemd.h"
#include "util/text.h"

#include <systemd/sd-bus.h>

#define SERVICE      "org.freedesktop.systemd1"
#define PATH         "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
#define CALL_TIMEOUT (180 * USEC_PER_SEC) /* a reload with thousands of units takes its time */

struct Systemd {
        sd_bus *bus;
};

static void unrefm(sd_bus_message **m) {
        *m = sd_bus_message_unref(*m);
}
#define cleanup_message_ cleanup_(unrefm)
#define cleanup_error_   cleanup_(sd_bus_error_free)

int systemd_open(Systemd **ret, Fault *reterr) {
        cleanup_(systemd_freep) Systemd *s = calloc(1, sizeof *s);
        int r;

        if (!s)
                return -ENOMEM;
        r = sd_bus_open_system(&s->bus);
        if (r < 0)
                return fault_errno(reterr, r,
                                   "Failed to reach systemd by the system bus (systemctl status dbus)");
        *ret = TAKE_PTR(s);
        return 0;
}

Systemd *systemd_free(Systemd *systemd) {
        if (systemd)
                sd_bus_flush_close_unref(systemd->bus);
        free(systemd);
        return NULL;
}

static int call(Systemd *s, sd_bus_message *m, const char *what, sd_bus_message **ret, Fault *reterr) {
        cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(s->bus, m, CALL_TIMEOUT, &error, ret);

        return r < 0 ? fault_set(reterr, r, "systemd failed to %s: %s", what, error.message ?: strerror(-r))
                     : 0;
}

int systemd_enable(Systemd *systemd, const char *unit, bool *ret_changed, Fault *reterr) {
        cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r, carries;

        r = sd_bus_message_new_method_call(systemd->bus, &m, SERVICE, PATH, MANAGER, "EnableUnitFiles");
        if (r >= 0)
                r = sd_bus_message_append(m, "asbb", 1, unit, false, false);
        if (r < 0)
                return r;
        r = call(systemd, m, "enable the unit", &reply, reterr);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "b", &carries);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sss)");
        if (r < 0)
                return fault_errno(reterr, r, "Failed to understand systemd's answer");
        *ret_changed = sd_bus_message_at_end(reply, false) == 0;
        return 0;
}

int systemd_disable(Systemd *systemd, const char *unit, Fault *reterr) {
        cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(systemd->bus, &m, SERVICE, PATH, MANAGER, "DisableUnitFiles");
        if (r >= 0)
                r = sd_bus_message_append(m, "asb", 1, unit, false);
        return r < 0 ? r : call(systemd, m, "disable the unit", &reply, reterr);
}

int systemd_reload(Systemd *systemd, Fault *reterr) {
        cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(systemd->bus, &m, SERVICE, PATH, MANAGER, "Reload");
        return r < 0 ? r
                     : call(systemd, m, "read its units again (systemctl daemon-reload)", &reply, reterr);
}

int systemd_is_running(Systemd *systemd, const char *unit, bool *ret, Fault *reterr) {
        cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        cleanup_free_ char *path = NULL, *state = NULL;
        int r;

        r = sd_bus_path_encode(PATH "/unit", unit, &path);
        if (r < 0)
                return r;
        r = sd_bus_get_property_string(systemd->bus, SERVICE, path, "org.freedesktop.systemd1.Unit",
                                       "ActiveState", &error, &state);
        if (r < 0)
                return fault_set(reterr, r, "Failed to ask systemd for the state of %s: %s", unit,
                                 error.message ?: strerror(-r));
        *ret = !str_eq(state, "inactive") && !str_eq(state, "failed");
        return 0;
}
