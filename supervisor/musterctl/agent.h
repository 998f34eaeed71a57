#pragma once
/*
 * pkttyagent, by which polkit asks for a password on this terminal; as systemctl does.
 */
#include "util/cleanup.h"

typedef struct Agent Agent;

/*
 * Starts it and waits until it has registered. 0 with *ret NULL where it is
 * not needed (root), of no use (no terminal) or not installed.
 */
int agent_open(Agent **ret);
Agent *agent_close(Agent *agent); /* returns NULL */
