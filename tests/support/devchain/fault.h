#pragma once
/*
 * Told to fail. A specification is a list separated by commas, blanks or
 * newlines; "#" starts a comment until the end of the line:
 *
 *      NAME[@HEIGHT][+SECONDS][=ARGUMENT]   on, from that height and that time on
 *      -NAME                                off, whatever earlier sources say
 *      none                                 forget all earlier sources
 *
 * Sources, later wins fault by fault: the release's trailer, the environment
 * DEVCHAIN_FAULT, the control file DIR/fault (re-read while the node runs).
 * SECONDS count from the start of the process, in the control file from the
 * moment its text changed. HEIGHT is that of the head, for halt and fork that
 * of the block being made.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum FaultKind {
        FAULT_NO_START,
        FAULT_CRASH,
        FAULT_HALT,
        FAULT_STALL,
        FAULT_FORK,
        FAULT_SLOW_START,
        FAULT_SLOW_SYNC,
        FAULT_SLOW_STOP,
        FAULT_IGNORE_SIGTERM,
        FAULT_RPC_SILENT,
        FAULT_RPC_GARBAGE,
        FAULT_RPC_REFUSE,
        FAULT_RPC_SLOW,
        FAULT_NO_PEERS,
        FAULT_NO_SIGN,
        FAULT_ORPHAN,
        FAULT_BAD_VERSION,
        FAULT_EAT_SIGNING_STATE,
        _FAULT_MAX,
} FaultKind;

typedef enum FaultSource {
        FAULT_SOURCE_RELEASE,
        FAULT_SOURCE_ENVIRONMENT,
        FAULT_SOURCE_CONTROL,
        _FAULT_SOURCE_MAX,
} FaultSource;

typedef enum FaultMention {
        FAULT_UNMENTIONED,
        FAULT_ON,
        FAULT_OFF,
} FaultMention;

typedef struct FaultRule {
        FaultMention mention;
        uint64_t height; /* 0: from the start */
        uint64_t after_ms;
        char arg[64]; /* "": none given */
} FaultRule;

typedef struct FaultSet {
        FaultRule rules[_FAULT_MAX];
        bool none;
        uint64_t since_ms; /* monotonic */
} FaultSet;

typedef struct Faults {
        FaultSet sets[_FAULT_SOURCE_MAX];
        char control_path[PATH_MAX]; /* "": none */
        char *control_text;          /* as last read, NULL: no such file */
} Faults;

/* Replaces @source. -EINVAL with the bad word in @ret_bad (64 bytes); what came before it counts. */
int faults_set(Faults *f, FaultSource source, const char *text, uint64_t now_ms, char *ret_bad);

/* Re-reads the control file; logs a change. */
void faults_reload(Faults *f, uint64_t now_ms);
void faults_done(Faults *f);

/* The rule in force at this @height and time, or NULL. Valid until the next faults_reload(). */
const FaultRule *faults_active(const Faults *f, FaultKind kind, uint64_t height, uint64_t now_ms);

/* The argument as a number, or @otherwise if there is none. */
uint64_t fault_number(const FaultRule *rule, uint64_t otherwise);

/* All names, one a line, for --help. */
void faults_print_names(void);
