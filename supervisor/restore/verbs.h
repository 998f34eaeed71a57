#pragma once
/*
 * What an order may ask for. Each verb takes its own members of the order and
 * adds to the result. 0; anything else failed and the fault says why.
 */
#include "restore/work.h"

int work_guard(Work *w, Fault *reterr);    /* may the node start: guard/check.h */
int work_probe(Work *w, Fault *reterr);    /* does the new binary run, is there room for the backup */
int work_backup(Work *w, Fault *reterr);   /* state/backup-JOB */
int work_restore(Work *w, Fault *reterr);  /* exchanges it with the data */
int work_discard(Work *w, Fault *reterr);  /* removes it */
int work_rehearse(Work *w, Fault *reterr); /* the new binary on a copy of the data: restore/rehearse.h */

/* Of a restore job: snapshot/incoming.h. */
int work_place(Work *w, Fault *reterr);         /* where the incoming tree is to be; makes it ready */
int work_exchange(Work *w, Fault *reterr);      /* data <-> incoming */
int work_exchange_back(Work *w, Fault *reterr); /* the way back */
int work_drop(Work *w, Fault *reterr);          /* removes what of the job is not live */

/* Of muster-fetch@NAME.service. */
int work_fetch(Work *w, Fault *reterr);  /* a snapshot into the incoming tree */
int work_create(Work *w, Fault *reterr); /* a snapshot of the node's data */
