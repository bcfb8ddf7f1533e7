/* shard.c - which experts this worker holds: the words of the setting, then their weights. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "inside.h"

/* "7" or "3-9" at *s, ends inclusive; moves *s behind it. */
static bool range(const char **s, uint32_t *lo, uint32_t *hi)
{
        char *end;

        if (!isdigit((unsigned char)**s))
                return false;
        *lo = *hi = (uint32_t)strtoul(*s, &end, 10);
        if (*end == '-') {
                if (!isdigit((unsigned char)end[1]))
                        return false;
                *hi = (uint32_t)strtoul(end + 1, &end, 10);
        }
        *s = end;
        return *lo <= *hi;
}

/* Marks the experts [x0, x1] of the MoE layers among [l0, l1]; dense layers inside are passed
 * over. */
static wt_err mark(struct expert *e, uint32_t l0, uint32_t l1, uint32_t x0, uint32_t x1)
{
        if (l1 >= e->shape->n_layers)
                return wt_fail(WT_EINVAL, "shard names layer %u; the model has layers 0 to %u", l1,
                               e->shape->n_layers - 1);
        for (uint32_t l = l0; l <= l1; l++) {
                const struct wt_layer *y = &e->shape->layers[l];

                if (y->ffn != WT_FFN_MOE)
                        continue;
                if (x1 != UINT32_MAX && x1 >= y->n_experts)
                        return wt_fail(WT_EINVAL, "shard names expert %u of layer %u, which has "
                                       "experts 0 to %u", x1, l, y->n_experts - 1);
                for (uint32_t x = x0; x < y->n_experts && x <= x1; x++) {
                        e->n_held += !e->held[l][x].here;
                        e->held[l][x].here = true;
                }
        }
        return WT_OK;
}

static wt_err item(struct expert *e, const char **s)
{
        uint32_t l0 = 0, l1 = e->shape->n_layers - 1, x0 = 0, x1 = UINT32_MAX;
        const char *start = *s;

        if (**s == '*')
                ++*s;
        else if (!range(s, &l0, &l1))
                goto bad;
        if (**s == ':') {
                ++*s;
                if (**s == '*')
                        ++*s;
                else if (!range(s, &x0, &x1))
                        goto bad;
        }
        if (**s != ',' && **s != '\0')
                goto bad;
        return mark(e, l0, l1, x0, x1);
bad:
        return wt_fail(WT_EINVAL,
                       "shard item '%.40s' is not layers:experts, such as 1-5:0-7 or 2:9 or *",
                       start);
}

wt_err expert_shard(struct expert *e, const char *spec)
{
        wt_err err;

        for (const char *s = spec; *s != '\0'; s += *s == ',')
                if ((err = item(e, &s)) != WT_OK)
                        return err;
        if (e->n_held == 0)
                return wt_fail(WT_EINVAL, "shard '%.60s' names no expert of this model: its layers "
                               "are dense, or the text is empty", spec);
        return WT_OK;
}

wt_err expert_map(struct expert *e)
{
        wt_err err;

        for (uint32_t l = 0; l < e->shape->n_layers; l++) {
                for (uint32_t x = 0; e->held[l] != NULL && x < e->shape->layers[l].n_experts; x++) {
                        struct held *h = &e->held[l][x];
                        size_t bytes = 0;

                        if (!h->here)
                                continue;
                        if ((err = wt_model_variant(e->conf.model, l, x, h->variant)) != WT_OK ||
                            (err = wt_model_expert(e->conf.model, e->dev, l, x, &h->w,
                                                   &bytes)) != WT_OK)
                                return err;
                        h->bytes = bytes;
                        e->n.bytes_mapped += bytes;
                }
        }
        return WT_OK;
}
