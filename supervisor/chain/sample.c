#include "chain/sample.h"
#include "util/text.h"

void chain_sample_init(ChainSample *sample) {
        *sample = (ChainSample){
                .height = CHAIN_UNKNOWN,
                .head_time = CHAIN_UNKNOWN,
                .target = CHAIN_UNKNOWN,
                .syncing = TRI_UNKNOWN,
                .peers = CHAIN_UNKNOWN,
                .in_council = TRI_UNKNOWN,
                .signing = TRI_UNKNOWN,
                .signed_height = CHAIN_UNKNOWN,
                .blocks_to_proposal = CHAIN_UNKNOWN,
                .want = CHAIN_WANT_ALL,
                .head_transactions = CHAIN_UNKNOWN,
        };
}

void chain_sample_done(ChainSample *sample) {
        free(sample->error);
        free(sample->head_hash);
        free(sample->client_version);
        free(sample->chain_id);
        free(sample->validator);
        free(sample->proposer);
        chain_sample_init(sample);
}

int chain_sample_carry(ChainSample *sample, const ChainSample *earlier) {
        int r;

        sample->dialect = earlier->dialect;
        r = str_replace(&sample->chain_id, earlier->chain_id);
        if (r == 0)
                r = str_replace(&sample->client_version, earlier->client_version);
        if (r == 0)
                r = str_replace(&sample->validator, earlier->validator);
        return r;
}

void chain_sample_move(ChainSample *to, ChainSample *from) {
        chain_sample_done(to);
        *to = *from;
        chain_sample_init(from);
}
