/* check.c - a message that decodes is not yet a message that is true. What a service may rely on
 * once a message has passed: tensors of the dtype and shape that the method asks for, ids and
 * indices in range, orders as promised. Frames may lie at any address, so numbers are copied out
 * of them. */
#include <math.h>
#include "wire/table.h"

enum { MAX_IDS = 1 << 20, MAX_DEPTH = 20, NO_WIDTH = 0 };

_Static_assert(sizeof(struct wt_held) == 40, "control.proto says 40 bytes");

struct frames { const struct wt_envelope *e; const void *const *at; };

static uint32_t u32_at(const void *p, size_t i)
{
        uint32_t v;

        memcpy(&v, (const uint8_t *)p + 4 * i, sizeof v);
        return v;
}

/* Tensor i is (n, width) of dtype, or (n) when width is NO_WIDTH; *n is its first dimension. */
static wt_err want(const struct frames *f, uint32_t i, uint32_t dtype, uint32_t width, uint32_t *n)
{
        const struct wt_tensor *t = &f->e->tensors[i];
        uint32_t n_dim = width == NO_WIDTH ? 1 : 2;

        if (t->dtype != dtype || t->n_dim != n_dim || (n_dim == 2 && t->shape[1] != width))
                return wt_fail(WT_EDATA, "%s: tensor %u has not the type and shape it should have",
                               wt_method_name(f->e->method), i);
        *n = t->shape[0];
        return WT_OK;
}

/* Tensor i is F32 (n, D) with any D of at least 1, in a part of at most WT_PART_BYTES. */
static wt_err want_rows(const struct frames *f, uint32_t i, uint32_t *n)
{
        const struct wt_tensor *t = &f->e->tensors[i];

        if (t->dtype != WT_F32 || t->n_dim != 2 || t->shape[1] == 0)
                return wt_fail(WT_EDATA, "%s: tensor %u is not F32 (n, D)",
                               wt_method_name(f->e->method), i);
        *n = t->shape[0];
        if (*n > 1 && (uint64_t)*n * t->shape[1] * 4 > WT_PART_BYTES)
                return wt_fail(WT_EDATA, "%s: %u rows of %u are more than a part of %d bytes",
                               wt_method_name(f->e->method), *n, t->shape[1], WT_PART_BYTES);
        return WT_OK;
}

static wt_err want_tensors(const struct frames *f, uint32_t n)
{
        if (f->e->n_tensors == n)
                return WT_OK;
        return wt_fail(WT_EDATA, "%s has %u tensors, not %u", wt_method_name(f->e->method),
                       f->e->n_tensors, n);
}

static wt_err want_len(const char *what, struct wt_bytes b, uint32_t len, bool or_empty)
{
        if (b.len == len || (or_empty && b.len == 0))
                return WT_OK;
        return wt_fail(WT_EDATA, "%s has %u bytes, not %u", what, b.len, len);
}

/* I32 (n) ids of tokens, all from 0 up, at most MAX_IDS. */
static wt_err want_ids(const struct frames *f, uint32_t i, uint32_t least)
{
        uint32_t n = 0;
        wt_err err = want(f, i, WT_I32, NO_WIDTH, &n);

        if (err != WT_OK)
                return err;
        if (n < least || n > MAX_IDS)
                return wt_fail(WT_EDATA, "submit: tensor %u has %u ids, not %u to %d", i, n, least,
                               MAX_IDS);
        for (uint32_t k = 0; k < n; k++)
                if (u32_at(f->at[i], k) > INT32_MAX)
                        return wt_fail(WT_EDATA, "submit: tensor %u has a negative id at %u", i, k);
        return WT_OK;
}

static wt_err check_hello(const struct frames *f)
{
        const struct wt_hello *h = f->e->body;
        bool expert = wt_bytes_same(h->role, WT_STR("expert"));
        bool gateway = wt_bytes_same(h->role, WT_STR("gateway"));
        uint32_t n = 0;
        wt_err err;

        if (!expert && !gateway)
                return wt_fail(WT_EDATA, "hello: the role is neither expert nor gateway");
        if (h->name.len == 0)
                return wt_fail(WT_EDATA, "hello: no name");
        if ((err = want_len("hello.config", h->config, 32, true)) != WT_OK ||
            (err = want_tensors(f, expert ? 1 : 0)) != WT_OK)
                return err;
        return expert ? want(f, 0, WT_U8, sizeof(struct wt_held), &n) : WT_OK;
}

