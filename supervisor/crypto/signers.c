/*
 * Reads what ssh-keygen reads, refuses what it would silently never match.
 */
#include "crypto/signers.h"
#include "crypto/base64.h"
#include "util/text.h"

#include <inttypes.h>
#include <strings.h>
#include <time.h>

typedef struct Signer {
        SshKey key;
        char *principals;
        char *namespaces;                   /* NULL: all */
        uint64_t valid_after, valid_before; /* seconds; 0: unlimited */
        size_t line;
} Signer;

struct Signers {
        char *name;
        Signer *list;
        size_t n;
};

static void signer_done(Signer *s) {
        ssh_key_done(&s->key);
        free(s->principals);
        free(s->namespaces);
}
#define cleanup_signer_ cleanup_(signer_done)

Signers *signers_free(Signers *signers) {
        if (!signers)
                return NULL;
        for (size_t i = 0; i < signers->n; i++)
                signer_done(&signers->list[i]);
        free(signers->list);
        free(signers->name);
        free(signers);
        return NULL;
}

/* OpenSSH's patterns: '*' any run, '?' any one. Linear in memory, quadratic at worst. */
static bool pattern_matches(const char *pattern, size_t length, const char *s) {
        const char *end = pattern + length, *star = NULL, *resume = NULL;

        while (*s) {
                if (pattern < end && *pattern == '*') {
                        star = ++pattern;
                        resume = s;
                } else if (pattern < end && (*pattern == '?' || *pattern == *s)) {
                        pattern++;
                        s++;
                } else if (star) {
                        pattern = star;
                        s = ++resume;
                } else
                        return false;
        }
        while (pattern < end && *pattern == '*')
                pattern++;
        return pattern == end;
}

/* Comma-separated; a match of a "!pattern" forbids whatever else matches. */
static bool pattern_list_matches(const char *list, const char *s) {
        bool matched = false;

        for (;;) {
                size_t n = strcspn(list, ",");
                bool negated = *list == '!';

                if (pattern_matches(list + negated, n - negated, s)) {
                        if (negated)
                                return false;
                        matched = true;
                }
                if (!list[n])
                        return matched;
                list += n + 1;
        }
}

/* "word", or "quoted words" with \" inside; advances *p behind it. -EBADMSG for an open quote or nothing. */
static int take_quoted(const char **p, char **ret) {
        cleanup_free_ char *out = malloc(strlen(*p) + 1);
        const char *s = *p + 1;
        size_t n = 0;

        if (!out)
                return -ENOMEM;
        if (**p != '"')
                return -EBADMSG;
        while (*s && *s != '"') {
                if (s[0] == '\\' && s[1] == '"')
                        s++;
                out[n++] = *s++;
        }
        if (*s != '"' || n == 0)
                return -EBADMSG;
        out[n] = 0;
        *p = s + 1;
        *ret = TAKE_PTR(out);
        return 0;
}

/* YYYYMMDD[HHMM[SS]][Z]; local time without Z, as ssh-keygen has it. */
static int parse_time(const char *s, uint64_t *ret) {
        static const char *const formats[] = { [8] = "%Y%m%d", [12] = "%Y%m%d%H%M", [14] = "%Y%m%d%H%M%S" };
        size_t digits = strspn(s, "0123456789");
        cleanup_free_ char *text = NULL;
        struct tm tm = { .tm_isdst = -1 };
        const char *end;
        time_t t;
        bool utc;

        utc = str_eq(s + digits, "Z") || str_eq(s + digits, "z");
        if (digits >= ELEMENTSOF(formats) || !formats[digits] || (s[digits] && !utc))
                return -EINVAL;
        text = strndup(s, digits);
        if (!text)
                return -ENOMEM;
        end = strptime(text, formats[digits], &tm);
        if (!end || *end)
                return -EINVAL;
        t = utc ? timegm(&tm) : mktime(&tm);
        if (t <= 0)
                return -EINVAL;
        *ret = (uint64_t) t;
        return 0;
}

