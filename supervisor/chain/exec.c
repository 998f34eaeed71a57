/*
 * Any chain, through a script of the operator's (`probe = /path` in the node's
 * configuration). The script is run as a hook by a worker, with MUSTER_NODE and
 * the other hook variables set; it prints one JSON object on its standard
 * output and exits 0:
 *
 *     {
 *       "height": 1204,              number; the only one that must be there: null says unknown
 *       "head_hash": "0xabc...",     text
 *       "head_time": 1763816709,     seconds since 1970
 *       "target": 1300,              where syncing wants to get to
 *       "syncing": false,
 *       "peers": 7,
 *       "version": "toynode 1.2",    what the running node says of itself
 *       "chain_id": "toy-1",         text
 *       "validator": "toyval1...",   our address
 *       "in_council": true,          are we a validator of the current set
 *       "signing": true,             did we sign the newest block that tells
 *       "signed_height": 1203,       the highest height that the chain shows we signed
 *       "blocks_to_proposal": 12     until our next proposal slot
 *     }
 *
 * A member that is absent or null is unknown. A member of another name, of
 * another type, or a negative number makes the whole answer bad: a typo must
 * not read as "unknown" for ever. The text goes to absorb() with status 200;
 * there is nothing to request over HTTP. The chain cannot be asked for the
 * hash at a height, and muster knows none of its files: name keys and signing
 * state in `protect`.
 */
#include "chain/families.h"
#include "chain/jsonrpc.h"
#include "util/text.h"

#include <signal.h>
#include <stddef.h>

#define TEXT_MAX 256

typedef enum MemberType { MEMBER_NUMBER, MEMBER_TEXT, MEMBER_BOOLEAN } MemberType;

typedef struct Member {
        const char *name;
        MemberType type;
        size_t offset;
} Member;

static const Member members[] = {
        { "height", MEMBER_NUMBER, offsetof(ChainSample, height) },
        { "head_hash", MEMBER_TEXT, offsetof(ChainSample, head_hash) },
        { "head_time", MEMBER_NUMBER, offsetof(ChainSample, head_time) },
        { "target", MEMBER_NUMBER, offsetof(ChainSample, target) },
        { "syncing", MEMBER_BOOLEAN, offsetof(ChainSample, syncing) },
        { "peers", MEMBER_NUMBER, offsetof(ChainSample, peers) },
        { "version", MEMBER_TEXT, offsetof(ChainSample, client_version) },
        { "chain_id", MEMBER_TEXT, offsetof(ChainSample, chain_id) },
        { "validator", MEMBER_TEXT, offsetof(ChainSample, validator) },
        { "in_council", MEMBER_BOOLEAN, offsetof(ChainSample, in_council) },
        { "signing", MEMBER_BOOLEAN, offsetof(ChainSample, signing) },
        { "signed_height", MEMBER_NUMBER, offsetof(ChainSample, signed_height) },
        { "blocks_to_proposal", MEMBER_NUMBER, offsetof(ChainSample, blocks_to_proposal) },
};

static int exec_request(const ChainSample *sample, unsigned i, ChainRequest *ret) {
        return 1;
}

static int absorb_number(const char *name, const json_t *value, int64_t *field, Fault *reterr) {
        char buffer[JSONRPC_EXCERPT_MAX];
        json_int_t n = json_integer_value(value);

        if (!json_is_integer(value) || n < 0 || n > CHAIN_NUMBER_MAX)
                return fault_set(reterr, -EBADMSG,
                                 "the probe's \"%s\": expected a whole number from 0 on, or null, got %s",
                                 name, jsonrpc_excerpt(buffer, value));
        *field = n;
        return 0;
}

static int absorb_member(ChainSample *sample, const Member *member, const json_t *value, Fault *reterr) {
        void *field = (char *) sample + member->offset;
        cleanup_free_ char *what = NULL;
        char buffer[JSONRPC_EXCERPT_MAX];

        switch (member->type) {
        case MEMBER_NUMBER:
                return absorb_number(member->name, value, field, reterr);
        case MEMBER_TEXT:
                if (asprintf(&what, "\"%s\"", member->name) < 0) {
                        what = NULL;
                        return -ENOMEM;
                }
                return jsonrpc_text("the probe's answer", what, value, TEXT_MAX, field, reterr);
        case MEMBER_BOOLEAN:
                if (!json_is_boolean(value))
                        return fault_set(reterr, -EBADMSG,
                                         "the probe's \"%s\": expected true, false or null, got %s",
                                         member->name, jsonrpc_excerpt(buffer, value));
                *(Tristate *) field = json_is_true(value) ? TRI_YES : TRI_NO;
                return 0;
        }
        return -EBADMSG;
}

static const Member *member_by_name(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(members); i++)
                if (str_eq(members[i].name, name))
                        return &members[i];
        return NULL;
}

static int absorb_object(ChainSample *sample, json_t *answer, Fault *reterr) {
        char buffer[JSONRPC_EXCERPT_MAX];
        const char *name;
        json_t *value;
        int r;

        if (!json_object_get(answer, "height"))
                return fault_set(
                        reterr, -EBADMSG,
                        "the probe's answer has no \"height\": expected a number, or null if unknown");
        json_object_foreach (answer, name, value) {
                const Member *member = member_by_name(name);

                if (!member)
                        return fault_set(reterr, -EBADMSG,
                                         "the probe's answer has a member \"%s\" that muster does not know",
                                         jsonrpc_excerpt_text(buffer, name));
                if (json_is_null(value))
                        continue;
                r = absorb_member(sample, member, value, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int exec_absorb(ChainSample *sample, unsigned i, int status, const char *body, Fault *reterr) {
        cleanup_sample_ ChainSample fresh;
        cleanup_json_ json_t *answer = NULL;
        char why[JSONRPC_EXCERPT_MAX];
        json_error_t error;
        int r;

        chain_sample_init(&fresh);
        if (body[strspn(body, " \t\r\n")] == '\0')
                return fault_set(reterr, -EBADMSG, "the probe printed nothing: expected one JSON object");
        answer = json_loads(body, JSON_REJECT_DUPLICATES, &error);
        if (!answer)
                return fault_set(reterr, -EBADMSG,
                                 "the probe's output: expected one JSON object: %s (line %d column %d)",
                                 jsonrpc_excerpt_text(why, error.text), error.line, error.column);
        if (!json_is_object(answer))
                return fault_set(reterr, -EBADMSG,
                                 "the probe's output: expected one JSON object, got an array");
        r = absorb_object(&fresh, answer, reterr);
        if (r < 0)
                return r;
        /* Nothing of a bad answer is taken over. */
        fresh.answered = true;
        chain_sample_move(sample, &fresh);
        return 0;
}

static const char *const version_arguments[] = { "--version", NULL };
static const char *const no_files[] = { NULL };

const ChainFamily chain_family_exec = {
        .name = "exec",
        .stop_signal = SIGTERM,
        .stop_patience = 5 * 60 * USEC_PER_SEC,
        .version_arguments = version_arguments,
        .key_files = no_files,
        .state_files = no_files,
        .request = exec_request,
        .absorb = exec_absorb,
};
