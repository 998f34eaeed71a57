/*
 * A crash before the mark is durable leaves the older, lower one: the node's
 * own signing state still counts, the launcher asks for both.
 */
#include "daemon/mark.h"
#include "chain/family.h"
#include "unit/launch-record.h"
#include "util/text.h"

#include <systemd/sd-journal.h>

#define SIGNED_INTERVAL_USEC (30 * USEC_PER_SEC) /* between marks of a running node: each is an fsync */

bool node_has_position(const Node *node) {
        return node->config && node_config_is_managed(node->config) &&
               node->config->signer == NODE_SIGNER_LOCAL &&
               chain_family_by_name(node->config->family)->parse_position;
}

int node_raise_mark(Node *node, const SigningPosition *position, Fault *reterr) {
        char text[SIGNING_POSITION_TEXT_MAX];
        int r;

        if (position->height < 0 || !node->config->chain_id)
                return 0;
        r = node_open(node, reterr);
        if (r >= 0)
                r = highwater_raise(node->dirfd, node->config->chain_id, position, NULL, reterr);
        return r < 0 ? fault_prefix(reterr, r, "the high-water mark could not be raised to %s",
                                    signing_position_format(text, position))
                     : 0;
}

bool node_stop_position(const Node *node, SigningPosition *ret) {
        cleanup_stop_record_ StopRecord record = { 0 };
        const UnitStatus *status = node_unit(node);
        cleanup_fd_ int dir = -1;

        dir = node_run_dir_open(node->name, NULL);
        if (dir < 0 || stop_record_read(dir, &record, NULL) < 0 || !status ||
            !str_eq(record.invocation, status->invocation) || record.position.height < 0)
                return false;
        *ret = record.position;
        return true;
}

static void mark(Node *node, const SigningPosition *position) {
        cleanup_fault_ Fault fault = {};
        int r;

        r = node_raise_mark(node, position, &fault);
        if (r < 0)
                sd_journal_print(LOG_ERR, "%s: %s", node->name, fault_text(&fault, r));
}

int node_mark_seen(Node *node, Fault *reterr) {
        /* The round and step are not known: the lowest of that height is a mark that cannot be too high. */
        SigningPosition position = { .height = node->signed_height };
        int r;

        if (node->signed_height <= node->marked_height || !node_has_position(node))
                return 0;
        r = node_raise_mark(node, &position, reterr);
        if (r >= 0)
                node->marked_height = node->signed_height;
        return r;
}

static void mark_seen(Node *node) {
        cleanup_fault_ Fault fault = {};
        int r;

        r = node_mark_seen(node, &fault);
        if (r < 0)
                sd_journal_print(LOG_ERR, "%s: %s", node->name, fault_text(&fault, r));
}

void node_mark_stop(Node *node) {
        const UnitStatus *status = node_unit(node);
        SigningPosition position;

        if (!status || !unit_status_is_down(status) || str_eq(status->invocation, node->marked_invocation) ||
            !node_has_position(node))
                return;
        mark_seen(node); /* what it left on disk may be less than the chain has seen of it */
        if (node_stop_position(node, &position) &&
            str_replace(&node->marked_invocation, status->invocation) >= 0)
                mark(node, &position);
}

void node_mark_signed(Node *node) {
        const ChainSample *sample = monitor_sample(node->monitor);
        uint64_t now = now_monotonic_usec();

        if (sample->signing != TRI_YES || sample->signed_height <= node->signed_height)
                return;
        node->signed_height = sample->signed_height;
        if (node->marked_at && now - node->marked_at < SIGNED_INTERVAL_USEC)
                return;
        node->marked_at = now;
        mark_seen(node);
}

void node_mark_forget(Node *node) {
        node->signed_height = node->marked_height = CHAIN_UNKNOWN;
        node->marked_at = 0;
}
