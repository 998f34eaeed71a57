/*
 * What happened, told three times: to the journal database (what muster must
 * not forget), to journald (what operators grep), to the bus (who watches).
 */
#include "daemon/daemon.h"
#include "daemon/message-ids.h"
#include "util/text.h"

#include <syslog.h>
#include <systemd/sd-journal.h>

typedef struct EventMessage {
        const char *kind;
        const char *to; /* NULL: any */
        sd_id128_t id;
        int priority;
} EventMessage;

#define STATE(name, symbol, level) { "transition", name, MUSTER_MESSAGE_UPGRADE_##symbol, level }

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
                if (str_eq(messages[i].kind, event->kind) && (!messages[i].to || str_eq(messages[i].to, event->to)))
                        return &messages[i];
        return NULL;
}

static void event_log(const JournalEvent *event) {
        const EventMessage *message = event_message(event);
        const char *node = event->node && *event->node ? event->node : NULL;
        cleanup_free_ char *id = NULL, *text = NULL;

        if (message && asprintf(&id, "MESSAGE_ID=" SD_ID128_FORMAT_STR, SD_ID128_FORMAT_VAL(message->id)) < 0)
                id = NULL;
        if (asprintf(&text, "MESSAGE=%s%s%s%s%s%s", node ?: "", node ? ": " : "", event->to ?: "",
                     event->to && event->text && *event->text ? ": " : "", event->text ?: "",
                     event->to || (event->text && *event->text) ? "" : event->kind) < 0)
                return;
        (void) sd_journal_send(text, "PRIORITY=%i", message ? message->priority : LOG_INFO, "MUSTER_NODE=%s",
                               node ?: "", "MUSTER_UPGRADE=%s", event->job ?: "", "MUSTER_STATE_FROM=%s",
                               event->from ?: "", "MUSTER_STATE_TO=%s", event->to ?: "", "MUSTER_VERDICT=%s",
                               message && !message->to ? event->to ?: "" : "", "MUSTER_UID=%i",
                               event->by && event->by->uid != UID_NOBODY_KNOWN ? (int) event->by->uid : -1,
                               "MUSTER_COMMAND=%s", event->by && event->by->command ? event->by->command : "",
                               id, NULL);
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
