#pragma once
/*
 * The high-water mark of a node: raised from what the launcher recorded at
 * each stop and from what the chain shows that we signed, so that it holds
 * even where the node's own files are lost or put back.
 */
#include "daemon/node.h"
#include "guard/position.h"

/* Is there a signing position to guard on this host at all? */
bool node_has_position(const Node *node);

/* Durable; nothing where the chain id is not configured. -errno with the position in the fault. */
int node_raise_mark(Node *node, const SigningPosition *position, Fault *reterr);

/* The launcher's record of the last stop, if it is of the process that systemd ran last; else false. */
bool node_stop_position(const Node *node, SigningPosition *ret);

/* Raises it to the highest height that the chain was seen to have our signature of, at once. */
int node_mark_seen(Node *node, Fault *reterr);

/* The node is of another chain now: what was seen counts no more. */
void node_mark_forget(Node *node);

/* After a change of the unit and after each sample: raises the mark where there is news. Failing is logged.
 */
void node_mark_stop(Node *node);
void node_mark_signed(Node *node);
