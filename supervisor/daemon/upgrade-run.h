#pragma once
/*
 * Inside of a running upgrade, shared by the files that implement its states:
 * upgrade.c (transitions), staging.c (fetching to staged), armed.c, draining.c,
 * stopping.c, guarding.c, starting.c (with switching), probation.c, rollback.c;
 * restoring.c, relieving.c and snapshotting.c (what the other kinds do in these states);
 * operator.c (what systemctl was told meanwhile), data.c (backup and the way back of data).
 *
 * A state's entry action may call upgrade_event() and the like only as its last
 * act: the upgrade may be gone when they return.
 */
#include "daemon/upgrade.h"
#include "health/relief.h"

typedef void (*UpgradeThen)(Upgrade *u);
typedef void (*UpgradeWorkDone)(Upgrade *u, bool ok, const char *text, const json_t *result);

#define CHECK_USEC     (50 * USEC_PER_MSEC) /* between looks at something that tells nobody */
#define BUS_RETRY_USEC USEC_PER_SEC         /* before asking systemd again */

struct Upgrade {
        Node *node;
        UpgradeJob *job;
        WorkerRun *run;
        UpgradeWorkDone work_done;
        UnitJob *unit_job;
        sd_event_source *timer, *deadline;
        UpgradeThen on_timer, on_deadline;
        UpgradeThen on_unit;      /* what this state wants to know of the unit */
        UpgradeThen then;         /* what follows the stop, the position or the start under way */
        const char *starting;     /* the version being started: borrowed from the job */
        uint64_t start_monotonic; /* launch records from before are of another start */
        Probation probation;
        Relief relief;       /* fetching, of a restore */
        bool hooks_done;     /* probation: post-start has run */
        int64_t seen_height; /* the highest head seen while armed; -1 */
        unsigned step;       /* inside of draining and rolling-back; a restore's tries to fetch in vain */
        char *progress;
        UpgradeState owed; /* a transition that could not be made durable yet */
        char *owed_reason;
};

/* Journal row first, then the first entry action. Takes @job; *slot is the node's place for it. */
int upgrade_launch(Node *node, UpgradeJob *job, Upgrade **slot, const Caller *by, char ret_job[static 17],
                   Fault *reterr);

/* Why an upgrade cannot go back; NULL if it can. @asked: a person says so, which --no-rollback does not
 * forbid. */
const char *upgrade_no_way_back(const Upgrade *u, bool asked);

/* Makes the next state durable, publishes it, runs its entry action. Retries while the journal cannot be
 * written. */
void upgrade_event(Upgrade *u, UpgradeEvent event, const char *format, ...) _printf_(3, 4);

/* The node or the work failed: goes back where that is possible and allowed, else gives up. */
void upgrade_fail(Upgrade *u, const char *format, ...) _printf_(2, 3);

/* Writes a row without leaving the state; a job that is over by its facts then ends. */
void upgrade_rest(Upgrade *u, const char *format, ...) _printf_(2, 3);

void upgrade_say(Upgrade *u, const char *format, ...) _printf_(2, 3);

/* One of each at most; both are disarmed by every transition. Failing to arm is logged and ends the
 * process's trust in its loop: upgrade_event() is not called, systemd's watchdog is. */
void upgrade_after(Upgrade *u, uint64_t usec, UpgradeThen then);
void upgrade_until(Upgrade *u, uint64_t usec, UpgradeThen then);

/* Runs a worker; consumes @order. The deadline and timer stay as they are. */
void upgrade_work(Upgrade *u, WorkerKind kind, json_t *order, uint64_t timeout_usec, UpgradeWorkDone done);

/* Runs the operator's hooks of @event, with the job in their environment; without any, @done is called at
 * once. */
void upgrade_hooks(Upgrade *u, const char *event, UpgradeWorkDone done);

/* The time until hooks that asked for it are tried again, where all of it may take @patience. */
uint64_t upgrade_hooks_pause(uint64_t patience);

/* An order for the worker that runs as the node's user; NULL without memory. */
json_t *upgrade_restore_order(Upgrade *u, const char *verb);

/* Whether the new release was executed, or may have been: its data may be migrated. After a stop it is
 * certain. */
bool upgrade_may_have_run(const Upgrade *u);

/* Preflight: -ENOENT if the backup is a hook's and there is none. */
int upgrade_check_backup_hook(const Upgrade *u, Fault *reterr);

/* guarding: a backup by the node's policy, or for a rollback the data of its backup; ends with the
 * transition. */
void upgrade_keep_data(Upgrade *u);

