/*
 * Nothing of an answer reaches a buffer before its status, range, total, type
 * and identity were found to be what was asked for. Two transfers may fill the
 * same part: the first to bring a byte writes it, and no byte is written twice
 * or after the part was complete.
 */
#include "http/transfer.h"
#include "http/fetch.h"
#include "http/response.h"
#include "util/text.h"
#include "muster-build.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define RECEIVE_BUFFER (256 * 1024)
#define PACED_BUFFER   (64 * 1024)
#define READ_STEP      (1024 * 1024)

static uint64_t base_of(const Transfer *t) {
        return transfer_is_probe(t) ? 0 : transfer_piece(t)->base;
}

/* @n bytes more have come and, where they were new, are in their buffer. */
static void advance(Transfer *t, size_t n, bool valid) {
        Cover *c = &t->covers[t->at];
        uint64_t reached = t->position + n - c->offset;

        if (valid && reached > c->slot->filled) {
                c->slot->filled = (uint32_t) reached;
                c->slot->givers |= UINT64_C(1) << t->mirror->index;
        }
        if (valid && c->slot->filled == c->length)
                parts_filled(t->parts, c->slot, t->mirror->index, t->pace->received);
        t->position += n;
        if (reached == c->length)
                t->at++;
}

static void store(Transfer *t, const char *data, size_t size) {
        while (size > 0) {
                Cover *c = &t->covers[t->at];
                uint64_t relative = t->position - c->offset;
                size_t n = size < c->length - relative ? size : c->length - relative;
                bool valid = cover_valid(c);

                if (valid && relative + n > c->slot->filled) {
                        size_t known = c->slot->filled - relative;

                        memcpy(c->slot->part.data + c->slot->filled, data + known, n - known);
                }
                advance(t, n, valid);
                data += n;
                size -= n;
        }
}

static void count(Transfer *t, size_t n) {
        t->bytes += n;
        t->quiet_bytes += n;
        t->pace->received += n;
        t->pace->tokens -= (int64_t) n;
}

static int judge_identity(Transfer *t) {
        Piece *p = transfer_piece(t);
        const char *was = p->etag ?: p->modified, *is = p->etag ? t->etag : t->modified;

        if (was && !str_eq(was, is))
                return fault_set(&t->why, TRANSFER_E_BROKEN,
                                 "the file was changed meanwhile: its %s was %.60s and is now %.60s",
                                 p->etag ? "ETag" : "Last-Modified", was, is ?: "missing");
        return 0;
}

static int judge_range(Transfer *t, curl_off_t length) {
        uint64_t base = base_of(t), first, last, total;
        Piece *p = transfer_piece(t);
        int end = 0;

        if (!t->range ||
            sscanf(t->range, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64 "%n", &first, &last, &total, &end) !=
                    3 ||
            t->range[end] || first != t->from - base || last != t->to - base - 1)
                return fault_set(&t->why, TRANSFER_E_BROKEN,
                                 "HTTP 206 with Content-Range '%.60s', expected 'bytes %" PRIu64 "-%" PRIu64
                                 "/SIZE'",
                                 t->range ?: "", t->from - base, t->to - base - 1);
        if (length >= 0 && (uint64_t) length != t->to - t->from)
                return fault_set(&t->why, TRANSFER_E_BROKEN,
                                 "HTTP 206 with %" PRIu64 " bytes, its Content-Range says %" PRIu64,
                                 (uint64_t) length, t->to - t->from);
        if (transfer_is_probe(t))
                p->size = total;
        else if (total != p->size)
                return fault_set(&t->why, TRANSFER_E_BROKEN,
                                 "says the file has %" PRIu64 " bytes, before it were %" PRIu64, total,
                                 p->size);
        return 0;
}

/* The identity of a piece is what the first good answer says. */
static int pin(Transfer *t) {
        Piece *p = transfer_piece(t);

        if (!p->etag && !p->modified) {
                p->etag = TAKE_PTR(t->etag);
                p->modified = TAKE_PTR(t->modified);
        }
        return str_replace(&p->current, t->url);
}

