/* dispatch.c - picks become calls: one per worker, each row in it once however many of the
 * worker's experts it visits. With each pick goes the depth of the largest trie node (numbers.md
 * N7) that the worker can sum alone, so that as little as possible comes back. */
#include <string.h>
#include "math/kernels.h"
#include "path.h"

/* What one row costs a worker's credit and a part's bytes. */
static uint64_t row_bytes(const struct router *r, uint32_t n_picks)
{
        return r->shape->width * 4ull + n_picks * sizeof(struct wt_pick);
}

/* Picks [at, end) of the row of pick[at]. */
static uint32_t row_end(const uint32_t *pick, uint32_t n, uint32_t at, uint32_t k)
{
        uint32_t end = at + 1;

        while (end < n && pick[end] / k == pick[at] / k)
                end++;
        return end;
}

/* The nodes of the reply: picks of a row that are under the same node are one. */
static void plan_row(struct router *r, struct call *c, uint32_t at, uint32_t end, uint32_t bits)
{
        const struct batch *b = &r->batch;
        uint32_t k = r->shape->layers[b->layer].n_picks, row = c->pick[at] / k, slot = c->n_rows++;
        const int32_t *all = b->pick + (size_t)row * k;
        uint64_t ours = 0;

        c->row[slot] = row;
        for (uint32_t i = at; i < end; i++)
                ours |= 1ull << c->pick[i] % k;
        for (uint32_t i = at; i < end; i++) {
                uint32_t d = router_depth(bits, all, k, ours, c->pick[i] % k);
                struct wt_node node = { slot, d, (uint32_t)all[c->pick[i] % k] >> (bits - d) };
                const struct wt_node *last = c->n_nodes > 0 ? &c->node[c->n_nodes - 1] : NULL;

                c->depth[i] = d;
                if (last == NULL || memcmp(last, &node, sizeof node) != 0)
                        c->node[c->n_nodes++] = node;
        }
}

static struct share *share_new(struct batch *b, const uint32_t *pick, uint32_t n)
{
        struct share *s = WT_ARENA_NEW(&b->arena, struct share);

        s->pick = pick;
        s->n_picks = n;
        s->next = b->shares;
        b->shares = s;
        b->n_open++;
        return s;
}

/* One call of n picks of whole rows. worker -1: nobody lives who holds them. */
static void call_new(struct router *r, const uint32_t *pick, uint32_t n, int32_t worker,
                     struct share *share, uint32_t attempt)
{
        struct batch *b = &r->batch;
        const struct wt_layer *y = &r->shape->layers[b->layer];
        struct call *c = WT_ARENA_NEW(&b->arena, struct call);

        c->share = share != NULL ? share : share_new(b, pick, n);
        c->attempt = attempt;
        c->worker = worker;
        c->since = r->now;
        c->pick = pick;
        c->n_picks = n;
        c->row = WT_ARENA_ARRAY(&b->arena, uint32_t, n);
        c->depth = WT_ARENA_ARRAY(&b->arena, uint32_t, n);
        c->node = WT_ARENA_ARRAY(&b->arena, struct wt_node, n);
        for (uint32_t at = 0, end; at < n; at = end) {
                end = row_end(pick, n, at, y->n_picks);
                plan_row(r, c, at, end, wt_trie_bits(y->n_experts));
                c->bytes += row_bytes(r, end - at);
        }
        c->next = c->share->calls;
        c->share->calls = c;
        c->share->n_open[attempt]++;
        router_call_send(r, c);
}

/* Picks of one worker, cut at rows where its credit would not hold them in one call. */
static void calls_for(struct router *r, const uint32_t *pick, uint32_t n, int32_t worker,
                      struct share *share, uint32_t attempt)
{
        const struct worker *w = worker >= 0 ? &r->worker[worker] : NULL;
        uint32_t k = r->shape->layers[r->batch.layer].n_picks, first = 0, rows = 0;
        uint64_t bytes = 0;

        for (uint32_t at = 0, end; at < n; at = end) {
                end = row_end(pick, n, at, k);
                if (rows > 0 && w != NULL && (rows + 1 > w->credit_rows ||
                                              bytes + row_bytes(r, end - at) > w->credit_bytes)) {
                        call_new(r, pick + first, at - first, worker, share, attempt);
                        first = at;
                        rows = 0;
                        bytes = 0;
                }
                rows++;
                bytes += row_bytes(r, end - at);
        }
        if (n > first)
                call_new(r, pick + first, n - first, worker, share, attempt);
}

void router_dispatch(struct router *r, const uint32_t *pick, uint32_t n, struct share *share,
                     uint32_t attempt)
{
        struct batch *b = &r->batch;
        uint32_t k = r->shape->layers[b->layer].n_picks, first[MAX_WORKERS + 2] = { 0 };
        uint32_t *sorted = WT_ARENA_ARRAY(&b->arena, uint32_t, n);

        /* A counting sort by worker, -1 in front, keeps the picks of each ascending. */
        for (uint32_t i = 0; i < n; i++)
                first[b->goes[b->pick[pick[i]]] + 2] += !b->dead[pick[i] / k];
        for (uint32_t i = 1; i < MAX_WORKERS + 2; i++)
                first[i] += first[i - 1];
        for (uint32_t i = 0; i < n; i++)
                if (!b->dead[pick[i] / k])
                        sorted[first[b->goes[b->pick[pick[i]]] + 1]++] = pick[i];
        for (int32_t w = -1; w < MAX_WORKERS; w++) {     /* first[w + 1] is now the end of w */
                uint32_t from = w < 0 ? 0 : first[w], to = first[w + 1];

                if (to > from)
                        calls_for(r, sorted + from, to - from, w, share, attempt);
        }
}

