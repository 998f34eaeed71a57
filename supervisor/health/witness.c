/*
 * A round has two halves, each of parallel requests and each bounded by
 * rpc_timeout: heads, then hashes at one height. That height lies two blocks
 * below the lowest head, because the newest block of some chains is replaced
 * now and then without anything being wrong.
 *
 * A reference that answers for another chain is no witness: its answer counts
 * as none, with an error that says so. One that lags far behind the others
 * is left out of the comparison, it would drag the height down.
 */
#include "health/witness.h"
#include "util/text.h"

#include <inttypes.h>

#define REORG_DEPTH 2
#define LAG_BLOCKS  100

typedef struct Witness {
        Witnesses *all;
        char *name, *provider, *url;
        PollTarget target;
        Poll *poll;
        HttpRequest *request; /* for the hash */
        ChainSample sample;
        int64_t best;       /* the highest head seen */
        char *hash;         /* at the compared height */
        char *pending_hash; /* of the round under way */
} Witness;

struct Witnesses {
        const PollTarget *own;
        char *chain_id; /* expected; NULL: not checked */
        WitnessHandler handler;
        void *userdata;
        Witness *items;
        ReferenceView *views;
        size_t n;

        unsigned pending; /* requests that have not come back */
        bool looking;
        int64_t our_height;
        unsigned our_dialect;

        int64_t height; /* of the comparison under way, then of the last one */
        HttpRequest *request;
        char *our_hash, *our_pending_hash;
};

static void witness_done(Witness *w) {
        poll_free(w->poll);
        http_request_free(w->request);
        chain_sample_done(&w->sample);
        free(w->name);
        free(w->provider);
        free(w->url);
        free(w->hash);
        free(w->pending_hash);
}

Witnesses *witnesses_free(Witnesses *witnesses) {
        if (!witnesses)
                return NULL;
        for (size_t i = 0; witnesses->items && i < witnesses->n; i++)
                witness_done(&witnesses->items[i]);
        http_request_free(witnesses->request);
        free(witnesses->items);
        free(witnesses->views);
        free(witnesses->chain_id);
        free(witnesses->our_hash);
        free(witnesses->our_pending_hash);
        free(witnesses);
        return NULL;
}

static int witness_init(Witness *w, Witnesses *all, const ReferenceConfig *reference) {
        chain_sample_init(&w->sample);
        w->all = all;
        w->best = CHAIN_UNKNOWN;
        if (str_replace(&w->name, reference->name) < 0 ||
            str_replace(&w->provider, reference->provider) < 0 || str_replace(&w->url, reference->url) < 0 ||
            str_replace(&w->sample.error, "not asked yet") < 0)
                return -ENOMEM;
        w->target = *all->own;
        w->target.url = w->url;
        return 0;
}

int witnesses_new(Witnesses **ret, const NodeConfig *config, const PollTarget *own, WitnessHandler handler,
                  void *userdata) {
        cleanup_(witnesses_freep) Witnesses *witnesses = calloc(1, sizeof *witnesses);

        if (!witnesses)
                return -ENOMEM;
        witnesses->own = own;
        witnesses->handler = handler;
        witnesses->userdata = userdata;
        witnesses->our_height = witnesses->height = CHAIN_UNKNOWN;
        witnesses->items = calloc(config->n_references + 1, sizeof *witnesses->items);
        witnesses->views = calloc(config->n_references + 1, sizeof *witnesses->views);
        if (!witnesses->items || !witnesses->views ||
            str_replace(&witnesses->chain_id, config->chain_id) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < config->n_references; i++) {
                Witness *w = &witnesses->items[witnesses->n++];

                if (witness_init(w, witnesses, &config->references[i]) < 0)
                        return -ENOMEM;
                witnesses->views[i] = (ReferenceView){
                        .name = w->name,
                        .provider = w->provider,
                        .sample = &w->sample,
                        .compared_height = CHAIN_UNKNOWN,
                };
        }
        *ret = TAKE_PTR(witnesses);
        return 0;
}

size_t witnesses_views(const Witnesses *witnesses, const ReferenceView **ret) {
        *ret = witnesses->views;
        return witnesses->n;
}

/* The only end of a round. The handler may free @all. */
static void round_finish(Witnesses *all) {
        uint64_t now = now_monotonic_usec();

        all->looking = false;
        for (size_t i = 0; i < all->n; i++) {
                Witness *w = &all->items[i];
                ReferenceView *view = &all->views[i];

                if (!all->our_pending_hash) { /* nothing was compared: what was known stays */
                        free(TAKE_PTR(w->pending_hash));
                        continue;
                }
                free(w->hash);
                w->hash = TAKE_PTR(w->pending_hash);
                view->compared_height = w->hash ? all->height : CHAIN_UNKNOWN;
                view->hash = w->hash;
                view->compared_at = w->hash ? now : 0;
        }
        if (all->our_pending_hash) {
                free(all->our_hash);
                all->our_hash = TAKE_PTR(all->our_pending_hash);
                for (size_t i = 0; i < all->n; i++)
                        all->views[i].our_hash = all->our_hash;
        }
        all->handler(all, all->userdata);
}

