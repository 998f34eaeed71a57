/*
 * A name is judged in one form only, the clean one, and that form is what the
 * file is made by: there is no second spelling that a pattern could miss. Case
 * does not count because a directory may fold it (ext4, casefold).
 */
#include "archive/path.h"
#include "archive/manifest.h"
#include "util/text.h"

#include <fnmatch.h>
#include <limits.h>
#include <strings.h>

static const char *judge_component(const char *name, size_t length) {
        if (length == 2 && memcmp(name, "..", 2) == 0)
                return "a path with '..'";
        if (length > NAME_MAX)
                return "a path with a name of more than 255 bytes";
        for (size_t i = 0; i < length; i++)
                if ((unsigned char) name[i] < 0x20 || name[i] == 0x7f)
                        return "a path with control characters";
        return NULL;
}

int path_clean(const char *name, char **ret, const char **ret_why) {
        cleanup_free_ char *path = NULL;
        unsigned depth = 0;
        size_t n = 0;

        *ret_why = NULL;
        if (name[0] == '/')
                *ret_why = "an absolute path";
        else if (strlen(name) >= MANIFEST_PATH_MAX)
                *ret_why = "a path of more than 4095 bytes";
        if (*ret_why)
                return -EBADMSG;
        path = malloc(strlen(name) + 2);
        if (!path)
                return -ENOMEM;
        for (const char *p = name; *p; p += strspn(p, "/")) {
                size_t length = strcspn(p, "/");

                if (!(length == 1 && *p == '.')) {
                        *ret_why = judge_component(p, length);
                        if (!*ret_why && ++depth > PATH_DEPTH_MAX)
                                *ret_why = "a path of more than 64 directories";
                        if (*ret_why)
                                return -EBADMSG;
                        if (n > 0)
                                path[n++] = '/';
                        memcpy(path + n, p, length);
                        n += length;
                }
                p += length;
        }
        path[n] = 0;
        *ret = TAKE_PTR(path);
        return 0;
}

/* The next component of *p that is neither empty nor "."; false at the end. */
static bool next_component(const char **p, char ret[static NAME_MAX + 1]) {
        for (;;) {
                size_t length;

                *p += strspn(*p, "/");
                length = strcspn(*p, "/");
                if (length == 0)
                        return false;
                snprintf(ret, NAME_MAX + 1, "%.*s", (int) length, *p);
                *p += length;
                if (!str_eq(ret, "."))
                        return true;
        }
}

static bool is_glob(const char *component) {
        return strpbrk(component, "*?[");
}

static bool component_matches(const char *pattern, const char *name) {
        return is_glob(pattern) ? fnmatch(pattern, name, FNM_CASEFOLD) != FNM_NOMATCH
                                : strcasecmp(pattern, name) == 0;
}

static bool pattern_names(const char *pattern, const char *path, bool file) {
        char want[NAME_MAX + 1], have[NAME_MAX + 1];
        bool literal = true;

        while (next_component(&pattern, want)) {
                if (!next_component(&path, have))
                        return file && literal;
                if (!component_matches(want, have))
                        return false;
                literal = literal && !is_glob(want);
        }
        return true;
}

bool path_is_protected(const char *path, bool file, char *const *patterns) {
        if (!*path)
                return false;
        STRV_FOREACH (pattern, patterns)
                if (pattern_names(*pattern, path, file))
                        return true;
        return false;
}

const char *path_shown(const char *name, char buffer[static PATH_SHOWN_MAX + 4]) {
        size_t n = 0;

        for (; name[n] && n < PATH_SHOWN_MAX; n++)
                buffer[n] = (unsigned char) name[n] < 0x20 || name[n] == 0x7f ? '?' : name[n];
        strcpy(buffer + n, name[n] ? "..." : "");
        return buffer;
}
