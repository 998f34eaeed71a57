#pragma once
/*
 * A rehearsal: the new release run on a copy of the data, without keys and
 * without a network, to see that it starts and answers, and how long that
 * takes. The node itself may run meanwhile; nothing of it is touched.
 */
#include "chain/family.h"
#include "snapshot/clone.h"

typedef struct Rehearsal {
        const ChainFamily *family;
        const char *release; /* absolute */
        const char *data;    /* absolute */
        const char *state;   /* absolute; the copy is state/rehearsal */
        int state_dirfd;
        char *const
                *protect; /* the operator's patterns; left out of the copy, as keys and signing state are */
        const char *rpc;  /* NULL: staying up for the whole time is what counts */
        uint64_t timeout; /* microseconds from the start of the binary */
        uint64_t settle;  /* how long it must stay up after its first answer */
        void (*progress)(const TreeStats *done, void *userdata); /* of the copy; may be NULL */
        void *userdata;
} Rehearsal;

typedef struct RehearsalReport {
        uint64_t rpc_after_usec; /* from exec to the first answer with a head; 0 without RPC */
        int64_t height;          /* CHAIN_UNKNOWN without RPC */
        char *output;            /* the last line that it printed */
        uint64_t copy_usec;
        bool reflinked;
        bool beside;   /* its arguments name more of the state directory than the data: that was empty */
        bool confined; /* the live data was hidden from it; not on older kernels */
} RehearsalReport;

void rehearsal_report_done(RehearsalReport *report);
#define cleanup_rehearsal_report_ cleanup_(rehearsal_report_done)

/*
 * 0: it started and answered (and was stopped). The copy is removed in any case.
 * -EPERM: this process has a network: the rehearsal is refused, since the copy
 * would join the chain as a second instance. -EPROTO: it exited; -ETIMEDOUT.
 */
int rehearse(const Rehearsal *rehearsal, RehearsalReport *ret, Fault *reterr);
