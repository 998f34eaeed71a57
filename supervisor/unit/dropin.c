/*
 * A unit file is a program for PID 1: whatever of the configuration reaches it
 * is quoted, and a character that could end a line is refused here as well,
 * although the parser already did. systemd expands "%" everywhere and takes
 * quotes and backslashes in Environment=, so these are escaped.
 */
#include "unit/dropin.h"
#include "crypto/sha256.h"
#include "util/durable.h"
#include "util/text.h"
#include "muster-build.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define DIGEST_PREFIX "# muster-config-digest: "

static const char *const state_names[_DROPIN_STATE_MAX] = {
        [DROPIN_APPLIED] = "applied",
        [DROPIN_MISSING] = "missing",
        [DROPIN_STALE] = "stale",
        [DROPIN_EDITED] = "edited",
};

static const char *const unit_prefixes[_DROPIN_UNIT_MAX] = {
        [DROPIN_VALIDATOR] = "validator",
        [DROPIN_RESTORE] = "muster-restore",
        [DROPIN_FETCH] = "muster-fetch",
};

const char *dropin_state_to_string(DropinState state) {
        return state_names[state];
}

char *dropin_unit_name(DropinUnit unit, const char *node) {
        char *name;

        return asprintf(&name, "%s@%s.service", unit_prefixes[unit], node) < 0 ? NULL : name;
}

static void put_escaped(FILE *f, const char *value) {
        for (const char *p = value; *p; p++) {
                if (strchr("\"\\", *p))
                        fputc('\\', f);
                else if (*p == '%')
                        fputc('%', f);
                fputc(*p, f);
        }
}

/* Environment="KEY=VALUE" */
static void put_environment(FILE *f, const char *key, const char *value) {
        fprintf(f, "Environment=\"%s=", key);
        put_escaped(f, value);
        fputs("\"\n", f);
}

/* KEY="-PATH": what is not there is no error. */
static void put_path(FILE *f, const char *key, const char *path, const char *below) {
        fprintf(f, "%s=\"-", key);
        put_escaped(f, path);
        fprintf(f, "%s\"\n", below);
}

static void put_duration(FILE *f, const char *key, uint64_t usec) {
        if (usec == UINT64_MAX)
                fprintf(f, "%s=infinity\n", key);
        else if (usec % USEC_PER_SEC == 0)
                fprintf(f, "%s=%" PRIu64 "s\n", key, usec / USEC_PER_SEC);
        else
                fprintf(f, "%s=%" PRIu64 "us\n", key, usec);
}

static void put_limit(FILE *f, const char *key, uint64_t limit) {
        if (limit == UINT64_MAX)
                fprintf(f, "%s=infinity\n", key);
        else
                fprintf(f, "%s=%" PRIu64 "\n", key, limit);
}

static void put_list(FILE *f, const char *key, char *const *list) {
        fprintf(f, "%s=", key);
        STRV_FOREACH (s, list)
                fprintf(f, "%s%s", s == list ? "" : " ", *s);
        fputc('\n', f);
}

/* The patterns, with colons between them. */
static int put_protect(FILE *f, char *const *patterns) {
        cleanup_free_ char *joined = strdup("");

        STRV_FOREACH (p, patterns) {
                char *longer;

                if (!joined || asprintf(&longer, "%s%s%s", joined, *joined ? ":" : "", *p) < 0)
                        return -ENOMEM;
                free(joined);
                joined = longer;
        }
        if (!joined)
                return -ENOMEM;
        put_environment(f, "MUSTER_PROTECT", joined);
        return 0;
}

static void put_common(FILE *f, const NodeConfig *c) {
        fprintf(f, "[Service]\nUser=%s\nGroup=%s\n", c->user, c->user);
        fprintf(f, "ReadWritePaths=" MUSTER_STATEDIR "/nodes/%s/state\n", c->name);
}

