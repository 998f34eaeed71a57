/*
 * The states of a restore that are not an upgrade's: the snapshot arrives beside
 * the running node, the node stops only for the exchange, and until probation
 * has passed what was live lies in state/old. The release never changes. What a
 * crash leaves is told by the job's facts, each durable before its effect:
 *
 *     incoming-begun  state/incoming may be there
 *     paused          the download waits: the worker's file is in /run, which a reboot empties
 *     refused         it ended because the snapshot is not trusted or not this chain's
 *     fetched         the worker's report: incoming is complete and durable
 *     exchange-asked  the exchange may have been made, wholly or half
 *     exchanged       it is known to be made
 *     back-asked      the way back may have been made
 *     data-back       it is known to be made: state/old is gone, state/incoming is the bad one
 *     of              this job only goes back: the restore that it goes back from
 *     kept-old        the stuck restore whose state/old is still there, handed on from job to job
 *     drop-first      trees of that earlier restore are given up: they go before anything arrives
 *     dropped         nothing is left to remove
 */
#include "daemon/upgrade-run.h"
#include "muster-build.h"
#include "util/text.h"

#include <inttypes.h>
#include <systemd/sd-journal.h>

#define DROP_TIMEOUT_USEC     UINT64_MAX /* a terabyte of small files takes its time */
#define EXCHANGE_TIMEOUT_USEC UINT64_MAX /* stopped in the middle it would only have to be run again */
#define GUARD_TIMEOUT_USEC    (120 * USEC_PER_SEC)
#define RETRY_USEC            (30 * USEC_PER_SEC)
#define TRIES_IN_VAIN         20 /* ten minutes without a good byte: the mirrors are gone */

const char *restore_id(const UpgradeJob *job) {
        return json_str(job->facts, "of") ?: job->id;
}

/* An order about the trees of restore job @id. */
static json_t *order_of(const Node *node, const UpgradeJob *job, const char *id, const char *verb) {
        json_t *order = node_restore_order(node, job, verb);

        if (order && json_put_str(order, "restore", id) < 0) {
                json_decref(order);
                return NULL;
        }
        return order;
}

static json_t *restore_order(Upgrade *u, const char *verb) {
        return order_of(u->node, u->job, restore_id(u->job), verb);
}

/* --- fetching -------------------------------------------------------------- */

static int put_fetch(const Node *node, const UpgradeJob *job, json_t *order) {
        json_t *asked = json_object_get(job->facts, "restore");

        if (json_object_update_missing(order, asked) < 0 ||
            json_put_str(order, "place", json_str(job->facts, "place")) < 0 ||
            json_put_str(order, "unit", node_config_unit(node->config)) < 0)
                return -ENOMEM;
        return 0;
}

static void restore_fetch(Upgrade *u);

/* A full disk or no mirror: what is there is gone on with. A person is waited for only by a disk. */
static bool fetch_later(Upgrade *u, const char *text, const json_t *result) {
        if (!json_bool(result, "retry"))
                return false;
        u->step = json_bool(result, "full") || json_bool(result, "gained") ? 0 : u->step + 1;
        if (u->step >= TRIES_IN_VAIN)
                return false;
        upgrade_say(u, "%s; trying again: 'musterctl cancel %s' gives up", text, u->node->name);
        upgrade_after(u, RETRY_USEC, restore_fetch);
        return true;
}

static void on_fetched(Upgrade *u, bool ok, const char *text, const json_t *result) {
        json_t *report;

        if (!ok && fetch_later(u, text, result))
                return;
        if (!ok) {
                if (json_bool(result, "refused"))
                        (void) json_put_bool(u->job->facts, "refused", true);
                upgrade_event(u, UPGRADE_EV_FAIL, "%s", text);
                return;
        }
        report = json_copy((json_t *) result);
        if (!report || json_object_set_new(u->job->facts, "fetched", report) < 0)
                upgrade_event(u, UPGRADE_EV_FAIL, "out of memory");
        else
                upgrade_event(u, UPGRADE_EV_OK, "%s", text);
}

static void restore_fetch(Upgrade *u) {
        json_t *order = restore_order(u, "fetch");

        if (order && put_fetch(u->node, u->job, order) < 0) {
                json_decref(order);
                order = NULL;
        }
        upgrade_work(u, WORKER_FETCH, order, 0, on_fetched);
}

