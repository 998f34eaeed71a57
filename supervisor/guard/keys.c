#include "guard/keys.h"
#include "guard/match.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

#define KEYS_SIZE_MAX (16 * 1024 * 1024)
#define HEX           "0123456789abcdef"

void key_files_done(KeyFiles *keys) {
        for (size_t i = 0; i < keys->n; i++)
                free(keys->files[i].path);
        free(keys->files);
        *keys = (KeyFiles){ 0 };
}

const KeyFile *key_files_find(const KeyFiles *keys, const char *path) {
        for (size_t i = 0; i < keys->n; i++)
                if (str_eq(keys->files[i].path, path))
                        return &keys->files[i];
        return NULL;
}

int key_files_add(KeyFiles *keys, const char *digest, const char *path) {
        KeyFile *larger = reallocarray(keys->files, keys->n + 1, sizeof *larger);
        char *copy;

        if (!larger)
                return -ENOMEM;
        keys->files = larger;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        keys->files[keys->n].path = copy;
        snprintf(keys->files[keys->n].digest, SHA256_HEX_SIZE, "%s", digest);
        keys->n++;
        return 0;
}

static int parse_keys(char *text, KeyFiles *keys, unsigned *ret_line) {
        for (*ret_line = 1; *text; (*ret_line)++) {
                char *end = strchr(text, '\n');
                int r;

                if (!end || strspn(text, HEX) != SHA256_HEX_SIZE - 1 || text[SHA256_HEX_SIZE - 1] != ' ' ||
                    end <= text + SHA256_HEX_SIZE)
                        return -EBADMSG;
                *end = text[SHA256_HEX_SIZE - 1] = 0;
                r = key_files_add(keys, text, text + SHA256_HEX_SIZE);
                if (r < 0)
                        return r;
                text = end + 1;
        }
        return 0;
}

int key_files_read(int guard_dirfd, const char *name, KeyFiles *ret, Fault *reterr) {
        cleanup_key_files_ KeyFiles keys = { 0 };
        cleanup_free_ char *text = NULL;
        unsigned line;
        size_t size;
        int r;

        r = read_small_file(guard_dirfd, name, KEYS_SIZE_MAX, &text, &size);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return fault_errno(reterr, r, "Failed to read the record of keys 'guard/%s'", name);
        if (strlen(text) != size)
                return fault_set(reterr, -EBADMSG,
                                 "The record of keys 'guard/%s' has a NUL byte at offset %zu", name,
                                 strlen(text));
        r = parse_keys(text, &keys, &line);
        if (r == -EBADMSG)
                return fault_set(
                        reterr, r,
                        "The record of keys 'guard/%s' is damaged: line %u: expected 64 lower-case hex "
                        "digits, a blank and a path",
                        name, line);
        if (r < 0)
                return r;
        *ret = keys;
        keys = (KeyFiles){ 0 };
        return 0;
}

int key_files_write(int guard_dirfd, const char *name, const KeyFiles *keys, Fault *reterr) {
        cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        bool failed = !f;
        int r;

        for (size_t i = 0; !failed && i < keys->n; i++)
                failed = fprintf(f, "%s %s\n", keys->files[i].digest, keys->files[i].path) < 0;
        if (f && fclose(f) != 0)
                failed = true;
        if (failed)
                return -ENOMEM;
        r = durable_write(guard_dirfd, name, text, size, 0600);
        return r < 0 ? fault_errno(reterr, r, "Failed to write the record of keys 'guard/%s'", name) : 0;
}

int key_file_digest(int data_dirfd, const char *path, char ret[static SHA256_HEX_SIZE], Fault *reterr) {
        cleanup_fd_ int fd = openat(data_dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        int r;

        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0)
                return fault_errno(reterr, -errno, "Failed to open the key file '%s'", path);
        r = sha256_fd_hex(fd, ret, NULL);
        return r < 0 ? fault_errno(reterr, r, "Failed to read the key file '%s'", path) : 0;
}

int key_files_scan(int data_dirfd, const char *const *patterns, KeyFiles *ret, Fault *reterr) {
        cleanup_key_files_ KeyFiles keys = { 0 };
        cleanup_strv_ char **paths = NULL;
        int r;

        r = match_files(data_dirfd, patterns, &paths, reterr);
        if (r < 0)
                return r;
        STRV_FOREACH (path, paths) {
                char digest[SHA256_HEX_SIZE];

                r = key_file_digest(data_dirfd, *path, digest, reterr);
                if (r == -ENOENT) /* gone since it was listed */
                        continue;
                if (r >= 0)
                        r = key_files_add(&keys, digest, *path);
                if (r < 0)
                        return r;
        }
        *ret = keys;
        keys = (KeyFiles){ 0 };
        return 0;
}
