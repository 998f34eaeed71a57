#pragma once
/*
 * What `muster-restore` does by hand, without a daemon. Each takes the words from
 * its own name on and returns the exit status: 0 ok, 1 failed, 2 usage, 6 refused
 * for safety.
 */

#define COMMAND_USAGE   2
#define COMMAND_REFUSED 6

int command_fetch(int argc, char **argv);
int command_create(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_inspect(int argc, char **argv);
