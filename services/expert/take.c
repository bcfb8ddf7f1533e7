/* take.c - a part of a call arrives. It is checked against what this worker is and holds before
 * anything is kept; a call that fails is answered in words and forgotten, all its parts. */
#include <string.h>
#include "base/sha256.h"
#include "inside.h"
#include "math/kernels.h"

/* Every expert is ours, in the variant that is meant. */
static wt_err check_refs(const struct expert *e, const struct wt_expert_call *c)
{
        const struct wt_layer *y = &e->shape->layers[c->layer];

        for (uint32_t i = 0; i < c->n_experts; i++) {
                const struct wt_expert_ref *ref = &c->experts[i];
                char hex[17] = "";

                if (ref->expert >= y->n_experts || !e->held[c->layer][ref->expert].here)
                        return wt_fail(WT_ENOTFOUND, "expert %u of layer %u is not held by %s",
                                       ref->expert, c->layer, e->conf.name);
                if (wt_bytes_same(ref->variant,
                                  WT_BYTES(e->held[c->layer][ref->expert].variant, 32)))
                        continue;
                if (ref->variant.len == 32)
                        wt_hex(ref->variant.data, 8, hex);
                return wt_fail(WT_ENOTFOUND, "unknown variant %s of layer %u expert %u at %s", hex,
                               c->layer, ref->expert, e->conf.name);
        }
        return WT_OK;
}

/* Of the picks, what a message alone does not tell: no row has more than K, and the nodes asked for
 * are of this layer's trie, equal or apart. (In order, named in the call's list, rows in range:
 * wt_wire_check.) */
static wt_err check_picks(const struct expert *e, const wt_msg *m)
{
        const struct wt_expert_call *c = m->env.body;
        const struct wt_layer *y = &e->shape->layers[c->layer];
        const struct wt_pick *p = m->frame[1].data;
        uint32_t n = m->env.tensors[1].shape[0], of_row = 0;

        for (uint32_t i = 0; i < n; i++) {
                of_row = i > 0 && p[i].row == p[i - 1].row ? of_row + 1 : 1;
                if (of_row > y->n_picks)
                        return wt_fail(WT_EDATA, "pick %u: a row has at most %u picks", i,
                                       y->n_picks);
        }
        return wt_wire_check_depths(p, n, wt_trie_bits(y->n_experts));
}

static wt_err check(const struct expert *e, const wt_msg *m)
{
        const struct wt_expert_call *c = m->env.body;
        wt_err err;

        if (c == NULL || m->env.n_tensors < 2)
                return wt_fail(WT_EDATA, "an expert call without rows");
        if (!e->link[m->peer].welcome || m->env.epoch != e->link[m->peer].epoch)
                return wt_fail(WT_EABORTED, "epoch %llu of this call is stale at %s: the worker "
                               "has said hello since", (unsigned long long)m->env.epoch,
                               e->conf.name);
        if (!wt_bytes_same(c->profile, WT_STR(e->ops->profile)))
                return wt_fail(WT_EPRECONDITION, "call of profile %.64s; %s computes %s",
                               (const char *)c->profile.data, e->conf.name, e->ops->profile);
        if (c->layer >= e->shape->n_layers || e->held[c->layer] == NULL)
                return wt_fail(WT_ENOTFOUND, "layer %u has no routed experts at %s", c->layer,
                               e->conf.name);
        if (c->n_adapters > 0)
                return wt_fail(WT_ENOTFOUND, "unknown adapter at %s: this worker holds none",
                               e->conf.name);
        if (m->env.tensors[0].n_dim != 2 || m->env.tensors[0].dtype != WT_F32 ||
            m->env.tensors[0].shape[1] != e->shape->width || m->env.tensors[0].shape[0] == 0)
                return wt_fail(WT_EDATA, "rows are %u wide, the model %u",
                               m->env.tensors[0].shape[1], e->shape->width);
        if ((err = check_refs(e, c)) != WT_OK)
                return err;
        return check_picks(e, m);
}

/* Puts the part at its place; a part that is here already is dropped (m freed). */
static bool insert(struct job *j, wt_msg *m)
{
        wt_msg **at = &j->part;

        while (*at != NULL && (*at)->env.part < m->env.part)
                at = &(*at)->next;
        if (*at != NULL && (*at)->env.part == m->env.part) {
                wt_msg_free(m);
                return false;
        }
        m->next = *at;
        *at = m;
        j->n_here++;
        j->rows += m->env.tensors[0].shape[0];
        j->picks += m->env.tensors[1].shape[0];
        return true;
}

/* All parts are here: their rows follow each other without a hole, and there is work. */
static wt_err check_whole(const struct job *j)
{
        uint32_t slot = 0;

        for (const wt_msg *m = j->part; m != NULL; m = m->next) {
                const struct wt_expert_call *c = m->env.body;

                if (c->slot_base != slot || c->layer != j->layer)
                        return wt_fail(WT_EDATA, "part %u of a call starts at slot %u of layer %u, "
                                       "not %u of %u", m->env.part, c->slot_base, c->layer, slot,
                                       j->layer);
                slot += m->env.tensors[0].shape[0];
        }
        if (j->picks == 0)                       /* no node, so no part of a reply would go back */
                return wt_fail(WT_EDATA, "a call of %u rows has no picks; it asks for at least one "
                               "expert", j->rows);
        return WT_OK;
}

/* Takes m into j. On failure m is j's or freed. */
static wt_err collect(struct expert *e, struct job *j, wt_msg *m)
{
        struct link *k = &e->link[m->peer];
        uint32_t n = m->env.tensors[0].shape[0], parts = m->env.parts > 0 ? m->env.parts : 1;

        if (parts != j->parts || m->env.part >= parts) {
                wt_err err = wt_fail(WT_EDATA, "part %u of %u is none of a call of %u parts",
                                     m->env.part, parts, j->parts);

                wt_msg_free(m);
                return err;
        }
        if (insert(j, m))
                k->rows += n;
        if (k->rows > e->work.max_rows)
                return wt_fail(WT_EEXHAUSTED, "%u rows in flight, above the credit of %u", k->rows,
                               e->work.max_rows);
        if (j->n_here < j->parts)
                return WT_OK;
        j->state = JOB_READY;
        return check_whole(j);
}

void expert_take(struct expert *e, wt_msg *m)
{
        uint32_t peer = m->peer;
        uint64_t id = m->env.call_id, epoch = m->env.epoch;
        struct job *j = expert_job_find(e, peer, id);
        wt_err err;

        for (uint32_t i = 0; i < m->env.n_tensors; i++)
                e->n.bytes_in += m->frame[i].len;
        err = check(e, m);
        if (err == WT_OK && j == NULL && (j = expert_job_new(e, m)) == NULL)
                err = wt_fail(WT_EEXHAUSTED, "%u calls are queued at %s already", MAX_JOBS,
                              e->conf.name);
        if (err != WT_OK)
                wt_msg_free(m);
        else
                err = collect(e, j, m);
        if (err == WT_OK)
                return;
        expert_refuse(e, peer, id, epoch, err);
        if (j != NULL)
                expert_job_free(e, j);
}
