/*
 * Order at start: lock, data version, keys and signing state, chain; the data
 * version is written last, so that an interrupted first start is a first start
 * again.
 */
#include "node.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "cleanup.h"
#include "clock.h"
#include "durable.h"
#include "log.h"

#define FOREIGN_LOG_MS 10000
#define ORPHAN_SECONDS 300
#define HALT_EXIT_CODE 2 /* a Go program's panic */

const FaultRule *node_fault(const Node *node, FaultKind kind) {
        return faults_active(node->faults, kind, node->store.head.height, clock_mono_ms());
}

bool node_is_validator(const Node *node) {
        return node->consensus.self >= 0;
}

/* From the head's own time on, so that all nodes agree when the next block is due. */
static void begin_height(Node *node) {
        uint64_t now_ms = clock_mono_ms(), real = clock_real_ms(), pace = node->options->block_time_ms;
        const Block *head = &node->store.head;
        uint64_t wait = pace;

        if (head->height == 0 || real >= head->time_ms + pace)
                wait = 0;
        else if (real > head->time_ms)
                wait = head->time_ms + pace - real;
        node->behind_since_ms = 0;
        consensus_begin(&node->consensus, head, now_ms + wait, now_ms);
}

static int load_data(Node *node) {
        const Options *o = node->options;
        bool seal = false;
        Store *s = &node->store;
        int r;

        r = store_check_version(s, node->release->data_version, &seal);
        if (r < 0)
                return r;
        r = key_load(&node->key, s->dir, o->chain_id, o->index, s->first);
        if (r == 0)
                r = key_load_node_id(s->dir, node->id);
        if (r == 0)
                r = signer_load(&node->signer, s->dir);
        if (r == 0)
                r = store_open(s, o->chain_id, o->validators);
        if (r == 0 && seal)
                r = store_seal_version(s, node->release->data_version);
        return r;
}

/* An upgrade height: the process ends with a panic before block H is executed, as Cosmos SDK chains do. */
static void check_halt(Node *node) {
        const FaultRule *rule =
                faults_active(node->faults, FAULT_HALT, node->store.head.height + 1, clock_mono_ms());
        uint64_t height;
        char path[PATH_MAX], text[512];

        if (!rule)
                return;
        height = rule->height ?: node->store.head.height + 1;
        snprintf(path, sizeof(path), "%.4000s/data/upgrade-info.json", node->store.dir);
        snprintf(text, sizeof(text),
                 "{\"name\":\"%s\",\"time\":\"0001-01-01T00:00:00Z\",\"height\":%" PRIu64 ",\"info\":\"\"}",
                 rule->arg[0] ? rule->arg : "next", height);
        if (durable_write(path, 0644, text) < 0) /* over an older plan's, too */
                log_warn("Failed to write '%s', ignoring", path);
        log_error("UPGRADE \"%s\" NEEDED at height: %" PRIu64 ": ", rule->arg[0] ? rule->arg : "next",
                  height);
        node_die(node, "halt", HALT_EXIT_CODE);
}

/* A restart in mid-height goes on after what was signed, with the block it is locked on. */
static void resume_height(Node *node) {
        uint64_t height = node->store.head.height + 1;
        uint32_t round;
        Block locked;

        begin_height(node);
        if (signer_load_lock(&node->signer, height, &round, &locked) == 0) {
                check_halt(node); /* that block was decided before: there is nothing to wait for */
                consensus_restore_lock(&node->consensus, round, &locked);
        }
        if (node->signer.last.height == height)
                consensus_on_round(&node->consensus, height, node->signer.last.round + 1, clock_mono_ms());
}

int node_open(Node *node) {
        int r;

        node->store = (Store) STORE_INIT;
        node->witness.version = node->release->version;
        snprintf(node->witness.dir, sizeof(node->witness.dir), "%s", node->options->witness);
        gossip_init(node);

        r = durable_mkdir(node->witness.dir);
        if (r == 0)
                r = store_claim(&node->store, node->options->data);
        if (r < 0) {
                if (r == -EWOULDBLOCK)
                        witness_instance(&node->witness, "refused", 0, "locked");
                return r;
        }
        r = load_data(node);
        if (r < 0) {
                witness_instance(&node->witness, "refused", 0, strerrorname_np(-r));
                return r;
        }
        validator_init(node);
        witness_instance(&node->witness, "start", node->store.head.height, NULL);
        log_info("devchain version=%s data-version=%u chain=%s height=%" PRIu64
                 " hash=%.12s address=%s validator=%s",
                 node->release->version, node->release->data_version, node->options->chain_id,
                 node->store.head.height, node->store.head.hash, node->key.address,
                 node_is_validator(node) ? "yes" : "no");

        resume_height(node);
        node->sync_start = node->store.head.height;
        return 0;
}

int node_go_online(Node *node, uint64_t now_ms) {
        int r = node_fault(node, FAULT_NO_PEERS) ? 0 : peers_listen(&node->peers);

        if (r < 0)
                log_error("Failed to listen for peers on '%s': %s", node->options->p2p.text, strerror(-r));
        node->phase = NODE_SYNCING;
        node->consensus.deadline = now_ms + node->options->block_time_ms;
        return r;
}

