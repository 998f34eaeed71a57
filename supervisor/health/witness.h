#pragma once
/*
 * The references of one node: asks them for their heads, then them and our own
 * node for the hash at a height that all of them have, so that a fork shows.
 * One round at a time.
 */
#include "config/node.h"
#include "health/poll.h"
#include "health/reference.h"

typedef struct Witnesses Witnesses;

/* After every round. May free the witnesses. */
typedef void (*WitnessHandler)(Witnesses *witnesses, void *userdata);

/* Copies the references of @config. @own: our node, kept by the caller while this lives. 0 or -ENOMEM. */
int witnesses_new(Witnesses **ret, const NodeConfig *config, const PollTarget *own, WitnessHandler handler,
                  void *userdata);
Witnesses *witnesses_free(Witnesses *witnesses); /* cancels; returns NULL */
DEFINE_CLEANUP(Witnesses *, witnesses_free)

/* Begins a round unless one is under way. @ours: our newest sample, only read now. */
void witnesses_look(Witnesses *witnesses, const ChainSample *ours);

/* In the order of the configuration; borrowed until the end of the next round. Returns how many. */
size_t witnesses_views(const Witnesses *witnesses, const ReferenceView **ret);