/* Experts ascend and are named by whole digests; adapters too. */
static wt_err check_refs(const struct wt_expert_call *c)
{
        wt_err err;

        for (uint32_t i = 0; i < c->n_experts; i++) {
                if (i && c->experts[i].expert <= c->experts[i - 1].expert)
                        return wt_fail(WT_EDATA, "expert_call: experts do not ascend at %u", i);
                if ((err = want_len("expert_call variant", c->experts[i].variant, 32, false)))
                        return err;
        }
        for (uint32_t i = 0; i < c->n_adapters; i++)
                if ((err = want_len("expert_call adapter", c->adapters[i], 32, false)))
                        return err;
        return WT_OK;
}

/* picks (p, 4) ascend strictly by (row, expert), so experts are found by one walk per row. */
static wt_err check_picks(const struct wt_expert_call *c, const void *picks, uint32_t p,
                          uint32_t n_rows)
{
        uint32_t at = 0, last_row = 0;           /* in experts; of the pick before */

        for (uint32_t i = 0; i < p; i++) {
                uint32_t row = u32_at(picks, 4 * (size_t)i);
                uint32_t expert = u32_at(picks, 4 * (size_t)i + 1), bits;
                float weight;

                if (row >= n_rows || row < last_row)
                        return wt_fail(WT_EDATA, "expert_call: pick %u is of row %u, of %u rows "
                                       "in ascending order", i, row, n_rows);
                if (row != last_row)
                        at = 0;
                while (at < c->n_experts && c->experts[at].expert < expert)
                        at++;
                if (at == c->n_experts || c->experts[at].expert != expert)
                        return wt_fail(WT_EDATA, "expert_call: pick %u is of expert %u, which is "
                                       "not listed or out of order", i, expert);
                at++;                            /* the next pick of this row lies beyond */
                last_row = row;
                bits = u32_at(picks, 4 * (size_t)i + 3);
                memcpy(&weight, &bits, sizeof weight);
                if (u32_at(picks, 4 * (size_t)i + 2) > MAX_DEPTH || !isfinite(weight))
                        return wt_fail(WT_EDATA, "expert_call: pick %u has a depth beyond %d or a "
                                       "weight that is not finite", i, MAX_DEPTH);
        }
        return WT_OK;
}

static wt_err check_call(const struct frames *f)
{
        const struct wt_expert_call *c = f->e->body;
        uint32_t n = 0, p = 0, n_adapter_rows = 0;
        wt_err err;

        if ((err = want_tensors(f, c->n_adapters ? 3 : 2)) != WT_OK ||
            (err = want_rows(f, 0, &n)) != WT_OK ||
            (err = want(f, 1, WT_U32, 4, &p)) != WT_OK ||
            (err = check_refs(c)) != WT_OK ||
            (err = check_picks(c, f->at[1], p, n)) != WT_OK)
                return err;
        if (n > UINT32_MAX - c->slot_base)
                return wt_fail(WT_EDATA, "expert_call: slots from %u on for %u rows overflow",
                               c->slot_base, n);
        if (!c->n_adapters)
                return WT_OK;
        if ((err = want(f, 2, WT_I32, NO_WIDTH, &n_adapter_rows)) != WT_OK)
                return err;
        if (n_adapter_rows != n)
                return wt_fail(WT_EDATA, "expert_call: %u adapter numbers for %u rows",
                               n_adapter_rows, n);
        for (uint32_t i = 0; i < n; i++)
                if (u32_at(f->at[2], i) + 1 > c->n_adapters)     /* -1 is none */
                        return wt_fail(WT_EDATA, "expert_call: row %u names an adapter that is "
                                       "not listed", i);
        return WT_OK;
}

/* A node covers the ids [prefix, prefix + 1) * 2^(MAX_DEPTH - depth), whatever the layer's bits:
 * nodes of a slot must ascend and lie apart. */
