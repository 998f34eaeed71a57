#pragma once
/*
 * The command line.
 */
#include <stdbool.h>

#include "block.h"
#include "peer.h"

typedef enum OptionsCommand {
        OPTIONS_RUN,
        OPTIONS_VERSION,
        OPTIONS_HELP,
} OptionsCommand;

typedef struct Options {
        OptionsCommand command;
        const char *data, *witness, *chain_id, *moniker;
        Endpoint rpc, p2p;
        bool has_p2p;
        Endpoint peers[PEER_TARGETS_MAX];
        size_t n_peers;
        uint32_t validators, index;
        uint64_t block_time_ms;
} Options;

/* 0 or -EINVAL, explained on stderr. Points into @argv. */
int options_parse(Options *ret, int argc, char *argv[]);
void options_help(void);
