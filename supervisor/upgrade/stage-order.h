#pragma once
/*
 * What musterd orders of muster-stage (worker/order.h):
 *
 *     {"job", "verb": "stage", "version": V, "sha256": HEX, "sources": [URL or /path, ...],
 *      "binary": PATH, "arguments": [...], "environment": ["KEY=VALUE", ...],
 *      "signers": TEXT?, "need": N?, "max_size": BYTES?}
 *     {"job", "verb": "discard", "version": V}
 *
 * "binary" is relative to the release. "need" without "signers" is an error;
 * "signers" without "need" needs one.
 */
#include "util/json.h"

typedef struct StageOrder {
        char *version, *sha256, *binary, *signers;
        char **sources, **arguments, **environment;
        uint64_t need, max_size; /* 0: none, the default */
} StageOrder;

/* 0, or -EBADMSG: the fault names the member and what was expected. On failure *ret is untouched. */
int stage_order_parse(const json_t *order, StageOrder *ret, Fault *reterr);
void stage_order_done(StageOrder *order);