static wt_err check_nodes(const void *nodes, uint32_t n)
{
        uint32_t last_slot = 0, free_from = 0;

        for (uint32_t i = 0; i < n; i++) {
                uint32_t slot = u32_at(nodes, 3 * (size_t)i);
                uint32_t depth = u32_at(nodes, 3 * (size_t)i + 1);
                uint32_t prefix = u32_at(nodes, 3 * (size_t)i + 2);

                if (depth > MAX_DEPTH || prefix >> depth)
                        return wt_fail(WT_EDATA, "expert_reply: node %u has depth %u and prefix %u",
                                       i, depth, prefix);
                if (i == 0 || slot != last_slot)
                        free_from = 0;
                if ((i && slot < last_slot) || prefix << (MAX_DEPTH - depth) < free_from)
                        return wt_fail(WT_EDATA, "expert_reply: node %u is out of order or inside "
                                       "another", i);
                free_from = (prefix + 1) << (MAX_DEPTH - depth);
                last_slot = slot;
        }
        return WT_OK;
}

static wt_err check_reply(const struct frames *f)
{
        uint32_t n = 0, n_rows = 0;
        wt_err err;

        if (f->e->status != WT_OK && f->e->n_tensors == 0)
                return WT_OK;
        if ((err = want_tensors(f, 2)) != WT_OK ||
            (err = want(f, 0, WT_U32, 3, &n)) != WT_OK ||
            (err = want_rows(f, 1, &n_rows)) != WT_OK)
                return err;
        if (n != n_rows)
                return wt_fail(WT_EDATA, "expert_reply: %u nodes with %u rows", n, n_rows);
        return check_nodes(f->at[0], n);
}

/* What changes the logits before the draw. */
static wt_err check_processors(const struct wt_submit *s)
{
        const struct { const char *name; float value, lo, hi; } rows[] = {
                { "min_p", s->min_p, 0, 1 },
                { "repetition_penalty", s->repetition_penalty, 0, 100 },
                { "frequency_penalty", s->frequency_penalty, -2, 2 },
                { "presence_penalty", s->presence_penalty, -2, 2 } };

        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                if (!(rows[i].value >= rows[i].lo && rows[i].value <= rows[i].hi))
                        return wt_fail(WT_EDATA, "submit: %s is not within %g to %g", rows[i].name,
                                       (double)rows[i].lo, (double)rows[i].hi);
        for (uint32_t i = 0; i < s->n_bias; i++)
                if (s->bias[i].id > INT32_MAX ||
                    !(s->bias[i].value >= -100 && s->bias[i].value <= 100))
                        return wt_fail(WT_EDATA, "submit: bias[%u] is no id with -100 to "
                                       "100", i);
        return WT_OK;
}

static wt_err check_submit(const struct frames *f)
{
        const struct wt_submit *s = f->e->body;
        wt_err err;

        if ((err = want_len("submit.request", s->request, 16, false)) != WT_OK ||
            (err = want_len("submit.revision", s->revision, 32, true)) != WT_OK ||
            (err = want_tensors(f, 2)) != WT_OK ||
            (err = want_ids(f, 0, 1)) != WT_OK ||
            (err = want_ids(f, 1, 0)) != WT_OK)
                return err;
        if (!(s->temperature >= 0.0f && s->temperature <= 100.0f))
                return wt_fail(WT_EDATA, "submit: the temperature is not within 0 to 100");
        if (!(s->top_p > 0.0f && s->top_p <= 1.0f))
                return wt_fail(WT_EDATA, "submit: top_p is not above 0 and at most 1");
        for (uint32_t i = 0; i < s->n_eos; i++)
                if (s->eos[i] > INT32_MAX)
                        return wt_fail(WT_EDATA, "submit: eos[%u] is no token id", i);
        return check_processors(s);
}

static bool numbers(const double *v, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++)
                if (isnan(v[i]))
                        return false;
        return true;
}

static bool ids(const int32_t *v, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++)
                if (v[i] < 0)
                        return false;
        return true;
}

static wt_err check_event(const struct wt_event_msg *v)
{
        wt_err err;

        if ((err = want_len("event.request", v->request, 16, false)) != WT_OK ||
            (err = want_len("event.logits_digest", v->logits_digest, 32, true)) != WT_OK)
                return err;
        if (v->n_logprobs && v->n_logprobs != v->n_ids)
                return wt_fail(WT_EDATA, "event: %u log-probabilities for %u ids", v->n_logprobs,
                               v->n_ids);
        if (v->n_top_ids != v->n_top_logprobs ||
            (v->n_top_ids && (v->n_ids == 0 || v->n_top_ids % v->n_ids ||
                              v->n_top_ids / v->n_ids > 20)))
                return wt_fail(WT_EDATA, "event: %u best ids with %u log-probabilities for %u ids",
                               v->n_top_ids, v->n_top_logprobs, v->n_ids);
        if (!ids(v->ids, v->n_ids) || !ids(v->top_ids, v->n_top_ids))
                return wt_fail(WT_EDATA, "event: an id is negative");
        if (!numbers(v->logprobs, v->n_logprobs) || !numbers(v->top_logprobs, v->n_top_logprobs))
                return wt_fail(WT_EDATA, "event: a log-probability is NaN");
        if (v->n_ids > UINT32_MAX - v->position)
                return wt_fail(WT_EDATA, "event: positions from %u on overflow", v->position);
        return WT_OK;
}