/* Way back, the node stopped: the data as it was where the new release may have touched it; then @then. */
void upgrade_give_data_back(Upgrade *u, UpgradeThen then);

/* Where the backup is, for whoever finds the node stuck. NULL: there is none. */
char *upgrade_kept_note(const Upgrade *u);

/* Where the data stays as the new release left it: that, and what to do. NULL: not so. */
char *upgrade_data_note(const Upgrade *u);

/* Stops the node for good: no permit, StopUnit, until its cgroup is empty; then @then. Gives up if it stays.
 */
void upgrade_stop_node(Upgrade *u, UpgradeThen then);

/* Takes the signing position that the stopped node left to the high-water mark; then @then. */
void upgrade_take_position(Upgrade *u, UpgradeThen then);

/* Permit, StartUnit; then @then when `version` was executed. Fails with the launcher's reason. */
void upgrade_start_node(Upgrade *u, const char *version, UpgradeThen then);

/* Remembers in the job's facts, once, when the process that was just stopped ended. */
int upgrade_remember_exit(Upgrade *u, const char *fact);

/* On the way back, after the stop: the same of what was tried, if it was executed at all. */
void upgrade_remember_new_exit(Upgrade *u);

/* From that end to the newest exec, microseconds; also over a reboot. -1: not known. */
int64_t upgrade_downtime(const Upgrade *u, const char *fact);

/* Where the unit is known to run @version by now. */
bool upgrade_node_runs(Upgrade *u, const char *version);

/* What the operator did meanwhile that a start would undo, in words: a stop, a mask. NULL: nothing. */
const char *upgrade_operator_objects(const Upgrade *u);

/* Ends an upgrade that has not touched the node yet. */
void upgrade_abort_for_operator(Upgrade *u, const char *objection);

/* Ends it where the next step would be the start; the permit is there. */
void upgrade_leave_start_to_operator(Upgrade *u, const char *objection);

/* rolling-back: the node was started as it was before; waits for its answer. */
void upgrade_on_old_started(Upgrade *u);

/* DAEMON_E_BUSY with what is under way. */
int upgrade_busy(const Upgrade *u, Fault *reterr);

/* --- restores (restoring.c) --- */

/* The job whose name the trees have. */
const char *restore_id(const UpgradeJob *job);

/* Writes or removes the worker's pause file as the facts say. */
int restore_write_pause(const Node *node, const UpgradeJob *job, Fault *reterr);

/* fetching, at every sample: makes way for a node that was well and is not any more. Other kinds: nothing.
 */
void restore_check_node(Upgrade *u);

/* Where the data of before is and how to get it back; NULL: it is not kept. Owned. */
char *restore_kept_note(const Node *node, const UpgradeJob *job);

/* Whether a rollback now is the way back to kept data: nothing has run on it since. */
bool restore_can_go_back(const UpgradeJob *last);
int node_restore_back(Node *node, const Caller *by, char ret_job[static 17], Fault *reterr);

/* @job is over and its trees may still be there; restore_drop_order() removes them. */
bool restore_has_leftovers(const UpgradeJob *job);
json_t *restore_drop_order(const Node *node, const UpgradeJob *job);

/* Before each step of probation; and when it has passed. */
void restore_prepare_probation(Upgrade *u);
void restore_commit(Upgrade *u);

void restore_enter_fetching(Upgrade *u);
void restore_enter_verifying(Upgrade *u);
void restore_enter_staged(Upgrade *u);
void restore_enter_guarding(Upgrade *u);
void restore_enter_switching(Upgrade *u);
void restore_enter_rolling_back(Upgrade *u);

void snapshot_enter_fetching(Upgrade *u);
void snapshot_enter_verifying(Upgrade *u);

/* Entry actions. */
void upgrade_enter_fetching(Upgrade *u);
void upgrade_enter_verifying(Upgrade *u);
void upgrade_enter_staged(Upgrade *u);
void upgrade_enter_armed(Upgrade *u);
void upgrade_enter_draining(Upgrade *u);
void upgrade_enter_stopping(Upgrade *u);
void upgrade_enter_guarding(Upgrade *u);
void upgrade_enter_switching(Upgrade *u);
void upgrade_enter_starting(Upgrade *u);
void upgrade_enter_probation(Upgrade *u);
void upgrade_enter_rolling_back(Upgrade *u);

/* Each new sample, in the states that wait for the chain. */
void upgrade_armed_check(Upgrade *u);
void upgrade_draining_check(Upgrade *u);
void upgrade_probation_check(Upgrade *u);
void upgrade_rolling_back_check(Upgrade *u);
