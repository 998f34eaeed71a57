#include "bus/authorize.h"
#include "util/text.h"

#include <inttypes.h>

#define SESSION_PREFIX     "/org/freedesktop/login1/session"
#define QUICK_USEC         (25 * USEC_PER_SEC)
#define PASSWORD_USEC      (115 * USEC_PER_SEC) /* somebody looks for it; musterctl waits a little longer */
#define WAITING_MAX        1024
#define POLKIT_INTERACTIVE 1U /* AllowUserInteraction */

typedef struct Authorization {
        BusService *service;
        sd_bus_message *call;
        const char *action;
        Caller by;
        uint32_t pid;
        AuthorizedHandler handler;
} Authorization;

static void authorization_free(void *userdata) {
        Authorization *a = userdata;

        (*bus_service_waiting(a->service))--;
        sd_bus_message_unref(a->call);
        caller_done(&a->by);
        free(a);
}

/* The slot owns the authorization: a lost bus frees it without a reply that nobody could read. */
static int ask(Authorization *a, sd_bus_message *m, uint64_t timeout, sd_bus_message_handler_t answer) {
        sd_bus_slot *slot;
        int r;

        r = sd_bus_call_async(sd_bus_message_get_bus(a->call), &slot, m, answer, a, timeout);
        if (r < 0)
                return r;
        (void) sd_bus_slot_set_destroy_callback(slot, authorization_free);
        (void) sd_bus_slot_set_floating(slot, 1);
        sd_bus_slot_unref(slot);
        return 0;
}

/* Hands @a on from a finished slot to the next question. */
static Authorization *take(Authorization *a) {
        sd_bus_slot *slot = sd_bus_get_current_slot(sd_bus_message_get_bus(a->call));

        (void) sd_bus_slot_set_destroy_callback(slot, NULL);
        return a;
}

static void refuse(Authorization *a, int r) {
        (void) sd_bus_reply_method_errno(a->call, r, NULL);
        authorization_free(a);
}

static void grant(Authorization *a) {
        a->handler(a->service, a->call, &a->by);
        authorization_free(a);
}

static int on_polkit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Authorization *a = take(userdata);
        int yes = 0, challenge = 0, r;

        if (e) {
                (void) sd_bus_reply_method_errorf(a->call, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "polkit could not be asked for '%s': %s", a->action,
                                                  e->message);
                authorization_free(a);
                return 0;
        }
        r = sd_bus_message_enter_container(m, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(m, "bb", &yes, &challenge);
        if (r >= 0 && yes) {
                grant(a);
                return 0;
        }
        if (challenge)
                (void) sd_bus_reply_method_errorf(
                        a->call, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                        "'%s' needs a password that could not be asked for: use sudo", a->action);
        else
                (void) sd_bus_reply_method_errorf(a->call, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "polkit does not allow '%s': use sudo, or a polkit rule",
                                                  a->action);
        authorization_free(a);
        return 0;
}

static int ask_polkit(Authorization *a) {
        sd_bus_message *m = NULL;
        uint32_t flags = 0;
        int r;

        if (sd_bus_message_get_allow_interactive_authorization(a->call) > 0)
                flags = POLKIT_INTERACTIVE;
        r = sd_bus_message_new_method_call(sd_bus_message_get_bus(a->call), &m, "org.freedesktop.PolicyKit1",
                                           "/org/freedesktop/PolicyKit1/Authority",
                                           "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                          sd_bus_message_get_sender(a->call), a->action, 0, flags, "");
        if (r >= 0)
                r = ask(a, m, flags ? PASSWORD_USEC : QUICK_USEC, on_polkit);
        sd_bus_message_unref(m);
        return r;
}

static int on_session(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Authorization *a = take(userdata);
        const char *path;
        char *id = NULL;
        int r;

        /* No logind, no session: that is an answer, too. */
        if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "o", &path) >= 0) {
                if (sd_bus_path_decode(path, SESSION_PREFIX, &id) <= 0)
                        id = NULL;
                free(a->by.session);
                a->by.session = id;
        }
        if (a->by.uid == 0) {
                grant(a);
                return 0;
        }
        r = ask_polkit(a);
        if (r < 0)
                refuse(a, r);
        return 0;
}

static int ask_session(Authorization *a) {
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(sd_bus_message_get_bus(a->call), &m, "org.freedesktop.login1",
                                           "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
                                           "GetSessionByPID");
        if (r >= 0)
                r = sd_bus_message_append(m, "u", a->pid);
        if (r >= 0)
                r = ask(a, m, QUICK_USEC, on_session);
        sd_bus_message_unref(m);
        return r;
}

static int read_credentials(sd_bus_message *m, Authorization *a) {
        bool known = false;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *name;
                uint32_t *field;

                r = sd_bus_message_read(m, "s", &name);
                if (r < 0)
                        return r;
                field = str_eq(name, "UnixUserID") ? &a->by.uid : str_eq(name, "ProcessID") ? &a->pid : NULL;
                known |= field == &a->by.uid;
                r = field ? sd_bus_message_read(m, "v", "u", field) : sd_bus_message_skip(m, "v");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return known ? 0 : -EACCES;
}

static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Authorization *a = take(userdata);
        int r;

        r = sd_bus_message_is_method_error(m, NULL) ? -EACCES : read_credentials(m, a);
        if (r >= 0)
                r = ask_session(a);
        if (r < 0)
                refuse(a, r);
        return 0;
}

int bus_authorize(BusService *service, sd_bus_message *call, const char *action, const char *command,
                  const char *why, AuthorizedHandler handler) {
        Authorization *a;
        sd_bus_message *m = NULL;
        int r;

        if (*bus_service_waiting(service) >= WAITING_MAX)
                return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                                  "%d calls wait for polkit already: try again later",
                                                  WAITING_MAX);
        a = calloc(1, sizeof *a);
        if (!a)
                return -ENOMEM;
        (*bus_service_waiting(service))++;
        a->service = service;
        a->call = sd_bus_message_ref(call);
        a->action = action;
        a->handler = handler;
        a->by.uid = UID_NOBODY_KNOWN;
        r = str_replace(&a->by.command, command);
        if (r >= 0)
                r = str_replace(&a->by.why, why);
        if (r >= 0)
                r = sd_bus_message_new_method_call(sd_bus_message_get_bus(call), &m, "org.freedesktop.DBus",
                                                   "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                   "GetConnectionCredentials");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", sd_bus_message_get_sender(call));
        if (r >= 0)
                r = ask(a, m, QUICK_USEC, on_credentials);
        sd_bus_message_unref(m);
        if (r < 0) {
                authorization_free(a);
                return r;
        }
        return 1;
}
