#include "chain/family.h"
#include "chain/families.h"
#include "util/text.h"

static const ChainFamily *const families[] = {
        &chain_family_evm,
        &chain_family_klaytn,
        &chain_family_cometbft,
        &chain_family_exec,
};

const ChainFamily *chain_family_by_name(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(families); i++)
                if (str_eq(families[i]->name, name))
                        return families[i];
        return NULL;
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
