#pragma once
/*
 * The children of one directory change places with those of another that lies
 * inside of it, under a journal: what an exchange is where the directory is a
 * mount point. Entries with TREE_MARKER_PREFIX and "lost+found" stay.
 */
#include "util/fault.h"

typedef struct Children {
        int state_dirfd;     /* holds the journal */
        const char *journal; /* its name */
        const char *id;      /* which exchange the journal is of */
        int live, incoming, out;
        const char *live_path; /* for texts */
} Children;

/* Whether @dirfd has a child that would change places. 1, 0, -errno. */
int children_any(int dirfd);

/*
 * Makes the journal durable. Nothing is moved. -EBUSY: a child is a mount point,
 * -EACCES: a directory may not be moved.
 */
int children_plan(const Children *c, Fault *reterr);

/* 1: the journal is there and of @id; 0: there is none; -EBUSY: it is of another exchange; -errno. */
int children_planned(int state_dirfd, const char *journal, const char *id, Fault *reterr);

/*
 * Obeys the journal from wherever it stopped: afterwards every child is where it
 * belongs, durably. The journal stays: removing it is the caller's last step.
 */
int children_move(const Children *c, Fault *reterr);
