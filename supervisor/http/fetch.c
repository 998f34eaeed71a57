/*
 * Redirects are followed here and not by libcurl, so that a step down from
 * https is seen at every hop and credentials of a URL never travel along.
 * A 206 is believed only if it continues exactly where the file ends; a 200 to
 * a range request starts the file over. Killed at any instant, the file holds
 * a prefix of what the source sent.
 */
#include "http/fetch.h"
#include "http/response.h"
#include "util/disk.h"
#include "util/durable.h"
#include "util/text.h"
#include "muster-build.h"

#include <fcntl.h>
#include <inttypes.h>
#include <strings.h>
#include <sys/stat.h>

#define COPY_STEP (256 * 1024)

typedef struct Response {
        const FetchLimits *limits;
        FetchTarget *target;
        CURL *curl;
        uint64_t asked; /* the offset of the Range, 0 for none */
        bool begun;
        int outcome; /* of judge(), begin() or writing: FETCH_E_* or -errno; 0 while well */
        Fault why;
        char *etag, *range, *type;
        size_t header_bytes, page_bytes;
} Response;

DEFINE_CLEANUP(CURL *, curl_easy_cleanup)
DEFINE_CLEANUP(CURLU *, curl_url_cleanup)
DEFINE_CLEANUP(struct curl_slist *, curl_slist_free_all)

bool source_is_valid(const char *source) {
        return source[0] == '/' || str_starts(source, "http://") || str_starts(source, "https://");
}

static int url_parse(const char *source, CURLU **ret) {
        cleanup_(curl_url_cleanupp) CURLU *u = curl_url();

        if (!u)
                return -ENOMEM;
        if (curl_url_set(u, CURLUPART_URL, source, 0) != CURLUE_OK)
                return -EINVAL;
        *ret = TAKE_PTR(u);
        return 0;
}

static int url_text(CURLU *u, char **ret) {
        char *text = NULL, *copy;

        if (curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK)
                return -ENOMEM;
        copy = strdup(text);
        curl_free(text);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int source_display(const char *source, char **ret) {
        static const CURLUPart hidden[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                            CURLUPART_FRAGMENT };
        cleanup_(curl_url_cleanupp) CURLU *u = NULL;
        int r;

        if (source[0] == '/')
                return asprintf(ret, "%s", source) < 0 ? -ENOMEM : 0;
        r = url_parse(source, &u);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(hidden); i++)
                (void) curl_url_set(u, hidden[i], NULL, 0);
        return url_text(u, ret);
}

int source_with_suffix(const char *source, const char *suffix, char **ret) {
        cleanup_(curl_url_cleanupp) CURLU *u = NULL;
        cleanup_free_ char *longer = NULL;
        char *path = NULL;
        int r;

        if (source[0] == '/')
                return asprintf(ret, "%s%s", source, suffix) < 0 ? -ENOMEM : 0;
        r = url_parse(source, &u);
        if (r < 0)
                return r;
        if (curl_url_get(u, CURLUPART_PATH, &path, 0) != CURLUE_OK)
                return -ENOMEM;
        r = asprintf(&longer, "%s%s", path, suffix);
        curl_free(path);
        if (r < 0)
                return -ENOMEM;
        if (curl_url_set(u, CURLUPART_PATH, longer, 0) != CURLUE_OK)
                return -ENOMEM;
        return url_text(u, ret);
}

static int too_large(const FetchLimits *limits, uint64_t total, Fault *reterr) {
        char has[SIZE_TEXT_MAX], most[SIZE_TEXT_MAX];

        return fault_set(reterr, FETCH_E_FAILED, "says it has %s, at most %s are accepted",
                         format_size(has, total), format_size(most, limits->max_size));
}

/* @more: bytes that are sure to come; a source that tells no length may send any number. */
static int check_space(const FetchTarget *t, uint64_t more, Fault *reterr) {
        char need[SIZE_TEXT_MAX], room[SIZE_TEXT_MAX], has[SIZE_TEXT_MAX];
        uint64_t bytes;
        int r;

        r = disk_room(t->fd, &bytes);
        if (r < 0)
                return fault_errno(reterr, r, "Failed to ask for free space");
        if (more <= bytes)
                return 0;
        format_size(room, bytes);
        if (t->total == 0)
                return fault_set(
                        reterr, -ENOSPC,
                        "No space for the download: no end after %s, and no more than %s may be taken from "
                        "the node's disk",
                        format_size(has, t->offset), room);
        return fault_set(
                reterr, -ENOSPC,
                "No space for the download: %s more are needed, %s may be taken from the node's disk",
                format_size(need, more), room);
}

static uint64_t rest_of(const FetchTarget *t) {
        return t->total > t->offset ? t->total - t->offset : 0;
}

