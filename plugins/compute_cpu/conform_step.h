/* conform_step.h - one step of a batch through a plugin, compared with the truth stage by stage. */
#ifndef WITAN_CONFORM_STEP_H
#define WITAN_CONFORM_STEP_H
#include "conform_model.h"

enum { CF_SEQS = 4, CF_POISONED = 3, CF_POISON_AT = 10, CF_POISONED_LEN = 20, CF_MOST_WORKERS = 5 };

/* What the reference says of some sequences, position by position. The poisoned one has none. */
struct cf_truth {
        const struct cf_model *m;
        uint32_t n_seq, len[CF_SEQS];
        float *att[CF_SEQS], *out[CF_SEQS], *x[CF_SEQS];         /* (len, D) */
        float *logits[CF_SEQS], *weight[CF_SEQS];                /* (len, V), (len, K) */
        int32_t *pick[CF_SEQS];                                  /* (len, K) */
};
void cf_truth_new(struct cf_truth *t, const struct cf_model *m, uint32_t n_seq,
                  const uint32_t *len);
void cf_truth_free(struct cf_truth *t);

/* A batch under way: the plugin's memory and each sequence's page table. */
struct cf_batch {
        struct cf_device *d;
        const struct cf_truth *t;
        uint32_t max_rows, workers;              /* workers 0: leaves go to combine as they are */
        bool scattered;                          /* expert e is of e % workers, else a range */
        wt_buffer *h, *shared, *kv;
        float *x, *weight, *margin, *leaf, *nodes, *logits;      /* host_alloc */
        int32_t *pick;
        float *mine;                             /* h, copied out */
        uint8_t *bad;
        uint32_t *pages[CF_SEQS];
        char words[200];                         /* where it broke */
};
int cf_batch_new(struct cf_batch *b, struct cf_device *d, const struct cf_truth *t,
                 uint32_t max_rows, uint32_t n_pages);
void cf_batch_free(struct cf_batch *b);

struct cf_feed { uint32_t seq, pos, n; };        /* rows of one sequence in a step */
/* The whole layer for a step. False: b->words says what differed. */
bool cf_step(struct cf_batch *b, const struct cf_feed *f, uint32_t n_feeds);
/* Attention alone, of rows that `mine` lends; the result is in mine. */
bool cf_attend_only(struct cf_batch *b, const struct cf_feed *f, uint32_t n_feeds);
#endif
