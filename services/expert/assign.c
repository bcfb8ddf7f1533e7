/* assign.c - the planner's word: hold one expert more, or one less. Digests only: what is mapped is
 * what this worker's own model and pack folder know by that digest. The routers are told by a new
 * hello, and so by a new epoch; calls that are here or under way are sent again by them. */
#include <string.h>
#include "base/log.h"
#include "base/sha256.h"
#include "inside.h"

/* The table's entry, when this model knows the digest as what the planner calls it. */
static wt_err find(struct expert *e, const struct wt_assign *a, struct held **out)
{
        uint8_t ours[32];
        char theirs[17] = "none", hex[17];
        wt_err err;

        if (a->layer >= e->shape->n_layers || e->held[a->layer] == NULL ||
            a->expert >= e->shape->layers[a->layer].n_experts)
                return wt_fail(WT_ENOTFOUND, "%s has no expert %u of layer %u at %s",
                               wt_model_name(e->conf.model), a->expert, a->layer, e->conf.name);
        if ((err = wt_model_variant(e->conf.model, a->layer, a->expert, ours)) != WT_OK)
                return err;
        if (wt_bytes_same(a->variant, WT_BYTES(ours, sizeof ours))) {
                *out = &e->held[a->layer][a->expert];
                return WT_OK;
        }
        if (a->variant.len == 32)
                wt_hex(a->variant.data, 8, theirs);
        wt_hex(ours, 8, hex);
        return wt_fail(WT_ENOTFOUND, "unknown variant %s: expert %u of layer %u is %s at %s",
                       theirs, a->expert, a->layer, hex, e->conf.name);
}

static wt_err hold(struct expert *e, const struct wt_assign *a, struct held *h)
{
        size_t bytes = 0;
        wt_err err;

        if (h->here)
                return WT_OK;                    /* said twice */
        if ((err = wt_model_variant(e->conf.model, a->layer, a->expert, h->variant)) != WT_OK ||
            (err = wt_model_expert(e->conf.model, e->dev, a->layer, a->expert, &h->w,
                                   &bytes)) != WT_OK)
                return err;
        h->here = true;
        h->bytes = bytes;
        e->n_held++;
        e->n.bytes_mapped += bytes;
        e->assigned = true;                      /* hello once all that waits has been read */
        return WT_OK;
}

/* Hello at once: a call that comes now is of the epoch before it, so its refusal is not taken for
 * one. */
static wt_err let_go(struct expert *e, const struct wt_assign *a, struct held *h)
{
        if (!h->here)
                return WT_OK;
        if (e->n_held == 1)
                return wt_fail(WT_EPRECONDITION, "expert %u of layer %u is the last that %s holds; "
                               "stop the worker instead", a->expert, a->layer, e->conf.name);
        for (uint32_t i = 0; i < e->conf.n_routers; i++)
                expert_jobs_drop(e, i);
        wt_model_drop_expert(e->conf.model, e->dev, a->layer, a->expert, &h->w);
        e->n.bytes_mapped -= h->bytes;
        *h = (struct held){ .here = false };
        e->n_held--;
        e->assigned = false;
        expert_lost(e);
        expert_hello(e);
        return WT_OK;
}

/* The same message goes back with a status. */
static void answer(struct expert *e, const wt_msg *m, wt_err err)
{
        const struct wt_assign *a = m->env.body;
        wt_msg *r = expert_answer(e, m->peer, m->env.call_id, 0);
        struct wt_assign *same = WT_ARENA_NEW(&r->arena, struct wt_assign);

        *same = *a;
        same->variant = WT_BYTES(wt_arena_str(&r->arena, (const char *)a->variant.data,
                                              a->variant.len), a->variant.len);
        r->env.method = m->env.method;
        r->env.body = same;
        if (err != WT_OK) {
                r->env.status = (uint32_t)wt_code_outside(err);
                r->env.message = WT_STR(wt_arena_str(&r->arena, wt_words(), strlen(wt_words())));
        }
        if (wt_bus_send(e->conf.bus, r) != WT_OK)
                wt_msg_free(r);
}

void expert_assign(struct expert *e, const wt_msg *m)
{
        const struct wt_assign *a = m->env.body;
        const char *role = wt_bus_peer_role(e->conf.bus, m->peer);
        bool more = m->env.method == WT_M_ASSIGN;
        struct held *h = NULL;
        wt_err err;

        if (a == NULL)
                return;
        if (m->peer < e->conf.n_routers || strcmp(role, "planner") != 0)
                err = wt_fail(WT_EPERM, "%s may not assign: only a key that the allow-list gives "
                              "the role planner may", wt_bus_peer_name(e->conf.bus, m->peer));
        else if (e->draining)
                err = wt_fail(WT_EUNAVAILABLE, "%s drains", e->conf.name);
        else if ((err = find(e, a, &h)) == WT_OK)
                err = more ? hold(e, a, h) : let_go(e, a, h);
        if (err != WT_OK)
                wt_log_err(WT_WARN, "EXPERT-ASSIGN-REFUSED", err);
        else
                wt_log(WT_NOTICE, more ? "EXPERT-ASSIGNED" : "EXPERT-UNASSIGNED",
                       "layer=%u expert=%u held=%u", a->layer, a->expert, e->n_held);
        answer(e, m, err);
}
