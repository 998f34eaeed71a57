/*
 * Answers of nodes, of their proxies and of liars on every step of every chain
 * family: whatever comes, the sample stays within what the rest of muster
 * relies on, and what is refused is refused with words. The first byte picks
 * the family, the second the step, the third the HTTP status; the rest is the
 * body.
 */
#include "chain/family.h"
#include "chain/jsonrpc.h"
#include "util/text.h"

#include <assert.h>

static const char *const names[] = { "evm", "klaytn", "cometbft", "exec" };
static const int statuses[] = { 200, 404, 500 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_number(int64_t n) {
        assert(n >= CHAIN_UNKNOWN && n <= CHAIN_NUMBER_MAX);
}

static void check_text(const char *text) {
        for (; text && *text; text++)
                assert(*text >= ' ' && *text < 0x7f);
}

static void check_sample(const ChainSample *s) {
        check_number(s->height);
        check_number(s->target);
        check_number(s->peers);
        check_number(s->signed_height);
        check_number(s->blocks_to_proposal);
        assert(s->head_time >= CHAIN_UNKNOWN);
        assert(s->syncing >= TRI_UNKNOWN && s->syncing <= TRI_YES);
        assert(s->in_council >= TRI_UNKNOWN && s->in_council <= TRI_YES);
        assert(s->signing >= TRI_UNKNOWN && s->signing <= TRI_YES);
        check_text(s->head_hash);
        check_text(s->chain_id);
        check_text(s->client_version);
        check_text(s->validator);
}

static void fuzz_step(const ChainFamily *family, unsigned step, int status, const char *body) {
        cleanup_request_ ChainRequest request = {};
        cleanup_fault_ Fault fault = {};
        cleanup_sample_ ChainSample s;
        int r;

        chain_sample_init(&s);
        if (step > 0) { /* as if the steps before it had gone well */
                s.answered = true;
                s.height = 1204;
                s.head_transactions = step & 1 ? 3 : 3000;
                s.in_council = TRI_YES;
                assert(str_replace(&s.validator, step & 1
                                                         ? "0x52d41ca72af615a1ac3301b0a93efa222ecc7541"
                                                         : "A6D1AC5C0B58DC3B3DC1FF1E5E5D1C2F6B5A4E30") == 0);
                s.cursor = step;
        }
        r = family->request(&s, step, &request);
        assert(r == 0 || r == 1);
        if (r == 1 && family->request_hash)
                return;
        r = family->absorb(&s, step, status, body, &fault);
        assert(r == 0 || r == -EBADMSG);
        assert(r == 0 || fault.text);
        check_text(fault.text);
        check_sample(&s);
        assert(s.answered || s.height == CHAIN_UNKNOWN);
        if (step > 0 && family->request_hash)
                assert(s.height == 1204); /* only the head tells the head */
}

static void fuzz_rest(const ChainFamily *family, int status, const char *body) {
        SigningPosition position = SIGNING_POSITION_NONE;
        cleanup_free_ char *hash = NULL;
        cleanup_fault_ Fault fault = {};

        if (family->absorb_hash) {
                int r = family->absorb_hash(status, body, &hash, NULL);

                assert((r == 0) == (hash != NULL));
                check_text(hash);
        }
        if (family->parse_position) {
                int r = family->parse_position(body, &position, &fault);

                assert(r == 0 || fault.text);
                assert((r == 0) == (position.height >= 0 && position.round >= 0 && position.step >= 0));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const ChainFamily *family;
        cleanup_free_ char *body = NULL;
        int status;

        if (size < 3)
                return 0;
        family = chain_family_by_name(names[data[0] % ELEMENTSOF(names)]);
        status = statuses[data[2] % ELEMENTSOF(statuses)];
        body = strndup((const char *) data + 3, size - 3);
        if (!body)
                return 0;
        fuzz_step(family, data[1] % 12, status, body);
        fuzz_rest(family, status, body);
        return 0;
}
