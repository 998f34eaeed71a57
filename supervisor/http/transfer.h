#pragma once
/*
 * One connection of a range fetch and the request that is on it: for a range of
 * a mirror's piece, straight into the buffers of its parts; or a probe, which
 * asks for one byte to learn size and identity. Belongs to the network thread.
 */
#include <curl/curl.h>
#include "http/mirror.h"
#include "http/parts.h"

/* Beside 0 and -errno (ours). */
enum {
        _TRANSFER_E_SUCCESS,
        TRANSFER_E_FAILED, /* may go well another time */
        TRANSFER_E_ABSENT, /* HTTP 404 or 410, no such file */
        TRANSFER_E_BROKEN, /* not the file, or not what was asked for: the mirror is of no use */
};

/* Shared by all connections. */
typedef struct Pace {
        bool paused;
        uint64_t rate;  /* bytes a second; 0: unlimited */
        int64_t tokens; /* bytes that may come now */
        uint64_t received;
} Pace;

typedef struct Transfer {
        Parts *parts;
        Pace *pace;
        Mirror *mirror;
        CURL *curl; /* NULL before its first request */
        int fd;     /* of a file; -1 */
        bool busy;  /* a request is on it */
        bool held;  /* curl is told not to read */

        size_t piece;                /* index */
        uint64_t from, to, position; /* in the whole file; a probe: in its piece */
        Cover covers[PARTS_PER_REQUEST_MAX];
        size_t n_covers, at;

        unsigned hops;
        bool judged;
        bool told; /* a probe knows all that it wanted from the headers */
        int outcome;
        Fault why;
        char *url, *etag, *modified, *range, *type, *encoding;
        struct curl_slist *headers;
        size_t header_bytes, page_bytes;
        char error[CURL_ERROR_SIZE];

        uint64_t begun_usec, bytes;
        uint64_t active_usec;             /* time in which it might have received */
        uint64_t quiet_usec, quiet_bytes; /* of the running window against low speed */
} Transfer;

static inline bool transfer_is_probe(const Transfer *t) {
        return t->n_covers == 0;
}

static inline Piece *transfer_piece(const Transfer *t) {
        return &t->mirror->pieces[t->piece];
}

/* Makes the request for @from to @to; covers are set. Curl is then to be added to the multi handle. */
int transfer_begin(Transfer *t, const RangesOptions *options, uint64_t now_usec);

/*
 * Curl is done with it. 0: all came; TRANSFER_E_*, -errno: @why tells. *ret_again: a redirect
 * was followed, and the request is to be performed anew.
 */
int transfer_end(Transfer *t, CURLcode code, bool *ret_again);

/* Reads one step of a file. 0: go on or complete; TRANSFER_E_* as above. */
int transfer_read(Transfer *t);

/* Whether all that it was to fill has been filled by others. */
bool transfer_is_moot(const Transfer *t);

/* Forgets the request; the connection stays. */
void transfer_clear(Transfer *t);
void transfer_done(Transfer *t);
