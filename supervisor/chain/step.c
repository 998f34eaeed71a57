#include "chain/step.h"

#include <assert.h>

/* The step that request @i stands for; @n when there is none left. */
static size_t step_find(const ChainStep *steps, size_t n, const ChainSample *sample, unsigned i) {
        size_t k = i == 0 ? 0 : sample->cursor;

        for (; k < n; k++)
                if ((steps[k].want == 0 || (steps[k].want & sample->want)) &&
                    (!steps[k].applies || steps[k].applies(sample)))
                        return k;
        return n;
}

int chain_steps_request(const ChainStep *steps, size_t n, const ChainSample *sample, unsigned i,
                        ChainRequest *ret) {
        size_t k = step_find(steps, n, sample, i);

        return k < n ? steps[k].request(sample, ret) : 1;
}

int chain_steps_absorb(const ChainStep *steps, size_t n, ChainSample *sample, unsigned i, int status,
                       const char *body, Fault *reterr) {
        size_t k = step_find(steps, n, sample, i);

        if (k >= n)
                return fault_set(reterr, -EBADMSG, "an answer came that nobody asked for");
        sample->cursor = (unsigned) k + 1;
        return steps[k].absorb(sample, status, body, reterr);
}

void chain_step_again(ChainSample *sample) {
        assert(sample->cursor > 0);
        sample->cursor--;
}