/* ---- onto the bus ---- */

/* Rows [s0, s1) of the call, which are picks [p0, p1), as one part. */
static wt_msg *part_new(struct router *r, const struct call *c, uint32_t s0, uint32_t s1,
                        uint32_t p0, uint32_t p1)
{
        struct batch *b = &r->batch;
        uint32_t width = r->shape->width, slot = s0, n_seen = 0, words[MAX_REFS / 32] = { 0 };
        wt_msg *m = router_message(r, r->worker[c->worker].peer, WT_M_EXPERT_CALL);
        struct wt_expert_call *body = WT_ARENA_NEW(&m->arena, struct wt_expert_call);
        float *rows = wt_msg_tensor(m, WT_F32, 2, (uint32_t[]){ s1 - s0, width });
        struct wt_pick *to = wt_msg_tensor(m, WT_U32, 2, (uint32_t[]){ p1 - p0, 4 });
        uint32_t k = r->shape->layers[b->layer].n_picks;

        for (uint32_t s = s0; s < s1; s++)
                memcpy(rows + (size_t)(s - s0) * width, b->x + (size_t)c->row[s] * width,
                       width * 4);
        for (uint32_t i = p0; i < p1; i++) {
                uint32_t x = (uint32_t)b->pick[c->pick[i]];

                slot += c->row[slot] != c->pick[i] / k;
                to[i - p0] = (struct wt_pick){ slot - s0, x, c->depth[i], b->weight[c->pick[i]] };
                n_seen += !(words[x / 32] >> (x % 32) & 1);
                words[x / 32] |= 1u << (x % 32);
        }
        /* A call serves many requests; the first row's trace stands for them. */
        m->env.traceparent = WT_STR(b->seq[b->run_of[c->row[0]]]->trace);
        body->profile = WT_STR(r->ops->profile);
        body->layer = b->layer;
        body->slot_base = s0;
        body->experts = WT_ARENA_ARRAY(&m->arena, struct wt_expert_ref, n_seen);
        for (uint32_t x = 0; body->n_experts < n_seen; x++)
                if (words[x / 32] >> (x % 32) & 1)
                        body->experts[body->n_experts++] = (struct wt_expert_ref){
                                x, router_copy(m, r->variant[b->layer][x], 32) };
        m->env.body = body;
        m->env.call_id = c->id;
        m->env.epoch = c->epoch;
        m->env.deadline_us = 2 * router_patience(r, &r->worker[c->worker], c->n_rows);
        return m;
}

/* Where the part that begins with slot s0 ends, and its picks. */
static void part_end(const struct router *r, const struct call *c, uint32_t s0, uint32_t p0,
                     uint32_t *s1, uint32_t *p1)
{
        uint32_t k = r->shape->layers[r->batch.layer].n_picks;
        uint64_t bytes = 0;

        *s1 = s0;
        *p1 = p0;
        while (*s1 < c->n_rows) {
                uint32_t end = row_end(c->pick, c->n_picks, *p1, k);

                bytes += row_bytes(r, end - *p1);
                if (*s1 > s0 && bytes > WT_PART_BYTES)
                        return;
                ++*s1;
                *p1 = end;
        }
}

bool router_call_send(struct router *r, struct call *c)
{
        struct worker *w = c->worker >= 0 ? &r->worker[c->worker] : NULL;
        uint32_t parts = 0, part = 0;

        if (w == NULL || w->state != PEER_LIVE || w->cut || w->n_owed == MAX_OWED ||
            w->rows_out + c->n_rows > w->credit_rows || w->bytes_out + c->bytes > w->credit_bytes)
                return false;
        c->id = ++r->last_id;
        c->epoch = w->epoch;
        c->since = r->now;
        c->state = CALL_OUT;
        for (uint32_t s = 0, p = 0; s < c->n_rows; parts++)
                part_end(r, c, s, p, &s, &p);
        for (uint32_t s0 = 0, p0 = 0, s1, p1; s0 < c->n_rows; s0 = s1, p0 = p1) {
                wt_msg *m;

                part_end(r, c, s0, p0, &s1, &p1);
                m = part_new(r, c, s0, s1, p0, p1);
                m->env.part = part++;
                m->env.parts = parts;
                if (!router_post_worker(r, w, m))
                        break;                   /* the watch sends the call elsewhere */
        }
        w->owed[w->n_owed++] = (struct owed){ .id = c->id, .bytes = c->bytes, .sent = r->now,
                                              .rows = c->n_rows };
        w->rows_out += c->n_rows;
        w->bytes_out += c->bytes;
        w->calls++;
        r->n.calls++;
        return true;
}
