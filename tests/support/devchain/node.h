#pragma once
/*
 * The node: data, keys, consensus and peers put together, and what its faults
 * make of them. gossip.c talks to peers and catches up, validator.c gives
 * consensus its effects, rpc.c only reads.
 */
#include <poll.h>

#include "consensus.h"
#include "fault.h"
#include "key.h"
#include "options.h"
#include "peer.h"
#include "release.h"
#include "signer.h"
#include "store.h"
#include "witness.h"

enum {
        NODE_E_FOREIGN = 1, /* a final block that does not follow our head under our rules */
        NODE_E_STOPPED,     /* fault stall: our head does not move */
};

typedef enum NodePhase {
        NODE_DARK,    /* opened; no sockets yet (slow start) */
        NODE_SYNCING, /* catching up: follows peers, signs nothing */
        NODE_RUNNING,
} NodePhase;

typedef struct Node {
        const Options *options;
        const Release *release;
        Faults *faults;
        NodePhase phase;

        Witness witness;
        Store store;
        Signer signer;
        Key key;
        char id[KEY_ADDRESS_HEX];
        Key validators[BLOCK_VALIDATORS_MAX];
        Consensus consensus;
        PeerSet peers;

        uint64_t status_due_ms;   /* when to tell peers where we are again */
        uint64_t behind_since_ms; /* 0: nobody is known to be ahead */
        uint64_t ask_due_ms;      /* when to ask for blocks again */
        uint64_t foreign_log_ms;  /* a refused block is logged once in a while */
        uint64_t sync_start;      /* head at the start of catching up */
        bool foreign;             /* the last final block seen was refused: no use in catching up */
        bool left_orphan;
} Node;

/* Claims the data and loads it; logs what is wrong. 0 or -errno. @node must be zeroed but for its first
 * three members. */
int node_open(Node *node);

/* Opens the p2p socket. 0 or -errno, logged. */
int node_go_online(Node *node, uint64_t now_ms);

/* Everything that time asks for. Returns when it wants to be called next. */
uint64_t node_tick(Node *node, uint64_t now_ms);

/* Takes a block that a quorum has made final: appends it, or what fault fork makes of it. Not synced. 0,
 * NODE_E_*, -errno. */
int node_adopt(Node *node, const Block *final);
/* After node_adopt(): syncs and starts the next height. */
int node_next_height(Node *node);

/* Durable end of life: stop line, data closed. */
void node_close(Node *node, const char *reason);
/* The same, and the process ends here. */
_Noreturn void node_die(Node *node, const char *reason, int code);

const FaultRule *node_fault(const Node *node, FaultKind kind);
bool node_is_validator(const Node *node);

/* gossip.c */
void gossip_init(Node *node);
void gossip_status(Node *node);
/* Asks a peer that is ahead, changes between syncing and running. */
void gossip_catch_up(Node *node, uint64_t now_ms);
/* Highest head among peers, 0 if none is known. */
uint64_t gossip_best(const Node *node);

/* validator.c */
void validator_init(Node *node);
/* The state transition rule of block @height: 0, or the salt of fault fork. */
uint64_t validator_app(const Node *node, uint64_t height);
