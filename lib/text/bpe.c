/* bpe.c - merges the bytes of a pre-token: always the pair of lowest rank, the leftmost of equals.
 * Short pre-tokens by scanning a row of ranks, long ones by a heap: n log n whatever the text. */
#include "text/tok.h"
#include <stdlib.h>
#include <string.h>

enum {
        SHORT = 48,                              /* symbols; beyond it the heap wins */
        LONGEST = 1 << 20                        /* bytes of a pre-token: 44 MiB of scratch */
};
#define NO_RANK UINT32_MAX

static const char *token_text(const void *arg, uint32_t id, size_t *len)
{
        const wt_tokenizer *t = arg;

        *len = t->token[id].len;
        return t->text.data + t->token[id].off;
}

static inline uint32_t rank_of(const wt_tokenizer *t, uint32_t left, uint32_t right, uint32_t *id)
{
        const struct wt_tok_pair *p = wt_tok_pairs_get(&t->merges, (uint64_t)left << 32 | right);

        if (p == NULL)
                return NO_RANK;
        *id = p->b;
        return p->a;
}

static wt_err bytes_to_ids(const wt_tokenizer *t, const char *p, size_t len, uint32_t *id)
{
        for (size_t i = 0; i < len; i++) {
                int32_t b = t->byte_id[(uint8_t)p[i]];

                if (b < 0)
                        return wt_fail(WT_EINVAL,
                                       "the tokenizer has no token for byte 0x%02x, which the "
                                       "text needs",
                                       (uint8_t)p[i]);
                id[i] = (uint32_t)b;
        }
        return WT_OK;
}

/* id (n) in place; returns how many are left. rank[i], to[i]: of the pair (i, i + 1). */
static size_t merge_short(const wt_tokenizer *t, uint32_t *id, size_t n)
{
        uint32_t rank[SHORT], to[SHORT];

        for (size_t i = 0; i + 1 < n; i++)
                rank[i] = rank_of(t, id[i], id[i + 1], &to[i]);
        while (n > 1) {
                size_t best = 0;

                for (size_t i = 1; i + 1 < n; i++)
                        if (rank[i] < rank[best])
                                best = i;
                if (rank[best] == NO_RANK)
                        break;
                id[best] = to[best];
                n--;
                memmove(id + best + 1, id + best + 2, (n - best - 1) * sizeof *id);
                if (best + 1 < n) {
                        memmove(rank + best + 1, rank + best + 2, (n - best - 2) * sizeof *rank);
                        memmove(to + best + 1, to + best + 2, (n - best - 2) * sizeof *to);
                        rank[best] = rank_of(t, id[best], id[best + 1], &to[best]);
                }
                if (best > 0)
                        rank[best - 1] = rank_of(t, id[best - 1], id[best], &to[best - 1]);
        }
        return n;
}

static void heap_put(uint64_t *heap, size_t *n, uint64_t x)
{
        size_t i = (*n)++;

        for (; i > 0 && heap[(i - 1) / 2] > x; i = (i - 1) / 2)
                heap[i] = heap[(i - 1) / 2];
        heap[i] = x;
}

static uint64_t heap_take(uint64_t *heap, size_t *n)
{
        uint64_t least = heap[0], x = heap[--*n];
        size_t i = 0, child;

        while ((child = 2 * i + 1) < *n) {
                if (child + 1 < *n && heap[child + 1] < heap[child])
                        child++;
                if (heap[child] >= x)
                        break;
                heap[i] = heap[child];
                i = child;
        }
        heap[i] = x;
        return least;
}

void wt_tok_scratch_free(struct wt_tok_scratch *s)
{
        free(s->word);
        free(s->heap);
        *s = (struct wt_tok_scratch){ 0 };
}

static wt_err scratch_room(struct wt_tok_scratch *s, size_t n)
{
        size_t cap = 2 * n < LONGEST ? 2 * n : LONGEST;
        wt_err err;

        if (n <= s->cap)
                return WT_OK;
        wt_tok_scratch_free(s);
        if ((err = wt_tok_calloc(&s->word, cap, 5 * sizeof *s->word)) == WT_OK &&
            (err = wt_tok_calloc(&s->heap, cap, 3 * sizeof *s->heap)) == WT_OK)
                s->cap = cap;
        else
                wt_tok_scratch_free(s);
        return err;
}

/* The symbols as a list: next and before are places, n ends it. Heap entries are rank << 32 |
 * place; one whose rank is no longer the place's own is stale. At most n - 1 + 2 (n - 1)
 * entries. */
static size_t merge_long(const wt_tokenizer *t, struct wt_tok_scratch *s, uint32_t *id, uint32_t n)
{
        uint32_t *rank = id + s->cap, *to = rank + s->cap, *next = to + s->cap,
                 *before = next + s->cap;
        size_t n_heap = 0, left = 0;

        for (uint32_t i = 0; i < n; i++) {
                next[i] = i + 1;
                before[i] = i - 1;
                rank[i] = i + 1 < n ? rank_of(t, id[i], id[i + 1], &to[i]) : NO_RANK;
                if (rank[i] != NO_RANK)
                        heap_put(s->heap, &n_heap, (uint64_t)rank[i] << 32 | i);
        }
        while (n_heap > 0) {
                uint64_t top = heap_take(s->heap, &n_heap);
                uint32_t at = (uint32_t)top, gone, around[2];

                if (rank[at] != top >> 32)
                        continue;
                gone = next[at];
                id[at] = to[at];
                next[at] = next[gone];
                rank[gone] = NO_RANK;
                if (next[at] < n)
                        before[next[at]] = at;
                around[0] = at > 0 ? before[at] : n;
                around[1] = at;
                for (int k = 0; k < 2; k++) {
                        uint32_t i = around[k];

                        if (i == n)
                                continue;
                        rank[i] = next[i] < n ? rank_of(t, id[i], id[next[i]], &to[i]) : NO_RANK;
                        if (rank[i] != NO_RANK)
                                heap_put(s->heap, &n_heap, (uint64_t)rank[i] << 32 | i);
                }
        }
        for (uint32_t i = 0; i < n; i = next[i])
                id[left++] = id[i];
        return left;
}

wt_err wt_tok_bpe(const wt_tokenizer *t, struct wt_tok_scratch *s, const char *p, size_t len,
                  struct wt_ids *out)
{
        uint32_t small[SHORT], *id = small;
        size_t n = len;
        wt_err err;

        if (t->whole.slot != NULL) {
                int32_t one = wt_tok_words_get(&t->whole, p, len, token_text, t);

                if (one >= 0) {
                        if ((err = wt_ids_room(out, 1)) == WT_OK)
                                wt_ids_add(out, one);
                        return err;
                }
        }
        if (n > LONGEST)
                return wt_fail(WT_EEXHAUSTED, "%zu bytes of the text are one word; %d are possible",
                               n, LONGEST);
        if (n > SHORT) {
                if ((err = scratch_room(s, n)) != WT_OK)
                        return err;
                id = s->word;
        }
        if ((err = bytes_to_ids(t, p, n, id)) != WT_OK)
                return err;
        n = n > SHORT ? merge_long(t, s, id, (uint32_t)n) : merge_short(t, id, n);
        if ((err = wt_ids_room(out, n)) != WT_OK)
                return err;
        for (size_t i = 0; i < n; i++)
                wt_ids_add(out, (int32_t)id[i]);
        return WT_OK;
}