static int start_over(FetchTarget *t, Fault *reterr) {
        if (ftruncate(t->fd, 0) < 0)
                return fault_errno(reterr, -errno, "Failed to empty the partial download");
        t->offset = 0;
        t->restarted = true;
        return 0;
}

static int append(FetchTarget *t, const FetchLimits *limits, const char *data, size_t size, Fault *reterr) {
        char most[SIZE_TEXT_MAX];
        int r;

        if (size > limits->max_size || t->offset > limits->max_size - size)
                return fault_set(reterr, FETCH_E_POISONED, "sent more than the %s that are accepted",
                                 format_size(most, limits->max_size));
        r = check_space(t, size, reterr);
        if (r < 0)
                return r;
        while (size > 0) {
                ssize_t n = pwrite(t->fd, data, size, (off_t) t->offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fault_errno(reterr, -errno, "Failed to write the download");
                data += n;
                size -= (size_t) n;
                t->offset += (uint64_t) n;
                t->received += (uint64_t) n;
        }
        return 0;
}

/* "bytes 100-199/200" that continues exactly after @asked and goes to the end. */
static int parse_content_range(const char *s, uint64_t asked, uint64_t *ret_total) {
        uint64_t first, last, total;
        int end = 0;

        if (!s ||
            sscanf(s, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64 "%n", &first, &last, &total, &end) != 3 ||
            s[end] || first != asked || last == UINT64_MAX || last + 1 != total || first > last)
                return -EBADMSG;
        *ret_total = total;
        return 0;
}

bool response_is_redirect(long code) {
        return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

/* The 206 branch of judge(). */
static int judge_rest(Response *r, curl_off_t length, uint64_t *ret_total) {
        const FetchTarget *t = r->target;
        uint64_t total;

        if (r->asked == 0)
                return fault_set(&r->why, FETCH_E_FAILED, "HTTP 206 although the whole file was asked for");
        if (parse_content_range(r->range, r->asked, &total) < 0)
                return fault_set(&r->why, FETCH_E_RANGE,
                                 "HTTP 206 with Content-Range '%.60s', expected 'bytes %" PRIu64
                                 "-END/END+1'",
                                 r->range ?: "", r->asked);
        if (length >= 0 && (uint64_t) length != total - r->asked)
                return fault_set(&r->why, FETCH_E_RANGE,
                                 "HTTP 206 with %" PRIu64 " bytes, its Content-Range says %" PRIu64,
                                 (uint64_t) length, total - r->asked);
        if (t->total > 0 && t->total != total)
                return fault_set(&r->why, FETCH_E_RANGE,
                                 "has a file of %" PRIu64 " bytes, the one begun has %" PRIu64, total,
                                 t->total);
        *ret_total = total;
        return 0;
}

/* With all headers there: is this what was asked for, and how large is it? Changes nothing but the text. */
static int judge(Response *r, uint64_t *ret_total) {
        curl_off_t length = -1;
        uint64_t total;
        long code = 0;
        int k = 0;

        curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &code);
        curl_easy_getinfo(r->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        if (code == 404 || code == 410)
                return fault_set(&r->why, FETCH_E_ABSENT, "HTTP %ld: not there", code);
        if (code == 416)
                return fault_set(&r->why, FETCH_E_RANGE, "HTTP 416: has nothing after byte %" PRIu64,
                                 r->asked);
        if (code != 200 && code != 206)
                return fault_set(&r->why, FETCH_E_FAILED, "HTTP %ld", code);
        if (r->type && strncasecmp(r->type, "text/html", strlen("text/html")) == 0)
                return fault_set(&r->why, FETCH_E_FAILED, "answered with an HTML page instead of the file");
        total = length > 0 ? (uint64_t) length : 0;
        if (code == 206)
                k = judge_rest(r, length, &total);
        if (k == 0 && total > r->limits->max_size)
                k = too_large(r->limits, total, &r->why);
        if (k == 0)
                *ret_total = total;
        return k;
}

/* Before the first byte of the body: the file is made ready for what follows. */
static int begin(Response *r) {
        FetchTarget *t = r->target;
        uint64_t total;
        long code = 0;
        int k;

        k = judge(r, &total);
        if (k != 0)
                return k;
        curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &code);
        if (code == 200) {
                k = start_over(t, &r->why);
                if (k < 0)
                        return k;
        }
        t->total = total;
        k = check_space(t, rest_of(t), &r->why);
        if (k < 0)
                return k;
        free(t->etag);
        t->etag = TAKE_PTR(r->etag);
        return t->began ? t->began(t) : 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata) {
        Response *r = userdata;
        curl_off_t speed = 0;
        long code = 0;

        curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &code);
        if (response_is_redirect(code)) {
                /* a page for people: of no use, but curl tells the target only after it */
                r->page_bytes += size;
                if (r->page_bytes <= HEADERS_MAX)
                        return size;
                r->outcome = fault_set(&r->why, FETCH_E_FAILED, "sent more than %d bytes with a redirect",
                                       HEADERS_MAX);
                return 0;
        }
        if (!r->begun) {
                r->begun = true;
                r->outcome = begin(r);
        }
        if (r->outcome == 0)
                r->outcome = append(r->target, r->limits, data, size, &r->why);
        if (r->outcome != 0)
                return 0;
        if (r->target->progress) {
                curl_easy_getinfo(r->curl, CURLINFO_SPEED_DOWNLOAD_T, &speed);
                r->target->progress(r->target, (uint64_t) speed);
        }
        return size;
}

