#pragma once
/*
 * One node's configuration: /etc/muster/nodes.d/NAME.conf, parsed with
 * libconfuse into this struct. A NodeConfig is immutable after it was read:
 * a reload makes a new one, and whoever needs a value later copies it.
 *
 * All durations are microseconds, UINT64_MAX means "infinity".
 */
#include <stdbool.h>
#include <stdint.h>
#include "util/fault.h"

typedef enum NodeMode { NODE_MODE_OBSERVE, NODE_MODE_MANUAL, NODE_MODE_AUTO, _NODE_MODE_MAX } NodeMode;
typedef enum NodeRole {
        NODE_ROLE_ACTIVE,
        NODE_ROLE_STANDBY,
        NODE_ROLE_SENTRY,
        NODE_ROLE_RPC,
        _NODE_ROLE_MAX
} NodeRole;
typedef enum NodeSigner { NODE_SIGNER_LOCAL, NODE_SIGNER_REMOTE, _NODE_SIGNER_MAX } NodeSigner;
typedef enum BackupPolicy {
        BACKUP_NONE,
        BACKUP_REFLINK,
        BACKUP_COPY,
        BACKUP_HOOK,
        _BACKUP_POLICY_MAX
} BackupPolicy;

/* What `mode = auto` was granted: grant = { "stage", "stop", "start", "rollback" } */
typedef enum NodeGrant {
        NODE_GRANT_STAGE = 1 << 0,
        NODE_GRANT_STOP = 1 << 1,
        NODE_GRANT_START = 1 << 2,
        NODE_GRANT_ROLLBACK = 1 << 3,
} NodeGrant;

/* An endpoint of somebody else that tells where the chain is: reference NAME { url = ... provider = ... } */
typedef struct ReferenceConfig {
        char *name;
        char *url;
        char *provider;
} ReferenceConfig;

/* probation { ... }: when an upgraded node counts as good. */
typedef struct ProbationConfig {
        uint64_t start_timeout;  /* from exec until the RPC answers; also: the time that silence may last */
        uint64_t duration;       /* the node must stay good this long after its head passed the old head */
        uint64_t timeout;        /* the whole of it: not good by then is a failure */
        uint64_t min_blocks;     /* blocks beyond the old head */
        int64_t min_peers;       /* -1: not asked for */
        uint64_t max_restarts;   /* automatic restarts by systemd that are forgiven */
        bool require_references; /* hash must agree with a majority of the references that answer, if any
                                    does */
        bool require_signing;    /* if it signed before, it must sign again */
} ProbationConfig;

/* snapshot { ... }: what `musterctl restore` does where it is not told. */
typedef struct SnapshotConfig {
        char *prefix;        /* the archive's directory that is the data directory: stripped; NULL: none */
        char *signers;       /* path of an allowed_signers file, absolute; NULL: none */
        uint64_t limit_rate; /* bytes a second; UINT64_MAX: no limit */
        bool seed;           /* takes what the live data holds already from there */
} SnapshotConfig;

typedef struct NodeConfig {
        char *name;   /* file name without ".conf"; see name_is_valid() */
        char *path;   /* the file it was read from */
        char *digest; /* SHA-256 of the file's bytes, 64 lower-case hex */

        char *family;   /* "evm", "klaytn", "cometbft", "exec" */
        char *chain_id; /* as the chain writes it: decimal for EVM families, text for CometBFT; NULL: not
                           checked */
        char *network;  /* free text for people; default: chain_id */

        NodeMode mode;
        unsigned grants; /* NodeGrant bits */
        NodeRole role;
        NodeSigner signer;

        char *unit;         /* an existing unit that is only observed; NULL: validator@NAME.service */
        char **command;     /* [0]: binary's path inside the release; the rest its arguments, see below */
        char **environment; /* KEY=VALUE */
        char **version_command; /* arguments that make the binary print its version; default by family */
        char *user;             /* the node's system user; default "validator-NAME" cut to 31 characters */
        char *data;             /* data directory, absolute; default STATEDIR/nodes/NAME/state/data */

        char *rpc;            /* http(s)://host:port[/path] */
        char *probe;          /* family exec: absolute path of the operator's script */
        uint64_t poll;        /* between polls */
        uint64_t rpc_timeout; /* of one request */
        uint64_t stall_after; /* head did not move for this long: local-stall */
        uint64_t block_time;  /* expected; 0: not known */

        int stop_signal;        /* default by family */
        uint64_t stop_patience; /* TimeoutStopSec */
        bool kill;              /* SIGKILL after patience: only by explicit policy */
        uint64_t restart_delay; /* RestartSec */

        uint64_t limit_nofile, limit_memlock, limit_nproc; /* UINT64_MAX: infinity */
        char **capabilities; /* AmbientCapabilities=, e.g. "CAP_NET_BIND_SERVICE" */
        char **protect;      /* patterns below data, besides the family's own signing and key files */

        BackupPolicy backup;
        uint64_t backup_timeout;
        uint64_t drain_timeout; /* at most this long waiting for a moment without our proposal slot */
        uint64_t hook_timeout;  /* each script */

        SnapshotConfig snapshot;
        ProbationConfig probation;
        ReferenceConfig *references;
        size_t n_references;

        char unit_buffer[96]; /* for node_config_unit() */
} NodeConfig;

/*
 * `command` and `environment` know three placeholders, replaced when a release
 * is staged: {data} the data directory, {release} the release's directory,
 * {name} the node's name. "{{" is a literal brace.
 */

/*
 * Reads one file. The node's name is @path's file name without ".conf".
 * Errors: -EINVAL with "FILE:LINE: KEY: what was expected" (every fault of the
 * file, one a line, at most 20), or -errno of reading. *ret untouched on failure.
 */
int node_config_read(const char *path, NodeConfig **ret, Fault *reterr);

/* The same with `poll` of muster.conf for a node that names none; 0: a third of block_time, or 1 s. */
int node_config_read_poll(const char *path, uint64_t default_poll, NodeConfig **ret, Fault *reterr);

/* The same from memory; @path is only named. */
int node_config_parse(const char *path, const char *text, size_t size, uint64_t default_poll,
                      NodeConfig **ret, Fault *reterr);

NodeConfig *node_config_free(NodeConfig *config); /* returns NULL */
DEFINE_CLEANUP(NodeConfig *, node_config_free)

/* "validator@NAME.service" or the observed unit; borrowed from a buffer in @config. */
const char *node_config_unit(const NodeConfig *config);
bool node_config_is_managed(const NodeConfig *config); /* no `unit =` */

/* Replaces the placeholders. -EINVAL for an unknown one, named in the fault. */
int node_config_expand(const NodeConfig *config, const char *release_dir, const char *text, char **ret,
                       Fault *reterr);

const char *node_mode_to_string(NodeMode mode);
const char *node_role_to_string(NodeRole role);
const char *node_signer_to_string(NodeSigner signer);
const char *backup_policy_to_string(BackupPolicy policy);
