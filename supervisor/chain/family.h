#pragma once
/*
 * A chain family: how to ask a node what it does, and which of its files must
 * never go back or leave. One const struct a family (evm.c, klaytn.c,
 * cometbft.c, exec.c); pure: requests and answers are text, http/ carries them.
 */
#include "chain/sample.h"
#include "guard/check.h"
#include "util/fault.h"

/* One request. @path is appended to the RPC URL; @body NULL: GET, else POST as application/json. */
typedef struct ChainRequest {
        char *path;
        char *body;
} ChainRequest;

void chain_request_done(ChainRequest *request);
#define cleanup_request_ cleanup_(chain_request_done)

typedef struct ChainFamily {
        const char *name;
        int stop_signal;
        uint64_t stop_patience;               /* microseconds */
        const char *const *version_arguments; /* NULL-terminated */
        const char *const *key_files;         /* relative to the data directory; globs; NULL-terminated */
        /* Those of key_files that do nothing but sign blocks: being there means "may sign". NULL: names
         * cannot tell. */
        const char *const *consensus_key_files;
        const char *const
                *state_files; /* signing state, likewise; the first one is what parse_position reads */

        /*
         * What else is this node's own in its data directory, its configuration above
         * all: no snapshot brings or takes it. Patterns likewise; NULL: nothing.
         */
        const char *const *own_files;

        /*
         * The poll's @i-th request; 0 begins the sequence. 0, or 1 when there are no
         * more, -ENOMEM. Later requests depend on what @sample holds by now. Every
         * request is answered by absorb() before the next one is asked for; one that
         * could not be carried at all ends the poll.
         */
        int (*request)(const ChainSample *sample, unsigned i, ChainRequest *ret);

        /*
         * Takes the answer to request @i. @status is the HTTP status, @body NUL-terminated.
         * 0, or -EBADMSG with what was expected: then the fields stay unknown. A method
         * that the node has switched off leaves its fields unknown and is no error,
         * except for the head, without which there is nothing to go by.
         */
        int (*absorb)(ChainSample *sample, unsigned i, int status, const char *body, Fault *reterr);

        /*
         * Asking for the hash at a height, to compare with references; NULL where the chain
         * cannot tell. @sample is the newest one of the endpoint that will be asked.
         */
        int (*request_hash)(const ChainSample *sample, int64_t height, ChainRequest *ret);
        int (*absorb_hash)(int status, const char *body, char **ret_hash, Fault *reterr);

        /* Reads a signing-state file's text. NULL where the family has none. -EBADMSG with what was
         * expected. */
        int (*parse_position)(const char *text, SigningPosition *ret, Fault *reterr);
} ChainFamily;

/* NULL for a name that is no family. */
const ChainFamily *chain_family_by_name(const char *name);

/* Sets the four members of @subject that are the family's. */
void chain_family_subject(const ChainFamily *family, GuardSubject *subject);

/* All of them, NULL-terminated. */
const ChainFamily *const *chain_families(void);

/*
 * What a snapshot must neither bring to a node nor take from it: keys, signing
 * state, what else is its own, and the @operators patterns (may be NULL). Owned strv.
 */
int chain_family_protect(const ChainFamily *family, char *const *operators, char ***ret);

/* "evm, klaytn, cometbft, exec": for error messages. */
const char *chain_family_names(void);
