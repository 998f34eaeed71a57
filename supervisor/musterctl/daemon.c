/*
 * A stopped musterd stays stopped: calls do not activate it. Signals only wake
 * up; what happened is always read by ListEvents after the last id seen, so
 * that a lost or doubled signal changes nothing.
 */
#include "musterctl/daemon.h"

#include <systemd/sd-bus.h>

#include "musterctl/agent.h"
#include "musterctl/settings.h"
#include "util/text.h"

#define SERVICE      "org.muster1"
#define MANAGER_PATH "/org/muster1"
#define MANAGER      "org.muster1.Manager"
#define NODE_PATH    "/org/muster1/node"
#define NODE         "org.muster1.Node"

#define READ_TIMEOUT (25 * USEC_PER_SEC)
#define ACT_TIMEOUT  (120 * USEC_PER_SEC) /* somebody may be typing a password */

struct Daemon {
        sd_bus *bus;
        sd_bus_slot *event, *owner;
        bool subscribed, woken;
        Agent *agent;
};

static void unrefm(sd_bus_message **m) {
        *m = sd_bus_message_unref(*m);
}
#define cleanup_message_ cleanup_(unrefm)
#define cleanup_error_   cleanup_(sd_bus_error_free)

static void daemon_disconnect(Daemon *d) {
        d->event = sd_bus_slot_unref(d->event);
        d->owner = sd_bus_slot_unref(d->owner);
        d->bus = sd_bus_flush_close_unref(d->bus);
}

static int daemon_connect(Daemon *d, Fault *reterr) {
        int r = sd_bus_open_system(&d->bus);

        if (r < 0) {
                fault_errno(reterr, r,
                            "Failed to reach the system bus, by which musterd is asked (systemctl status "
                            "dbus)");
                return CTL_AWAY;
        }
        return 0;
}

int daemon_open(Daemon **ret, Fault *reterr) {
        cleanup_(daemon_freep) Daemon *d = calloc(1, sizeof *d);
        int r;

        if (!d)
                return -ENOMEM;
        r = daemon_connect(d, reterr);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

Daemon *daemon_free(Daemon *daemon) {
        if (!daemon)
                return NULL;
        agent_close(daemon->agent);
        daemon_disconnect(daemon);
        free(daemon);
        return NULL;
}

int daemon_reopen(Daemon *daemon, Fault *reterr) {
        int r;

        if (sd_bus_is_open(daemon->bus) > 0)
                return 0;
        daemon_disconnect(daemon);
        r = daemon_connect(daemon, reterr);
        if (r == 0 && daemon->subscribed)
                r = daemon_subscribe(daemon, reterr);
        return r;
}

/* The polkit action that a method asks for. */
static const char *action_of(const char *method) {
        static const struct {
                const char *method, *action;
        } actions[] = {
                { "Stage", "org.muster1.stage" },    { "Upgrade", "org.muster1.upgrade" },
                { "Cancel", "org.muster1.upgrade" }, { "Rollback", "org.muster1.upgrade" },
                { "Hold", "org.muster1.hold" },      { "Unhold", "org.muster1.hold" },
                { "Freeze", "org.muster1.hold" },    { "Thaw", "org.muster1.hold" },
                { "Reload", "org.muster1.hold" },
        };

        for (size_t i = 0; i < ELEMENTSOF(actions); i++)
                if (str_eq(actions[i].method, method))
                        return actions[i].action;
        return "org.muster1.observe";
}

static bool bus_is_lost(int r) {
        return r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE || r == -ESHUTDOWN;
}

static int call_fault(const char *method, const sd_bus_error *error, int r, Fault *reterr) {
        int status = bus_is_lost(r) ? CTL_AWAY : error->name ? error_exit(error->name) : r;

        if (bus_is_lost(r))
                fault_set(reterr, 0, "The system bus refused or lost the connection: systemctl status dbus");
        else if (status == CTL_AWAY && (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                                        sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER)))
                fault_set(reterr, 0, "musterd is not running: systemctl start musterd");
        else if (status == CTL_AWAY)
                fault_set(reterr, 0, "musterd went away or did not answer (%s): systemctl status musterd",
                          method);
        else if (status == CTL_DENIED)
                fault_set(reterr, 0,
                          "Access denied: run it with sudo, or let polkit grant you the action %s",
                          action_of(method));
        else if (error->message)
                fault_set(reterr, 0, "%s", error->message);
        else
                fault_errno(reterr, r < 0 ? r : -EIO, "Failed to call %s of musterd", method);
        return status;
}

