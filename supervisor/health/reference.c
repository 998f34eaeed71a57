#include "health/reference.h"
#include "util/text.h"

#include <inttypes.h>
#include <strings.h>

static bool tells(const ReferenceView *reference, int64_t height) {
        return reference->compared_height == height && height >= 0 && reference->hash && reference->our_hash;
}

/* Whether an earlier reference of the same provider already told the same hash at that height. */
static bool is_echo(const ReferenceView *references, size_t i, int64_t height) {
        for (size_t k = 0; k < i; k++)
                if (tells(&references[k], height) &&
                    strcasecmp(references[k].hash, references[i].hash) == 0 &&
                    str_eq(references[k].provider, references[i].provider))
                        return true;
        return false;
}

/* How many providers tell the hash of reference @i. */
static size_t count_hash(const ReferenceView *references, size_t n, size_t i, int64_t height) {
        size_t count = 0;

        for (size_t k = 0; k < n; k++)
                if (tells(&references[k], height) && !is_echo(references, k, height) &&
                    strcasecmp(references[k].hash, references[i].hash) == 0)
                        count++;
        return count;
}

static int64_t newest_comparison(const ReferenceView *references, size_t n) {
        int64_t height = CHAIN_UNKNOWN;

        for (size_t i = 0; i < n; i++)
                if (references[i].compared_height > height &&
                    tells(&references[i], references[i].compared_height))
                        height = references[i].compared_height;
        return height;
}

ReferenceVote reference_vote(const ReferenceView *references, size_t n) {
        ReferenceVote vote = { .agreement = AGREEMENT_UNKNOWN, .height = newest_comparison(references, n) };

        if (vote.height < 0)
                return vote;
        for (size_t i = 0; i < n; i++) {
                const ReferenceView *reference = &references[i];
                size_t count;

                if (!tells(reference, vote.height) || is_echo(references, i, vote.height))
                        continue;
                vote.asked++;
                vote.our_hash = reference->our_hash;
                if (reference->compared_at > vote.at)
                        vote.at = reference->compared_at;
                count = count_hash(references, n, i, vote.height);
                if (strcasecmp(reference->hash, reference->our_hash) == 0)
                        vote.same = count;
                else if (count > vote.different) {
                        vote.different = count;
                        vote.their_hash = reference->hash;
                }
        }
        if (vote.same * 2 > vote.asked)
                vote.agreement = AGREEMENT_SAME;
        else if (vote.different * 2 > vote.asked && vote.different >= 2)
                vote.agreement = AGREEMENT_DIFFERENT;
        return vote;
}

bool references_are_silent(const ReferenceView *references, size_t n, uint64_t since) {
        for (size_t i = 0; i < n; i++)
                if (references[i].sample->answered || references[i].sample->at_monotonic < since ||
                    references[i].compared_at >= since)
                        return false;
        return n > 0;
}

int64_t reference_head(const ReferenceView *references, size_t n) {
        int64_t head = CHAIN_UNKNOWN;

        for (size_t i = 0; i < n; i++)
                if (references[i].sample->answered && references[i].sample->height > head)
                        head = references[i].sample->height;
        return head;
}

const char *reference_heads(char buffer[static REFERENCE_TEXT_MAX], const ReferenceView *references,
                            size_t n) {
        size_t length = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < n; i++) {
                int m;

                if (!references[i].sample->answered || references[i].sample->height < 0)
                        continue;
                m = snprintf(buffer + length, REFERENCE_TEXT_MAX - length, "%s%s %" PRId64,
                             length ? ", " : "", references[i].name, references[i].sample->height);
                if (m < 0 || (size_t) m >= REFERENCE_TEXT_MAX - length) {
                        buffer[length] = '\0'; /* no half names */
                        break;
                }
                length += (size_t) m;
        }
        if (length == 0)
                snprintf(buffer, REFERENCE_TEXT_MAX, "none answers");
        return buffer;
}