bool response_take_header(const char *line, size_t size, const char *name, char **field) {
        size_t n = strlen(name);
        char *value;

        if (size <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
                return true;
        line += n + 1;
        size -= n + 1;
        while (size > 0 && strchr(" \t", *line) && *line) {
                line++;
                size--;
        }
        while (size > 0 && strchr(" \t\r\n", line[size - 1]) && line[size - 1])
                size--;
        value = strndup(line, size);
        if (!value)
                return false;
        free(*field);
        *field = value;
        return true;
}

static void forget_headers(Response *r) {
        free(TAKE_PTR(r->etag));
        free(TAKE_PTR(r->range));
        free(TAKE_PTR(r->type));
}

static size_t on_header(char *line, size_t one, size_t size, void *userdata) {
        Response *r = userdata;

        r->header_bytes += size;
        if (r->header_bytes > HEADERS_MAX) {
                r->outcome = fault_set(&r->why, FETCH_E_FAILED, "sent more than %d bytes of headers",
                                       HEADERS_MAX);
                return 0;
        }
        if (size > 5 && memcmp(line, "HTTP/", 5) == 0)
                forget_headers(r); /* those of an interim response */
        if (!response_take_header(line, size, "ETag", &r->etag) ||
            !response_take_header(line, size, "Content-Range", &r->range) ||
            !response_take_header(line, size, "Content-Type", &r->type)) {
                r->outcome = -ENOMEM;
                return 0;
        }
        return size;
}

static void response_done(Response *r) {
        forget_headers(r);
        fault_done(&r->why);
}

/* A weak ETag names no bytes: RFC 9110 forbids it in If-Range. */
static int range_headers(CURL *curl, const FetchTarget *t, struct curl_slist **ret) {
        cleanup_free_ char *line = NULL;
        char range[32];

        snprintf(range, sizeof range, "%" PRIu64 "-", t->offset);
        if (curl_easy_setopt(curl, CURLOPT_RANGE, range) != CURLE_OK)
                return -ENOMEM;
        if (!t->etag || t->etag[0] != '"')
                return 0;
        if (asprintf(&line, "If-Range: %s", t->etag) < 0)
                return -ENOMEM;
        *ret = curl_slist_append(NULL, line);
        return *ret ? 0 : -ENOMEM;
}

void response_only_http(CURL *curl) {
#if LIBCURL_VERSION_NUM >= 0x075500
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static int on_time(void *userdata, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up) {
        Response *r = userdata;

        if (r->outcome == 0 && r->target->cancelled && r->target->cancelled(r->target))
                r->outcome = fault_set(&r->why, -ECANCELED, "Cancelled");
        return r->outcome != 0;
}

static void set_options(CURL *curl, const FetchLimits *limits, Response *r, char *error) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_time);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, r);
        response_only_http(curl);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
        curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* an empty one also stops *_proxy of the environment */
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long) limits->connect_sec);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long) limits->low_speed);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long) limits->low_sec);
        if (limits->ca_file)
                curl_easy_setopt(curl, CURLOPT_CAINFO, limits->ca_file);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, r);
}

static int transport_failed(CURL *curl, CURLcode code, const char *error, Fault *reterr) {
        long os = 0;

        if (code == CURLE_OUT_OF_MEMORY)
                return -ENOMEM;
        curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os);
        if (code == CURLE_COULDNT_CONNECT && os != 0)
                return fault_set(reterr, FETCH_E_FAILED, "%s", strerror((int) os));
        return fault_set(reterr, FETCH_E_FAILED, "%s", *error ? error : curl_easy_strerror(code));
}

