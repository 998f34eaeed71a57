#include "http/ask.h"
#include "http/client.h"
#include "util/text.h"

typedef struct Asked {
        bool done;
        int r;
        HttpAnswer *answer;
        Fault *reterr;
} Asked;

void http_answer_done(HttpAnswer *answer) {
        free(answer->body);
        *answer = (HttpAnswer){ 0 };
}

static void on_answer(HttpRequest *request, const HttpResponse *response, void *userdata) {
        Asked *asked = userdata;
        char *body;

        asked->done = true;
        if (response->error) {
                asked->r = fault_set(asked->reterr, -EREMOTEIO, "%s", response->error);
                return;
        }
        body = malloc(response->size + 1);
        if (!body) {
                asked->r = -ENOMEM;
                return;
        }
        memcpy(body, response->body, response->size + 1);
        *asked->answer = (HttpAnswer){ .status = response->status, .body = body, .size = response->size };
}

int http_ask(const char *url, const char *body, uint64_t timeout_usec, HttpAnswer *ret, Fault *reterr) {
        cleanup_(sd_event_unrefp) sd_event *event = NULL;
        cleanup_(http_client_freep) HttpClient *client = NULL; /* goes before its event */
        Asked asked = { .answer = ret, .reterr = reterr };
        int r;

        r = sd_event_new(&event);
        if (r >= 0)
                r = http_client_new(&client, event);
        if (r >= 0)
                r = body ? http_post(client, url, body, timeout_usec, on_answer, &asked, NULL)
                         : http_get(client, url, timeout_usec, on_answer, &asked, NULL);
        while (r >= 0 && !asked.done)
                r = sd_event_run(event, UINT64_MAX);
        return r < 0 ? fault_errno(reterr, r, "Failed to ask over HTTP") : asked.r;
}
