#pragma once
/*
 * What the families that grew out of go-ethereum share: taking apart the
 * answers that they write alike. Each returns 0, JSONRPC_E_NO_METHOD, -EBADMSG
 * or -ENOMEM; @method names the method that was really asked.
 */
#include "chain/family.h"
#include "util/json.h"

int evm_absorb_head(const char *method, ChainSample *sample, int status, const char *body, Fault *reterr);
int evm_absorb_syncing(const char *method, ChainSample *sample, int status, const char *body, Fault *reterr);
int evm_absorb_peers(const char *method, ChainSample *sample, int status, const char *body, Fault *reterr);
int evm_absorb_chain_id(const char *method, ChainSample *sample, int status, const char *body,
                        Fault *reterr);
int evm_absorb_version(const char *method, ChainSample *sample, int status, const char *body, Fault *reterr);
int evm_absorb_hash(const char *method, int status, const char *body, char **ret_hash, Fault *reterr);

/* "0x" and exactly @digits hex digits into *field. */
int evm_hex_text(const char *method, const char *what, const json_t *value, size_t digits, char **field,
                 Fault *reterr);

/* [@method](@height as a quantity, false) */
int evm_request_block(const char *method, int64_t height, ChainRequest *ret);
