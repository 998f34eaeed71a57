#pragma once
/*
 * The backup that an upgrade takes of the data directory, and its way back:
 *
 *     state/backup-JOB.partial   being made, or being removed
 *     state/backup-JOB           complete (it holds `.muster-complete` with JOB)
 *     state/data                 the live data, a sibling
 *
 * Restoring carries the protected files over (snapshot/protect.h) and exchanges
 * the two names. The file `.muster-exchange-JOB` inside the incoming tree tells
 * after a crash which side is which. To be used while the node is stopped.
 */
#include "guard/check.h"
#include "snapshot/protect.h"
#include "snapshot/clone.h"

typedef struct Backup {
        const char *job;             /* the upgrade's */
        const char *data_name;       /* see backup_data_name() */
        const char *state;           /* absolute; for texts and the guard */
        const GuardSubject *subject; /* its state_dirfd is open on @state */
        char *const *protect;        /* the operator's patterns */
} Backup;

typedef struct RestoreReport {
        bool already;       /* a run before this one had exchanged */
        bool kept_incoming; /* the backup's signing state was the newer one */
        size_t carried, set_aside;
        SigningPosition position; /* of the data that is now live */
} RestoreReport;

/*
 * Name of the data directory below @state. -EXDEV if it is not directly below
 * it, -EBUSY if it is a mount point, -ENOTDIR if it is a link: those cannot be
 * exchanged.
 */
int backup_data_name(const char *data, const char *state, int state_dirfd, const char **ret, Fault *reterr);

/* Idempotent: a complete backup of this job is kept. -EALREADY: the job was restored. */
int backup_make(const Backup *b, const TreeClone *how, TreeStats *ret, Fault *reterr);

/*
 * Idempotent at any crash, never exchanges twice. On failure before the exchange
 * the live data is untouched. GUARD_E_REFUSED if afterwards the signing state
 * would be, or is, older than before.
 */
int backup_restore(const Backup *b, RestoreReport *ret, Fault *reterr);

/* Removes the backup, or after a restore the tree that was exchanged out. Not there: success. */
int backup_discard(const Backup *b, Fault *reterr);
