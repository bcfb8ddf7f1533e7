/* control_items.c - the words that name experts, against a model. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "control.h"

/* "7" or "3-9" at *s, ends inclusive, at most 6 digits each; moves *s behind it. */
static bool range(const char **s, uint32_t *lo, uint32_t *hi)
{
        uint32_t *v[] = { lo, hi };

        for (int i = 0; i < 2; i++) {
                size_t n = strspn(*s, "0123456789");

                if (n == 0 || n > 6)
                        return false;
                *v[i] = (uint32_t)strtoul(*s, NULL, 10);
                *s += n;
                if (i == 0 && **s != '-') {
                        *hi = *lo;
                        break;
                }
                *s += i == 0;
        }
        return *lo <= *hi;
}

static wt_err mark(const struct wt_shape *shape, uint32_t l0, uint32_t l1, uint32_t x0,
                   uint32_t x1, bool **named)
{
        bool any = false;

        if (l1 >= shape->n_layers)
                return wt_fail(WT_ERANGE, "there is no layer %u; the model has layers 0 to %u", l1,
                               shape->n_layers - 1);
        for (uint32_t l = l0; l <= l1; l++) {
                const struct wt_layer *y = &shape->layers[l];

                if (y->ffn != WT_FFN_MOE)
                        continue;
                if (x1 >= y->n_experts)
                        return wt_fail(WT_ERANGE, "there is no expert %u in layer %u; it has "
                                       "experts 0 to %u", x1, l, y->n_experts - 1);
                for (uint32_t x = x0; x <= x1; x++)
                        named[l][x] = any = true;
        }
        if (!any)
                return wt_fail(WT_EINVAL, "layers %u to %u are dense: they have no experts; witan "
                               "models inspect shows which have", l0, l1);
        return WT_OK;
}

static wt_err read_items(const struct wt_shape *shape, const char *text, bool **named)
{
        uint32_t l0, l1, x0, x1;
        wt_err err;

        for (const char *s = text; ; s++) {
                const char *start = s;

                if (!range(&s, &l0, &l1) || *s++ != ':' || !range(&s, &x0, &x1) ||
                    (*s != ',' && *s != '\0'))
                        return wt_fail(WT_EINVAL, "\"%.40s\" is not LAYERS:EXPERTS, such as 2:9 or "
                                       "1-5:0-7, with commas between several", start);
                if ((err = mark(shape, l0, l1, x0, x1, named)) != WT_OK)
                        return err;
                if (*s == '\0')
                        return WT_OK;
        }
}

static void list(const struct wt_shape *shape, bool **named, struct control_item *out, uint32_t *n)
{
        *n = 0;
        for (uint32_t l = 0; l < shape->n_layers; l++)
                for (uint32_t x = 0; x < shape->layers[l].n_experts; x++)
                        if (named[l][x])
                                out[(*n)++] = (struct control_item){ l, x };
}

wt_err control_items(const struct wt_shape *shape, const char *text, struct control_item **out,
                     uint32_t *n)
{
        bool **named = calloc(shape->n_layers, sizeof *named), well = named != NULL;
        struct control_item *items = NULL;
        size_t all = 0;
        wt_err err = WT_ENOMEM;

        for (uint32_t l = 0; well && l < shape->n_layers; l++) {
                all += shape->layers[l].n_experts;
                well = (named[l] = calloc((size_t)shape->layers[l].n_experts + 1,
                                          sizeof **named)) != NULL;
        }
        if (well && (items = calloc(all + 1, sizeof *items)) != NULL)
                err = read_items(shape, text, named);
        else
                wt_fail(WT_ENOMEM, "no memory for the experts of a model");
        if (err == WT_OK) {
                list(shape, named, items, n);
                *out = items;
        } else {
                free(items);
        }
        for (uint32_t l = 0; named != NULL && l < shape->n_layers; l++)
                free(named[l]);
        free(named);
        return err;
}
