#pragma once
/*
 * The parts of a range fetch and the buffers that they pass through: missing ->
 * wanted -> filling -> ready -> taken -> done. The only thing that the network
 * thread (http/mirrors.h) and the takers share; every function locks by itself.
 */
#include <pthread.h>
#include <sys/types.h>
#include "http/ranges.h"

#define PARTS_PER_REQUEST_MAX 64

typedef enum SlotState {
        SLOT_FREE,
        SLOT_WANTED,  /* of a part, nobody is bringing it */
        SLOT_FILLING, /* only the network thread touches it */
        SLOT_READY,
        SLOT_TAKEN,
} SlotState;

typedef struct Slot {
        RangePart part; /* first: what takers hold */
        SlotState state;
        uint64_t generation; /* of the network thread; another one: what a transfer remembers is over */
        uint32_t filled;     /* bytes from the beginning */
        unsigned fillers;    /* transfers */
        uint64_t givers;     /* mirrors that these bytes are of, a bit each */
        uint64_t wrong;      /* mirrors that gave wrong bytes for this part */
        bool pure;           /* several gave bytes that were wrong together: now one is to give all */
        bool again;          /* all were wrong once and are asked for the second time */
} Slot;

/* What a transfer is to fill; @offset and @length outlive the slot's use for that part. */
typedef struct Cover {
        Slot *slot;
        uint64_t generation, offset;
        uint32_t length;
} Cover;

typedef struct Parts {
        RangesOptions options; /* with defaults */
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        Slot *slots;
        size_t n_slots;
        uint8_t *memory;
        size_t memory_size;
        uint64_t size;
        size_t n_parts, next, n_done; /* @next: never asked for so far */
        bool laid_out, opened, hungry, paused;
        int error;
        Fault fault;
        uint64_t rejected, received;
        unsigned *wrong; /* for each mirror: how often it gave wrong bytes */
        uint64_t *wrong_at;
        void (*wake)(void *userdata); /* the network thread; set before it starts */
        void *userdata;
} Parts;

int parts_init(Parts *p, const RangesOptions *options, size_t n_mirrors, Fault *reterr);
void parts_done(Parts *p);

/* Once the size of the file is known. -EINVAL: options.part() tells what cannot be. */
int parts_lay_out(Parts *p, uint64_t size, Fault *reterr);

/* The end of everything; the first one counts. */
void parts_fail(Parts *p, int error, const char *text);

/* Whether one part is the whole file. */
bool parts_are_one(const Parts *p);

/* A mirror is good. */
void parts_opened(Parts *p);

/* Until one is: 0 or the error; -ECANCELED as soon as options.cancelled() says so. */
int parts_wait(Parts *p, Fault *reterr);

int parts_take(Parts *p, RangePart **ret, Fault *reterr);
void parts_release(Parts *p, RangePart *part);
void parts_reject(Parts *p, RangePart *part);

/*
 * Of the network thread: up to @max adjacent parts for @mirror, lowest first, beginning in front of
 * @end(first byte) and marked as being filled. Returns how many; *ret_from is the first byte that is
 * missing.
 */
size_t parts_pick(Parts *p, size_t mirror, size_t max, uint64_t (*end)(uint64_t offset, void *userdata),
                  void *userdata, Cover *ret, uint64_t *ret_from);

/* What of @from's parts is still missing and may be asked of @mirror too. As parts_pick(). */
size_t parts_share(Parts *p, size_t mirror, const Cover *from, size_t n, Cover *ret, uint64_t *ret_from);

/* A transfer that was to fill these is over; whose bytes lack is wanted again. */
void parts_leave(Parts *p, const Cover *covers, size_t n);

/* All bytes of it are there; @received: as for RangesStats. */
void parts_filled(Parts *p, Slot *slot, size_t mirror, uint64_t received);

/* Bytes of a mirror that lies are of no use in the middle of a part. */
void parts_forget(Parts *p, size_t mirror);

/* Whether a part is wanted that not every mirror may bring. */
bool parts_has_suspect(Parts *p);

/* Whether all of @alive (a bit a mirror) have given wrong bytes for some part, each of them twice. */
bool parts_hopeless(Parts *p, uint64_t alive, uint64_t *ret_offset, uint32_t *ret_length);

/* Whether the transfer that remembers @c still has something to fill there. Network thread. */
static inline bool cover_valid(const Cover *c) {
        return c->slot->generation == c->generation;
}
