#pragma once
/*
 * One request that is waited for: http/client.h and all that it promises, for
 * workers, which may block.
 */
#include <stddef.h>
#include <stdint.h>
#include "util/fault.h"

typedef struct HttpAnswer {
        int status; /* HTTP status */
        char *body; /* owned, NUL-terminated, at most HTTP_BODY_MAX bytes */
        size_t size;
} HttpAnswer;

void http_answer_done(HttpAnswer *answer);
#define cleanup_http_answer_ cleanup_(http_answer_done)

/*
 * GET, or POST of @body as application/json unless that is NULL. -EREMOTEIO:
 * no answer within @timeout_usec, or none to be understood; the fault says why
 * and names the URL without its password. Other -errno: ours.
 */
int http_ask(const char *url, const char *body, uint64_t timeout_usec, HttpAnswer *ret, Fault *reterr);
