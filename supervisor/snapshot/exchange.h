#pragma once
/*
 * One data directory takes the place of another, once:
 *
 *     state/LIVE  <->  state/INCOMING, and what was live is then called state/OUT
 *
 * Protected files are carried over first (snapshot/protect.h), never an older
 * signing state. A marker file in the incoming tree tells after a crash which
 * side is which. To be used while the node is stopped and its permit gone.
 *
 * A LIVE that is a mount point cannot be renamed: then INCOMING and OUT lie
 * inside it and its children change places, one by one, under the journal
 * state/EXCHANGE_JOURNAL. While that file exists LIVE is a mixture.
 */
#include "guard/check.h"
#include "snapshot/protect.h"

#define EXCHANGE_JOURNAL "exchanging" /* in the state directory */

typedef enum ExchangeWay {
        EXCHANGE_AT_ONCE,  /* renameat2(RENAME_EXCHANGE) */
        EXCHANGE_RENAMES,  /* where the file system has none */
        EXCHANGE_CHILDREN, /* where LIVE is a mount point */
        _EXCHANGE_WAY_MAX,
} ExchangeWay;

const char *exchange_way_to_string(ExchangeWay way); /* "exchange", "renames", "children" */

/* All borrowed; names are relative to the state directory. */
typedef struct Exchange {
        const char *live;
        const char *incoming; /* "LIVE/NAME": by the children */
        const char *out;      /* @incoming, or a name that is free */
        const char *marker;   /* a name with TREE_MARKER_PREFIX, of this exchange and this direction alone */
        const char *undoes;   /* marker of the exchange that this one takes back; may be NULL */
        const char *aside;    /* where protected files go that only @incoming holds */
        const char *what;     /* "backup", "snapshot": what @incoming is called in texts */
        const char *again;    /* "roll back": what the operator is to do again after a refusal */
        const char *state;    /* absolute; for texts and the guard */
        const GuardSubject *subject; /* its state_dirfd is open on @state */
        char *const *protect;        /* the operator's patterns */
} Exchange;

typedef struct ExchangeReport {
        bool already;       /* a run before this one had begun it */
        bool kept_incoming; /* the incoming signing state was the newer one */
        ExchangeWay way;    /* @already: only whether by the children */
        size_t carried, set_aside;
        SigningPosition position; /* of the data that is now live */
} ExchangeReport;

typedef enum ExchangePhase {
        EXCHANGE_NOT_BEGUN,
        EXCHANGE_BETWEEN, /* to be run again; LIVE may be missing or a mixture */
        EXCHANGE_DONE,
} ExchangePhase;

/* How far it got. -EUCLEAN: no exchange leaves that behind. */
int exchange_find(const Exchange *x, ExchangePhase *ret, Fault *reterr);

/*
 * Idempotent at any crash, never exchanges twice. On failure before the first
 * rename the live data is untouched; on a later one running it again goes on.
 * GUARD_E_REFUSED if afterwards the signing state would be, or is, older than
 * before. -EEXIST: OUT is taken.
 */
int exchange_run(const Exchange *x, ExchangeReport *ret, Fault *reterr);

/*
 * How the data directory @data, below @state, can be exchanged: *ret_name its name,
 * *ret_inside whether the other trees must lie inside of it (a mount point).
 * Not to be asked inside a unit that mounts the directory anew (ReadOnlyPaths=).
 * -EXDEV: it is not directly below @state; -ENOTDIR: it is a link or a file.
 * A data directory that is not there is none of these.
 */
int exchange_place(const char *data, const char *state, int state_dirfd, const char **ret_name,
                   bool *ret_inside, Fault *reterr);

/*
 * Whether the node must not start because an exchange was interrupted: the
 * journal is there, or the data is missing while its other half is there. 1, 0, -errno.
 */
int exchange_is_half_done(int state_dirfd, const char *data_name);
