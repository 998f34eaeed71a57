#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"

static const char *const kinds[_MESSAGE_MAX] = {
        [MESSAGE_HELLO] = "hello", [MESSAGE_STATUS] = "status", [MESSAGE_PROPOSAL] = "proposal",
        [MESSAGE_VOTE] = "vote",   [MESSAGE_GET] = "get",       [MESSAGE_BLOCKS] = "blocks",
};

/* Copies a string member; false if it is missing or too long. */
static bool take_text(json_t *root, const char *name, char *ret, size_t size) {
        const char *text = json_string_value(json_object_get(root, name));

        return text && snprintf(ret, size, "%s", text) < (int) size;
}

static uint64_t number(json_t *root, const char *name) {
        json_int_t n = json_integer_value(json_object_get(root, name));

        return n < 0 ? 0 : (uint64_t) n;
}

static bool parse_hello(json_t *root, Message *m) {
        return take_text(root, "chain", m->chain, sizeof(m->chain)) &&
               take_text(root, "id", m->id, sizeof(m->id)) &&
               take_text(root, "address", m->address, sizeof(m->address)) &&
               take_text(root, "moniker", m->moniker, sizeof(m->moniker)) &&
               take_text(root, "version", m->version, sizeof(m->version));
}

static bool parse_proposal(json_t *root, Message *m) {
        const char *line = json_string_value(json_object_get(root, "block"));

        m->proposal.round = m->round;
        m->proposal.valid_round = json_integer_value(json_object_get(root, "vr"));
        return line && block_parse(line, &m->proposal.block);
}

static bool parse_vote(json_t *root, Message *m) {
        m->vote.height = m->height;
        m->vote.round = m->round;
        m->vote.step = number(root, "s") == SIGN_PRECOMMIT ? SIGN_PRECOMMIT : SIGN_PREVOTE;
        m->vote.validator = (uint32_t) number(root, "i");
        return take_text(root, "hash", m->vote.hash, sizeof(m->vote.hash));
}

static bool parse_kind(json_t *root, Message *m) {
        switch (m->kind) {
        case MESSAGE_HELLO:
                return parse_hello(root, m);
        case MESSAGE_STATUS:
                return true;
        case MESSAGE_PROPOSAL:
                return parse_proposal(root, m);
        case MESSAGE_VOTE:
                return parse_vote(root, m);
        case MESSAGE_GET:
                m->height = number(root, "from");
                m->count = number(root, "n");
                return true;
        case MESSAGE_BLOCKS:
                m->blocks = json_incref(json_object_get(root, "blocks"));
                return json_is_array(m->blocks);
        case _MESSAGE_MAX:
                break;
        }
        return false;
}

int message_parse(const char *line, size_t len, Message *ret) {
        json_auto_t *root = json_loadb(line, len, 0, NULL);
        const char *kind = json_string_value(json_object_get(root, "t"));
        Message m = { .kind = _MESSAGE_MAX };

        for (int k = 0; kind && k < _MESSAGE_MAX; k++)
                if (strcmp(kinds[k], kind) == 0)
                        m.kind = (MessageKind) k;
        m.height = number(root, "h");
        m.round = (uint32_t) number(root, "r");
        if (m.kind == _MESSAGE_MAX || !parse_kind(root, &m)) {
                message_done(&m);
                return -EINVAL;
        }
        *ret = m;
        return 0;
}

void message_done(Message *m) {
        json_decref(m->blocks);
        m->blocks = NULL;
}

/* Takes @root. */
static char *to_line(json_t *root) {
        cleanup_free_ char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
        char *line = NULL;

        json_decref(root);
        if (text && asprintf(&line, "%s\n", text) < 0)
                return NULL;
        return line;
}

char *message_hello(const char *chain, const char *id, const char *address, const char *moniker,
                    const char *version, uint64_t height) {
        return to_line(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "t", "hello", "chain", chain, "id",
                                 id, "address", address, "moniker", moniker, "version", version, "h",
                                 (json_int_t) height));
}

char *message_status(uint64_t height, uint32_t round) {
        return to_line(json_pack("{s:s, s:I, s:I}", "t", "status", "h", (json_int_t) height, "r",
                                 (json_int_t) round));
}

json_t *message_block(const Block *b) {
        char line[BLOCK_LINE + 1];

        block_format(b, line);
        line[BLOCK_LINE - 1] = '\0';
        return json_string(line);
}

char *message_proposal(uint64_t height, const Proposal *p) {
        return to_line(json_pack("{s:s, s:I, s:I, s:I, s:o}", "t", "proposal", "h", (json_int_t) height, "r",
                                 (json_int_t) p->round, "vr", (json_int_t) p->valid_round, "block",
                                 message_block(&p->block)));
}

char *message_vote(const Vote *v) {
        return to_line(json_pack("{s:s, s:I, s:I, s:i, s:I, s:s}", "t", "vote", "h", (json_int_t) v->height,
                                 "r", (json_int_t) v->round, "s", (int) v->step, "i",
                                 (json_int_t) v->validator, "hash", v->hash));
}

char *message_get(uint64_t from, uint64_t count) {
        return to_line(json_pack("{s:s, s:I, s:I}", "t", "get", "from", (json_int_t) from, "n",
                                 (json_int_t) count));
}

char *message_blocks(json_t *blocks) {
        return to_line(json_pack("{s:s, s:o}", "t", "blocks", "blocks", blocks));
}
