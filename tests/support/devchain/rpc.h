#pragma once
/*
 * The RPC: EVM and Klaytn JSON-RPC by POST /, CometBFT by GET (and by POST with
 * its method names), on one port; and what the rpc-* faults make of it.
 */
#include <jansson.h>

#include "http.h"
#include "node.h"

typedef struct RpcError {
        int code; /* 0: none */
        char message[160];
        char data[160]; /* "": none */
} RpcError;

/* What one request sees; faults change it. */
typedef struct RpcView {
        const Node *node;
        Block head;
        const char *chain_id;
        char evm_height[32];   /* head as the EVM dialect says it, "0x1a" */
        char comet_height[32]; /* as CometBFT says it, "26" */
} RpcView;

typedef struct Rpc {
        Node *node;
        HttpServer http;
        unsigned served; /* rotates through the kinds of garbage */
} Rpc;

void rpc_init(Rpc *rpc, Node *node);

/* Opens or closes the port as the faults want. 0 or -errno, logged. */
int rpc_tick(Rpc *rpc);

/* evm.c: the result, or NULL with @ret_error set. @params may be NULL. */
json_t *evm_call(const RpcView *v, const char *method, json_t *params, RpcError *ret_error);

/* comet.c: the same; @height is the "height" argument, NULL if none. */
json_t *comet_call(const RpcView *v, const char *method, const char *height, RpcError *ret_error);
bool comet_knows(const char *method);

/* Sets @e and returns NULL. */
json_t *rpc_fail(RpcError *e, int code, const char *message, const char *data);
