#include "bus/authorize.h"
#include "bus/objects.h"
#include "bus/reply.h"
#include "muster-build.h"
#include "util/text.h"

#define EVENTS_MAX 10000

static const char manager_interface[] = "org.muster1.Manager";

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", MUSTER_VERSION);
}

static int get_frozen(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", bus_service_daemon(userdata)->freeze != NULL);
}

static int get_freeze_reason(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const json_t *freeze = bus_service_daemon(userdata)->freeze;

        return sd_bus_message_append(reply, "s", freeze ? json_str(freeze, "reason") ?: "" : "");
}

static int get_nodes(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Daemon *daemon = bus_service_daemon(userdata);
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < daemon->n_nodes; i++)
                r = sd_bus_message_append(reply, "s", daemon->nodes[i]->name);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_get_node(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        cleanup_free_ char *path = NULL;
        const char *name;
        int r;

        r = sd_bus_message_read(call, "s", &name);
        if (r < 0)
                return r;
        if (!daemon_node(bus_service_daemon(userdata), name))
                return sd_bus_reply_method_errorf(call, "org.muster1.Error.NotFound",
                                                  "There is no node '%.64s'", name);
        path = node_object_path(name);
        return path ? sd_bus_reply_method_return(call, "o", path) : -ENOMEM;
}

static void do_describe(BusService *service, sd_bus_message *call, const Caller *by) {
        cleanup_json_ json_t *json = NULL;
        int r;

        r = daemon_describe(bus_service_daemon(service), &json);
        if (r < 0)
                bus_reply_fault(call, r, NULL);
        else
                bus_reply_json(call, json);
}

static int method_describe(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        return bus_authorize(userdata, call, "org.muster1.observe", NULL, NULL, do_describe);
}

static void do_list_events(BusService *service, sd_bus_message *call, const Caller *by) {
        cleanup_fault_ Fault fault = {};
        cleanup_json_ json_t *json = NULL;
        const char *node;
        uint64_t after;
        uint32_t max;
        int r;

        (void) sd_bus_message_rewind(call, 1);
        r = sd_bus_message_read(call, "stu", &node, &after, &max);
        if (r >= 0)
                r = journal_events(bus_service_daemon(service)->journal, *node ? node : NULL,
                                   after > INT64_MAX ? INT64_MAX : (int64_t) after,
                                   max > EVENTS_MAX ? EVENTS_MAX : max, &json, &fault);
        if (r < 0)
                bus_reply_fault(call, r, &fault);
        else
                bus_reply_json(call, json);
}

static int method_list_events(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        return bus_authorize(userdata, call, "org.muster1.observe", NULL, NULL, do_list_events);
}

/* Reload, Freeze and Thaw: options, action hold, then one call into the daemon. */
static int authorize_with_options(BusService *service, sd_bus_message *call, AuthorizedHandler handler) {
        cleanup_fault_ Fault fault = {};
        cleanup_json_ json_t *options = NULL;
        int r;

        r = bus_read_options(call, "{ss}", NULL, &options, &fault);
        if (r < 0)
                return sd_bus_reply_method_errorf(call, "org.muster1.Error.Invalid", "%s",
                                                  fault_text(&fault, r));
        return bus_authorize(service, call, "org.muster1.hold", json_str(options, "command"),
                             json_str(options, "reason"), handler);
}

static void finish(sd_bus_message *call, int r, const Fault *fault) {
        if (r == 0)
                (void) sd_bus_reply_method_return(call, NULL);
        else
                bus_reply_fault(call, r, fault);
}

static void do_reload(BusService *service, sd_bus_message *call, const Caller *by) {
        cleanup_fault_ Fault fault = {};

        finish(call, daemon_reload(bus_service_daemon(service), by, &fault), &fault);
}

static void do_freeze(BusService *service, sd_bus_message *call, const Caller *by) {
        cleanup_fault_ Fault fault = {};

        finish(call, daemon_freeze(bus_service_daemon(service), by, &fault), &fault);
}

static void do_thaw(BusService *service, sd_bus_message *call, const Caller *by) {
        cleanup_fault_ Fault fault = {};

        finish(call, daemon_thaw(bus_service_daemon(service), by, &fault), &fault);
}

static int method_reload(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        return authorize_with_options(userdata, call, do_reload);
}

static int method_freeze(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        return authorize_with_options(userdata, call, do_freeze);
}

static int method_thaw(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        return authorize_with_options(userdata, call, do_thaw);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Frozen", "b", get_frozen, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("FreezeReason", "s", get_freeze_reason, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Nodes", "as", get_nodes, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_ARGS("GetNode", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", path), method_get_node,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), method_describe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListEvents", SD_BUS_ARGS("s", node, "t", after, "u", max),
                                SD_BUS_RESULT("s", json), method_list_events, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_ARGS("a{ss}", options), SD_BUS_NO_RESULT, method_reload,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Freeze", SD_BUS_ARGS("a{ss}", options), SD_BUS_NO_RESULT, method_freeze,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Thaw", SD_BUS_ARGS("a{ss}", options), SD_BUS_NO_RESULT, method_thaw,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Event", SD_BUS_ARGS("t", id, "s", node, "s", json), 0),
        SD_BUS_VTABLE_END,
};

int manager_object_add(BusService *service, sd_bus *bus) {
        return sd_bus_add_object_vtable(bus, NULL, MUSTER_BUS_PATH, manager_interface, manager_vtable,
                                        service);
}

void manager_object_emit_event(sd_bus *bus, const JournalEvent *event) {
        cleanup_json_ json_t *json = NULL;
        cleanup_free_ char *text = NULL;

        if (journal_event_to_json(event, &json) < 0)
                return;
        text = json_dumps(json, JSON_COMPACT);
        if (text)
                (void) sd_bus_emit_signal(bus, MUSTER_BUS_PATH, manager_interface, "Event", "tss",
                                          (uint64_t) event->id, event->node ?: "", text);
}

void manager_object_emit_changed(sd_bus *bus) {
        (void) sd_bus_emit_properties_changed(bus, MUSTER_BUS_PATH, manager_interface, "Frozen",
                                              "FreezeReason", "Nodes", NULL);
}
