#include "key.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "cleanup.h"
#include "durable.h"
#include "log.h"
#include "sha256.h"

void key_base64(const uint8_t *data, size_t len, char *ret_text) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        char *p = ret_text;

        for (size_t i = 0; i < len; i += 3) {
                uint32_t v = (uint32_t) data[i] << 16;

                if (i + 1 < len)
                        v |= (uint32_t) data[i + 1] << 8;
                if (i + 2 < len)
                        v |= data[i + 2];
                *p++ = digits[v >> 18];
                *p++ = digits[v >> 12 & 63];
                *p++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
                *p++ = i + 2 < len ? digits[v & 63] : '=';
        }
        *p = '\0';
}

static void derive(Key *ret, const uint8_t seed[SHA256_SIZE]) {
        uint8_t priv[2 * SHA256_SIZE], id[SHA256_SIZE];
        char hex[SHA256_HEX];

        memcpy(priv, seed, SHA256_SIZE); /* Ed25519 in CometBFT's form: seed and public key in one */
        sha256(seed, SHA256_SIZE, priv + SHA256_SIZE);
        sha256(priv + SHA256_SIZE, SHA256_SIZE, id);

        key_base64(priv, sizeof(priv), ret->priv);
        key_base64(priv + SHA256_SIZE, SHA256_SIZE, ret->pub);
        hex_encode(id, 20, hex);
        for (int i = 0; i < KEY_ADDRESS_HEX; i++)
                ret->address[i] = (char) toupper(hex[i]);
}

void key_genesis(Key *ret, const char *chain_id, uint32_t index) {
        uint8_t seed[SHA256_SIZE];
        char text[128];
        int n = snprintf(text, sizeof(text), "devchain key|%.64s|%u", chain_id, index);

        sha256(text, (size_t) n, seed);
        derive(ret, seed);
}

static int make_random(Key *ret) {
        uint8_t seed[SHA256_SIZE];

        if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
                return -EIO;
        derive(ret, seed);
        return 0;
}

static int write_key(const char *path, const Key *key) {
        json_auto_t *root = json_pack("{s:s, s:{s:s, s:s}, s:{s:s, s:s}}", "address", key->address,
                                      "pub_key", "type", "tendermint/PubKeyEd25519", "value", key->pub,
                                      "priv_key", "type", "tendermint/PrivKeyEd25519", "value", key->priv);
        cleanup_free_ char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;

        return text ? durable_write(path, 0600, text) : -ENOMEM;
}

static int read_key(const char *path, Key *ret) {
        const char *address, *pub, *priv;
        cleanup_free_ char *text = NULL;
        json_auto_t *root = NULL;
        int r;

        r = durable_read(path, &text);
        if (r < 0)
                return r;
        root = json_loads(text, 0, NULL);
        if (!root || json_unpack(root, "{s:s, s:{s:s}, s:{s:s}}", "address", &address, "pub_key", "value",
                                 &pub, "priv_key", "value", &priv) < 0)
                return -EINVAL;
        if (strlen(address) != KEY_ADDRESS_HEX - 1 || strlen(pub) >= KEY_BASE64_MAX ||
            strlen(priv) >= KEY_BASE64_MAX)
                return -EINVAL;
        strcpy(ret->address, address);
        strcpy(ret->pub, pub);
        strcpy(ret->priv, priv);
        return 0;
}

int key_load(Key *ret, const char *dir, const char *chain_id, uint32_t index, bool first) {
        char path[PATH_MAX];
        int r;

        snprintf(path, sizeof(path), "%.4000s/config/priv_validator_key.json", dir);
        r = read_key(path, ret);
        if (r != -ENOENT) {
                if (r < 0)
                        log_error("Failed to read '%s': %s", path, strerror(-r));
                return r;
        }

        if (first)
                key_genesis(ret, chain_id, index);
        else
                r = make_random(ret);
        if (first || r == 0)
                r = write_key(path, ret);
        if (r == 0)
                log_info("generated '%s' address=%s", path, ret->address);
        return r;
}

int key_load_node_id(const char *dir, char ret_id[KEY_ADDRESS_HEX]) {
        char path[PATH_MAX];
        Key key;
        int r;

        snprintf(path, sizeof(path), "%.4000s/config/node_key.json", dir);
        r = read_key(path, &key);
        if (r == -ENOENT) {
                r = make_random(&key);
                if (r == 0)
                        r = write_key(path, &key);
        }
        if (r < 0) {
                log_error("Failed to load '%s': %s", path, strerror(-r));
                return r;
        }
        for (int i = 0; i < KEY_ADDRESS_HEX; i++)
                ret_id[i] = (char) tolower(key.address[i]);
        return 0;
}
