#include "musterctl/attention.h"

#include <stdarg.h>

#include "musterctl/event.h"
#include "musterctl/nodes.h"
#include "util/text.h"

/* The first line of the text, cut to the screen: `status` has all of it. What to do is never cut. */
static unsigned put(FILE *f, const Screen *screen, Tone tone, const char *todo, const char *format, ...)
        _printf_(5, 6);

static unsigned put(FILE *f, const Screen *screen, Tone tone, const char *todo, const char *format, ...) {
        cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = str_vformat(format, ap);
        va_end(ap);
        if (text)
                text[strcspn(text, "\n")] = '\0';
        fprintf(f, "%s%s%s ", screen_on(screen, tone), screen_dot(screen), screen_off(screen));
        text_put(f, screen, text ?: "out of memory", screen->width > 2 ? screen->width - 2 : screen->width);
        if (todo) {
                fprintf(f, "\n  %s ", screen_arrow(screen));
                text_put(f, screen, todo, 0);
        }
        fputc('\n', f);
        return 1;
}

/* "WORDS NAME" as a command to run; owned. */
static char *command(const char *words, const char *name) {
        char *text;

        return asprintf(&text, "%s %s", words, name) < 0 ? NULL : text;
}

const char *attention_applied(const json_t *node) {
        static const struct {
                const char *name, *text;
        } meanings[] = {
                { "missing", "not applied yet" },
                { "stale", "changed since it was applied" },
                { "edited", "differs from its drop-in, which was edited by hand" },
        };

        for (size_t i = 0; i < ELEMENTSOF(meanings); i++)
                if (str_eq(meanings[i].name, json_str(node, "applied")))
                        return meanings[i].text;
        return NULL;
}

char *attention_apply_command(const json_t *node) {
        return attention_applied(node) ? command("sudo musterctl apply", json_str(node, "name") ?: "NODE")
                                       : NULL;
}

static unsigned put_job(FILE *f, const Screen *screen, const char *name, const json_t *job,
                        const char *todo) {
        if (!str_eq(json_str(job, "state"), "stuck"))
                return 0;
        return put(f, screen, TONE_BAD, todo, "%s: %s %s is stuck: %s", name, json_str(job, "kind") ?: "job",
                   json_str(job, "source") ?: json_str(job, "version") ?: "", json_str(job, "reason") ?: "no reason given");
}

static unsigned put_hold(FILE *f, const Screen *screen, const char *name, const json_t *hold) {
        cleanup_free_ char *unhold = command("musterctl unhold", name);
        char user[USER_TEXT_MAX];

        if (!json_is_object(hold))
                return 0;
        return put(f, screen, TONE_WAIT, unhold, "%s: held by %s: %s", name,
                   user_text(user, json_i64(hold, "uid", -1)),
                   json_str(hold, "reason") ?: "no reason given");
}

unsigned attention_put_node(FILE *f, const Screen *screen, const json_t *node) {
        const char *name = json_str(node, "name") ?: "?", *verdict = json_str(node, "verdict"),
                   *error = json_str(node, "config_error");
        const json_t *launch = json_object_get(node, "launch");
        cleanup_free_ char *apply = attention_apply_command(node),
                           *status = command("musterctl status", name);
        unsigned n = 0;

        if (verdict_is_unhealthy(verdict))
                n += put(f, screen, TONE_BAD, status, "%s: %s: %s", name, verdict,
                         json_str(node, "reason") ?: "no reason given");
        if (str_eq(json_str(launch, "result"), "refused"))
                n += put(f, screen, TONE_BAD, status, "%s: the guard refused to start %s: %s", name,
                         json_str(launch, "version") ?: "it",
                         json_str(launch, "reason") ?: "no reason given");
        n += put_job(f, screen, name, node_active_job(node), status);
        n += put_job(f, screen, name, json_object_get(node, "last"), status);
        n += put_hold(f, screen, name, json_object_get(node, "hold"));
        if (error)
                n += put(f, screen, TONE_BAD, "correct it, then: musterctl reload",
                         "%s: configuration is broken, the old one stays in force: %s", name, error);
        if (apply)
                n += put(f, screen, TONE_WAIT, apply, "%s: configuration %s", name, attention_applied(node));
        return n;
}

unsigned attention_put_manager(FILE *f, const Screen *screen, const json_t *manager) {
        const char *error = json_str(manager, "config_error");
        unsigned n = 0;

        if (json_bool(manager, "frozen"))
                n += put(f, screen, TONE_WAIT, "musterctl thaw", "frozen, nothing new is begun: %s",
                         json_str(manager, "freeze_reason") ?: "no reason given");
        if (error)
                n += put(f, screen, TONE_BAD, "correct it, then: musterctl reload",
                         "muster.conf is broken, the old one stays in force: %s", error);
        return n;
}
