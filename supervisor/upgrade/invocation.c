#include "upgrade/invocation.h"
#include "crypto/sha256.h"
#include "util/durable.h"
#include "util/text.h"

#include <fcntl.h>
#include <sys/stat.h>

void invocation_done(Invocation *invocation) {
        free(invocation->path);
        free(invocation->binary);
        strv_free(invocation->argv);
        strv_free(invocation->environment);
        *invocation = (Invocation){ 0 };
}

static int check_digest(const ReleaseManifest *manifest, const char *name, const char *text, size_t size,
                        Fault *reterr) {
        const ReleaseEntry *entry = release_manifest_find(manifest, name);
        char digest[SHA256_HEX_SIZE];
        int r;

        if (!entry)
                return fault_set(reterr, -EBADMSG, "'%s' is not listed in the release's %s", name,
                                 MANIFEST_NAME);
        r = sha256_buffer_hex(text, size, digest);
        if (r < 0)
                return r;
        if (!str_eq(digest, entry->digest))
                return fault_set(reterr, -EBADMSG, "'%s' has SHA-256 %s, expected %s", name, digest,
                                 entry->digest);
        return 0;
}

/* Every line is an item, an empty one too. No such file: none. */
static int read_lines(int release_dirfd, const char *name, const ReleaseManifest *manifest, char ***ret,
                      Fault *reterr) {
        cleanup_free_ char *text = NULL;
        cleanup_strv_ char **lines = calloc(1, sizeof *lines);
        size_t size = 0;
        int r;

        if (!lines)
                return -ENOMEM;
        r = read_small_file(release_dirfd, name, INVOCATION_FILE_MAX, &text, &size);
        if (r < 0 && r != -ENOENT)
                return fault_errno(reterr, r, "Failed to read '%s'", name);
        if (r >= 0 && manifest) {
                r = check_digest(manifest, name, text, size, reterr);
                if (r < 0)
                        return r;
        }
        if (text && strlen(text) != size)
                return fault_set(reterr, -EBADMSG, "'%s' has a NUL byte at offset %zu", name, strlen(text));
        for (char *line = text; line && *line;) {
                char *end = strchr(line, '\n');

                if (end)
                        *end = 0;
                r = strv_append(&lines, line);
                if (r < 0)
                        return r;
                line = end ? end + 1 : NULL;
        }
        *ret = TAKE_PTR(lines);
        return 0;
}

static int check_environment(char **lines, Fault *reterr) {
        unsigned number = 1;

        STRV_FOREACH (line, lines) {
                if (!strchr(*line, '=') || **line == '=')
                        return fault_set(reterr, -EBADMSG, "'%s' line %u: '%s': expected KEY=VALUE",
                                         RELEASE_ENVIRONMENT, number, *line);
                number++;
        }
        return 0;
}

int invocation_read(int release_dirfd, const char *release_path, const ReleaseManifest *manifest,
                    Invocation *ret, Fault *reterr) {
        cleanup_invocation_ Invocation v = { 0 };
        int r;

        r = read_lines(release_dirfd, RELEASE_ARGUMENTS, manifest, &v.argv, reterr);
        if (r >= 0)
                r = read_lines(release_dirfd, RELEASE_ENVIRONMENT, manifest, &v.environment, reterr);
        if (r >= 0)
                r = check_environment(v.environment, reterr);
        if (r < 0)
                return r;
        if (!v.argv[0] || !release_path_is_valid(v.argv[0]))
                return fault_set(reterr, -EBADMSG,
                                 "'%s' line 1: '%s': expected the binary's path in the release",
                                 RELEASE_ARGUMENTS, v.argv[0] ?: "");
        if (asprintf(&v.binary, "%s/%s", release_path, v.argv[0]) < 0) {
                v.binary = NULL;
                return -ENOMEM;
        }
        v.path = strdup(v.argv[0]);
        if (!v.path)
                return -ENOMEM;
        r = str_replace(&v.argv[0], v.binary);
        if (r < 0)
                return r;
        *ret = v;
        v = (Invocation){ 0 };
        return 0;
}

static bool is_set_by(char *const *environment, const char *entry) {
        size_t length = strcspn(entry, "=") + 1;

        STRV_FOREACH (e, environment)
                if (strncmp(*e, entry, length) == 0)
                        return true;
        return false;
}

int invocation_environment(const Invocation *invocation, char *const *base, char ***ret) {
        cleanup_strv_ char **all = calloc(1, sizeof *all);
        int r;

        if (!all)
                return -ENOMEM;
        STRV_FOREACH (e, base) {
                if (str_starts(*e, "MUSTER_") || is_set_by(invocation->environment, *e))
                        continue;
                r = strv_append(&all, *e);
                if (r < 0)
                        return r;
        }
        STRV_FOREACH (e, invocation->environment) {
                r = strv_append(&all, *e);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(all);
        return 0;
}
