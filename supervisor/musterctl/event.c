#include "musterctl/event.h"

#include <pwd.h>

#include "musterctl/when.h"
#include "util/text.h"

#define WHAT_WIDTH 24 /* most transitions; longer ones push their line */

char *user_text(char buffer[static USER_TEXT_MAX], int64_t uid) {
        struct passwd *pw = uid >= 0 && uid < UINT32_MAX ? getpwuid((uid_t) uid) : NULL;

        if (pw)
                snprintf(buffer, USER_TEXT_MAX, "%s", pw->pw_name);
        else if (uid >= 0 && uid < UINT32_MAX)
                snprintf(buffer, USER_TEXT_MAX, "uid %lld", (long long) uid);
        else
                snprintf(buffer, USER_TEXT_MAX, "musterd");
        return buffer;
}

char *event_what(const Screen *screen, const json_t *event) {
        const char *kind = json_str(event, "kind"), *from = json_str(event, "from"),
                   *to = json_str(event, "to");
        char *text;

        if (str_eq(kind, "alarm"))
                return asprintf(&text, "ALARM%s%s", to ? " " : "", to ?: "") < 0 ? NULL : text;
        if (from && to && !str_eq(from, to)) {
                if (asprintf(&text, "%s %s %s", from, screen_arrow(screen), to) < 0)
                        return NULL;
                return text;
        }
        return strdup(to ?: kind ?: "event");
}

char *event_detail(const json_t *event) {
        const char *text = json_str(event, "text"), *kind = json_str(event, "kind"),
                   *command = json_str(event, "command"), *why = json_str(event, "why"),
                   *session = json_str(event, "session");
        cleanup_free_ char *line = NULL;
        char user[USER_TEXT_MAX];
        uint64_t uid;
        size_t size;
        FILE *f = open_memstream(&line, &size);

        if (!f)
                return NULL;
        fputs(text ?: "", f);
        /* Who began a job is told by the act that follows its first state. */
        if (json_u64(event, "uid", &uid) == 0 && !(str_eq(kind, "transition") && !(text && *text))) {
                fprintf(f, "%s(%s", text && *text ? " " : "", user_text(user, (int64_t) uid));
                if (session && *session)
                        fprintf(f, ", session %s", session);
                if (command && *command)
                        fprintf(f, ": %s", command);
                /* The command line mostly says why already. */
                if (why && *why && !(command && strstr(command, why)))
                        fprintf(f, "; %s", why);
                fputc(')', f);
        }
        return fclose(f) == 0 ? TAKE_PTR(line) : NULL;
}

Tone event_tone(const json_t *event) {
        const char *kind = json_str(event, "kind"), *to = json_str(event, "to");

        if (str_eq(kind, "alarm"))
                return TONE_BAD;
        if (str_eq(kind, "transition"))
                return state_tone(to);
        if (str_eq(kind, "verdict"))
                return verdict_tone(to);
        return TONE_PLAIN;
}

static void put_rest(FILE *f, const Screen *screen, const json_t *event, const char *detail, unsigned used) {
        cleanup_free_ char *what = event_what(screen, event);
        unsigned width = screen->width, what_width = text_width(screen, what ?: "");

        bool fits = detail && *detail && (width == 0 || used + WHAT_WIDTH + 2 < width);

        if (what_width < WHAT_WIDTH && fits)
                what_width = WHAT_WIDTH;
        if (width > 0 && used + what_width > width)
                what_width = width > used ? width - used : 1;
        text_put_padded(f, screen, what ?: "", event_tone(event), what_width, false);
        used += what_width + 2;
        if (fits && (width == 0 || used < width)) {
                fputs("  ", f);
                text_put(f, screen, detail, width ? width - used : 0);
        }
        fputc('\n', f);
}

void event_put(FILE *f, const Screen *screen, const json_t *event, unsigned node_width) {
        const char *node = json_str(event, "node");
        cleanup_free_ char *detail = event_detail(event);
        char date[WHEN_TEXT_MAX];
        uint64_t at = 0;
        unsigned used;

        if (screen->width > 0 && node_width > screen->width / 5)
                node_width = screen->width / 5;
        (void) json_u64(event, "at_usec", &at);
        used = (unsigned) fprintf(f, "%s  ", when_date(date, at));
        if (node_width > 0) {
                text_put_padded(f, screen, node && *node ? node : "-", TONE_PLAIN, node_width, false);
                fputs("  ", f);
                used += node_width + 2;
        }
        put_rest(f, screen, event, detail, used);
}

void event_put_brief(FILE *f, const Screen *screen, const json_t *event, const char *own_command) {
        bool own = own_command && str_eq(json_str(event, "command"), own_command);
        cleanup_free_ char *detail = own ? NULL : event_detail(event);
        char clock[WHEN_TEXT_MAX];
        uint64_t at = 0;

        (void) json_u64(event, "at_usec", &at);
        put_rest(f, screen, event, own ? json_str(event, "text") : detail,
                 (unsigned) fprintf(f, "%s  ", when_clock(clock, at)));
}
