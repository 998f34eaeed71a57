#pragma once
/*
 * The backup that an upgrade takes of the data directory, and its way back:
 *
 *     state/backup-JOB.partial   being made, or being removed
 *     state/backup-JOB           complete (it holds `.muster-complete` with JOB)
 *     state/data                 the live data, a sibling
 *
 * Restoring carries the protected files over and exchanges
 * the two names (snapshot/exchange.h). The file `.muster-exchange-JOB` inside the incoming tree tells
 * after a crash which side is which. To be used while the node is stopped.
 */
#include "snapshot/clone.h"
#include "snapshot/exchange.h"

typedef struct Backup {
        const char *job;             /* the upgrade's */
        const char *data_name;       /* see backup_data_name() */
        const char *state;           /* absolute; for texts and the guard */
        const GuardSubject *subject; /* its state_dirfd is open on @state */
        char *const *protect;        /* the operator's patterns */
} Backup;

/*
 * Name of the data directory below @state. -EXDEV if it is not directly below
 * it, -EBUSY if it is a mount point, -ENOTDIR if it is a link: those cannot be
 * exchanged.
 */
int backup_data_name(const char *data, const char *state, int state_dirfd, const char **ret, Fault *reterr);

/* Idempotent: a complete backup of this job is kept. -EALREADY: the job was restored. */
int backup_make(const Backup *b, const TreeClone *how, TreeStats *ret, Fault *reterr);

/* As exchange_run(). -ENOENT: there is no complete backup. */
int backup_restore(const Backup *b, ExchangeReport *ret, Fault *reterr);

/* Removes the backup, or after a restore the tree that was exchanged out. Not there: success. */
int backup_discard(const Backup *b, Fault *reterr);