static void on_prepared(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok)
                upgrade_event(u, UPGRADE_EV_FAIL, "%s", text);
        else if (json_put_str(u->job->facts, "place", json_str(result, "place")) < 0)
                upgrade_event(u, UPGRADE_EV_FAIL, "out of memory");
        else
                restore_fetch(u);
}

/* Where the data is a mount point the incoming tree lies inside, which the worker of the network may not
 * make. */
static void restore_prepare(Upgrade *u) {
        upgrade_say(u, "looking at where the data lies");
        upgrade_work(u, WORKER_RESTORE, restore_order(u, "place"), GUARD_TIMEOUT_USEC, on_prepared);
}

static void on_dropped_first(Upgrade *u, bool ok, const char *text, const json_t *result) {
        cleanup_fault_ Fault fault = {};
        int r;

        if (!ok) {
                upgrade_event(u, UPGRADE_EV_FAIL, "what an earlier restore left was not removed: %s", text);
                return;
        }
        (void) json_object_del(u->job->facts, "drop-first");
        r = journal_save_facts(u->node->daemon->journal, u->job, &fault);
        if (r < 0)
                upgrade_event(u, UPGRADE_EV_FAIL, "%s", fault_text(&fault, r));
        else
                restore_prepare(u);
}

int restore_write_pause(const Node *node, const UpgradeJob *job, Fault *reterr) {
        const char *reason = json_str(job->facts, "pause-reason") ?: "paused by an operator";

        return worker_pause_write(WORKER_FETCH, node->name, json_bool(job->facts, "paused") ? reason : NULL,
                                  reterr);
}

void restore_enter_fetching(Upgrade *u) {
        const char *first = json_str(u->job->facts, "drop-first");
        cleanup_fault_ Fault fault = {};
        int r;

        r = restore_write_pause(u->node, u->job, &fault);
        if (r < 0) {
                upgrade_event(u, UPGRADE_EV_FAIL, "%s", fault_text(&fault, r));
                return;
        }
        if (!first) {
                restore_prepare(u);
                return;
        }
        upgrade_say(u, "removing what restore %s left", first);
        upgrade_work(u, WORKER_RESTORE, order_of(u->node, u->job, first, "drop"), DROP_TIMEOUT_USEC,
                     on_dropped_first);
}

/*
 * A release that replaced another one at a height cannot run the blocks before it:
 * CometBFT chains panic there. 0; 1: refused, and why.
 */
static int check_height(Upgrade *u, uint64_t height, Fault *reterr) {
        cleanup_(upgrade_job_freep) UpgradeJob *upgrade = NULL;
        const char *trigger;
        uint64_t from;
        int r;

        r = journal_upgrade_to(u->node->daemon->journal, u->node->name, u->job->version, &upgrade, reterr);
        if (r < 0 || !upgrade)
                return r;
        trigger = json_str(upgrade->facts, "trigger");
        if (!trigger || !str_starts(trigger, "height:") || parse_u64(trigger + 7, &from) < 0 ||
            height >= from)
                return 0;
        return fault_set(
                reterr, 1,
                "the snapshot is of height %" PRIu64 ", and version %s took over at height %" PRIu64
                ": it may not be able to run the blocks between. Take a newer snapshot, or go back to "
                "version %s first",
                height, u->job->version, from, upgrade->from ?: "of before");
}

/* The worker has verified every byte; that it is this node's chain is looked at again here. */
void restore_enter_verifying(Upgrade *u) {
        const json_t *report = json_object_get(u->job->facts, "fetched");
        const char *chain = json_str(report, "chain"), *ours = u->node->config->chain_id,
                   *signer = json_str(report, "signed_by");
        cleanup_fault_ Fault fault = {};
        uint64_t height;
        char at[40] = "";

        if (!report) {
                restore_enter_fetching(u);
                return;
        }
        if (chain && ours && !str_eq(chain, ours)) {
                upgrade_event(u, UPGRADE_EV_FAIL, "the snapshot is of chain %s, node '%s' is on %s", chain,
                              u->node->name, ours);
                return;
        }
        if (json_u64(report, "height", &height) >= 0) {
                if (check_height(u, height, &fault) != 0) {
                        upgrade_event(u, UPGRADE_EV_FAIL, "%s", fault_text(&fault, 1));
                        return;
                }
                snprintf(at, sizeof at, ", height %" PRIu64, height);
        }
        if (json_bool(report, "already")) { /* what it was like was told to a musterd that is no more */
                upgrade_event(u, UPGRADE_EV_OK, "the snapshot is complete beside the data");
                return;
        }
        upgrade_event(u, UPGRADE_EV_OK, "the snapshot is complete beside the data: chain %s%s, %s%s",
                      chain ?: "not named", at, signer ? "signed by " : "no signature that counts",
                      signer ?: "");
}

