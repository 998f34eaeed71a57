/*
 * The node file parser on arbitrary bytes: it must answer with a configuration
 * or with a text that says what is wrong, and never leave libconfuse's global
 * lexer in a state that the next file notices.
 */
#include "config/node.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static const char known_good[] = "family = evm\nrpc = http://h\ncommand = { a, \"{data}\" }\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A fault that only libconfuse saw ends its line so: scan.c or walk.c let something through. */
static bool libconfuse_complained(const char *text) {
        static const char phrase[] = "or SECTION { ... }";

        for (const char *at = text; (at = strstr(at, phrase)); at++)
                if (at[strlen(phrase)] == '\n' || at[strlen(phrase)] == 0)
                        return true;
        return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        NodeConfig *config = NULL, *other = NULL;
        cleanup_fault_ Fault fault = { 0 };
        int r = node_config_parse("/etc/muster/nodes.d/n1.conf", (const char *) data, size, 0, &config,
                                  &fault);

        assert(r == 0 || r == -EINVAL);
        assert((r == 0) == (config != NULL));
        assert(r == 0 || (fault.text && strstr(fault.text, "n1.conf:")));
        assert(!fault.text || !libconfuse_complained(fault.text));
        node_config_free(config);
        assert(node_config_parse("n1.conf", known_good, sizeof known_good - 1, 0, &other, NULL) == 0);
        node_config_free(other);
        return 0;
}
