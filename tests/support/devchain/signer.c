#include "signer.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "durable.h"
#include "key.h"
#include "log.h"

#define STATE_FILE "data/priv_validator_state.json"
#define LOCK_FILE  "data/lock"

static void path_in(const Signer *s, const char *name, char ret_path[PATH_MAX]) {
        snprintf(ret_path, PATH_MAX, "%.4000s/%s", s->dir, name);
}

static int compare(SignPosition a, SignPosition b) {
        if (a.height != b.height)
                return a.height < b.height ? -1 : 1;
        if (a.round != b.round)
                return a.round < b.round ? -1 : 1;
        if (a.step != b.step)
                return a.step < b.step ? -1 : 1;
        return 0;
}

static int write_state(const Signer *s, const char *hash) {
        char path[PATH_MAX], height[24], bytes[SHA256_HEX], signature[64] = "";
        cleanup_free_ char *text = NULL;
        json_auto_t *root = NULL;
        uint8_t digest[SHA256_SIZE];
        uint64_t h = s->last.height;

        path_in(s, STATE_FILE, path);
        if (s->eat && s->gone)
                return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
        if (s->eat)
                h = h > s->eat_back ? h - s->eat_back : 0;

        snprintf(height, sizeof(height), "%" PRIu64, h);
        root = json_pack("{s:s, s:i, s:i}", "height", height, "round", (int) s->last.round, "step",
                         (int) s->last.step);
        if (root && hash) {
                sha256(hash, strlen(hash), digest);
                key_base64(digest, sizeof(digest), signature);
                for (size_t i = 0; i < SHA256_HEX; i++)
                        bytes[i] = hash[i] >= 'a' && hash[i] <= 'f' ? (char) (hash[i] - 'a' + 'A') : hash[i];
                json_object_set_new(root, "signature", json_string(signature));
                json_object_set_new(root, "signbytes", json_string(bytes));
        }
        text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
        return text ? durable_write(path, 0600, text) : -ENOMEM;
}

int signer_rewrite(const Signer *s) {
        return write_state(s, NULL);
}

int signer_load(Signer *s, const char *dir) {
        cleanup_free_ char *text = NULL;
        json_auto_t *root = NULL;
        char path[PATH_MAX], *end;
        const char *height;
        int r, round, step;

        snprintf(s->dir, sizeof(s->dir), "%s", dir);
        path_in(s, STATE_FILE, path);
        r = durable_read(path, &text);
        if (r == -ENOENT) {
                log_info("generated '%s' at height 0", path);
                return write_state(s, NULL);
        }
        if (r == 0) {
                root = json_loads(text, 0, NULL);
                if (!root ||
                    json_unpack(root, "{s:s, s:i, s:i}", "height", &height, "round", &round, "step", &step) <
                            0 ||
                    round < 0 || step < 0)
                        r = -EINVAL;
        }
        if (r == 0) {
                s->last = (SignPosition){ strtoull(height, &end, 10), (uint32_t) round, (uint32_t) step };
                if (!*height || *end)
                        r = -EINVAL;
        }
        if (r < 0)
                log_error("Failed to read '%s': %s", path, strerror(-r));
        else
                log_info("signing state at height=%" PRIu64 " round=%u step=%u", s->last.height,
                         s->last.round, s->last.step);
        return r;
}

int signer_advance(Signer *s, SignPosition to, const char *hash) {
        SignPosition before = s->last;
        int r;

        if (compare(to, before) <= 0) {
                log_warn("refusing to sign height=%" PRIu64
                         " round=%u step=%u: signing state is at height=%" PRIu64 " round=%u step=%u",
                         to.height, to.round, to.step, before.height, before.round, before.step);
                return SIGNER_E_REFUSED;
        }
        s->last = to;
        r = write_state(s, hash);
        if (r < 0) {
                s->last = before;
                log_error("Failed to write the signing state: %s, not signing", strerror(-r));
        }
        return r;
}

int signer_save_lock(const Signer *s, uint32_t round, const Block *b) {
        char path[PATH_MAX], line[BLOCK_LINE + 1], text[BLOCK_LINE + 32];
        int r;

        path_in(s, LOCK_FILE, path);
        block_format(b, line);
        snprintf(text, sizeof(text), "%010u %s", round, line);
        r = durable_write(path, 0600, text);
        if (r < 0)
                log_error("Failed to write '%s': %s, not signing", path, strerror(-r));
        return r;
}

int signer_load_lock(const Signer *s, uint64_t height, uint32_t *ret_round, Block *ret) {
        cleanup_free_ char *text = NULL;
        char path[PATH_MAX];
        uint32_t round;
        Block b;
        int r;

        path_in(s, LOCK_FILE, path);
        r = durable_read(path, &text);
        if (r < 0)
                return r;
        if (sscanf(text, "%10u", &round) != 1 || strlen(text) != 11 + BLOCK_LINE ||
            !block_parse(text + 11, &b) || b.height != height)
                return -ENOENT;
        *ret_round = round;
        *ret = b;
        return 0;
}
