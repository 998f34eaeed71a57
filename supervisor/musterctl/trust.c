#include "musterctl/trust.h"

#include <ctype.h>
#include <fcntl.h>

#include "musterctl/settings.h"
#include "util/durable.h"
#include "util/text.h"

#define SIGNERS_MAX (256 * 1024)

int trust_digest(const char *verb, const char *text, char ret[static 65]) {
        if (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64)
                return usage_error(verb, "--sha256 '%s': expected 64 hex digits, as sha256sum prints them",
                                   text);
        for (size_t i = 0; i < 65; i++)
                ret[i] = (char) tolower((unsigned char) text[i]);
        return 0;
}

int trust_signers(const char *path, char **ret, Fault *reterr) {
        int r = read_small_file(AT_FDCWD, path, SIGNERS_MAX, ret, NULL);

        return r < 0 ? fault_errno(reterr, r, "Failed to read --signers '%s'", path) : 0;
}
