#include "crypto/sha256.h"
#include "util/cleanup.h"
#include "util/hex.h"

#include <openssl/evp.h>

struct Sha256 {
        EVP_MD_CTX *context;
};

DEFINE_CLEANUP(Sha256 *, sha256_free)

int sha256_new(Sha256 **ret) {
        cleanup_(sha256_freep) Sha256 *h = calloc(1, sizeof *h);

        if (!h)
                return -ENOMEM;
        h->context = EVP_MD_CTX_new();
        if (!h->context || EVP_DigestInit_ex(h->context, EVP_sha256(), NULL) != 1)
                return -ENOMEM;
        *ret = TAKE_PTR(h);
        return 0;
}

int sha256_update(Sha256 *h, const void *data, size_t size) {
        return EVP_DigestUpdate(h->context, data, size) == 1 ? 0 : -EIO;
}

int sha256_final_hex(Sha256 *h, char ret[static SHA256_HEX_SIZE]) {
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned size;

        if (EVP_DigestFinal_ex(h->context, digest, &size) != 1)
                return -EIO;
        hex_encode(digest, size, ret);
        return 0;
}

Sha256 *sha256_free(Sha256 *h) {
        if (h) {
                EVP_MD_CTX_free(h->context);
                free(h);
        }
        return NULL;
}

int sha256_buffer_hex(const void *data, size_t size, char ret[static SHA256_HEX_SIZE]) {
        cleanup_(sha256_freep) Sha256 *h = NULL;
        int r;

        r = sha256_new(&h);
        if (r >= 0)
                r = sha256_update(h, data, size);
        return r >= 0 ? sha256_final_hex(h, ret) : r;
}

int sha256_fd_hex(int fd, char ret[static SHA256_HEX_SIZE], uint64_t *ret_size) {
        cleanup_(sha256_freep) Sha256 *h = NULL;
        cleanup_free_ char *buffer = NULL;
        const size_t room = 256 * 1024;
        uint64_t total = 0;
        int r;

        r = sha256_new(&h);
        if (r < 0)
                return r;
        buffer = malloc(room);
        if (!buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t n = read(fd, buffer, room);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                r = sha256_update(h, buffer, (size_t) n);
                if (r < 0)
                        return r;
                total += (uint64_t) n;
        }
        r = sha256_final_hex(h, ret);
        if (r < 0)
                return r;
        if (ret_size)
                *ret_size = total;
        return 0;
}