static int put_validator(FILE *f, const NodeConfig *c) {
        put_common(f, c);
        fprintf(f, "KillSignal=SIG%s\n", sigabbrev_np(c->stop_signal));
        put_duration(f, "TimeoutStopSec", c->stop_patience);
        if (c->kill)
                fputs("SendSIGKILL=yes\n", f);
        put_duration(f, "RestartSec", c->restart_delay);
        put_limit(f, "LimitNOFILE", c->limit_nofile);
        put_limit(f, "LimitMEMLOCK", c->limit_memlock);
        put_limit(f, "LimitNPROC", c->limit_nproc);
        if (strv_length(c->capabilities) > 0) {
                put_list(f, "AmbientCapabilities", c->capabilities);
                put_list(f, "CapabilityBoundingSet", c->capabilities);
        }
        put_environment(f, "MUSTER_FAMILY", c->family);
        put_environment(f, "MUSTER_ROLE", node_role_to_string(c->role));
        put_environment(f, "MUSTER_SIGNER", node_signer_to_string(c->signer));
        put_environment(f, "MUSTER_DOMAIN", c->chain_id ?: "");
        put_environment(f, "MUSTER_DATA", c->data);
        return put_protect(f, c->protect);
}

static int put_restore(FILE *f, const NodeConfig *c) {
        put_common(f, c);
        return 0;
}

/*
 * What parses the network's bytes may not write the live data, nor what the guard
 * saw. Where the data is a mount point, the snapshot lies inside (snapshot/incoming.h).
 */
static int put_fetch(FILE *f, const NodeConfig *c) {
        put_common(f, c);
        put_path(f, "ReadOnlyPaths", c->data, "");
        fprintf(f, "ReadOnlyPaths=-" MUSTER_STATEDIR "/nodes/%s/state/guard\n", c->name);
        put_path(f, "ReadWritePaths", c->data, "/.muster-incoming");
        return 0;
}

