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
        cleanup_strv_ char **all = calloc(1, sizeof *all);

        if (!all || strv_extend(&all, family->key_files) < 0 || strv_extend(&all, family->state_files) < 0 ||
            strv_extend(&all, family->own_files) < 0 ||
            strv_extend(&all, (const char *const *) operators) < 0)
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
