#include "musterctl/ask.h"

#include <ctype.h>

#include "musterctl/settings.h"

int ask(const char *question, Fault *reterr) {
        char answer[16];

        if (settings.yes)
                return 0;
        if (!isatty(STDIN_FILENO))
                return fault_set(reterr, CTL_USAGE,
                                 "There is no terminal to ask on: add --yes if this is what you want");
        fflush(stdout);
        text_put(stderr, &settings.err, question, 0);
        fputs(" [y/N] ", stderr);
        if (!fgets(answer, sizeof answer, stdin) || tolower((unsigned char) answer[0]) != 'y')
                return fault_set(reterr, CTL_FAILED, "Nothing was done");
        return 0;
}
