#include "musterctl/plan.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>

#include "musterctl/nodes.h"
#include "musterctl/when.h"
#include "util/text.h"

char *plan_trigger(const UpgradePlan *plan, char buffer[static TRIGGER_TEXT_MAX]) {
        switch (plan->trigger) {
        case TRIGGER_NOW:
                snprintf(buffer, TRIGGER_TEXT_MAX, "now");
                break;
        case TRIGGER_TIME:
                snprintf(buffer, TRIGGER_TEXT_MAX, "time:%" PRIu64, plan->at_usec);
                break;
        case TRIGGER_HEIGHT:
                snprintf(buffer, TRIGGER_TEXT_MAX, "height:%" PRIu64, plan->height);
                break;
        }
        return buffer;
}

/* Not cut: this is what somebody agrees to. */
static void line(FILE *f, const Screen *screen, const char *label, const char *format, ...) _printf_(4, 5);

static void line(FILE *f, const Screen *screen, const char *label, const char *format, ...) {
        cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        fprintf(f, "%11s: ", label);
        text_put(f, screen, text ?: "", 0);
        fputc('\n', f);
}

static void put_when(FILE *f, const Screen *screen, const UpgradePlan *plan, const json_t *node) {
        int64_t height = json_i64(node, "height", -1);
        char date[WHEN_TEXT_MAX], in[WHEN_TEXT_MAX];

        if (plan->trigger == TRIGGER_TIME)
                line(f, screen, "When", "%s (%s)", when_zoned(date, plan->at_usec),
                     when_relative(in, plan->at_usec, now_realtime_usec()));
        else if (plan->trigger == TRIGGER_HEIGHT && height >= 0)
                line(f, screen, "When", "at height %" PRIu64 "; the head is %" PRId64, plan->height, height);
        else if (plan->trigger == TRIGGER_HEIGHT)
                line(f, screen, "When", "at height %" PRIu64 "; the head is unknown", plan->height);
        else
                line(f, screen, "When", "now");
}

static void put_stop(FILE *f, const Screen *screen, const NodeConfig *c) {
        char patience[DURATION_TEXT_MAX];
        const char *signal_name = sigabbrev_np(c->stop_signal);

        line(f, screen, "Stop", "SIG%s, up to %s; %s", signal_name ?: "?",
             format_duration(patience, c->stop_patience),
             c->kill ? "then SIGKILL (kill = yes)" : "then stuck, never SIGKILL");
}

static void put_backup(FILE *f, const Screen *screen, const NodeConfig *c) {
        static const char *const meanings[_BACKUP_POLICY_MAX] = {
                [BACKUP_NONE] = "none: going back brings back the binary and its flags, not the data",
                [BACKUP_REFLINK] = "reflink: the data as it was before the switch",
                [BACKUP_COPY] =
                        "copy: the data as it was before the switch; the node stands while it is copied",
                [BACKUP_HOOK] = "by your hook",
        };

        line(f, screen, "Backup", "%s", c->backup < _BACKUP_POLICY_MAX ? meanings[c->backup] : "?");
}

static void put_probation(FILE *f, const Screen *screen, const NodeConfig *c) {
        const ProbationConfig *p = &c->probation;
        char whole[DURATION_TEXT_MAX], good[DURATION_TEXT_MAX], start[DURATION_TEXT_MAX];

        line(f, screen, "Probation",
             "RPC within %s, %" PRIu64 " blocks beyond the old head, good for %s%s%s; at most %s",
             format_duration(start, p->start_timeout), p->min_blocks, format_duration(good, p->duration),
             p->require_signing ? ", signing again" : "",
             p->require_references ? ", hash as the references have it" : "",
             format_duration(whole, p->timeout));
}

static void put_rollback(FILE *f, const Screen *screen, const UpgradePlan *plan, const json_t *node) {
        const char *from = json_str(node, "version");

        if (plan->one_way)
                line(f, screen, "Rollback", "none (--one-way): a failure ends stuck and needs a person");
        else if (plan->no_rollback)
                line(f, screen, "Rollback", "none (--no-rollback): a failure ends stuck and needs a person");
        else if (!from)
                line(f, screen, "Rollback", "none: there is nothing to go back to; a failure ends stuck");
        else
                line(f, screen, "Rollback",
                     "to %s by itself if the probation fails; the signing state never goes back", from);
}

void plan_put(FILE *f, const Screen *screen, const UpgradePlan *plan, const json_t *node,
              const NodeConfig *config, const char *error) {
        const char *from = json_str(node, "version"), *verdict = json_str(node, "verdict"),
                   *mode = json_str(node, "mode");

        line(f, screen, plan->rehearse ? "Rehearse" : "Upgrade", "%s: %s %s %s",
             json_str(node, "name") ?: "?", from ?: "nothing", screen_arrow(screen), plan->version);
        line(f, screen, "Verdict", "%s%s%s", verdict ?: "unknown", json_str(node, "reason") ? ": " : "",
             json_str(node, "reason") ?: "");
        if (plan->rehearse) {
                line(f, screen, "Node", "untouched: %s runs on a copy of the data, without network and keys",
                     plan->version);
                return;
        }
        put_when(f, screen, plan, node);
        if (str_eq(mode, "observe"))
                line(f, screen, "Mode", "observe: musterd touches no unit in this mode");
        if (config) {
                put_stop(f, screen, config);
                put_backup(f, screen, config);
                put_probation(f, screen, config);
        } else
                line(f, screen, "Policy", "as musterd knows it; not shown: %s",
                     error ?: "no configuration file");
        put_rollback(f, screen, plan, node);
}
