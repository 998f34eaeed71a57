#pragma once
/*
 * JSON-RPC 2.0 over HTTP, the text of it: requests are made, answers taken
 * apart, and each fault names the method and what was expected. Pure.
 */
#include "chain/family.h"
#include "util/json.h"

/* No chain counts that far: a larger number is a lie or a bug, and sums with it would overflow. */
#define CHAIN_NUMBER_MAX (INT64_C(1) << 62)

#define JSONRPC_E_NO_METHOD 1 /* the node has no such method or has switched it off */

/* POST {"jsonrpc":"2.0","id":1,"method":@method,"params":@params}; @params is JSON text. 0 or -ENOMEM. */
int jsonrpc_request(const char *method, const char *params, ChainRequest *ret);

/*
 * The "result" of an answer, owned; JSON null is -EBADMSG. @method is for the
 * fault's text. Takes an answer without envelope too (some CometBFT forks send
 * the bare result): what has neither "result" nor "error" is the result itself
 * if @bare. 0, JSONRPC_E_NO_METHOD, -EBADMSG, -ENOMEM.
 */
int jsonrpc_result(const char *method, int status, const char *body, bool bare, json_t **ret, Fault *reterr);

/* JSONRPC_E_NO_METHOD becomes 0 without a fault: the field that was asked for stays unknown. */
int jsonrpc_optional(int r, Fault *reterr);

/* "0x1f" as Ethereum writes it, at most CHAIN_NUMBER_MAX. @what names it for the fault, e.g. "number". */
int jsonrpc_quantity(const char *method, const char *what, const json_t *value, int64_t *ret, Fault *reterr);

/* "31", as CometBFT writes it, or the integer 31. */
int jsonrpc_decimal(const char *method, const char *what, const json_t *value, int64_t *ret, Fault *reterr);

/* A text of 1 to @max printable ASCII characters into *field; else -EBADMSG. */
int jsonrpc_text(const char *method, const char *what, const json_t *value, size_t max, char **field,
                 Fault *reterr);

/* What came instead, for a fault's text: at most 80 printable ASCII characters, safe on a terminal. */
#define JSONRPC_EXCERPT_MAX 96
const char *jsonrpc_excerpt(char buffer[static JSONRPC_EXCERPT_MAX], const json_t *value);
const char *jsonrpc_excerpt_text(char buffer[static JSONRPC_EXCERPT_MAX], const char *text);
