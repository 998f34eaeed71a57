#pragma once
/*
 * MESSAGE_ID= of what musterd and the launcher log. Each has an entry in
 * units/muster.catalog, which says what to do. They are known to journals and
 * scripts: append only. In sd_journal_send():
 *
 *     "MESSAGE_ID=" SD_ID128_FORMAT_STR, SD_ID128_FORMAT_VAL(MUSTER_MESSAGE_HELD)
 *
 * The texts of the catalog use the fields MUSTER_NODE=, MUSTER_UPGRADE= (the
 * job's id) and MUSTER_VERDICT=.
 */
#include <systemd/sd-id128.h>

/* clang-format off */
/* One a state of an upgrade. */
#define MUSTER_MESSAGE_UPGRADE_FETCHING \
        SD_ID128_MAKE(49,be,5b,74,18,31,45,bd,99,9b,c9,c8,39,62,61,b8)
#define MUSTER_MESSAGE_UPGRADE_VERIFYING \
        SD_ID128_MAKE(17,b9,df,41,56,72,4e,2d,97,ed,a1,b2,23,df,63,8a)
#define MUSTER_MESSAGE_UPGRADE_STAGED \
        SD_ID128_MAKE(fa,d4,a6,3b,40,31,40,9e,8b,55,e4,f2,64,66,03,59)
#define MUSTER_MESSAGE_UPGRADE_ARMED \
        SD_ID128_MAKE(65,8b,bf,59,54,12,44,cb,85,9b,40,b4,3c,76,24,f1)
#define MUSTER_MESSAGE_UPGRADE_DRAINING \
        SD_ID128_MAKE(d9,96,d2,f2,2a,8c,43,51,90,b8,c1,de,c9,30,17,ad)
#define MUSTER_MESSAGE_UPGRADE_STOPPING \
        SD_ID128_MAKE(f6,53,d8,89,5e,c2,46,1b,bc,1b,de,8c,b7,13,a2,c2)
#define MUSTER_MESSAGE_UPGRADE_GUARDING \
        SD_ID128_MAKE(41,10,59,88,5d,15,43,c3,a5,93,f9,2c,e3,e0,a0,66)
#define MUSTER_MESSAGE_UPGRADE_SWITCHING \
        SD_ID128_MAKE(8c,77,8d,f0,30,51,43,0d,8b,cf,c0,83,75,c0,5a,d3)
#define MUSTER_MESSAGE_UPGRADE_STARTING \
        SD_ID128_MAKE(a3,62,1b,d5,19,bf,42,9f,93,49,69,f1,02,50,43,92)
#define MUSTER_MESSAGE_UPGRADE_PROBATION \
        SD_ID128_MAKE(28,1a,bc,3c,b8,0a,49,3d,8a,b6,e9,12,56,d1,9c,a9)
#define MUSTER_MESSAGE_UPGRADE_COMMITTED \
        SD_ID128_MAKE(3e,75,a5,84,eb,c9,45,0b,86,1b,c7,b9,ce,df,74,08)
#define MUSTER_MESSAGE_UPGRADE_ROLLING_BACK \
        SD_ID128_MAKE(7c,02,6a,26,f6,5a,4c,d9,af,0a,bd,61,46,e6,85,f0)
#define MUSTER_MESSAGE_UPGRADE_ROLLED_BACK \
        SD_ID128_MAKE(a2,a9,3a,50,32,47,40,28,ae,31,a1,c3,1e,e1,5f,c2)
#define MUSTER_MESSAGE_UPGRADE_ABORTED \
        SD_ID128_MAKE(ce,20,68,f9,d3,26,44,8f,9f,d8,2c,f9,61,51,06,c5)
#define MUSTER_MESSAGE_UPGRADE_STUCK \
        SD_ID128_MAKE(eb,9c,6b,7a,ae,43,41,da,98,17,52,d6,8e,02,02,4d)

#define MUSTER_MESSAGE_VERDICT_CHANGED \
        SD_ID128_MAKE(78,11,25,f8,03,bf,4a,4c,a0,f6,c8,fb,e5,94,f5,c5)
#define MUSTER_MESSAGE_CONFIG_BROKEN \
        SD_ID128_MAKE(88,9a,02,25,b4,be,4d,62,b9,c7,14,84,09,4e,4a,1b)
#define MUSTER_MESSAGE_CONFIG_RELOADED \
        SD_ID128_MAKE(d6,ac,70,52,4a,cb,43,f7,aa,0e,a4,d3,92,fc,d0,11)
#define MUSTER_MESSAGE_HELD \
        SD_ID128_MAKE(be,66,b6,f1,e9,a6,44,6e,af,47,23,2c,fc,5a,2b,a4)
#define MUSTER_MESSAGE_UNHELD \
        SD_ID128_MAKE(32,ef,44,30,74,b1,4e,87,93,06,3c,d2,ca,00,8e,95)
#define MUSTER_MESSAGE_FROZEN \
        SD_ID128_MAKE(cd,40,61,0e,15,94,45,76,91,ce,66,7a,42,8a,af,a0)
#define MUSTER_MESSAGE_THAWED \
        SD_ID128_MAKE(94,ee,90,01,ec,6a,40,43,9b,01,e0,bf,0b,c7,f3,2d)
#define MUSTER_MESSAGE_GUARD_REFUSED \
        SD_ID128_MAKE(55,1e,ae,72,bf,6f,46,75,b5,2b,58,0d,c7,e0,fe,c5)
/* clang-format on */