static int take_time(const char **p, uint64_t *ret) {
        cleanup_free_ char *text = NULL;
        int r;

        if (*ret != 0)
                return -EBADMSG;
        r = take_quoted(p, &text);
        return r >= 0 ? parse_time(text, ret) : r;
}

static bool take_option(const char **p, const char *name) {
        size_t n = strlen(name);

        if (strncasecmp(*p, name, n) != 0 || (*p)[n] != '=')
                return false;
        *p += n + 1;
        return true;
}

/* Returns NULL, or what was expected. */
static const char *parse_options(const char **p, Signer *s) {
        for (;;) {
                if (take_option(p, "namespaces")) {
                        if (s->namespaces || take_quoted(p, &s->namespaces) < 0)
                                return "namespaces=\"LIST\" once";
                } else if (take_option(p, "valid-after")) {
                        if (take_time(p, &s->valid_after) < 0)
                                return "valid-after=\"YYYYMMDD[HHMM[SS]][Z]\" once";
                } else if (take_option(p, "valid-before")) {
                        if (take_time(p, &s->valid_before) < 0)
                                return "valid-before=\"YYYYMMDD[HHMM[SS]][Z]\" once";
                } else if (strncasecmp(*p, "cert-authority", strlen("cert-authority")) == 0)
                        return "a key itself: certificates (cert-authority) are not supported";
                else
                        return "a key type or the options namespaces=, valid-after=, valid-before=";
                if (**p != ',')
                        break;
                (*p)++;
        }
        if (**p != ' ' && **p != '\t')
                return "a blank after the options";
        *p += strspn(*p, " \t");
        return s->valid_after && s->valid_before && s->valid_before <= s->valid_after
                       ? "valid-before later than valid-after"
                       : NULL;
}

static bool is_key_type(const char *word, size_t length) {
        for (SshKeyType t = 0; t < _SSH_KEY_TYPE_MAX; t++)
                if (strlen(ssh_key_type_to_string(t)) == length &&
                    memcmp(word, ssh_key_type_to_string(t), length) == 0)
                        return true;
        return false;
}

static bool is_foreign_key_type(const char *word) {
        return str_starts(word, "ssh-") || str_starts(word, "ecdsa-") || str_starts(word, "sk-");
}

/* KEYTYPE BASE64 [COMMENT]; the type inside the base64 must be the one that is named. */
static int parse_key(const char *p, Signer *s, Fault *reterr) {
        size_t type_length = strcspn(p, " \t"), length;
        cleanup_free_ uint8_t *blob = NULL;
        const char *type = p;
        size_t size;
        int r;

        if (!is_key_type(type, type_length))
                return fault_set(reterr, -EBADMSG, "key type '%.*s' is not supported: expected %s or %s",
                                 (int) (type_length < 40 ? type_length : 40), type,
                                 ssh_key_type_to_string(SSH_KEY_ED25519),
                                 ssh_key_type_to_string(SSH_KEY_SK_ED25519));
        p += type_length + strspn(p + type_length, " \t");
        length = strcspn(p, " \t");
        r = base64_decode(p, length, &blob, &size);
        if (r < 0)
                return fault_set(reterr, r, "expected the public key in base64 after '%.*s'",
                                 (int) type_length, type);
        r = ssh_key_parse(blob, size, &s->key, reterr);
        if (r < 0)
                return r == -ENOTSUP ? -EBADMSG : r;
        if (strncmp(ssh_key_type_to_string(s->key.type), type, type_length) != 0)
                return fault_set(reterr, -EBADMSG, "the key is of type %s, the line says %.*s",
                                 ssh_key_type_to_string(s->key.type), (int) type_length, type);
        return 0;
}

