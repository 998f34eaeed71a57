/*
 * libcurl tells which sockets and which timeout it waits for; those become
 * sd-event sources. Whatever happens on one of them is passed back, and then
 * finished transfers are collected. Handlers run only there, outside of
 * libcurl's own callbacks, which is why they may free what they like.
 *
 * A handler may free the client: the dispatch holds a reference of its own.
 */
#include "http/client.h"
#include "http/url.h"
#include "util/text.h"
#include "muster-build.h"

#include <assert.h>
#include <curl/curl.h>
#include <sys/epoll.h>

#define HEADER_MAX      (64 * 1024)
#define BUFFER_SIZE     (16 * 1024L)
#define CONNECTIONS_MAX 16L

struct HttpClient {
        unsigned n_ref;
        sd_event *event;
        CURLM *multi;
        sd_event_source *timer;
        struct curl_slist *headers; /* of a POST */
        HttpRequest *requests;      /* under way */
};

struct HttpRequest {
        HttpClient *client; /* NULL once it is over or cancelled */
        HttpRequest *next, *previous;
        CURL *easy;
        HttpHandler handler;
        void *userdata;
        bool floating; /* nobody holds it: freed after its handler */
        uint64_t timeout_usec;
        char *url; /* for messages */
        char *body;
        size_t size, allocated;
        size_t header_size;
        bool body_too_large, headers_too_large;
        char error[CURL_ERROR_SIZE];
};

static HttpClient *client_unref(HttpClient *client) {
        assert(client->n_ref > 0);
        if (--client->n_ref > 0)
                return NULL;
        if (client->multi)
                (void) curl_multi_cleanup(client->multi); /* may still call back: the rest must be there */
        sd_event_source_disable_unref(client->timer);
        curl_slist_free_all(client->headers);
        sd_event_unref(client->event);
        free(client);
        return NULL;
}

DEFINE_CLEANUP(HttpClient *, client_unref)

/* Takes the request out of libcurl and out of the client's list. */
static void request_detach(HttpRequest *request) {
        HttpClient *client = TAKE_PTR(request->client);

        if (!client)
                return;
        if (request->previous)
                request->previous->next = request->next;
        else
                client->requests = request->next;
        if (request->next)
                request->next->previous = request->previous;
        request->next = request->previous = NULL;
        (void) curl_multi_remove_handle(client->multi, request->easy);
        curl_easy_cleanup(TAKE_PTR(request->easy));
        client_unref(client);
}

HttpRequest *http_request_free(HttpRequest *request) {
        if (!request)
                return NULL;
        request_detach(request);
        if (request->easy)
                curl_easy_cleanup(request->easy);
        free(request->url);
        free(request->body);
        free(request);
        return NULL;
}

HttpClient *http_client_free(HttpClient *client) {
        if (!client)
                return NULL;
        while (client->requests) {
                HttpRequest *request = client->requests;
                bool floating = request->floating;

                request->handler = NULL;
                request_detach(request);
                if (floating)
                        http_request_free(request);
        }
        return client_unref(client);
}

static const char *why_too_large(const HttpRequest *request, char buffer[static SIZE_TEXT_MAX]) {
        return format_size(buffer, request->headers_too_large ? HEADER_MAX : HTTP_BODY_MAX);
}

/* What went wrong, in words; owned. */
static char *request_error(const HttpRequest *request, CURLcode code) {
        const char *why = request->error[0] ? request->error : curl_easy_strerror(code);
        char size[SIZE_TEXT_MAX], time[DURATION_TEXT_MAX];
        curl_off_t connected = 0;
        char *text = NULL;
        int r;

        if (request->headers_too_large || request->body_too_large)
                r = asprintf(&text, "%s: the answer's %s more than %s and was cut off", request->url,
                             request->headers_too_large ? "headers are" : "body is",
                             why_too_large(request, size));
        else if (code == CURLE_OPERATION_TIMEDOUT) {
                (void) curl_easy_getinfo(request->easy, CURLINFO_CONNECT_TIME_T, &connected);
                format_duration(time, request->timeout_usec);
                if (connected == 0)
                        r = asprintf(&text, "%s: no connection within %s", request->url, time);
                else if (request->size == 0)
                        r = asprintf(&text, "%s: connected, but no answer within %s", request->url, time);
                else
                        r = asprintf(&text, "%s: the answer was not complete after %s (%s had come)",
                                     request->url, time, format_size(size, request->size));
        } else
                r = asprintf(&text, "%s: %s", request->url, why);
        return r < 0 ? NULL : text;
}