static void check_crash(Node *node) {
        const FaultRule *rule = node_fault(node, FAULT_CRASH);
        const struct rlimit none = {};

        if (!rule)
                return;
        log_error("panic: told to crash at height %" PRIu64, node->store.head.height);
        if (rule->arg[0])
                _exit((int) fault_number(rule, 1));
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
}

/* A child that outlives us, deaf to every polite signal, gone by itself after a while. */
static void check_orphan(Node *node) {
        const FaultRule *rule = node_fault(node, FAULT_ORPHAN);
        pid_t pid;

        if (!rule || node->left_orphan)
                return;
        node->left_orphan = true;
        pid = fork();
        if (pid == 0) {
                prctl(PR_SET_NAME, "devchain-orphan");
                signal(SIGTERM, SIG_IGN);
                signal(SIGINT, SIG_IGN);
                signal(SIGHUP, SIG_IGN);
                close_range(0, ~0U, 0); /* the data directory's lock among them */
                setsid();
                for (unsigned left = (unsigned) fault_number(rule, ORPHAN_SECONDS); left > 0;)
                        left = sleep(left);
                _exit(0);
        }
        log_warn("left a child behind, pid %d", pid);
}

static void check_signing_state(Node *node) {
        const FaultRule *rule = node_fault(node, FAULT_EAT_SIGNING_STATE);
        bool gone = rule && strcmp(rule->arg, "gone") == 0, was = node->signer.eat;
        uint64_t back = rule ? fault_number(rule, 10) : 0;

        node->signer.eat = rule;
        if (!rule || (was && gone == node->signer.gone && back == node->signer.eat_back))
                return;
        node->signer.gone = gone;
        node->signer.eat_back = back;
        if (signer_rewrite(&node->signer) == 0)
                log_warn("ate the signing state");
}

static uint64_t tick_peers(Node *node, uint64_t now_ms) {
        if (node_fault(node, FAULT_NO_PEERS)) {
                if (node->peers.listen_fd >= 0 || peers_ready(&node->peers, NULL) > 0)
                        log_warn("leaving all peers");
                peers_close(&node->peers);
                return now_ms + PEER_REDIAL_MS;
        }
        (void) peers_listen(&node->peers);
        if (now_ms >= node->status_due_ms)
                gossip_status(node);
        return peers_tick(&node->peers, now_ms);
}

uint64_t node_tick(Node *node, uint64_t now_ms) {
        uint64_t wakeup;

        check_crash(node);
        check_orphan(node);
        check_signing_state(node);
        wakeup = tick_peers(node, now_ms);
        if (node_fault(node, FAULT_STALL)) {
                node->phase = NODE_RUNNING; /* it believes that all is well */
                return wakeup;
        }

        gossip_catch_up(node, now_ms);
        if (node->phase == NODE_RUNNING) {
                consensus_tick(&node->consensus, now_ms);
                if (consensus_wakeup(&node->consensus) < wakeup)
                        wakeup = consensus_wakeup(&node->consensus);
        }
        if (node->phase == NODE_SYNCING || node->behind_since_ms > 0) {
                uint64_t ask = now_ms + 50 > node->ask_due_ms ? now_ms + 50 : node->ask_due_ms;

                if (ask < wakeup)
                        wakeup = ask;
        }
        return wakeup;
}

static void refuse_block(Node *node, const Block *b, uint64_t app) {
        uint64_t now_ms = clock_mono_ms();

        node->foreign = true;
        if (now_ms < node->foreign_log_ms)
                return;
        node->foreign_log_ms = now_ms + FOREIGN_LOG_MS;
        log_error("refusing block height=%" PRIu64
                  " hash=%.12s of our peers: parent %.12s, ours %.12s, rule %" PRIx64 ", ours %" PRIx64,
                  b->height, b->hash, b->parent, node->store.head.hash, b->app, app);
}

int node_adopt(Node *node, const Block *final) {
        uint64_t app = validator_app(node, final->height);
        Block b = *final;
        int r;

        if (node_fault(node, FAULT_STALL))
                return NODE_E_STOPPED;
        check_halt(node);
        if (strcmp(b.parent, node->store.head.hash) != 0 || b.app != app) {
                if (!app) {
                        refuse_block(node, final, app);
                        return NODE_E_FOREIGN;
                }
                strcpy(b.parent, node->store.head.hash);
                b.app = app;
                b.local = true;
                block_seal(&b, node->store.chain_id);
        } else if (!block_verify(&b, node->store.chain_id)) {
                refuse_block(node, final, app);
                return NODE_E_FOREIGN;
        }
        r = store_append(&node->store, &b);
        if (r == 0)
                node->foreign = false;
        return r;
}

int node_next_height(Node *node) {
        int r = store_sync(&node->store);

        begin_height(node);
        return r;
}

void node_close(Node *node, const char *reason) {
        if (node->store.lock_fd < 0)
                return;
        peers_close(&node->peers);
        if (node->signer.eat)
                (void) signer_rewrite(&node->signer);
        (void) store_sync(&node->store);
        log_info("stopped height=%" PRIu64 " hash=%.12s reason=%s", node->store.head.height,
                 node->store.head.hash, reason);
        witness_instance(&node->witness, "stop", node->store.head.height, reason);
        store_done(&node->store);
}

_Noreturn void node_die(Node *node, const char *reason, int code) {
        node_close(node, reason);
        _exit(code);
}
