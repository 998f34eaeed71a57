#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

void options_help(void) {
        puts("devchain --data DIR --rpc ADDR:PORT [--p2p ADDR:PORT] [--peer ADDR:PORT]...\n"
             "         [--validators N --index I] [--chain-id ID] [--block-time MS]\n"
             "         [--moniker NAME] [--witness DIR]\n"
             "devchain version | --version\n"
             "\n"
             "A small blockchain node for tests, which can be told to fail.\n"
             "Faults, by release trailer, DEVCHAIN_FAULT or DIR/fault (NAME[@HEIGHT][+SECONDS][=ARG], "
             "...):");
        faults_print_names();
}

static int bad(const char *what, const char *value) {
        fprintf(stderr, "devchain: bad %s '%s'; see devchain --help\n", what, value);
        return -EINVAL;
}

static int take_number(const char *what, const char *text, uint64_t max, uint64_t *ret) {
        char *end;
        uint64_t n = strtoull(text, &end, 10);

        if (!*text || *end || n > max)
                return bad(what, text);
        *ret = n;
        return 0;
}

static int take_endpoint(const char *what, const char *text, Endpoint *ret) {
        return endpoint_parse(text, ret) < 0 ? bad(what, text) : 0;
}

static int take_option(Options *o, int option, char *value) {
        uint64_t n = 0;
        int r = 0;

        switch (option) {
        case 'd':
                o->data = value;
                return strlen(value) < PATH_MAX / 2 ? 0 : bad("--data", value);
        case 'W':
                o->witness = value;
                return strlen(value) < PATH_MAX / 2 ? 0 : bad("--witness", value);
        case 'c':
                o->chain_id = value;
                return *value && strlen(value) <= BLOCK_CHAIN_ID_MAX ? 0 : bad("--chain-id", value);
        case 'm':
                o->moniker = value;
                return strlen(value) < 64 ? 0 : bad("--moniker", value);
        case 'r':
                return take_endpoint("--rpc", value, &o->rpc);
        case 'p':
                o->has_p2p = true;
                return take_endpoint("--p2p", value, &o->p2p);
        case 'P':
                if (o->n_peers == PEER_TARGETS_MAX)
                        return bad("number of --peer", value);
                return take_endpoint("--peer", value, &o->peers[o->n_peers++]);
        case 'n':
                r = take_number("--validators", value, BLOCK_VALIDATORS_MAX, &n);
                o->validators = (uint32_t) n;
                return r == 0 && n == 0 ? bad("--validators", value) : r;
        case 'i':
                r = take_number("--index", value, BLOCK_VALIDATORS_MAX - 1, &n);
                o->index = (uint32_t) n;
                return r;
        case 't':
                r = take_number("--block-time", value, 3600 * 1000, &o->block_time_ms);
                return r == 0 && o->block_time_ms < 20 ? bad("--block-time", value) : r;
        case 'v':
                o->command = OPTIONS_VERSION;
                return 0;
        case 'h':
                o->command = OPTIONS_HELP;
                return 0;
        default:
                return -EINVAL; /* getopt has said why */
        }
}

int options_parse(Options *ret, int argc, char *argv[]) {
        static const struct option table[] = {
                { "data", required_argument, NULL, 'd' },
                { "rpc", required_argument, NULL, 'r' },
                { "p2p", required_argument, NULL, 'p' },
                { "peer", required_argument, NULL, 'P' },
                { "validators", required_argument, NULL, 'n' },
                { "index", required_argument, NULL, 'i' },
                { "chain-id", required_argument, NULL, 'c' },
                { "block-time", required_argument, NULL, 't' },
                { "moniker", required_argument, NULL, 'm' },
                { "witness", required_argument, NULL, 'W' },
                { "version", no_argument, NULL, 'v' },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        Options o = {
                .chain_id = "devchain-1", .moniker = "devchain", .validators = 1, .block_time_ms = 1000
        };
        int option, r;

        while ((option = getopt_long(argc, argv, "h", table, NULL)) >= 0) {
                r = take_option(&o, option, optarg);
                if (r < 0)
                        return r;
        }
        if (optind < argc && strcmp(argv[optind], "version") == 0)
                o.command = OPTIONS_VERSION;
        else if (optind < argc)
                return bad("argument", argv[optind]);
        if (o.command == OPTIONS_RUN && (!o.data || !o.rpc.addr_len)) {
                fprintf(stderr, "devchain: --data and --rpc are needed; see devchain --help\n");
                return -EINVAL;
        }
        if (!o.witness)
                o.witness = o.data;
        *ret = o;
        return 0;
}