static int judge_status(Transfer *t, long code) {
        if (code == 404 || code == 410)
                return fault_set(&t->why, TRANSFER_E_ABSENT, "HTTP %ld: not there", code);
        if (code == 416)
                return fault_set(&t->why, TRANSFER_E_BROKEN, "HTTP 416: has nothing at byte %" PRIu64,
                                 t->from - base_of(t));
        if (code != 200 && code != 206)
                return fault_set(&t->why, TRANSFER_E_FAILED, "HTTP %ld", code);
        if (t->type && strncasecmp(t->type, "text/html", strlen("text/html")) == 0)
                return fault_set(&t->why, TRANSFER_E_BROKEN,
                                 "answered with an HTML page instead of the file");
        if (t->encoding && strcasecmp(t->encoding, "identity") != 0)
                return fault_set(&t->why, TRANSFER_E_BROKEN,
                                 "answered with Content-Encoding '%.30s', which was not asked for",
                                 t->encoding);
        return 0;
}

/* HTTP 200. A probe that gets one has learned that there are no ranges here; its body is not wanted. */
static int judge_whole(Transfer *t, curl_off_t length) {
        Piece *p = transfer_piece(t);
        uint64_t asked = t->to - t->from;

        if (transfer_is_probe(t) && length >= 0) {
                p->size = (uint64_t) length;
                t->mirror->whole = true;
                t->told = true;
                return 0;
        }
        if (!transfer_is_probe(t) && asked == p->size && length == (curl_off_t) asked)
                return 0;
        return fault_set(&t->why, TRANSFER_E_BROKEN,
                         "HTTP 200 with the whole file although %" PRIu64
                         " bytes of it were asked for: expected HTTP 206",
                         asked);
}

/* With all headers there: is this what was asked for? */
static int judge(Transfer *t) {
        curl_off_t length = -1;
        long code = 0;
        int r;

        t->judged = true;
        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
        curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        r = judge_status(t, code);
        if (r == 0)
                r = judge_identity(t);
        if (r == 0)
                r = code == 206 ? judge_range(t, length) : judge_whole(t, length);
        return r == 0 ? pin(t) : r;
}

static size_t on_page(Transfer *t, size_t size) {
        t->page_bytes += size;
        if (t->page_bytes <= HEADERS_MAX)
                return size;
        t->outcome = fault_set(&t->why, TRANSFER_E_BROKEN, "sent more than %d bytes with a redirect",
                               HEADERS_MAX);
        return 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata) {
        Transfer *t = userdata;
        long code = 0;

        if (t->pace->paused || (t->pace->rate > 0 && t->pace->tokens <= 0)) {
                t->held = true;
                return CURL_WRITEFUNC_PAUSE;
        }
        if (!t->judged) {
                curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
                if (response_is_redirect(code))
                        return on_page(t, size);
                t->outcome = judge(t);
        }
        if (t->outcome != 0 || t->told)
                return 0;
        if (size > t->to - t->position) {
                t->outcome = fault_set(&t->why, TRANSFER_E_BROKEN,
                                       "sends more than the %" PRIu64 " bytes that were asked for",
                                       t->to - t->from);
                return 0;
        }
        count(t, size);
        if (transfer_is_probe(t))
                t->position += size;
        else
                store(t, data, size);
        return size;
}

static void forget_headers(Transfer *t) {
        free(TAKE_PTR(t->etag));
        free(TAKE_PTR(t->modified));
        free(TAKE_PTR(t->range));
        free(TAKE_PTR(t->type));
        free(TAKE_PTR(t->encoding));
}

