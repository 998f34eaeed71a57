#pragma once
/*
 * One poll of one endpoint: the family's requests one after the other over
 * HttpClient, into a ChainSample. Asynchronous; reports exactly once.
 */
#include "chain/family.h"
#include "http/client.h"

typedef struct Poll Poll;

/*
 * The poll is over. The handler may take the sample with chain_sample_move()
 * and may free the poll; nobody else does. at_monotonic is set, `error` names
 * the endpoint without its password.
 */
typedef void (*PollHandler)(Poll *poll, ChainSample *sample, void *userdata);

/* What to ask and of whom; only read while the poll lives, so the owner keeps it. */
typedef struct PollTarget {
        HttpClient *client;
        const ChainFamily *family;
        const char *url;
        uint64_t timeout; /* microseconds, for the whole of the poll */
} PollTarget;

/*
 * @carry (may be NULL): an earlier sample of the same process, whose fixed facts
 * are taken over. @want: ChainWant bits. -EOPNOTSUPP: the family asks nothing
 * over HTTP; -ENOMEM.
 */
int poll_new(Poll **ret, const PollTarget *target, unsigned want, const ChainSample *carry,
             PollHandler handler, void *userdata);
Poll *poll_free(Poll *poll); /* cancels; returns NULL */
DEFINE_CLEANUP(Poll *, poll_free)

/* Begins one request of a family at an endpoint. 0 or -ENOMEM. */
int poll_send(HttpClient *client, const char *url, const ChainRequest *request, uint64_t timeout,
              HttpHandler handler, void *userdata, HttpRequest **ret);