/* The only way to a handler: out of libcurl first, then called once. */
static void request_finish(HttpRequest *request, CURLcode code) {
        HttpHandler handler = TAKE_PTR(request->handler);
        HttpResponse response = { .body = "" };
        cleanup_free_ char *error = NULL, *body = NULL;
        bool floating = request->floating;
        long status = 0;

        if (code == CURLE_OK) {
                (void) curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
                response.status = (int) status;
                response.size = request->size;
                body = TAKE_PTR(request->body);
                response.body = body ?: "";
        } else {
                error = request_error(request, code);
                response.error = error ?: "out of memory";
        }
        request_detach(request);
        if (handler)
                handler(request, &response, request->userdata);
        if (floating)
                http_request_free(request);
}

/* The first transfer that is done; a handler may have changed the rest, so libcurl is asked anew each time.
 */
static bool client_finish_one(HttpClient *client) {
        HttpRequest *request = NULL;
        CURLMsg *message;
        CURLcode code;
        int left;

        message = curl_multi_info_read(client->multi, &left);
        if (!message)
                return false;
        if (message->msg != CURLMSG_DONE)
                return true;
        code = message->data.result; /* the message goes with the handle */
        (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &request);
        request_finish(request, code);
        return true;
}

static int client_dispatch(HttpClient *client, curl_socket_t fd, int events) {
        _unused_ cleanup_(client_unrefp) HttpClient *held = client;
        int running;

        client->n_ref++;
        (void) curl_multi_socket_action(client->multi, fd, events, &running);
        while (client_finish_one(client))
                ;
        return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        int events = 0;

        if (revents & (EPOLLIN | EPOLLHUP))
                events |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                events |= CURL_CSELECT_OUT;
        if (revents & EPOLLERR)
                events |= CURL_CSELECT_ERR;
        return client_dispatch(userdata, fd, events);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        return client_dispatch(userdata, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl: watch this socket so, from now on. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data) {
        sd_event_source *source = socket_data;
        HttpClient *client = userdata;
        uint32_t events = 0;

        if (what == CURL_POLL_REMOVE) {
                sd_event_source_disable_unref(source);
                (void) curl_multi_assign(client->multi, fd, NULL);
                return 0;
        }
        if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
                events |= EPOLLIN;
        if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
                events |= EPOLLOUT;
        if (source)
                return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
        if (sd_event_add_io(client->event, &source, fd, events, on_io, client) < 0)
                return -1;
        (void) sd_event_source_set_description(source, "http-socket");
        (void) curl_multi_assign(client->multi, fd, source);
        return 0;
}

/* libcurl: call me in this many milliseconds; -1: not at all. */
static int on_curl_timer(CURLM *multi, long timeout_ms, void *userdata) {
        HttpClient *client = userdata;

        if (timeout_ms < 0)
                return sd_event_source_set_enabled(client->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        if (sd_event_source_set_time_relative(client->timer, (uint64_t) timeout_ms * USEC_PER_MSEC) < 0)
                return -1;
        return sd_event_source_set_enabled(client->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

int http_client_new(HttpClient **ret, sd_event *event) {
        cleanup_(client_unrefp) HttpClient *client = calloc(1, sizeof *client);
        struct curl_slist *more;
        int r;

        if (!client)
                return -ENOMEM;
        client->n_ref = 1;
        client->event = sd_event_ref(event);
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        client->headers = curl_slist_append(NULL, "Content-Type: application/json");
        more = client->headers ? curl_slist_append(client->headers, "Expect:") : NULL;
        client->multi = curl_multi_init();
        if (!more || !client->multi)
                return -ENOMEM;
        r = sd_event_add_time_relative(event, &client->timer, CLOCK_MONOTONIC, 0, 1, on_timer, client);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(client->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(client->timer, "http-timer");
        (void) curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
        (void) curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
        (void) curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
        (void) curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
        (void) curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX);
        *ret = TAKE_PTR(client);
        return 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata) {
        HttpRequest *request = userdata;

        if (size > HTTP_BODY_MAX - request->size) {
                request->body_too_large = true;
                return 0; /* not @size: ends the transfer */
        }
        if (request->size + size + 1 > request->allocated) {
                size_t larger = (request->size + size + 1) * 2;
                char *body = realloc(request->body, larger);

                if (!body)
                        return 0;
                request->body = body;
                request->allocated = larger;
        }
        memcpy(request->body + request->size, data, size);
        request->size += size;
        request->body[request->size] = '\0';
        return size;
}

static size_t on_header(char *data, size_t one, size_t size, void *userdata) {
        HttpRequest *request = userdata;

        request->header_size += size;
        if (request->header_size <= HEADER_MAX)
                return size;
        request->headers_too_large = true;
        return 0;
}

/* 0 or -ENOMEM, which is all that setting an option can fail for. */
static int request_set_options(HttpRequest *request, const char *url, const char *body) {
        uint64_t ms = request->timeout_usec / USEC_PER_MSEC;
        long timeout = ms == 0 ? 1 : ms > INT32_MAX ? INT32_MAX : (long) ms;
        CURL *easy = request->easy;
        CURLcode c = CURLE_OK;

#define OPTION(name, value) (c = c == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_##name, value) : c)
        OPTION(PRIVATE, request);
        OPTION(URL, url);
        OPTION(ERRORBUFFER, request->error);
        OPTION(NOSIGNAL, 1L);
        OPTION(TIMEOUT_MS, timeout);
        OPTION(CONNECTTIMEOUT_MS, timeout);
        OPTION(FOLLOWLOCATION, 0L);
        OPTION(PROXY, "");
        OPTION(NETRC, (long) CURL_NETRC_IGNORED);
        OPTION(HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        OPTION(USERAGENT, "muster/" MUSTER_VERSION);
        OPTION(BUFFERSIZE, BUFFER_SIZE);
        OPTION(UPLOAD_BUFFERSIZE, BUFFER_SIZE);
        OPTION(WRITEFUNCTION, on_body);
        OPTION(WRITEDATA, request);
        OPTION(HEADERFUNCTION, on_header);
        OPTION(HEADERDATA, request);
#if LIBCURL_VERSION_NUM >= 0x075500
        OPTION(PROTOCOLS_STR, "http,https");
#else
        OPTION(PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
        /* A resolver thread that still waits for its name server is left behind, not joined: that would
         * block. */
        (void) curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
        if (body) {
                OPTION(HTTPHEADER, request->client->headers);
                OPTION(POSTFIELDSIZE_LARGE, (curl_off_t) strlen(body));
                OPTION(COPYPOSTFIELDS, body);
        }
#undef OPTION
        return c == CURLE_OK ? 0 : -ENOMEM;
}

static void request_attach(HttpRequest *request, HttpClient *client) {
        client->n_ref++;
        request->client = client;
        request->next = client->requests;
        if (request->next)
                request->next->previous = request;
        client->requests = request;
}

static int http_start(HttpClient *client, const char *url, const char *body, uint64_t timeout_usec,
                      HttpHandler handler, void *userdata, HttpRequest **ret) {
        cleanup_(http_request_freep) HttpRequest *request = calloc(1, sizeof *request);

        if (!request)
                return -ENOMEM;
        request->handler = handler;
        request->userdata = userdata;
        request->floating = !ret;
        request->timeout_usec = timeout_usec;
        request->url = url_without_password(url);
        request->easy = curl_easy_init();
        if (!request->url || !request->easy)
                return -ENOMEM;
        request_attach(request, client);
        if (request_set_options(request, url, body) < 0 ||
            curl_multi_add_handle(client->multi, request->easy) != CURLM_OK)
                return -ENOMEM;
        if (ret)
                *ret = request;
        request = NULL;
        return 0;
}

int http_get(HttpClient *client, const char *url, uint64_t timeout_usec, HttpHandler handler, void *userdata,
             HttpRequest **ret) {
        return http_start(client, url, NULL, timeout_usec, handler, userdata, ret);
}

int http_post(HttpClient *client, const char *url, const char *body, uint64_t timeout_usec,
              HttpHandler handler, void *userdata, HttpRequest **ret) {
        return http_start(client, url, body, timeout_usec, handler, userdata, ret);
}