static int parse_line(const char *p, Signer *s, Fault *reterr) {
        const char *expected;
        size_t n;
        int r;

        if (*p == '"') {
                r = take_quoted(&p, &s->principals);
                if (r < 0)
                        return fault_set(reterr, r, "expected a closing quote after the principals");
        } else {
                n = strcspn(p, " \t");
                s->principals = strndup(p, n);
                if (!s->principals)
                        return -ENOMEM;
                p += n;
        }
        n = strspn(p, " \t");
        if (n == 0)
                return fault_set(reterr, -EBADMSG, "expected PRINCIPALS [OPTIONS] KEYTYPE BASE64");
        p += n;
        if (!is_key_type(p, strcspn(p, " \t")) && !is_foreign_key_type(p)) {
                expected = parse_options(&p, s);
                if (expected)
                        return fault_set(reterr, -EBADMSG, "expected %s", expected);
        }
        return parse_key(p, s, reterr);
}

static int signers_add(Signers *signers, const char *line, size_t number, Fault *reterr) {
        cleanup_signer_ Signer s = { .line = number };
        Signer *larger;
        int r;

        r = parse_line(line, &s, reterr);
        if (r < 0)
                return fault_prefix(reterr, r, "%s:%zu", signers->name, number);
        larger = reallocarray(signers->list, signers->n + 1, sizeof *larger);
        if (!larger)
                return -ENOMEM;
        signers->list = larger;
        signers->list[signers->n++] = s;
        s = (Signer){ 0 };
        return 0;
}

int signers_parse(const char *text, const char *name, Signers **ret, Fault *reterr) {
        cleanup_(signers_freep) Signers *signers = calloc(1, sizeof *signers);
        size_t number = 0;
        int r;

        if (!signers)
                return -ENOMEM;
        signers->name = strdup(name);
        if (!signers->name)
                return -ENOMEM;
        if (strlen(text) > SIGNERS_MAX)
                return fault_set(reterr, -EBADMSG, "%s: longer than %d bytes", name, SIGNERS_MAX);
        while (*text) {
                size_t n = strcspn(text, "\n"), end = n;
                cleanup_free_ char *line = NULL;
                const char *p;

                number++;
                while (end > 0 && strchr(" \t\r", text[end - 1]))
                        end--;
                line = strndup(text, end);
                if (!line)
                        return -ENOMEM;
                text += n + (text[n] == '\n');
                p = line + strspn(line, " \t");
                if (!*p || *p == '#')
                        continue;
                r = signers_add(signers, p, number, reterr);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(signers);
        return 0;
}

int signers_find(const Signers *signers, const SshKey *key, const char *namespace, uint64_t now_sec,
                 const char **ret_principals, Fault *reterr) {
        char fingerprint[SSH_FINGERPRINT_MAX];
        bool found = false;
        int r;

        for (size_t i = 0; i < signers->n; i++) {
                const Signer *s = &signers->list[i];

                if (!ssh_key_equal(&s->key, key))
                        continue;
                found = true;
                if (s->namespaces && !pattern_list_matches(s->namespaces, namespace))
                        fault_set(reterr, 0, "%s:%zu: the key of %s may not sign for namespace '%s'",
                                  signers->name, s->line, s->principals, namespace);
                else if (s->valid_after && now_sec < s->valid_after)
                        fault_set(reterr, 0, "%s:%zu: the key of %s is not valid yet", signers->name,
                                  s->line, s->principals);
                else if (s->valid_before && now_sec > s->valid_before)
                        fault_set(reterr, 0, "%s:%zu: the key of %s is no longer valid", signers->name,
                                  s->line, s->principals);
                else {
                        *ret_principals = s->principals;
                        return 0;
                }
        }
        if (found)
                return SIGNERS_E_REFUSED;
        r = ssh_key_fingerprint(key, fingerprint);
        if (r < 0)
                return r;
        return fault_set(reterr, SIGNERS_E_UNKNOWN, "key %s is not in %s", fingerprint, signers->name);
}

size_t signers_count(const Signers *signers) {
        size_t count = 0;

        for (size_t i = 0; i < signers->n; i++) {
                bool seen = false;

                for (size_t j = 0; j < i && !seen; j++)
                        seen = memcmp(signers->list[i].key.point, signers->list[j].key.point,
                                      SSH_ED25519_SIZE) == 0;
                count += !seen;
        }
        return count;
}
