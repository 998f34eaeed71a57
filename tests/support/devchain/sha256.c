#include "sha256.h"

#include <string.h>

static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, unsigned n) {
        return x >> n | x << (32 - n);
}

static void compress(uint32_t state[8], const uint8_t block[64]) {
        uint32_t w[64], v[8];

        for (int i = 0; i < 16; i++)
                w[i] = (uint32_t) block[4 * i] << 24 | (uint32_t) block[4 * i + 1] << 16 |
                       (uint32_t) block[4 * i + 2] << 8 | block[4 * i + 3];
        for (int i = 16; i < 64; i++) {
                uint32_t s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
                uint32_t s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;

                w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }

        memcpy(v, state, sizeof(v));
        for (int i = 0; i < 64; i++) {
                uint32_t e = v[4], a = v[0];
                uint32_t t1 = v[7] + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & v[5]) ^ (~e & v[6])) +
                              k[i] + w[i];
                uint32_t t2 =
                        (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

                memmove(v + 1, v, 7 * sizeof(*v));
                v[4] += t1;
                v[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++)
                state[i] += v[i];
}

void sha256(const void *data, size_t len, uint8_t ret_digest[SHA256_SIZE]) {
        uint32_t state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
        const uint8_t *p = data;
        uint8_t tail[128] = {};
        size_t rest = len % 64, padded = rest < 56 ? 64 : 128;
        uint64_t bits = (uint64_t) len * 8;

        for (size_t i = 0; i + 64 <= len; i += 64)
                compress(state, p + i);

        memcpy(tail, p + len - rest, rest);
        tail[rest] = 0x80;
        for (int i = 0; i < 8; i++)
                tail[padded - 1 - i] = (uint8_t) (bits >> (8 * i));
        for (size_t i = 0; i < padded; i += 64)
                compress(state, tail + i);

        for (int i = 0; i < 32; i++)
                ret_digest[i] = (uint8_t) (state[i / 4] >> (24 - 8 * (i % 4)));
}

void hex_encode(const uint8_t *data, size_t len, char *ret_hex) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < len; i++) {
                ret_hex[2 * i] = digits[data[i] >> 4];
                ret_hex[2 * i + 1] = digits[data[i] & 15];
        }
        ret_hex[2 * len] = '\0';
}

void sha256_hex(const void *data, size_t len, char ret_hex[SHA256_HEX]) {
        uint8_t digest[SHA256_SIZE];

        sha256(data, len, digest);
        hex_encode(digest, sizeof(digest), ret_hex);
}
