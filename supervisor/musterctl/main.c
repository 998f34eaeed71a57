/*
 * musterctl: the operator's command. Options before the verb, the verb, and
 * whatever the verb makes of the rest.
 */
#include <locale.h>

#include "musterctl/args.h"
#include "musterctl/settings.h"
#include "musterctl/verb.h"
#include "util/text.h"

int main(int argc, char *argv[]) {
        char *list[] = { (char *) "list", NULL };
        char **operands;
        const Verb *verb;
        int r, n;

        setlocale(LC_ALL, "");
        r = command_line(argc, argv, &settings.command);
        if (r < 0)
                return complain(r, NULL);
        if (args_parse(&(ArgSpec){ .most = -1 }, argc, argv, &operands, &r)) {
                if (!*operands)
                        operands = list;
                n = (int) strv_length(operands);
                verb = verb_find(operands[0]);
                if (verb)
                        r = verb->run(n, operands);
                else
                        r = usage_error(NULL, "unknown verb '%s'", operands[0]);
        }
        if ((fflush(stdout) != 0 || ferror(stdout)) && r == 0)
                r = complain(-errno, &(Fault){ (char *) "Failed to write the output" });
        free(settings.command);
        return r;
}