/* --- staged: preflight ------------------------------------------------------- */

static void pre_restore_hooks(Upgrade *u);

static void on_pre_restore(Upgrade *u, bool ok, const char *text, const json_t *result) {
        uint64_t patience = u->node->config->drain_timeout;
        char spent[DURATION_TEXT_MAX];

        if (!ok && json_bool(result, "retry") && u->deadline) {
                upgrade_say(u, "preflight: %s", text);
                upgrade_after(u, upgrade_hooks_pause(patience), pre_restore_hooks);
        } else if (!ok && json_bool(result, "retry"))
                upgrade_event(u, UPGRADE_EV_FAIL, "preflight: not ready within %s: %s",
                              format_duration(spent, patience), text);
        else if (!ok)
                upgrade_event(u, UPGRADE_EV_FAIL, "preflight: %s", text);
        else
                upgrade_event(u, UPGRADE_EV_OK, "preflight passed");
}

static void pre_restore_hooks(Upgrade *u) {
        upgrade_hooks(u, "pre-restore", on_pre_restore);
}

/* The hooks' next answer is the last. */
static void pre_restore_patience_ends(Upgrade *u) {
        upgrade_say(u, "preflight: hooks, for the last time");
}

static void on_guarded_first(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok) {
                upgrade_event(u, UPGRADE_EV_FAIL, "preflight: the guard would refuse the start: %s", text);
                return;
        }
        upgrade_say(u, "preflight: hooks");
        upgrade_until(u, u->node->config->drain_timeout, pre_restore_patience_ends);
        pre_restore_hooks(u);
}

void restore_enter_staged(Upgrade *u) {
        upgrade_say(u, "preflight: the guard");
        upgrade_work(u, WORKER_RESTORE, upgrade_restore_order(u, "guard"), GUARD_TIMEOUT_USEC,
                     on_guarded_first);
}

/* --- guarding, switching ------------------------------------------------------ */

static void on_position_taken(Upgrade *u) {
        if (json_put_bool(u->job->facts, "exchange-asked", true) < 0) /* durable with the next state */
                upgrade_fail(u, "out of memory");
        else
                upgrade_event(u, UPGRADE_EV_OK,
                              "signing state guarded; the data itself is kept in state/old");
}

void restore_enter_guarding(Upgrade *u) {
        upgrade_say(u, "reading the signing state");
        upgrade_take_position(u, on_position_taken);
}

static void on_exchanged(Upgrade *u, bool ok, const char *text, const json_t *result) {
        if (!ok)
                upgrade_fail(u, "exchange: %s", text);
        else if (json_put_bool(u->job->facts, "exchanged", true) < 0 ||
                 json_put_bool(u->job->facts, "start-asked", true) < 0)
                upgrade_fail(u, "out of memory");
        else
                upgrade_event(u, UPGRADE_EV_OK, "%s", text);
}

void restore_enter_switching(Upgrade *u) {
        upgrade_say(u, "exchanging the data, signing state and keys carried over");
        upgrade_work(u, WORKER_RESTORE, restore_order(u, "exchange"), EXCHANGE_TIMEOUT_USEC, on_exchanged);
}

/* --- probation ----------------------------------------------------------------- */

/* A node that is far behind signs when it has caught up, which its probation does not wait for. */
void restore_prepare_probation(Upgrade *u) {
        const ChainSample *sample = monitor_sample(u->node->monitor);
        bool signing = json_bool(json_object_get(u->job->facts, "baseline"), "signing");

        u->probation.was_signing = signing && sample->syncing != TRI_YES;
}

static void on_post_restore(Upgrade *u, bool ok, const char *text, const json_t *result) {
        const ChainSample *sample = monitor_sample(u->node->monitor);

        if (!ok)
                sd_journal_print(LOG_WARNING, "A post-restore hook of node '%s' failed, ignoring: %s",
                                 u->node->name, text);
        upgrade_event(u, UPGRADE_EV_OK,
                      "the restored data passed its probation, head %" PRId64
                      "; the data of before is removed, from here on there is no way back to it%s%s",
                      sample->height, ok ? "" : "; a post-restore hook failed: ", ok ? "" : text);
}

