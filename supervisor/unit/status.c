#include "unit/status.h"
#include "util/hex.h"
#include "util/text.h"

#include <stddef.h>

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define PROPERTIES   "org.freedesktop.DBus.Properties"

struct UnitWatch {
        sd_bus *bus;
        char *path;
        sd_bus_slot *changed, *call;
        bool again; /* something changed while a call was under way */
        UnitStatus status;
        UnitWatchHandler handler;
        void *userdata;
};

typedef struct UnitProperty {
        const char *name;
        char type; /* D-Bus: s, u, i, t; 'y' stands for "ay" as 16 bytes, 'r' for the "u" of "(uo)" */
        size_t offset;
} UnitProperty;

#define FIELD(f) offsetof(UnitStatus, f)

static const UnitProperty properties[] = {
        { "LoadState", 's', FIELD(load_state) },
        { "ActiveState", 's', FIELD(active_state) },
        { "SubState", 's', FIELD(sub_state) },
        { "Result", 's', FIELD(result) },
        { "StatusText", 's', FIELD(status_text) },
        { "ControlGroup", 's', FIELD(cgroup) },
        { "UnitFileState", 's', FIELD(unit_file_state) },
        { "InvocationID", 'y', FIELD(invocation) },
        { "Job", 'r', FIELD(job) },
        { "MainPID", 'u', FIELD(main_pid) },
        { "NRestarts", 'u', FIELD(n_restarts) },
        { "ExecMainCode", 'i', FIELD(exec_main_code) },
        { "ExecMainStatus", 'i', FIELD(exec_main_status) },
        { "ActiveEnterTimestamp", 't', FIELD(active_enter_realtime) },
        { "ActiveEnterTimestampMonotonic", 't', FIELD(active_enter_monotonic) },
        { "ExecMainExitTimestamp", 't', FIELD(exec_main_exit_realtime) },
        { "ExecMainExitTimestampMonotonic", 't', FIELD(exec_main_exit_monotonic) },
};

static void unit_status_done(UnitStatus *s) {
        free(s->load_state);
        free(s->active_state);
        free(s->sub_state);
        free(s->result);
        free(s->status_text);
        free(s->cgroup);
        free(s->unit_file_state);
        *s = (UnitStatus){ 0 };
}

static int read_invocation(sd_bus_message *m, char ret[static 33]) {
        const uint8_t *bytes;
        size_t size;
        int r;

        r = sd_bus_message_read_array(m, 'y', (const void **) &bytes, &size);
        if (r < 0)
                return r;
        ret[0] = 0;
        if (size == 16)
                hex_encode(bytes, size, ret);
        return 0;
}

static int read_property(sd_bus_message *m, const UnitProperty *property, UnitStatus *status) {
        void *field = (char *) status + property->offset;
        char signature[] = { property->type, 0 };
        const char *text;
        int r;

        r = sd_bus_message_enter_container(m, 'v',
                                           property->type == 'y'   ? "ay"
                                           : property->type == 'r' ? "(uo)"
                                                                   : signature);
        if (r < 0)
                return r;
        if (property->type == 'y')
                r = read_invocation(m, field);
        else if (property->type == 'r')
                r = sd_bus_message_read(m, "(uo)", field, NULL);
        else if (property->type == 's') {
                r = sd_bus_message_read_basic(m, 's', &text);
                if (r >= 0)
                        r = str_replace(field, text);
        } else
                r = sd_bus_message_read_basic(m, property->type, field);
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_status(sd_bus_message *m, UnitStatus *status) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const UnitProperty *property = NULL;
                const char *name;

                r = sd_bus_message_read_basic(m, 's', &name);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < ELEMENTSOF(properties) && !property; i++)
                        if (str_eq(properties[i].name, name))
                                property = &properties[i];
                r = property ? read_property(m, property, status) : sd_bus_message_skip(m, "v");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r;
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitWatch *watch = userdata;
        UnitStatus fresh = { .known = true };

        watch->call = sd_bus_slot_unref(watch->call);
        if (!sd_bus_message_is_method_error(m, NULL) && read_status(m, &fresh) >= 0) {
                unit_status_done(&watch->status);
                watch->status = fresh;
        } else
                unit_status_done(&fresh);
        if (watch->again) {
                watch->again = false;
                (void) unit_watch_refresh(watch);
        }
        if (watch->status.known)
                watch->handler(watch, watch->userdata); /* may free the watch */
        return 0;
}

int unit_watch_refresh(UnitWatch *watch) {
        if (watch->call) {
                watch->again = true;
                return 0;
        }
        return sd_bus_call_method_async(watch->bus, &watch->call, SYSTEMD_NAME, watch->path, PROPERTIES,
                                        "GetAll", on_properties, watch, "s", "");
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        (void) unit_watch_refresh(userdata);
        return 0;
}

int unit_watch_new(UnitManager *manager, const char *unit, UnitWatchHandler handler, void *userdata,
                   UnitWatch **ret) {
        cleanup_(unit_watch_freep) UnitWatch *watch = NULL;
        int r;

        if (!manager)
                return -ENOTCONN;
        watch = calloc(1, sizeof *watch);
        if (!watch)
                return -ENOMEM;
        watch->bus = sd_bus_ref(unit_manager_bus(manager));
        watch->handler = handler;
        watch->userdata = userdata;
        r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &watch->path);
        if (r < 0)
                return r;
        r = sd_bus_match_signal_async(watch->bus, &watch->changed, SYSTEMD_NAME, watch->path, PROPERTIES,
                                      "PropertiesChanged", on_changed, NULL, watch);
        if (r < 0)
                return r;
        r = unit_watch_refresh(watch);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(watch);
        return 0;
}

UnitWatch *unit_watch_free(UnitWatch *watch) {
        if (!watch)
                return NULL;
        sd_bus_slot_unref(watch->changed);
        sd_bus_slot_unref(watch->call);
        unit_status_done(&watch->status);
        sd_bus_unref(watch->bus);
        free(watch->path);
        free(watch);
        return NULL;
}

const UnitStatus *unit_watch_status(const UnitWatch *watch) {
        return &watch->status;
}

bool unit_status_is_down(const UnitStatus *status) {
        return status->known &&
               (str_eq(status->active_state, "inactive") || str_eq(status->active_state, "failed"));
}
