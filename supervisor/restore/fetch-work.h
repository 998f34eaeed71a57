#pragma once
/*
 * The orders of muster-fetch@NAME.service: what takes hours and a network, and so
 * is kept from the worker that guards, backs up and exchanges (restore/work.h).
 */
#include "archive/fetch.h"
#include "archive/pressure.h"
#include "restore/work.h"

/* Reads the order of @name, does it and writes the result. 0, or -errno when no result could be written. */
int fetch_work(const char *name);

/* How the long work shows its progress, and whether it is to wait. */
typedef struct FetchWatch {
        const Work *work;
        const char *doing; /* "downloading" */
        char *cgroup;      /* of the node; NULL: it has none */
        PressureGate gate;
        char *reason;      /* of the pause that musterd asks for; NULL: none */
        uint64_t looked;   /* when, monotonic */
        bool suffers;      /* the node waits for its disk */
        bool downloads;    /* the two that follow are known */
        uint64_t had, has; /* bytes of the archive that are good and written: when this run began to
                              download, now */
        json_t *notices;
} FetchWatch;

/* Fills @watch from the order, and @control with callbacks on it. 0 or -ENOMEM. */
int fetch_watch_init(FetchWatch *watch, const Work *w, const char *doing, FetchControl *control);
void fetch_watch_done(FetchWatch *watch);
#define cleanup_fetch_watch_ cleanup_(fetch_watch_done)

/* Members of the order for a pipeline: protected patterns, all of them; owned strv. 0 or -ENOMEM. */
int fetch_patterns(const Work *w, char ***ret);