/* What these hooks say undoes nothing: probation has passed. */
void restore_commit(Upgrade *u) {
        upgrade_say(u, "post-restore hooks");
        upgrade_hooks(u, "post-restore", on_post_restore);
}

/* --- rolling-back --------------------------------------------------------------- */

static bool data_may_be_exchanged(const UpgradeJob *job) {
        return json_bool(job->facts, "exchange-asked") && !json_bool(job->facts, "data-back");
}

static void start_again(Upgrade *u) {
        upgrade_start_node(u, u->job->from, upgrade_on_old_started);
}

static void on_exchanged_back(Upgrade *u, bool ok, const char *text, const json_t *result) {
        cleanup_free_ char *kept = NULL;
        cleanup_fault_ Fault fault = {};
        int r;

        if (!ok) {
                kept = upgrade_kept_note(u);
                upgrade_fail(u,
                             "%s; the data could not be exchanged back: %s; the node does not run; %s; mend "
                             "the cause, then 'musterctl rollback %s'",
                             u->job->reason, text, kept ?: "the data of before is kept", u->node->name);
                return;
        }
        r = json_put_bool(u->job->facts, "data-back", true);
        if (r >= 0)
                r = journal_save_facts(u->node->daemon->journal, u->job, &fault);
        if (r < 0)
                upgrade_fail(u, "%s; %s", u->job->reason, fault_text(&fault, r));
        else
                start_again(u);
}

static void exchange_back(Upgrade *u) {
        cleanup_fault_ Fault fault = {};
        int r;

        r = json_put_bool(u->job->facts, "back-asked", true);
        if (r >= 0)
                r = journal_save_facts(u->node->daemon->journal, u->job, &fault);
        if (r < 0) {
                upgrade_fail(u, "%s; %s", u->job->reason, fault_text(&fault, r));
                return;
        }
        upgrade_say(u, "exchanging the data back, signing state carried forward");
        upgrade_work(u, WORKER_RESTORE, restore_order(u, "exchange-back"), EXCHANGE_TIMEOUT_USEC,
                     on_exchanged_back);
}

static void on_restored_stopped(Upgrade *u) {
        upgrade_remember_new_exit(u);
        upgrade_take_position(u, exchange_back);
}

/* What runs tells nothing of the data that it runs on: only the facts do. */
void restore_enter_rolling_back(Upgrade *u) {
        upgrade_say(u, "going back to the data of before");
        if (u->job->downtime_usec >= 0 && !json_object_get(u->job->facts, "first-gap"))
                (void) json_put_u64(u->job->facts, "first-gap", (uint64_t) u->job->downtime_usec);
        if (!node_unit(u->node))
                upgrade_after(u, CHECK_USEC, restore_enter_rolling_back);
        else if (data_may_be_exchanged(u->job))
                upgrade_stop_node(u, on_restored_stopped);
        else
                start_again(u);
}

char *restore_kept_note(const Node *node, const UpgradeJob *job) {
        char *text = NULL;

        if (!data_may_be_exchanged(job) ||
            asprintf(&text,
                     "the data of before the restore is kept in " MUSTER_STATEDIR
                     "/nodes/%s/state/old (or in .muster-old inside of a data directory that is a mount "
                     "point): 'musterctl rollback %s' brings it back",
                     node->name, node->name) < 0)
                return NULL;
        return text;
}

/* --- what is left ----------------------------------------------------------------- */

/* Only the stuck restore itself, or what was tried since then and changed nothing. */
const char *restore_kept_old(const UpgradeJob *last) {
        if (!last)
                return NULL;
        if (last->kind == JOB_RESTORE && last->state == UPGRADE_STUCK && data_may_be_exchanged(last))
                return restore_id(last);
        if (json_bool(last->facts, "data-back"))
                return NULL;
        return json_str(last->facts, "kept-old");
}

bool restore_can_go_back(const UpgradeJob *last) {
        return restore_kept_old(last) && (last->kind == JOB_RESTORE || last->state == UPGRADE_ABORTED);
}

bool restore_has_leftovers(const UpgradeJob *job) {
        return job->kind == JOB_RESTORE && json_bool(job->facts, "incoming-begun") &&
               !(job->state == UPGRADE_STUCK && data_may_be_exchanged(job)) &&
               !json_str(job->facts, "kept-old");
}

json_t *restore_drop_order(const Node *node, const UpgradeJob *job) {
        return order_of(node, job, restore_id(job), "drop");
}
