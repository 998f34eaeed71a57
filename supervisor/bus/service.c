#include "bus/service.h"
#include "bus/objects.h"
#include "util/text.h"

#include <systemd/sd-journal.h>

#define RECONNECT_USEC USEC_PER_SEC

typedef struct ShownNode {
        Node *node;
        NodeShown *shown;
} ShownNode;

struct BusService {
        sd_event *event;
        Daemon *daemon;
        sd_bus *bus;
        sd_event_source *retry;
        ShownNode *shown;
        size_t n_shown;
        unsigned waiting;
};

static void bus_service_connect(BusService *service);

Daemon *bus_service_daemon(BusService *service) {
        return service->daemon;
}

unsigned *bus_service_waiting(BusService *service) {
        return &service->waiting;
}

static NodeShown **shown_of(BusService *service, Node *node) {
        ShownNode *larger;

        for (size_t i = 0; i < service->n_shown; i++)
                if (service->shown[i].node == node)
                        return &service->shown[i].shown;
        larger = reallocarray(service->shown, service->n_shown + 1, sizeof *larger);
        if (!larger)
                return NULL;
        service->shown = larger;
        larger[service->n_shown] = (ShownNode){ .node = node };
        return &larger[service->n_shown++].shown;
}

static void on_node_changed(Node *node, void *userdata) {
        BusService *service = userdata;
        NodeShown **shown;

        if (!service->bus)
                return;
        shown = shown_of(service, node);
        if (shown)
                node_object_emit_changed(service->bus, node, shown);
}

static void on_node_gone(Node *node, void *userdata) {
        BusService *service = userdata;

        for (size_t i = 0; i < service->n_shown; i++)
                if (service->shown[i].node == node) {
                        node_shown_free(service->shown[i].shown);
                        service->shown[i] = service->shown[--service->n_shown];
                        return;
                }
}

static void on_nodes_changed(Daemon *daemon, void *userdata) {
        BusService *service = userdata;

        if (service->bus)
                manager_object_emit_changed(service->bus);
}

static void on_event(const JournalEvent *event, void *userdata) {
        BusService *service = userdata;

        if (service->bus)
                manager_object_emit_event(service->bus, event);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        BusService *service = userdata;

        service->retry = sd_event_source_disable_unref(service->retry);
        bus_service_connect(service);
        return 0;
}

static void bus_service_retry(BusService *service) {
        int r;

        if (service->retry)
                return;
        r = sd_event_add_time_relative(service->event, &service->retry, CLOCK_MONOTONIC, RECONNECT_USEC, 0,
                                       on_retry, service);
        if (r < 0)
                (void) sd_event_exit(service->event, EXIT_FAILURE);
}

static void bus_service_disconnect(BusService *service) {
        daemon_attach(service->daemon, NULL);
        service->bus = sd_bus_close_unref(service->bus);
}

/* From a loop iteration of its own: the old connection may not be freed under its own callbacks. */
static int on_lost(sd_event_source *source, void *userdata) {
        BusService *service = userdata;

        sd_event_source_disable_unref(source);
        bus_service_disconnect(service);
        bus_service_retry(service);
        return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusService *service = userdata;
        sd_event_source *source;

        sd_journal_print(LOG_WARNING, "The connection to the system bus was lost; connecting again");
        if (sd_event_add_defer(service->event, &source, on_lost, service) < 0)
                (void) sd_event_exit(service->event, EXIT_FAILURE);
        return 0;
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusService *service = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        uint32_t answer = 0;

        if (!e && sd_bus_message_read(m, "u", &answer) >= 0 && (answer == 1 || answer == 4))
                return 0;
        sd_journal_print(LOG_ERR, "Failed to take the bus name '%s': %s", MUSTER_BUS_NAME,
                         e ? e->message : "another process has it");
        (void) sd_event_exit(service->event, EXIT_FAILURE);
        return 0;
}

static int bus_service_open(BusService *service) {
        int r;

        r = sd_bus_open_system_with_description(&service->bus, "musterd");
        if (r < 0)
                return r;
        (void) sd_bus_set_exit_on_disconnect(service->bus, 0);
        r = sd_bus_attach_event(service->bus, service->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal_async(service->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                              "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                                              NULL, service);
        if (r >= 0)
                r = manager_object_add(service, service->bus);
        if (r >= 0)
                r = node_objects_add(service, service->bus);
        if (r >= 0)
                r = sd_bus_request_name_async(service->bus, NULL, MUSTER_BUS_NAME, 0, on_name, service);
        return r;
}

static void bus_service_connect(BusService *service) {
        int r = bus_service_open(service);

        if (r < 0) {
                sd_journal_print(LOG_WARNING, "Failed to connect to the system bus: %s; trying again",
                                 strerror(-r));
                bus_service_disconnect(service);
                bus_service_retry(service);
                return;
        }
        daemon_attach(service->daemon, service->bus);
}

int bus_service_new(sd_event *event, Daemon *daemon, BusService **ret) {
        BusService *service = calloc(1, sizeof *service);

        if (!service)
                return -ENOMEM;
        service->event = sd_event_ref(event);
        service->daemon = daemon;
        daemon->observer = (DaemonObserver){ .node_changed = on_node_changed,
                                             .nodes_changed = on_nodes_changed,
                                             .node_gone = on_node_gone,
                                             .event = on_event,
                                             .userdata = service };
        bus_service_connect(service);
        *ret = service;
        return 0;
}

BusService *bus_service_free(BusService *service) {
        if (!service)
                return NULL;
        service->daemon->observer = (DaemonObserver){ 0 };
        daemon_attach(service->daemon, NULL);
        sd_event_source_disable_unref(service->retry);
        if (service->bus) {
                (void) sd_bus_flush(service->bus);
                sd_bus_close_unref(service->bus);
        }
        for (size_t i = 0; i < service->n_shown; i++)
                node_shown_free(service->shown[i].shown);
        free(service->shown);
        sd_event_unref(service->event);
        free(service);
        return NULL;
}
