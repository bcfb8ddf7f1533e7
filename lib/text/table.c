/* table.c - the two hash tables of a tokenizer: pairs of numbers, and strings that are kept
 * elsewhere. */
#include "text/tok.h"
#include <stdlib.h>
#include <string.h>

wt_err wt_tok_calloc(void *out, size_t n, size_t size)
{
        void *p = calloc(n > 0 ? n : 1, size);

        if (p == NULL)
                return wt_fail(WT_ENOMEM, "no memory for a tokenizer (%zu times %zu bytes)", n,
                               size);
        memcpy(out, &p, sizeof p);
        return WT_OK;
}

static struct wt_tok_pair *pair_slot(const struct wt_tok_pairs *t, uint64_t key)
{
        uint64_t i = wt_tok_mix(key) & t->mask;

        while (t->slot[i].key != key && t->slot[i].key != WT_TOK_NO_KEY)
                i = (i + 1) & t->mask;
        return &t->slot[i];
}

wt_err wt_tok_pairs_room(struct wt_tok_pairs *t, size_t n)
{
        struct wt_tok_pairs old = *t;
        uint64_t size = 16;
        wt_err err;

        if (t->slot != NULL && 2 * n <= t->mask + 1)
                return WT_OK;
        while (size < 2 * n)
                size *= 2;
        if ((err = wt_tok_calloc(&t->slot, size, sizeof *t->slot)) != WT_OK)
                return err;
        t->mask = size - 1;
        for (uint64_t i = 0; i < size; i++)
                t->slot[i].key = WT_TOK_NO_KEY;
        if (old.slot == NULL)
                return WT_OK;
        for (uint64_t i = 0; i <= old.mask; i++)
                if (old.slot[i].key != WT_TOK_NO_KEY)
                        *pair_slot(t, old.slot[i].key) = old.slot[i];
        free(old.slot);
        return WT_OK;
}

void wt_tok_pairs_free(struct wt_tok_pairs *t)
{
        free(t->slot);
        *t = (struct wt_tok_pairs){ 0 };
}

struct wt_tok_pair *wt_tok_pairs_put(struct wt_tok_pairs *t, uint64_t key, bool *fresh)
{
        struct wt_tok_pair *p;

        if (wt_tok_pairs_room(t, t->n + 1) != WT_OK)
                return NULL;
        p = pair_slot(t, key);
        *fresh = p->key == WT_TOK_NO_KEY;
        if (*fresh) {
                *p = (struct wt_tok_pair){ .key = key };
                t->n++;
        }
        return p;
}

static uint32_t hash_of(const char *s, size_t len)
{
        uint64_t h = len * UINT64_C(0x9e3779b97f4a7c15), w;

        for (; len >= 8; s += 8, len -= 8) {
                memcpy(&w, s, 8);
                h = wt_tok_mix(h ^ w);
        }
        w = 0;
        memcpy(&w, s, len);
        return (uint32_t)(wt_tok_mix(h ^ w) >> 16);
}

wt_err wt_tok_words_room(struct wt_tok_words *t, size_t n)
{
        uint32_t size = 16;
        wt_err err;

        while (size < 2 * n)
                size *= 2;
        err = wt_tok_calloc(&t->slot, size, sizeof *t->slot);
        if (err == WT_OK)
                t->mask = size - 1;
        return err;
}

void wt_tok_words_free(struct wt_tok_words *t)
{
        free(t->slot);
        *t = (struct wt_tok_words){ 0 };
}

static struct wt_tok_word *word_slot(const struct wt_tok_words *t, uint32_t hash, const char *s,
                                     size_t len, wt_tok_text_of text, const void *arg)
{
        uint32_t i = hash & t->mask;

        for (; t->slot[i].id1 != 0; i = (i + 1) & t->mask) {
                size_t n;
                const char *p;

                if (t->slot[i].hash != hash)
                        continue;
                p = text(arg, t->slot[i].id1 - 1, &n);
                if (n == len && memcmp(p, s, len) == 0)
                        break;
        }
        return &t->slot[i];
}

bool wt_tok_words_put(struct wt_tok_words *t, uint32_t id, wt_tok_text_of text, const void *arg)
{
        size_t len;
        const char *s = text(arg, id, &len);
        uint32_t hash = hash_of(s, len);
        struct wt_tok_word *w = word_slot(t, hash, s, len, text, arg);

        if (w->id1 != 0)
                return false;
        *w = (struct wt_tok_word){ hash, id + 1 };
        return true;
}

int32_t wt_tok_words_get(const struct wt_tok_words *t, const char *s, size_t len,
                         wt_tok_text_of text, const void *arg)
{
        return (int32_t)word_slot(t, hash_of(s, len), s, len, text, arg)->id1 - 1;
}
