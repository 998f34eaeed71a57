#pragma once
/*
 * Watches one node: polls its RPC and the references on the event loop, keeps
 * what they told, and judges. Calls nothing but its handler; what is done about
 * a verdict is decided elsewhere.
 */
#include <systemd/sd-event.h>
#include "config/node.h"
#include "health/verdict.h"
#include "http/client.h"

typedef struct Monitor Monitor;

/*
 * After every poll, after a comparison with the references, and when the
 * verdict changed otherwise (@changed says if it did). May free the monitor.
 */
typedef void (*MonitorHandler)(Monitor *monitor, bool changed, void *userdata);

/*
 * Family exec: run the operator's script @path and give what it printed to
 * monitor_absorb_probe(), later, never from inside this call. < 0: it could not
 * be begun, and the poll counts as failed.
 */
typedef int (*MonitorProbe)(void *userdata, const char *path);

/*
 * Copies what it needs of @config. @probe is needed for family exec only. The
 * first poll is made at once. 0 or -errno.
 */
int monitor_new(Monitor **ret, sd_event *event, HttpClient *client, const NodeConfig *config,
                MonitorHandler handler, MonitorProbe probe, void *userdata);
Monitor *monitor_free(Monitor *monitor); /* returns NULL */

/*
 * After a reload: goes on with what @old knows of the node, if both ask the same one in the same way. Right
 * after monitor_new(); @old is of no use afterwards but to be freed.
 */
void monitor_inherit(Monitor *monitor, Monitor *old);
DEFINE_CLEANUP(Monitor *, monitor_free)

/*
 * What systemd says now; copied. A new process forgets what the old one told and is polled at
 * once. If the verdict changes the handler runs inside this call.
 */
void monitor_set_facts(Monitor *monitor, const UnitFacts *facts);

/* Every 250 ms while a start-up or a height is waited for; then back to the configured interval. */
void monitor_set_urgent(Monitor *monitor, bool urgent);

/* Polls now unless one is under way. */
void monitor_poll_now(Monitor *monitor);

/* The outcome of the probe, once each: its standard output, or why there is none. */
void monitor_absorb_probe(Monitor *monitor, const char *text, const char *error);

/*
 * Borrowed until the next poll; never NULL: before the first poll everything is unknown. Heights of
 * another chain than the configured one are unknown here, and so is a head that leapt by more than
 * 1000 blocks until a second poll shows it: both must trigger nothing.
 */
const ChainSample *monitor_sample(const Monitor *monitor);

/* *ret_reason (may be NULL) is borrowed until the next judgement, never NULL; *ret_since_realtime (may be
 * NULL). */
Verdict monitor_verdict(const Monitor *monitor, const char **ret_reason, uint64_t *ret_since_realtime);

/* Whether the process that runs now was asked at least once, with or without an answer. */
bool monitor_has_asked(const Monitor *monitor);

/* All configured references in their order; borrowed until the next poll. Returns how many. */
size_t monitor_references(const Monitor *monitor, const ReferenceView **ret);
