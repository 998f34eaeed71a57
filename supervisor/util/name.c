#include "util/name.h"

#include <string.h>

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool word_is_valid(const char *word, const char *allowed) {
        size_t n = word ? strlen(word) : 0;

        return n > 0 && n <= NAME_MAX_LENGTH && strchr(ALNUM, word[0]) && strspn(word, allowed) == n;
}

bool name_is_valid(const char *name) {
        return word_is_valid(name, ALNUM "._-");
}

bool version_is_valid(const char *version) {
        return word_is_valid(version, ALNUM "._+-");
}

int name_check(const char *name, const char *what, Fault *reterr) {
        if (name_is_valid(name))
                return 0;
        return fault_set(
                reterr, -EINVAL,
                "%s '%s' is not valid: expected a letter or digit, then letters, digits, '.', '_' or "
                "'-', at most %d characters",
                what, name ?: "", NAME_MAX_LENGTH);
}

int version_check(const char *version, const char *what, Fault *reterr) {
        if (version_is_valid(version))
                return 0;
        return fault_set(
                reterr, -EINVAL,
                "%s '%s' is not valid: expected a letter or digit, then letters, digits, '.', '_', '+' "
                "or '-', at most %d characters",
                what, version ?: "", NAME_MAX_LENGTH);
}
