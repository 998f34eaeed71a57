#pragma once
/*
 * One source of a range fetch: the files that it is made of, what it said of
 * them, and how it has behaved. Belongs to the network thread.
 */
#include "http/ranges.h"

typedef enum MirrorState {
        MIRROR_NEW, /* size and identity are being asked for */
        MIRROR_GOOD,
        MIRROR_GONE, /* given up */
} MirrorState;

/* The whole file, or one of its split parts. */
typedef struct Piece {
        char *url;     /* as given, or made from it; a path for files */
        char *current; /* where redirects led; NULL: not asked yet */
        uint64_t base, size;
        char *etag, *modified;              /* what pins it; NULL: the mirror said none */
        uint64_t device, inode, mtime_nsec; /* of files */
} Piece;

typedef struct Mirror {
        size_t index;
        char *shown;
        bool file, split;
        bool whole; /* it gives nothing but whole files */
        MirrorState state;
        Piece *pieces;
        size_t n_pieces;
        uint64_t size;                    /* of the pieces that are known */
        char *troubles;                   /* joined by "; "; NULL: none */
        unsigned failures;                /* in a row */
        uint64_t failed_usec, retry_usec; /* when the last one was counted; when to ask again */
        uint64_t rate;                    /* bytes a second of one connection; 0: not known */
        unsigned wrong;                   /* parts with wrong bytes, already dealt with */
} Mirror;

/* -EINVAL: not one of the forms of http/ranges.h. */
int mirror_init(Mirror *m, size_t index, const char *source, Fault *reterr);
void mirror_done(Mirror *m);

/* Adds the next split part. 0; -ERANGE: there is no name after the last; -ENOMEM. */
int mirror_next_piece(Mirror *m);

/* Takes back the last one: it is not there. */
void mirror_drop_piece(Mirror *m);

Piece *mirror_piece_at(const Mirror *m, uint64_t offset);

/* Keeps what went wrong, once each, for messages. */
int mirror_note(Mirror *m, const char *text);

/* A failure of a request begun at @begun_usec: backs off. False: it was one too many. */
bool mirror_forgive(Mirror *m, uint64_t begun_usec, uint64_t now_usec, unsigned retries);

/* Opens a piece that is a file, and holds it to what was seen before. The fault says why not. */
int piece_open(Piece *piece, int *ret_fd, Fault *reterr);
