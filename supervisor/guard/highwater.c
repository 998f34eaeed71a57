/*
 * A mark only rises. It is replaced by rename, so a crash leaves the old mark
 * or the new one; a reader that cannot understand a mark must refuse, because
 * "no mark" means "anything may be signed".
 */
#include "guard/position.h"
#include "util/durable.h"
#include "util/text.h"

#include <inttypes.h>
#include <sys/stat.h>

#define MAGIC     "muster-highwater/1"
#define MARK_MAX  4096
#define NO_DOMAIN "-"

void highwater_done(Highwater *mark) {
        free(mark->domain);
        mark->domain = NULL;
        mark->position = SIGNING_POSITION_NONE;
}

/* Decimal, or -1 for a part that the chain does not have. */
static int parse_part(const char *text, int64_t *ret) {
        uint64_t value;

        if (str_eq(text, "-1")) {
                *ret = -1;
                return 0;
        }
        if (parse_u64(text, &value) < 0 || value > INT64_MAX)
                return -EINVAL;
        *ret = (int64_t) value;
        return 0;
}

/* Cuts the next line off *@text; NULL when it is missing or not ended by a newline: a truncated mark. */
static char *next_line(char **text) {
        char *line = *text, *end = strchr(line, '\n');

        if (!end)
                return NULL;
        *end = 0;
        *text = end + 1;
        return line;
}

static int parse_mark(char *text, Highwater *mark, const char **ret_expected, unsigned *ret_line) {
        static const char *const keys[] = { "domain: ", "height: ", "round: ", "step: " };
        static const char *const expected[] = { "domain: CHAIN-ID", "height: N", "round: N", "step: N" };
        int64_t *const parts[] = { NULL, &mark->position.height, &mark->position.round,
                                   &mark->position.step };
        char *line = next_line(&text);

        *ret_line = 1;
        *ret_expected = MAGIC;
        if (!line || !str_eq(line, MAGIC))
                return -EBADMSG;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                const char *value;

                *ret_line = (unsigned) i + 2;
                *ret_expected = expected[i];
                line = next_line(&text);
                if (!line || !str_starts(line, keys[i]))
                        return -EBADMSG;
                value = line + strlen(keys[i]);
                if (!parts[i]) {
                        if (!*value)
                                return -EBADMSG;
                        if (!str_eq(value, NO_DOMAIN) && str_replace(&mark->domain, value) < 0)
                                return -ENOMEM;
                } else if (parse_part(value, parts[i]) < 0)
                        return -EBADMSG;
        }
        *ret_line = 3;
        *ret_expected = "the height, which every mark has";
        if (mark->position.height < 0)
                return -EBADMSG;
        *ret_line = 6;
        *ret_expected = "nothing after \"step\"";
        return *text ? -EBADMSG : 0;
}

int highwater_read_at(int dirfd, const char *name, Highwater *ret, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        cleanup_highwater_ Highwater mark = { .position = SIGNING_POSITION_NONE };
        const char *expected;
        unsigned line;
        size_t size;
        int r;

        r = read_small_file(dirfd, name, MARK_MAX, &text, &size);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the signing mark '%s'", name);
        if (strlen(text) != size)
                return fault_set(reterr, -EBADMSG, "The signing mark '%s' has a NUL byte at offset %zu",
                                 name, strlen(text));
        r = parse_mark(text, &mark, &expected, &line);
        if (r == -EBADMSG)
                return fault_set(reterr, r, "The signing mark '%s' is damaged: line %u: expected %s", name,
                                 line, expected);
        if (r < 0)
                return r;
        *ret = mark;
        mark.domain = NULL;
        return 0;
}

int highwater_read(int node_dirfd, Highwater *ret, Fault *reterr) {
        return highwater_read_at(node_dirfd, HIGHWATER_NAME, ret, reterr);
}

int highwater_replace_at(int dirfd, const char *name, const char *domain, const SigningPosition *position,
                         Fault *reterr) {
        cleanup_free_ char *text = NULL;
        int n, r;

        if (domain && strpbrk(domain, "\n\r"))
                return fault_set(reterr, -EINVAL, "The chain id has a line break: expected one line");
        if (position->height < 0)
                return fault_set(reterr, -EINVAL, "A signing mark needs a height");
        n = asprintf(&text,
                     MAGIC "\ndomain: %s\nheight: %" PRId64 "\nround: %" PRId64 "\nstep: %" PRId64 "\n",
                     domain && *domain ? domain : NO_DOMAIN, position->height,
                     position->round < 0 ? -1 : position->round, position->step < 0 ? -1 : position->step);
        if (n < 0)
                return -ENOMEM;
        r = durable_write(dirfd, name, text, (size_t) n, 0644);
        return r < 0 ? fault_errno(reterr, r, "Failed to write the signing mark '%s'", name) : 0;
}

int highwater_raise_at(int dirfd, const char *name, const char *domain, const SigningPosition *position,
                       bool *ret_raised, Fault *reterr) {
        cleanup_highwater_ Highwater old = { .position = SIGNING_POSITION_NONE };
        cleanup_fault_ Fault fault = { 0 };
        bool raise, name_it;
        int r;

        r = highwater_read_at(dirfd, name, &old, &fault);
        if (r < 0 && r != -ENOENT)
                return fault_set(reterr, r, "%s", fault_text(&fault, r));
        if (!signing_domain_matches(old.domain, domain))
                return fault_set(reterr, -EXDEV, "The signing mark '%s' is of chain '%s', not of '%s'", name,
                                 old.domain, domain);
        raise = position->height >= 0 && signing_position_compare(position, &old.position) > 0;
        name_it = r >= 0 && !old.domain && domain && *domain;
        if (raise || name_it) {
                r = highwater_replace_at(dirfd, name, domain && *domain ? domain : old.domain,
                                         raise ? position : &old.position, reterr);
                if (r < 0)
                        return r;
        } else if (r >= 0 && fsync(dirfd) < 0) /* raised by a process that may have died before its fsync */
                return fault_errno(reterr, -errno, "Failed to sync the signing mark '%s'", name);
        if (ret_raised)
                *ret_raised = raise;
        return 0;
}

int highwater_raise(int node_dirfd, const char *domain, const SigningPosition *position, bool *ret_raised,
                    Fault *reterr) {
        return highwater_raise_at(node_dirfd, HIGHWATER_NAME, domain, position, ret_raised, reterr);
}
