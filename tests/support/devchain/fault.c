#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "durable.h"
#include "log.h"

/* Tests, trailers and control files use these: append only. */
static const char *const names[_FAULT_MAX] = {
        [FAULT_NO_START] = "no-start",
        [FAULT_CRASH] = "crash",
        [FAULT_HALT] = "halt",
        [FAULT_STALL] = "stall",
        [FAULT_FORK] = "fork",
        [FAULT_SLOW_START] = "slow-start",
        [FAULT_SLOW_SYNC] = "slow-sync",
        [FAULT_SLOW_STOP] = "slow-stop",
        [FAULT_IGNORE_SIGTERM] = "ignore-sigterm",
        [FAULT_RPC_SILENT] = "rpc-silent",
        [FAULT_RPC_GARBAGE] = "rpc-garbage",
        [FAULT_RPC_REFUSE] = "rpc-refuse",
        [FAULT_RPC_SLOW] = "rpc-slow",
        [FAULT_NO_PEERS] = "no-peers",
        [FAULT_NO_SIGN] = "no-sign",
        [FAULT_ORPHAN] = "orphan",
        [FAULT_BAD_VERSION] = "bad-version",
        [FAULT_EAT_SIGNING_STATE] = "eat-signing-state",
};

static int kind_from_name(const char *name, size_t len) {
        for (int k = 0; k < _FAULT_MAX; k++)
                if (strlen(names[k]) == len && strncmp(names[k], name, len) == 0)
                        return k;
        return -EINVAL;
}

static int parse_word(FaultSet *set, const char *word) {
        FaultRule rule = { .mention = FAULT_ON };
        const char *name = word, *p;
        char *end = NULL;
        int kind;

        if (strcmp(word, "none") == 0) {
                *set = (FaultSet){ .none = true, .since_ms = set->since_ms };
                return 0;
        }
        if (*word == '-') {
                rule.mention = FAULT_OFF;
                name++;
        }
        p = name + strcspn(name, "@+=");
        kind = kind_from_name(name, (size_t) (p - name));
        if (kind < 0)
                return kind;

        if (*p == '@') {
                rule.height = strtoull(p + 1, &end, 10);
                if (end == p + 1)
                        return -EINVAL;
                p = end;
        }
        if (*p == '+') {
                rule.after_ms = (uint64_t) (strtod(p + 1, &end) * 1000);
                if (end == p + 1)
                        return -EINVAL;
                p = end;
        }
        if (*p == '=') {
                if (snprintf(rule.arg, sizeof(rule.arg), "%s", p + 1) >= (int) sizeof(rule.arg))
                        return -EINVAL;
        } else if (*p)
                return -EINVAL;
        set->rules[kind] = rule;
        return 0;
}

/* Blanks out "# ..." until the end of each line. */
static void strip_comments(char *text) {
        for (char *p = strchr(text, '#'); p; p = strchr(p, '#'))
                while (*p && *p != '\n')
                        *p++ = ' ';
}

int faults_set(Faults *f, FaultSource source, const char *text, uint64_t now_ms, char *ret_bad) {
        cleanup_free_ char *copy = strdup(text);
        FaultSet set = { .since_ms = now_ms };
        char *save = NULL;
        int r = 0;

        if (!copy)
                return -ENOMEM;
        strip_comments(copy);
        for (char *word = strtok_r(copy, ", \t\r\n", &save); word && r == 0;
             word = strtok_r(NULL, ", \t\r\n", &save)) {
                r = parse_word(&set, word);
                if (r < 0)
                        snprintf(ret_bad, 64, "%s", word);
        }
        f->sets[source] = set;
        return r;
}

void faults_reload(Faults *f, uint64_t now_ms) {
        cleanup_free_ char *text = NULL;
        char bad[64], *p;

        if (!f->control_path[0])
                return;
        if (durable_read(f->control_path, &text) < 0)
                text = NULL;
        if (strcmp(text ?: "", f->control_text ?: "") == 0)
                return;

        if (faults_set(f, FAULT_SOURCE_CONTROL, text ?: "", now_ms, bad) < 0)
                log_error("Failed to read '%s': unknown fault '%s', ignoring it and the rest",
                          f->control_path, bad);
        free(f->control_text);
        f->control_text = TAKE_PTR(text);

        text = f->control_text ? strdup(f->control_text) : NULL;
        for (p = text; p && *p; p++)
                if (*p == '\n')
                        *p = ' ';
        log_info("control file now says: %s", text ?: "nothing");
}

void faults_done(Faults *f) {
        free(f->control_text);
        f->control_text = NULL;
}

const FaultRule *faults_active(const Faults *f, FaultKind kind, uint64_t height, uint64_t now_ms) {
        for (int s = _FAULT_SOURCE_MAX - 1; s >= 0; s--) {
                const FaultSet *set = &f->sets[s];
                const FaultRule *rule = &set->rules[kind];

                if (rule->mention == FAULT_ON)
                        return height >= rule->height && now_ms >= set->since_ms + rule->after_ms ? rule
                                                                                                  : NULL;
                if (rule->mention == FAULT_OFF || set->none)
                        return NULL;
        }
        return NULL;
}

uint64_t fault_number(const FaultRule *rule, uint64_t otherwise) {
        char *end = NULL;
        uint64_t n = strtoull(rule->arg, &end, 10);

        return end == rule->arg ? otherwise : n;
}

void faults_print_names(void) {
        for (int k = 0; k < _FAULT_MAX; k++)
                printf("  %s\n", names[k]);
}