static int render_body(const NodeConfig *config, int (*put)(FILE *f, const NodeConfig *c), char **ret) {
        cleanup_free_ char *body = NULL;
        cleanup_fclose_ FILE *f = NULL;
        size_t size;
        int r;

        f = open_memstream(&body, &size);
        if (!f)
                return -ENOMEM;
        r = put(f, config);
        /* Closing may move the buffer: only then it is ours to hand on. */
        if (fclose(TAKE_PTR(f)) != 0 || r < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(body);
        return 0;
}

static int render(const NodeConfig *config, DropinUnit unit, char **ret) {
        static int (*const put[_DROPIN_UNIT_MAX])(FILE * f, const NodeConfig *c) = {
                [DROPIN_VALIDATOR] = put_validator,
                [DROPIN_RESTORE] = put_restore,
                [DROPIN_FETCH] = put_fetch,
        };
        cleanup_free_ char *body = NULL, *name = dropin_unit_name(unit, config->name);
        char digest[SHA256_HEX_SIZE];
        int r;

        if (!name)
                return -ENOMEM;
        r = render_body(config, put[unit], &body);
        if (r < 0)
                return r;
        r = sha256_buffer_hex(body, strlen(body), digest);
        if (r < 0)
                return r;
        if (asprintf(ret,
                     "# Written by musterctl apply from %s; do not edit: use systemctl edit "
                     "%s\n" DIGEST_PREFIX "%s\n%s",
                     config->path, name, digest, body) < 0)
                return -ENOMEM;
        return 0;
}

/* The parser refuses line ends; a NodeConfig from elsewhere must not write another line of a unit either. */
static bool is_one_line(const char *value) {
        for (; value && *value; value++)
                if ((unsigned char) *value < 0x20 || *value == 0x7f)
                        return false;
        return true;
}

static int check_lines(const NodeConfig *c, Fault *reterr) {
        const char *const values[] = { c->path, c->name, c->user, c->family, c->chain_id, c->data };

        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                if (!is_one_line(values[i]))
                        return fault_set(reterr, -EINVAL, "A value of node '%s' contains a line end",
                                         c->name);
        STRV_FOREACH (p, c->protect)
                if (!is_one_line(*p))
                        return fault_set(reterr, -EINVAL, "protect of node '%s' contains a line end",
                                         c->name);
        return 0;
}

void dropins_done(Dropins *dropins) {
        for (DropinUnit u = 0; u < _DROPIN_UNIT_MAX; u++) {
                free(dropins->text[u]);
                dropins->text[u] = NULL;
        }
}

int dropin_render(const NodeConfig *config, Dropins *ret, Fault *reterr) {
        cleanup_dropins_ Dropins dropins = { 0 };
        int r;

        if (!node_config_is_managed(config))
                return fault_set(reterr, -EINVAL, "Node '%s' observes %s: it has no drop-in", config->name,
                                 config->unit);
        r = check_lines(config, reterr);
        for (DropinUnit u = 0; r >= 0 && u < _DROPIN_UNIT_MAX; u++)
                r = render(config, u, &dropins.text[u]);
        if (r < 0)
                return r;
        *ret = dropins;
        dropins = (Dropins){ 0 };
        return 0;
}

/* What stands below the digest's line, and the digest itself; NULL: there is no such line. */
static const char *dropin_body(const char *text, const char **ret_digest) {
        const char *line = strchr(text, '\n'), *body;

        if (!line || !str_starts(line + 1, DIGEST_PREFIX))
                return NULL;
        *ret_digest = line + 1 + strlen(DIGEST_PREFIX);
        body = *ret_digest + strspn(*ret_digest, "0123456789abcdef");
        return body - *ret_digest == SHA256_HEX_SIZE - 1 && *body == '\n' ? body + 1 : NULL;
}

DropinState dropin_compare(const char *found, size_t found_size, const char *rendered) {
        const char *body, *digest, *wanted, *wanted_digest;
        char actual[SHA256_HEX_SIZE];

        if (!found)
                return DROPIN_MISSING;
        body = dropin_body(found, &digest);
        if (!body || sha256_buffer_hex(body, (size_t) (found + found_size - body), actual) < 0 ||
            memcmp(actual, digest, SHA256_HEX_SIZE - 1) != 0)
                return DROPIN_EDITED;
        wanted = dropin_body(rendered, &wanted_digest);
        return wanted && str_eq(wanted, body) ? DROPIN_APPLIED : DROPIN_STALE;
}

static int check_one(const char *unit_dir, const NodeConfig *config, DropinUnit unit, const char *rendered,
                     DropinState *ret, Fault *reterr) {
        cleanup_free_ char *name = dropin_unit_name(unit, config->name), *path = NULL, *found = NULL;
        size_t size = 0;
        int r;

        if (!name || asprintf(&path, "%s/%s.d/" DROPIN_NAME, unit_dir, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = read_small_file(AT_FDCWD, path, DROPIN_MAX, &found, &size);
        if (r < 0 && r != -ENOENT)
                return fault_errno(reterr, r, "Failed to read '%s'", path);
        *ret = dropin_compare(found, size, rendered);
        return 0;
}

/* Which of two units' states the node's is: an edit hides what a rendering would tell. */
static DropinState worse(DropinState a, DropinState b) {
        static const DropinState order[] = { DROPIN_EDITED, DROPIN_MISSING, DROPIN_STALE };

        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                if (a == order[i] || b == order[i])
                        return order[i];
        return DROPIN_APPLIED;
}

int dropin_check_in(const char *unit_dir, const NodeConfig *config, DropinState *ret, Fault *reterr) {
        cleanup_dropins_ Dropins dropins = { 0 };
        DropinState worst = DROPIN_APPLIED;
        int r;

        r = dropin_render(config, &dropins, reterr);
        for (DropinUnit u = 0; r >= 0 && u < _DROPIN_UNIT_MAX; u++) {
                DropinState state = DROPIN_MISSING;

                r = check_one(unit_dir, config, u, dropins.text[u], &state, reterr);
                if (r >= 0)
                        worst = worse(worst, state);
        }
        if (r < 0)
                return r;
        *ret = worst;
        return 0;
}

int dropin_check(const NodeConfig *config, DropinState *ret, Fault *reterr) {
        return dropin_check_in(MUSTER_UNITDROPINDIR, config, ret, reterr);
}