static size_t on_header(char *line, size_t one, size_t size, void *userdata) {
        Transfer *t = userdata;

        t->header_bytes += size;
        if (t->header_bytes > HEADERS_MAX) {
                t->outcome = fault_set(&t->why, TRANSFER_E_BROKEN, "sent more than %d bytes of headers",
                                       HEADERS_MAX);
                return 0;
        }
        if (size > 5 && memcmp(line, "HTTP/", 5) == 0)
                forget_headers(t); /* those of an interim response */
        if (!response_take_header(line, size, "ETag", &t->etag) ||
            !response_take_header(line, size, "Last-Modified", &t->modified) ||
            !response_take_header(line, size, "Content-Range", &t->range) ||
            !response_take_header(line, size, "Content-Type", &t->type) ||
            !response_take_header(line, size, "Content-Encoding", &t->encoding)) {
                t->outcome = -ENOMEM;
                return 0;
        }
        return size;
}

static int new_curl(Transfer *t, const RangesOptions *options) {
        CURL *curl = t->curl = curl_easy_init();

        if (!curl)
                return -ENOMEM;
        response_only_http(curl);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(curl, CURLOPT_BUFFERSIZE,
                         (long) (options->limit_rate > 0 ? PACED_BUFFER : RECEIVE_BUFFER));
        curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(curl, CURLOPT_HTTP_CONTENT_DECODING, 0L);
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->error);
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
        curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* an empty one also stops *_proxy of the environment */
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long) options->connect_sec);
        if (options->ca_file && curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file) != CURLE_OK)
                return -ENOMEM;
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
        curl_easy_setopt(curl, CURLOPT_PRIVATE, t);
        return 0;
}

/* A weak ETag names no bytes: RFC 9110 forbids it in If-Range. */
static int set_headers(Transfer *t) {
        const Piece *p = transfer_piece(t);
        const char *pin_text = p->etag ? (p->etag[0] == '"' ? p->etag : NULL) : p->modified;
        cleanup_free_ char *line = NULL;

        if (!pin_text)
                return 0;
        if (asprintf(&line, "If-Range: %s", pin_text) < 0)
                return -ENOMEM;
        t->headers = curl_slist_append(NULL, line);
        return t->headers ? 0 : -ENOMEM;
}

static int set_request(Transfer *t) {
        uint64_t base = base_of(t);
        char range[64];

        snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, t->from - base, t->to - base - 1);
        t->judged = t->told = t->held = false;
        t->header_bytes = t->page_bytes = 0;
        t->error[0] = 0;
        forget_headers(t);
        if (curl_easy_setopt(t->curl, CURLOPT_URL, t->url) != CURLE_OK ||
            curl_easy_setopt(t->curl, CURLOPT_RANGE, range) != CURLE_OK ||
            curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->headers) != CURLE_OK)
                return -ENOMEM;
        return 0;
}

int transfer_begin(Transfer *t, const RangesOptions *options, uint64_t now_usec) {
        const Piece *p = transfer_piece(t);
        int r;

        t->position = t->from;
        t->at = t->hops = 0;
        t->outcome = 0;
        t->bytes = t->active_usec = t->quiet_usec = t->quiet_bytes = 0;
        t->begun_usec = now_usec;
        t->busy = true;
        if (t->mirror->file) {
                r = piece_open(transfer_piece(t), &t->fd, &t->why);
                t->outcome = r == 0 ? 0 : r == -ENOENT ? TRANSFER_E_ABSENT : TRANSFER_E_BROKEN;
                return 0;
        }
        r = t->curl ? 0 : new_curl(t, options);
        if (r == 0)
                r = str_replace(&t->url, p->current ?: p->url);
        if (r == 0)
                r = set_headers(t);
        return r == 0 ? set_request(t) : r;
}

static int redirect(Transfer *t, long status) {
        cleanup_free_ char *shown = NULL;
        char *next = NULL;

        curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &next);
        if (!next)
                return fault_set(&t->why, TRANSFER_E_BROKEN, "HTTP %ld without a place to go to", status);
        if (++t->hops > FETCH_REDIRECTS)
                return fault_set(&t->why, TRANSFER_E_BROKEN, "redirects more than %d times",
                                 FETCH_REDIRECTS);
        if (source_display(next, &shown) < 0 || next[0] == '/' || !source_is_valid(next))
                return fault_set(&t->why, TRANSFER_E_BROKEN,
                                 "redirects to something that is not http or https");
        if (str_starts(t->url, "https://") && !str_starts(next, "https://"))
                return fault_set(&t->why, TRANSFER_E_BROKEN, "redirects from https to %s: refused", shown);
        if (str_replace(&t->url, next) < 0)
                return -ENOMEM;
        return set_request(t);
}

