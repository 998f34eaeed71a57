/*
 * What happened, told three times: to the journal database (what muster must
 * not forget), to journald (what operators grep), to the bus (who watches).
 */
#include "daemon/daemon.h"
#include "util/message-ids.h"
#include "util/text.h"

#include <syslog.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#define FIELDS_MAX 16

typedef struct EventMessage {
        const char *kind;
        const char *to; /* NULL: any */
        sd_id128_t id;
        int priority;
} EventMessage;

#define STATE(name, symbol, level)                                                                          \
        { "transition", name, MUSTER_MESSAGE_UPGRADE_##symbol, level }

static const EventMessage messages[] = {
        STATE("fetching", FETCHING, LOG_NOTICE),
        STATE("verifying", VERIFYING, LOG_NOTICE),
        STATE("staged", STAGED, LOG_NOTICE),
        STATE("armed", ARMED, LOG_NOTICE),
        STATE("draining", DRAINING, LOG_NOTICE),
        STATE("stopping", STOPPING, LOG_NOTICE),
        STATE("guarding", GUARDING, LOG_NOTICE),
        STATE("switching", SWITCHING, LOG_NOTICE),
        STATE("starting", STARTING, LOG_NOTICE),
        STATE("probation", PROBATION, LOG_NOTICE),
        STATE("committed", COMMITTED, LOG_NOTICE),
        STATE("rolling-back", ROLLING_BACK, LOG_WARNING),
        STATE("rolled-back", ROLLED_BACK, LOG_WARNING),
        STATE("aborted", ABORTED, LOG_WARNING),
        STATE("stuck", STUCK, LOG_ERR),
        { "verdict", NULL, MUSTER_MESSAGE_VERDICT_CHANGED, LOG_NOTICE },
        { "alarm", NULL, MUSTER_MESSAGE_VERDICT_CHANGED, LOG_WARNING },
        { "config", "broken", MUSTER_MESSAGE_CONFIG_BROKEN, LOG_ERR },
        { "config", "reloaded", MUSTER_MESSAGE_CONFIG_RELOADED, LOG_NOTICE },
        { "act", "held", MUSTER_MESSAGE_HELD, LOG_NOTICE },
        { "act", "unheld", MUSTER_MESSAGE_UNHELD, LOG_NOTICE },
        { "act", "frozen", MUSTER_MESSAGE_FROZEN, LOG_NOTICE },
        { "act", "thawed", MUSTER_MESSAGE_THAWED, LOG_NOTICE },
};

static const EventMessage *event_message(const JournalEvent *event) {
        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                if (str_eq(messages[i].kind, event->kind) &&
                    (!messages[i].to || str_eq(messages[i].to, event->to)))
                        return &messages[i];
        return NULL;
}

typedef struct Fields {
        struct iovec items[FIELDS_MAX];
        size_t n;
} Fields;

/* What is not known has no field: `journalctl MUSTER_SESSION=` must not match everything. */
static void add_field(Fields *fields, const char *name, const char *value) {
        char *text;

        if (!value || !*value || fields->n == FIELDS_MAX || asprintf(&text, "%s=%s", name, value) < 0)
                return;
        fields->items[fields->n++] = (struct iovec){ text, strlen(text) };
}

static void add_author(Fields *fields, const Caller *by) {
        char uid[16];

        if (!by)
                return;
        snprintf(uid, sizeof uid, "%u", (unsigned) by->uid);
        add_field(fields, "MUSTER_UID", by->uid == UID_NOBODY_KNOWN ? NULL : uid);
        add_field(fields, "MUSTER_SESSION", by->session);
        add_field(fields, "MUSTER_COMMAND", by->command);
        add_field(fields, "MUSTER_REASON", by->why);
}

static void event_log(const JournalEvent *event) {
        const EventMessage *message = event_message(event);
        const char *text = event->text && *event->text ? event->text : NULL;
        cleanup_free_ char *line = NULL;
        char priority[4], id[SD_ID128_STRING_MAX] = "";
        Fields fields = {};

        if (asprintf(&line, "%s%s%s%s%s", event->node ?: "", event->node && *event->node ? ": " : "",
                     event->to ?: "", event->to && text ? ": " : "",
                     text        ? text
                     : event->to ? ""
                                 : event->kind) < 0)
                return;
        snprintf(priority, sizeof priority, "%d", message ? message->priority : LOG_INFO);
        if (message)
                sd_id128_to_string(message->id, id);
        add_field(&fields, "MESSAGE", line);
        add_field(&fields, "PRIORITY", priority);
        add_field(&fields, "MESSAGE_ID", id);
        add_field(&fields, "MUSTER_NODE", event->node);
        add_field(&fields, "MUSTER_UPGRADE", event->job);
        add_field(&fields, "MUSTER_STATE_FROM", event->from);
        add_field(&fields, "MUSTER_STATE_TO", event->to);
        add_field(&fields, "MUSTER_VERDICT", message && !message->to ? event->to : NULL);
        add_author(&fields, event->by);
        (void) sd_journal_sendv(fields.items, (int) fields.n);
        for (size_t i = 0; i < fields.n; i++)
                free(fields.items[i].iov_base);
}

void daemon_publish(Daemon *daemon, const JournalEvent *event) {
        event_log(event);
        if (daemon->observer.event)
                daemon->observer.event(event, daemon->observer.userdata);
}

void daemon_record(Daemon *daemon, JournalEvent *event) {
        cleanup_fault_ Fault fault = {};
        int r;

        r = journal_add_event(daemon->journal, event, &fault);
        if (r < 0)
                sd_journal_print(LOG_ERR, "%s, ignoring", fault_text(&fault, r));
        daemon_publish(daemon, event);
}
