/* seq.h - a sequence from its submit to its last event, and the KV pages that it holds. Times are
 * microseconds of the router's clock. */
#ifndef WITAN_ROUTER_SEQ_H
#define WITAN_ROUTER_SEQ_H
#include "base/sha256.h"
#include "bus/bus.h"

enum { MAX_EOS = 16, MAX_TOP = 20 };

struct seq {
        struct seq *next;                        /* behind it among those that wait */
        uint8_t request[16]; uint32_t attempt, choice, prompt_index;
        uint32_t gateway;                        /* number in r->gateway */
        char trace[56];                          /* W3C traceparent, or "" */
        uint64_t deadline;                       /* 0: none */

        uint32_t max_tokens;                     /* generated in all; 0: score the prompt only */
        float temperature, top_p; uint32_t top_k; uint64_t seed;
        float min_p, repetition_penalty, frequency_penalty, presence_penalty;
        struct wt_bias *bias; uint32_t n_bias, min_tokens;       /* in the sequence's own memory */
        bool ignore_eos, logprobs, prompt_logprobs, digest;
        int32_t eos[MAX_EOS]; uint32_t n_eos, n_top, n_valid;

        int32_t *ids;                            /* prompt, then generated: room for all of them */
        uint32_t n_prompt, n_ids;
        uint32_t n_cached;                       /* positions whose keys and values are in pages */
        uint32_t *pages, n_pages;                /* reserved at admission, for all positions */
        struct wt_sha256 sha;                    /* over its rows of logits, when asked */

        bool over;                               /* its last event is sent; freed after the step */
        bool blocked;                            /* nobody lives who holds an expert it needs */
        uint64_t waits_since;                    /* for that one; 0: for none */
        uint32_t waits_layer, waits_expert;
        uint64_t at_submit, at_admit, at_first;  /* at_first 0: no token yet */
};

/* Pages of 64 positions; page p of layer l lies in layer l's buffer at p * page bytes. */
struct kv {
        uint32_t n_pages, n_free, *free;         /* free: a stack */
        uint64_t page_bytes;                     /* of all layers together */
        wt_buffer **layer;                       /* (layers) */
};
bool router_kv_take(struct kv *kv, uint32_t n, uint32_t *pages);       /* all n, or none: false */
void router_kv_give(struct kv *kv, const uint32_t *pages, uint32_t n);
static inline uint32_t router_pages_for(uint32_t positions)
{
        return (positions + WT_PAGE - 1) / WT_PAGE;
}
#endif
