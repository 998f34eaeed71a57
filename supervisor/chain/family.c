#include "chain/family.h"
#include "chain/families.h"
#include "util/text.h"

static const ChainFamily *const families[] = {
        &chain_family_evm, &chain_family_klaytn, &chain_family_cometbft, &chain_family_exec, NULL,
};

const ChainFamily *chain_family_by_name(const char *name) {
        for (const ChainFamily *const *family = families; *family; family++)
                if (str_eq((*family)->name, name))
                        return *family;
        return NULL;
}

const ChainFamily *const *chain_families(void) {
        return families;
}

int chain_family_protect(const ChainFamily *family, char *const *operators, char ***ret) {
        const char *const *const lists[] = { family->key_files, family->state_files, family->own_files,
                                             (const char *const *) operators };
        cleanup_strv_ char **all = calloc(1, sizeof *all);

        if (!all)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                for (const char *const *pattern = lists[i]; pattern && *pattern; pattern++)
                        if (strv_append(&all, *pattern) < 0)
                                return -ENOMEM;
        *ret = TAKE_PTR(all);
        return 0;
}

void chain_family_subject(const ChainFamily *family, GuardSubject *subject) {
        subject->key_files = family->key_files;
        subject->consensus_key_files = family->consensus_key_files;
        subject->state_files = family->state_files;
        subject->parse_position = family->parse_position;
}

const char *chain_family_names(void) {
        return "evm, klaytn, cometbft, exec";
}

void chain_request_done(ChainRequest *request) {
        free(request->path);
        free(request->body);
        *request = (ChainRequest){};
}