static int transport_failed(Transfer *t, CURLcode code) {
        long os = 0;

        if (code == CURLE_OUT_OF_MEMORY)
                return -ENOMEM;
        curl_easy_getinfo(t->curl, CURLINFO_OS_ERRNO, &os);
        if (code == CURLE_COULDNT_CONNECT && os != 0)
                return fault_set(&t->why, TRANSFER_E_FAILED, "%s", strerror((int) os));
        if (code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING)
                return fault_set(&t->why, TRANSFER_E_FAILED, "closed the connection before the end");
        return fault_set(&t->why, TRANSFER_E_FAILED, "%s", *t->error ? t->error : curl_easy_strerror(code));
}

int transfer_end(Transfer *t, CURLcode code, bool *ret_again) {
        long status = 0;

        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
        *ret_again = false;
        if (t->outcome == 0 && code == CURLE_OK && response_is_redirect(status)) {
                t->outcome = redirect(t, status);
                *ret_again = t->outcome == 0;
                return t->outcome;
        }
        if (t->outcome == 0 && !t->judged && status != 0 && !response_is_redirect(status))
                t->outcome = judge(t);
        if (t->outcome == 0 && t->told)
                return 0;
        if (t->outcome == 0 && code != CURLE_OK)
                t->outcome = transport_failed(t, code);
        if (t->outcome == 0 && t->position < t->to)
                t->outcome = fault_set(&t->why, TRANSFER_E_FAILED,
                                       "an answer ended after %" PRIu64 " of %" PRIu64 " bytes",
                                       t->position - t->from, t->to - t->from);
        return t->outcome;
}

int transfer_read(Transfer *t) {
        Cover *c = &t->covers[t->at];
        uint64_t relative, n = t->to - t->position;
        off_t where;
        ssize_t k;

        if (t->outcome != 0 || transfer_is_probe(t))
                return t->outcome;
        relative = t->position - c->offset;
        where = (off_t) (t->position - transfer_piece(t)->base);
        if (n > c->length - relative)
                n = c->length - relative;
        if (n > READ_STEP)
                n = READ_STEP;
        if (!cover_valid(c)) {
                advance(t, n, false);
                return 0;
        }
        if (relative < c->slot->filled) { /* another one was faster */
                advance(t, n < c->slot->filled - relative ? n : c->slot->filled - relative, true);
                return 0;
        }
        k = pread(t->fd, c->slot->part.data + relative, n, where);
        if (k < 0 && errno == EINTR)
                return 0;
        if (k < 0)
                return fault_set(&t->why, TRANSFER_E_FAILED, "%s", strerror(errno));
        if (k == 0)
                return fault_set(&t->why, TRANSFER_E_BROKEN, "the file was truncated while it was read");
        (void) posix_fadvise(t->fd, where, k, POSIX_FADV_DONTNEED);
        count(t, (size_t) k);
        advance(t, (size_t) k, true);
        return 0;
}

bool transfer_is_moot(const Transfer *t) {
        if (transfer_is_probe(t))
                return false;
        for (size_t i = t->at; i < t->n_covers; i++)
                if (cover_valid(&t->covers[i]))
                        return false;
        return t->position < t->to;
}

void transfer_clear(Transfer *t) {
        forget_headers(t);
        fault_done(&t->why);
        if (t->curl)
                curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, NULL);
        curl_slist_free_all(TAKE_PTR(t->headers));
        if (t->fd >= 0)
                close(TAKE_FD(t->fd));
        t->busy = t->held = false;
        t->n_covers = 0;
}

void transfer_done(Transfer *t) {
        transfer_clear(t);
        if (t->curl)
                curl_easy_cleanup(t->curl);
        free(t->url);
}
