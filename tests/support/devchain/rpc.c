#include "rpc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"

typedef enum GarbageKind {
        GARBAGE_HTML,
        GARBAGE_TEXT,
        GARBAGE_TRUNCATED, /* half of the JSON */
        GARBAGE_SHORT,     /* less than Content-Length says */
        GARBAGE_EMPTY,
        GARBAGE_HTTP_500,
        GARBAGE_HEIGHT,   /* a right answer with an absurd height */
        GARBAGE_CHAIN_ID, /* of another chain */
        _GARBAGE_MAX,
        GARBAGE_NONE,
} GarbageKind;

static const char *const garbage_names[_GARBAGE_MAX] = {
        [GARBAGE_HTML] = "html",     [GARBAGE_TEXT] = "text",         [GARBAGE_TRUNCATED] = "truncated",
        [GARBAGE_SHORT] = "short",   [GARBAGE_EMPTY] = "empty",       [GARBAGE_HTTP_500] = "http-500",
        [GARBAGE_HEIGHT] = "height", [GARBAGE_CHAIN_ID] = "chain-id",
};

json_t *rpc_fail(RpcError *e, int code, const char *message, const char *data) {
        e->code = code;
        snprintf(e->message, sizeof(e->message), "%s", message);
        snprintf(e->data, sizeof(e->data), "%s", data ?: "");
        return NULL;
}

static void look(const Rpc *rpc, GarbageKind garbage, RpcView *ret) {
        static const char *const absurd[][2] = {
                { "0x7fffffffffffffff", "9223372036854775807" },
                { "0x0", "0" },
                { "-0x1", "-1" },
                { "0xzz", "many" },
        };
        const Node *node = rpc->node;
        const char *const *lie = absurd[rpc->served % (sizeof(absurd) / sizeof(*absurd))];

        *ret = (RpcView){ .node = node, .head = node->store.head, .chain_id = node->options->chain_id };
        /* consensus adds signatures that came after the block was final */
        if (node->consensus.head.height == ret->head.height)
                ret->head.seen = node->consensus.head.seen;
        snprintf(ret->evm_height, sizeof(ret->evm_height), "0x%" PRIx64, ret->head.height);
        snprintf(ret->comet_height, sizeof(ret->comet_height), "%" PRIu64, ret->head.height);
        if (garbage == GARBAGE_HEIGHT) {
                strcpy(ret->evm_height, lie[0]);
                strcpy(ret->comet_height, lie[1]);
        }
        if (garbage == GARBAGE_CHAIN_ID)
                ret->chain_id = "666";
}

/* Takes @result. */
static json_t *respond(json_t *id, json_t *result, const RpcError *error) {
        json_t *reply = json_pack("{s:s, s:O?}", "jsonrpc", "2.0", "id", id);

        if (!id)
                json_object_set_new(reply, "id", json_null());
        if (!error->code) {
                json_object_set_new(reply, "result", result);
                return reply;
        }
        json_decref(result);
        json_object_set_new(reply, "error",
                            json_pack("{s:i, s:s}", "code", error->code, "message", error->message));
        if (error->data[0])
                json_object_set_new(json_object_get(reply, "error"), "data", json_string(error->data));
        return reply;
}

/* The "height" of CometBFT's params, which are an object or an array. */
static const char *height_of(json_t *params) {
        return json_string_value(json_is_array(params) ? json_array_get(params, 0)
                                                       : json_object_get(params, "height"));
}

static json_t *call_one(const RpcView *v, json_t *call) {
        const char *method = json_string_value(json_object_get(call, "method"));
        json_t *id = json_object_get(call, "id"), *params = json_object_get(call, "params"), *result = NULL;
        RpcError error = {};

        if (!json_is_object(call) || !method)
                rpc_fail(&error, -32600, "invalid request", NULL);
        else if (comet_knows(method))
                result = comet_call(v, method, height_of(params), &error);
        else if (params && !json_is_array(params))
                rpc_fail(&error, -32602, "non-array args", NULL);
        else
                result = evm_call(v, method, params, &error);
        return respond(id, result, &error);
}

static json_t *post(const RpcView *v, const HttpRequest *request) {
        json_auto_t *root = json_loadb(request->body, request->body_len, JSON_DECODE_ANY, NULL);
        RpcError error = {};
        json_t *replies, *call;
        size_t i;

        if (!root) {
                rpc_fail(&error, -32700, "parse error", NULL);
                return respond(NULL, NULL, &error);
        }
        if (!json_is_array(root))
                return call_one(v, root);
        if (json_array_size(root) == 0) {
                rpc_fail(&error, -32600, "empty batch", NULL);
                return respond(NULL, NULL, &error);
        }
        replies = json_array();
        json_array_foreach (root, i, call)
                json_array_append_new(replies, call_one(v, call));
        return replies;
}