/* What came back for a hash; its failure is no news, the next round asks again. */
static char *take_hash(const Witnesses *all, const HttpResponse *response) {
        char *hash = NULL;

        if (!response->error)
                (void) all->own->family->absorb_hash(response->status, response->body, &hash, NULL);
        return hash;
}

static void on_our_hash(HttpRequest *request, const HttpResponse *response, void *userdata) {
        Witnesses *all = userdata;

        all->our_pending_hash = take_hash(all, response);
        all->request = http_request_free(all->request);
        if (--all->pending == 0)
                round_finish(all);
}

static void on_hash(HttpRequest *request, const HttpResponse *response, void *userdata) {
        Witness *w = userdata;
        Witnesses *all = w->all;

        w->pending_hash = take_hash(all, response);
        w->request = http_request_free(w->request);
        if (--all->pending == 0)
                round_finish(all);
}

static bool is_comparable(const Witnesses *all, const Witness *w) {
        int64_t head = reference_head(all->views, all->n);

        return w->sample.answered && w->sample.height >= 0 && w->sample.height >= head - LAG_BLOCKS;
}

/* The height that everybody who is asked has for good; CHAIN_UNKNOWN if there is none. */
static int64_t common_height(const Witnesses *all) {
        int64_t height = all->our_height;
        bool any = false;

        for (size_t i = 0; i < all->n; i++) {
                const Witness *w = &all->items[i];

                if (!is_comparable(all, w))
                        continue;
                any = true;
                if (w->sample.height < height)
                        height = w->sample.height;
        }
        return any && height > REORG_DEPTH ? height - REORG_DEPTH : CHAIN_UNKNOWN;
}

static void ask_hash(Witnesses *all, const PollTarget *target, const ChainSample *sample,
                     HttpHandler handler, void *userdata, HttpRequest **ret) {
        cleanup_request_ ChainRequest request = {};

        if (target->family->request_hash(sample, all->height, &request) == 0 &&
            poll_send(target->client, target->url, &request, target->timeout, handler, userdata, ret) == 0)
                all->pending++;
}

/* The second half. */
static void ask_hashes(Witnesses *all) {
        cleanup_sample_ ChainSample ours;
        int64_t height = all->own->family->request_hash ? common_height(all) : CHAIN_UNKNOWN;

        chain_sample_init(&ours);
        ours.dialect = all->our_dialect;
        if (height != CHAIN_UNKNOWN) {
                all->height = height;
                ask_hash(all, all->own, &ours, on_our_hash, all, &all->request);
        }
        for (size_t i = 0; all->pending > 0 && i < all->n; i++) {
                Witness *w = &all->items[i];

                if (is_comparable(all, w))
                        ask_hash(all, &w->target, &w->sample, on_hash, w, &w->request);
        }
        if (all->pending == 0)
                round_finish(all);
}

/* A witness of another chain says nothing about ours. */
static void check_chain(const Witnesses *all, ChainSample *sample) {
        char *text = NULL;

        if (!all->chain_id || !sample->chain_id || str_eq(all->chain_id, sample->chain_id))
                return;
        if (asprintf(&text, "it is of chain %s, expected %s: not a reference for this node",
                     sample->chain_id, all->chain_id) < 0)
                text = NULL;
        free(sample->error);
        sample->error = text;
        sample->answered = false;
}

static void on_head(Poll *poll, ChainSample *sample, void *userdata) {
        Witness *w = userdata;
        Witnesses *all = w->all;

        check_chain(all, sample);
        chain_sample_move(&w->sample, sample);
        w->poll = poll_free(w->poll);
        if (w->sample.answered && w->sample.height > w->best) {
                if (w->best != CHAIN_UNKNOWN)
                        all->views[w - all->items].advanced_at = w->sample.at_monotonic;
                w->best = w->sample.height;
        }
        if (--all->pending == 0)
                ask_hashes(all);
}

void witnesses_look(Witnesses *all, const ChainSample *ours) {
        if (all->looking || all->n == 0)
                return;
        all->looking = true;
        all->our_height = ours->answered ? ours->height : CHAIN_UNKNOWN;
        all->our_dialect = ours->dialect;
        for (size_t i = 0; i < all->n; i++) {
                Witness *w = &all->items[i];
                unsigned want = w->sample.chain_id ? 0 : CHAIN_WANT_CHAIN_ID;
                int r = poll_new(&w->poll, &w->target, want, &w->sample, on_head, w);

                if (r == 0)
                        all->pending++;
                else if (r == -EOPNOTSUPP)
                        (void) str_replace(&w->sample.error, "this chain family cannot ask a reference");
        }
        if (all->pending == 0)
                all->looking = false;
}
