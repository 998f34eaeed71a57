#pragma once
/*
 * Keys in CometBFT's files. There is no cryptography: the "keys" are hashes,
 * good for addresses and identities only.
 *
 * The key of genesis validator I follows from chain id and I, so a network
 * needs no ceremony: on a *first* start (no data yet) a node makes that one. If
 * the file is missing later, a random one is made silently, as real nodes do:
 * its address is in no validator set.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_ADDRESS_HEX 41 /* 40 upper-case digits and NUL */
#define KEY_BASE64_MAX  96

typedef struct Key {
        char address[KEY_ADDRESS_HEX];
        char pub[KEY_BASE64_MAX];
        char priv[KEY_BASE64_MAX];
} Key;

/* The key of validator @index at genesis. */
void key_genesis(Key *ret, const char *chain_id, uint32_t index);

/* @dir/config/priv_validator_key.json, made if missing: the genesis key if @first, else a random one. 0 or
 * -errno. */
int key_load(Key *ret, const char *dir, const char *chain_id, uint32_t index, bool first);

/* @dir/config/node_key.json, made at random if missing; @ret_id as CometBFT prints node ids, 40 lower-case
 * digits. */
int key_load_node_id(const char *dir, char ret_id[KEY_ADDRESS_HEX]);

/* Base64 of @len bytes; @ret_text needs 4 * (@len + 2) / 3 + 1 bytes. */
void key_base64(const uint8_t *data, size_t len, char *ret_text);