static wt_err check_events(const struct frames *f)
{
        const struct wt_events *all = f->e->body;
        wt_err err = want_tensors(f, 0);

        for (uint32_t i = 0; i < all->n_events && err == WT_OK; i++)
                err = check_event(&all->events[i]);
        return err;
}

static wt_err check_body(const struct frames *f)
{
        const struct wt_envelope *e = f->e;
        wt_err err = want_tensors(f, 0);

        switch (e->method) {
        case WT_M_HELLO:        return check_hello(f);
        case WT_M_EXPERT_CALL:  return check_call(f);
        case WT_M_EXPERT_REPLY: return check_reply(f);
        case WT_M_SUBMIT:       return check_submit(f);
        case WT_M_EVENTS:       return check_events(f);
        case WT_M_WELCOME:
                return err ? err : want_len("welcome.revision",
                                            ((struct wt_welcome *)e->body)->revision, 32, true);
        case WT_M_ASSIGN: case WT_M_UNASSIGN:
                return err ? err : want_len("assign.variant",
                                            ((struct wt_assign *)e->body)->variant, 32, false);
        case WT_M_CANCEL:
                return err ? err : want_len("cancel.request",
                                            ((struct wt_cancel *)e->body)->request, 16, false);
        default:
                return err;
        }
}

wt_err wt_wire_check(const struct wt_envelope *e, const void *const *frame, const size_t *frame_len,
                     uint32_t n_frame)
{
        struct frames f = { .e = e, .at = frame };
        bool reply = e->method == WT_M_WELCOME || e->method == WT_M_EXPERT_REPLY ||
                     e->method == WT_M_EVENTS;
        size_t bytes;

        if (e->n_tensors > WT_MAX_TENSORS || n_frame != e->n_tensors)
                return wt_fail(WT_EDATA, "%u frames for %u tensors", n_frame, e->n_tensors);
        for (uint32_t i = 0; i < n_frame; i++)
                if (!wt_tensor_bytes(&e->tensors[i], &bytes) || bytes != frame_len[i])
                        return wt_fail(WT_EDATA, "frame %u of %s has %zu bytes, its tensor says "
                                       "otherwise", i, wt_method_name(e->method), frame_len[i]);
        if (!wire_body(e->method))
                return WT_OK;
        if (e->body)
                return check_body(&f);
        if (reply && e->status != WT_OK)
                return want_tensors(&f, 0);
        return wt_fail(WT_EDATA, "%s without its body", wt_method_name(e->method));
}

wt_err wt_wire_check_depths(const struct wt_pick *p, uint32_t n, uint32_t bits)
{
        WT_ASSERT(bits <= MAX_DEPTH);
        for (uint32_t i = 0; i < n; i++) {
                uint32_t a, b, shallow;

                if (p[i].depth > bits || p[i].expert >> bits)
                        return wt_fail(WT_EDATA, "expert_call: pick %u (expert %u, depth %u) does "
                                       "not fit ids of %u bits", i, p[i].expert, p[i].depth, bits);
                if (i == 0 || p[i].row != p[i - 1].row || p[i].depth == p[i - 1].depth)
                        continue;
                /* Sorted picks: if any two nodes nest, then those of two neighbours do. */
                shallow = p[i].depth < p[i - 1].depth ? p[i].depth : p[i - 1].depth;
                a = p[i - 1].expert >> (bits - shallow);
                b = p[i].expert >> (bits - shallow);
                if (a == b)
                        return wt_fail(WT_EDATA, "expert_call: pick %u has depth %u beside depth "
                                       "%u in one node", i, p[i].depth, p[i - 1].depth);
        }
        return WT_OK;
}
