#pragma once
/* Tells the operator of each mirror that a download gives up, once and with its reason. */
#include "archive/fetch.h"
#include "http/ranges.h"

typedef struct MirrorWatch {
        uint64_t told; /* a bit a mirror */
} MirrorWatch;         /* zeros */

/* To be called now and then and when all is over, by one thread. @control may be NULL. */
void mirror_watch(MirrorWatch *watch, Ranges *ranges, const FetchControl *control);