/* A new call; @node NULL: the manager. */
static int call_new(Daemon *d, const char *node, const char *method, sd_bus_message **ret) {
        cleanup_free_ char *path = NULL;
        int r;

        if (node) {
                r = sd_bus_path_encode(NODE_PATH, node, &path);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_new_method_call(d->bus, ret, SERVICE, path ?: MANAGER_PATH, node ? NODE : MANAGER,
                                           method);
        if (r < 0)
                return r;
        return sd_bus_message_set_auto_start(*ret, false);
}

static int call(Daemon *d, const char *method, sd_bus_message *m, uint64_t timeout, sd_bus_message **ret,
                Fault *reterr) {
        cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(d->bus, m, timeout, &error, ret);

        return r < 0 ? call_fault(method, &error, r, reterr) : 0;
}

/* Calls and parses the one string that comes back. */
static int call_for_json(Daemon *d, const char *method, sd_bus_message *m, json_type type, json_t **ret,
                         Fault *reterr) {
        cleanup_message_ sd_bus_message *reply = NULL;
        cleanup_json_ json_t *json = NULL;
        json_error_t error;
        const char *text;
        int r;

        r = call(d, method, m, READ_TIMEOUT, &reply, reterr);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read what musterd answered to %s", method);
        json = json_loads(text, 0, &error);
        if (!json || json_typeof(json) != type)
                return fault_set(reterr, -EBADMSG,
                                 "musterd answered to %s what is no JSON %s: %s (is musterctl of "
                                 "the same version as musterd?)",
                                 method, type == JSON_ARRAY ? "array" : "object",
                                 json ? "another type" : error.text);
        *ret = TAKE_PTR(json);
        return 0;
}

int daemon_describe(Daemon *daemon, json_t **ret, Fault *reterr) {
        cleanup_message_ sd_bus_message *m = NULL;
        int r = call_new(daemon, NULL, "Describe", &m);

        return r < 0 ? r : call_for_json(daemon, "Describe", m, JSON_OBJECT, ret, reterr);
}

int daemon_describe_node(Daemon *daemon, const char *node, json_t **ret, Fault *reterr) {
        cleanup_message_ sd_bus_message *m = NULL;
        int r = call_new(daemon, node, "Describe", &m);

        return r < 0 ? r : call_for_json(daemon, "Describe", m, JSON_OBJECT, ret, reterr);
}

int daemon_list_events(Daemon *daemon, const char *node, uint64_t after, unsigned max, json_t **ret,
                       Fault *reterr) {
        cleanup_message_ sd_bus_message *m = NULL;
        int r = call_new(daemon, NULL, "ListEvents", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "stu", node, after, max);
        return r < 0 ? r : call_for_json(daemon, "ListEvents", m, JSON_ARRAY, ret, reterr);
}

/* @wide: an integer is 't', else 'u'. */
static int append_value(sd_bus_message *m, const json_t *value, bool wide) {
        const json_t *item;
        size_t i;
        int r;

        switch (json_typeof(value)) {
        case JSON_STRING:
                return sd_bus_message_append(m, "v", "s", json_string_value(value));
        case JSON_TRUE:
        case JSON_FALSE:
                return sd_bus_message_append(m, "v", "b", json_is_true(value));
        case JSON_INTEGER:
                return wide ? sd_bus_message_append(m, "v", "t", (uint64_t) json_integer_value(value))
                            : sd_bus_message_append(m, "v", "u", (uint32_t) json_integer_value(value));
        case JSON_ARRAY:
                r = sd_bus_message_open_container(m, 'v', "as");
                if (r >= 0)
                        r = sd_bus_message_open_container(m, 'a', "s");
                json_array_foreach (value, i, item)
                        if (r >= 0)
                                r = sd_bus_message_append(m, "s", json_string_value(item));
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
                return r < 0 ? r : sd_bus_message_close_container(m);
        case JSON_OBJECT:
        case JSON_REAL:
        case JSON_NULL:
                break;
        }
        return -EINVAL;
}

static int append_option(sd_bus_message *m, const char *key, const json_t *value) {
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = append_value(m, value, str_eq(key, "limit-rate"));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* a{sv}: command, reason and @options. */
static int append_options(sd_bus_message *m, const json_t *options) {
        cleanup_json_ json_t *all = options ? json_copy((json_t *) options) : json_object();
        const char *key;
        json_t *value;
        int r;

        if (!all || json_put_str(all, "command", settings.command) < 0 ||
            json_put_str(all, "reason", settings.reason) < 0)
                return -ENOMEM;
        r = sd_bus_message_open_container(m, 'a', "{sv}");
        json_object_foreach (all, key, value)
                if (r >= 0)
                        r = append_option(m, key, value);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* An act may be a matter for polkit, and polkit may want to ask on this terminal. */
static int call_act(Daemon *d, const char *method, sd_bus_message *m, sd_bus_message **ret, Fault *reterr) {
        int r = sd_bus_message_set_allow_interactive_authorization(m, true);

        if (r < 0)
                return r;
        if (!d->agent) {
                r = agent_open(&d->agent);
                if (r < 0)
                        return fault_errno(reterr, r, "Failed to start the polkit agent");
        }
        return call(d, method, m, ACT_TIMEOUT, ret, reterr);
}

int daemon_manage(Daemon *daemon, const char *method, Fault *reterr) {
        cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r = call_new(daemon, NULL, method, &m);

        if (r >= 0)
                r = settings.reason ? sd_bus_message_append(m, "a{ss}", 2, "command", settings.command,
                                                            "reason", settings.reason)
                                    : sd_bus_message_append(m, "a{ss}", 1, "command", settings.command);
        return r < 0 ? r : call_act(daemon, method, m, &reply, reterr);
}

int daemon_act(Daemon *daemon, const char *node, const char *method, const char *first,
               const json_t *options, char **ret_job, Fault *reterr) {
        cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        const char *job;
        int r = call_new(daemon, node, method, &m);

        if (r >= 0 && first)
                r = sd_bus_message_append(m, "s", first);
        if (r >= 0)
                r = append_options(m, options);
        if (r < 0)
                return r;
        r = call_act(daemon, method, m, &reply, reterr);
        if (r != 0 || !ret_job)
                return r;
        r = sd_bus_message_read(reply, "s", &job);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the job that musterd made for %s", method);
        *ret_job = strdup(job);
        return *ret_job ? 0 : -ENOMEM;
}

static int on_sign(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Daemon *d = userdata;

        d->woken = true;
        return 0;
}

int daemon_subscribe(Daemon *daemon, Fault *reterr) {
        int r = sd_bus_match_signal(daemon->bus, &daemon->event, SERVICE, MANAGER_PATH, MANAGER, "Event",
                                    on_sign, daemon);

        if (r >= 0)
                r = sd_bus_add_match(daemon->bus, &daemon->owner,
                                     "type='signal',sender='org.freedesktop.DBus',"
                                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                     "arg0='" SERVICE "'",
                                     on_sign, daemon);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to subscribe to the events of musterd");
        daemon->subscribed = true;
        return 0;
}

int daemon_wait(Daemon *daemon, uint64_t usec) {
        uint64_t now = now_monotonic_usec(), until = now + usec;

        for (;;) {
                int r;

                do
                        r = sd_bus_process(daemon->bus, NULL);
                while (r > 0);
                if (r < 0)
                        return CTL_AWAY;
                now = now_monotonic_usec();
                if (daemon->woken || now >= until) {
                        daemon->woken = false;
                        return 0;
                }
                r = sd_bus_wait(daemon->bus, until - now);
                if (r == -EINTR)
                        return 0;
                if (r < 0)
                        return CTL_AWAY;
        }
}
