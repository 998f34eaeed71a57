#include "health/poll.h"
#include "http/url.h"
#include "util/text.h"

struct Poll {
        const PollTarget *target;
        PollHandler handler;
        void *userdata;
        HttpRequest *request;
        ChainSample sample;
        unsigned i;
        uint64_t deadline;
};

Poll *poll_free(Poll *poll) {
        if (!poll)
                return NULL;
        http_request_free(poll->request);
        chain_sample_done(&poll->sample);
        free(poll);
        return NULL;
}

/* The only exit: reports once; the handler may free @poll. */
static void poll_finish(Poll *poll) {
        poll->sample.at_monotonic = now_monotonic_usec();
        poll->handler(poll, &poll->sample, poll->userdata);
}

/* The first error of a poll is the one that tells. */
static void poll_error(Poll *poll, const char *url, const char *text) {
        if (poll->sample.error)
                return;
        if (!url)
                (void) str_replace(&poll->sample.error, text);
        else if (asprintf(&poll->sample.error, "%s: %s", url, text) < 0)
                poll->sample.error = NULL;
}

int poll_send(HttpClient *client, const char *url, const ChainRequest *request, uint64_t timeout,
              HttpHandler handler, void *userdata, HttpRequest **ret) {
        cleanup_free_ char *joined = url_join(url, request->path);

        if (!joined)
                return -ENOMEM;
        if (request->body)
                return http_post(client, joined, request->body, timeout, handler, userdata, ret);
        return http_get(client, joined, timeout, handler, userdata, ret);
}

static void on_answer(HttpRequest *request, const HttpResponse *response, void *userdata);

/* Begins the next request. 0, 1 when there is none left, -ENOMEM. */
static int poll_next(Poll *poll) {
        uint64_t now = now_monotonic_usec();
        cleanup_request_ ChainRequest request = {};
        int r;

        r = poll->target->family->request(&poll->sample, poll->i, &request);
        if (r != 0)
                return r;
        return poll_send(poll->target->client, poll->target->url, &request,
                         poll->deadline > now ? poll->deadline - now : 1, on_answer, poll, &poll->request);
}

static void on_answer(HttpRequest *request, const HttpResponse *response, void *userdata) {
        cleanup_free_ char *url = NULL;
        cleanup_fault_ Fault fault = {};
        Poll *poll = userdata;
        int r;

        poll->request = NULL;
        if (response->error) {
                /* It would not answer the next one either; what is known by now stays. */
                poll_error(poll, NULL, response->error);
                http_request_free(request);
                poll_finish(poll);
                return;
        }
        url = url_without_password(poll->target->url);
        r = poll->target->family->absorb(&poll->sample, poll->i, response->status, response->body, &fault);
        http_request_free(request);
        if (r < 0)
                poll_error(poll, url, fault_text(&fault, r));
        poll->i++;
        if (r >= 0 || poll->sample.answered)
                r = poll_next(poll);
        if (r == 0)
                return;
        if (r < 0 && poll->sample.answered)
                poll_error(poll, url, strerror(-r));
        poll_finish(poll);
}

int poll_new(Poll **ret, const PollTarget *target, unsigned want, const ChainSample *carry,
             PollHandler handler, void *userdata) {
        cleanup_(poll_freep) Poll *poll = calloc(1, sizeof *poll);
        int r;

        if (!poll)
                return -ENOMEM;
        poll->target = target;
        poll->handler = handler;
        poll->userdata = userdata;
        if (__builtin_add_overflow(now_monotonic_usec(), target->timeout, &poll->deadline))
                poll->deadline = UINT64_MAX;
        chain_sample_init(&poll->sample);
        poll->sample.want = want;
        if (carry && chain_sample_carry(&poll->sample, carry) < 0)
                return -ENOMEM;
        r = poll_next(poll);
        if (r != 0)
                return r > 0 ? -EOPNOTSUPP : r;
        *ret = TAKE_PTR(poll);
        return 0;
}
