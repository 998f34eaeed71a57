#pragma once
/*
 * A family's poll as a table of steps, walked by chain_steps_request() and
 * chain_steps_absorb(). The place in the table is kept in the sample, so that
 * a step may be asked again in another dialect.
 */
#include "chain/family.h"

typedef struct ChainStep {
        unsigned want;                              /* ChainWant bits, any of which asks for it; 0: always */
        bool (*applies)(const ChainSample *sample); /* NULL: always */
        int (*request)(const ChainSample *sample, ChainRequest *ret);
        int (*absorb)(ChainSample *sample, int status, const char *body, Fault *reterr);
} ChainStep;

/* As ChainFamily.request and .absorb. */
int chain_steps_request(const ChainStep *steps, size_t n, const ChainSample *sample, unsigned i,
                        ChainRequest *ret);
int chain_steps_absorb(const ChainStep *steps, size_t n, ChainSample *sample, unsigned i, int status,
                       const char *body, Fault *reterr);

/* Called by a step's absorb: the same step again. */
void chain_step_again(ChainSample *sample);