/* One request. 0 and *ret_next set: a redirect to there. */
static int request(const char *url, const FetchLimits *limits, FetchTarget *t, char **ret_next,
                   Fault *reterr) {
        cleanup_(curl_easy_cleanupp) CURL *curl = curl_easy_init();
        cleanup_(curl_slist_free_allp) struct curl_slist *headers = NULL;
        cleanup_(response_done)
                Response r = { .limits = limits, .target = t, .curl = curl, .asked = t->offset };
        char error[CURL_ERROR_SIZE] = "", *next = NULL;
        uint64_t ignored;
        CURLcode code;
        long status = 0;
        int k = 0;

        if (!curl)
                return -ENOMEM;
        set_options(curl, limits, &r, error);
        if (t->offset > 0)
                k = range_headers(curl, t, &headers);
        if (k < 0 || curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK ||
            curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) != CURLE_OK)
                return -ENOMEM;
        code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (r.outcome == 0 && response_is_redirect(status)) {
                curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &next);
                return next ? str_replace(ret_next, next)
                            : fault_set(reterr, FETCH_E_FAILED, "HTTP %ld without a place to go to", status);
        }
        if (!r.begun && r.outcome == 0 &&
            status != 0) /* without a body: a short answer, or cut off after the headers */
                r.outcome = code == CURLE_OK ? begin(&r) : judge(&r, &ignored);
        if (r.outcome == 0 && code != CURLE_OK)
                return transport_failed(curl, code, error, reterr);
        if (r.outcome != 0)
                return fault_set(reterr, r.outcome, "%s", fault_text(&r.why, r.outcome));
        if (t->offset < t->total)
                return fault_set(reterr, FETCH_E_FAILED, "ended after %" PRIu64 " of %" PRIu64 " bytes",
                                 t->offset, t->total);
        return 0;
}

static int fetch_url(const char *source, const FetchLimits *limits, FetchTarget *t, Fault *reterr) {
        cleanup_free_ char *url = strdup(source);

        if (!url)
                return -ENOMEM;
        for (unsigned hop = 0; hop <= FETCH_REDIRECTS; hop++) {
                cleanup_free_ char *next = NULL, *shown = NULL;
                int r = request(url, limits, t, &next, reterr);

                if (r != 0 || !next)
                        return r;
                if (source_display(next, &shown) < 0 || next[0] == '/' || !source_is_valid(next))
                        return fault_set(reterr, FETCH_E_FAILED,
                                         "redirects to something that is not http or https");
                if (str_starts(url, "https://") && !str_starts(next, "https://"))
                        return fault_set(reterr, FETCH_E_FAILED, "redirects from https to %s: refused",
                                         shown);
                free(url);
                url = TAKE_PTR(next);
        }
        return fault_set(reterr, FETCH_E_FAILED, "redirects more than %d times", FETCH_REDIRECTS);
}

static int copy_file(int in, const FetchLimits *limits, FetchTarget *t, Fault *reterr) {
        cleanup_free_ char *buffer = malloc(COPY_STEP);
        uint64_t begin_usec = now_monotonic_usec();

        if (!buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t n = read(in, buffer, COPY_STEP);
                uint64_t usec;
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fault_set(reterr, FETCH_E_FAILED, "%s", strerror(errno));
                if (n == 0)
                        return 0;
                r = append(t, limits, buffer, (size_t) n, reterr);
                if (r != 0)
                        return r;
                usec = now_monotonic_usec() - begin_usec;
                if (t->progress)
                        t->progress(t, usec > 0 ? t->offset * USEC_PER_SEC / usec : 0);
        }
}

/* A local file is copied from its beginning: a prefix of it could be of another file. */
static int fetch_path(const char *source, const FetchLimits *limits, FetchTarget *t, Fault *reterr) {
        cleanup_fd_ int in = -1;
        struct stat st;
        int r;

        in = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (in < 0)
                return fault_set(reterr, errno == ENOENT ? FETCH_E_ABSENT : FETCH_E_FAILED, "%s",
                                 strerror(errno));
        if (fstat(in, &st) < 0 || !S_ISREG(st.st_mode))
                return fault_set(reterr, FETCH_E_FAILED, "not a regular file");
        if ((uint64_t) st.st_size > limits->max_size)
                return too_large(limits, (uint64_t) st.st_size, reterr);
        r = start_over(t, reterr);
        if (r < 0)
                return r;
        t->total = (uint64_t) st.st_size;
        free(TAKE_PTR(t->etag));
        r = check_space(t, rest_of(t), reterr);
        if (r >= 0 && t->began)
                r = t->began(t);
        return r >= 0 ? copy_file(in, limits, t, reterr) : r;
}

int fetch(const char *source, const FetchLimits *limits, FetchTarget *target, Fault *reterr) {
        target->restarted = target->offset == 0;
        return source[0] == '/' ? fetch_path(source, limits, target, reterr)
                                : fetch_url(source, limits, target, reterr);
}