/* GET /METHOD?height=N, N may be quoted as CometBFT allows. */
static json_t *get(const RpcView *v, const HttpRequest *request, HttpReply *reply) {
        const char *method = request->path + 1, *p = strstr(request->query, "height=");
        json_auto_t *id = json_integer(-1);
        char height[32] = "";
        RpcError error = {};
        json_t *result;

        if (!comet_knows(method)) {
                reply->status = 404;
                return NULL;
        }
        if (p) {
                p += strlen("height=");
                if (*p == '"' || strncmp(p, "%22", 3) == 0)
                        p += *p == '"' ? 1 : 3;
                snprintf(height, sizeof(height), "%.*s", (int) strcspn(p, "&\"%"), p);
        }
        result = comet_call(v, method, height[0] ? height : NULL, &error);
        if (error.code)
                reply->status = 500;
        return respond(id, result, &error);
}

static void answer(const RpcView *v, const HttpRequest *request, HttpReply *reply) {
        json_auto_t *root = NULL;

        if (strcmp(request->method, "POST") == 0)
                root = post(v, request);
        else if (strcmp(request->method, "GET") == 0)
                root = get(v, request, reply);
        else
                reply->status = 405;
        reply->type = root ? "application/json" : "text/plain; charset=utf-8";
        reply->body = root ? json_dumps(root, JSON_COMPACT) : strdup("404 page not found\n");
}

static GarbageKind garbage_kind(Rpc *rpc) {
        const FaultRule *rule = node_fault(rpc->node, FAULT_RPC_GARBAGE);

        if (!rule)
                return GARBAGE_NONE;
        rpc->served++;
        for (int k = 0; k < _GARBAGE_MAX; k++)
                if (strcmp(garbage_names[k], rule->arg) == 0)
                        return (GarbageKind) k;
        return (GarbageKind) (rpc->served % _GARBAGE_MAX);
}

/* Replaces the body by something else. */
static void litter(HttpReply *reply, const char *type, const char *body) {
        free(reply->body);
        reply->body = strdup(body);
        reply->type = type;
}

static void spoil(GarbageKind kind, HttpReply *reply) {
        switch (kind) {
        case GARBAGE_HTML:
                litter(reply, "text/html",
                       "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\n");
                break;
        case GARBAGE_TEXT:
                litter(reply, "application/json", "\x01\x02 not json at all {]\n");
                break;
        case GARBAGE_TRUNCATED:
                if (reply->body)
                        reply->body[strlen(reply->body) / 2] = '\0';
                break;
        case GARBAGE_SHORT:
                reply->claim_extra = 1000;
                break;
        case GARBAGE_EMPTY:
                litter(reply, "application/json", "");
                break;
        case GARBAGE_HTTP_500:
                litter(reply, "text/plain", "internal error\n");
                reply->status = 500;
                break;
        case GARBAGE_HEIGHT:
        case GARBAGE_CHAIN_ID:
        case GARBAGE_NONE:
        case _GARBAGE_MAX:
                break;
        }
}

static void handle(const HttpRequest *request, HttpReply *reply, void *userdata) {
        Rpc *rpc = userdata;
        const FaultRule *slow = node_fault(rpc->node, FAULT_RPC_SLOW);
        GarbageKind kind = garbage_kind(rpc);
        RpcView v;

        if (node_fault(rpc->node, FAULT_RPC_SILENT)) {
                reply->status = 0;
                return;
        }
        if (slow)
                reply->delay_ms = fault_number(slow, 1000);
        look(rpc, kind, &v);
        answer(&v, request, reply);
        spoil(kind, reply);
}

void rpc_init(Rpc *rpc, Node *node) {
        *rpc = (Rpc){ .node = node,
                      .http = { .listen_fd = -1, .listen_slot = -1, .handle = handle, .userdata = rpc } };
}

int rpc_tick(Rpc *rpc) {
        bool closed = node_fault(rpc->node, FAULT_RPC_REFUSE);
        int r = 0;

        if (closed && rpc->http.listen_fd >= 0) {
                log_warn("closing the RPC port");
                http_close(&rpc->http);
        }
        if (!closed && rpc->http.listen_fd < 0) {
                r = http_listen(&rpc->http, &rpc->node->options->rpc);
                if (r < 0)
                        log_error("Failed to listen on '%s': %s", rpc->node->options->rpc.text,
                                  strerror(-r));
                else
                        log_info("RPC on %s", rpc->node->options->rpc.text);
        }
        return r;
}
