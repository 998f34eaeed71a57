#pragma once
/*
 * HTTP from inside sd-event: libcurl's multi interface, never blocking.
 *
 * http and https; user and password in the URL are sent as Basic
 * authentication; no redirects, no proxy from the environment, no cookies, no
 * netrc. Connections are reused. Bodies beyond HTTP_BODY_MAX and headers beyond
 * 64 KiB end the request with an error, so an endless answer costs nothing.
 * Name resolution runs in libcurl's thread and is abandoned when the time is up.
 */
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include "util/cleanup.h"

#define HTTP_BODY_MAX (1024 * 1024)

typedef struct HttpClient HttpClient;
typedef struct HttpRequest HttpRequest;

/* Borrowed by the handler for the time of its call. */
typedef struct HttpResponse {
        const char
                *error; /* why there is no answer, naming the URL without its password; NULL: there is one */
        int status;     /* HTTP status; 0 with an error */
        const char *body; /* NUL-terminated; "" with an error */
        size_t size;
} HttpResponse;

/*
 * Called exactly once, from the event loop and never from inside http_get() or
 * http_post(); not called after http_request_free(). May free its request, any
 * other one, and the client.
 */
typedef void (*HttpHandler)(HttpRequest *request, const HttpResponse *response, void *userdata);

/* 0, -ENOMEM, or what sd-event says. */
int http_client_new(HttpClient **ret, sd_event *event);

/* Cancels what is under way without calling handlers; requests stay to be freed by their owners. Returns
 * NULL. */
HttpClient *http_client_free(HttpClient *client);
DEFINE_CLEANUP(HttpClient *, http_client_free)

/*
 * Starts a request; @timeout_usec covers it from name resolution to the last
 * byte. With @ret the caller owns the request and frees it after the handler
 * ran or to cancel it; without, it goes by itself. 0 or -ENOMEM; everything
 * else, a malformed URL too, is told to the handler.
 */
int http_get(HttpClient *client, const char *url, uint64_t timeout_usec, HttpHandler handler, void *userdata,
             HttpRequest **ret);

/* POST of @body (copied) as application/json. */
int http_post(HttpClient *client, const char *url, const char *body, uint64_t timeout_usec,
              HttpHandler handler, void *userdata, HttpRequest **ret);

/* Cancels if it is still under way; the handler will not be called. NULL is fine. Returns NULL. */
HttpRequest *http_request_free(HttpRequest *request);
DEFINE_CLEANUP(HttpRequest *, http_request_free)
