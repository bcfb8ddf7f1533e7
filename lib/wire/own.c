/* own.c - makes an envelope own what it points to, for transports that pass structs as they are:
 * what encoding and decoding would do to it, without the bytes between. */
#include "wire/table.h"

/* A struct whose pointers still lead outside: the next field, and the entry within its array. */
struct open { const struct wire_desc *d; char *base; uint32_t field, entry; };

static void own_bytes(struct wt_arena *a, char *at)
{
        struct wt_bytes b;

        memcpy(&b, at, sizeof b);
        b.data = b.len ? (void *)wt_arena_str(a, (const char *)b.data, b.len) : (const uint8_t *)"";
        memcpy(at, &b, sizeof b);
}

/* Copies the field's array (if it has one) and its bytes; nested messages are left to the
 * caller. */
static void own_field(struct wt_arena *a, const struct wire_field *f, char *base)
{
        uint32_t n = f->how == WIRE_ONE ? 1 : wire_count(f, base);
        size_t item = wire_item_bytes(f);
        char *at = base + f->off;

        if (f->how != WIRE_ONE && f->how != WIRE_INLINE) {
                const char *from = wire_array(f, base);
                void *to = n ? memcpy(wt_arena_take(a, item * n), from, item * n) : NULL;

                memcpy(base + f->off, &to, sizeof to);
                at = to;
        }
        if (f->type == WIRE_BYTES || f->type == WIRE_STR)
                for (uint32_t k = 0; k < n; k++)
                        own_bytes(a, at + k * item);
}

static wt_err own(struct wt_arena *a, const struct wire_desc *d, char *base)
{
        struct open stack[WIRE_LEVELS] = { { .d = d, .base = base } }, *o = stack;
        wt_err err = wire_limits(WT_EINVAL, d, base);

        while (err == WT_OK) {
                const struct wire_field *f = &o->d->fields[o->field];

                if (o->field == o->d->n_fields) {
                        if (o == stack)
                                return WT_OK;
                        o--;
                        continue;
                }
                if (o->entry == 0)
                        own_field(a, f, o->base);
                if (f->type == WIRE_MSG && o->entry < wire_count(f, o->base)) {
                        char *sub = wire_array(f, o->base) + (size_t)o->entry++ * f->sub->size;

                        *++o = (struct open){ .d = f->sub, .base = sub };
                        err = wire_limits(WT_EINVAL, f->sub, sub);
                } else {
                        o->field++;
                        o->entry = 0;
                }
        }
        return err;
}

wt_err wt_wire_own(struct wt_envelope *e, struct wt_arena *a)
{
        const struct wire_desc *d = NULL;
        struct wt_envelope copy = *e;
        wt_err err;

        if (!copy.version)
                copy.version = WT_WIRE_VERSION;
        if (e->body && !(d = wire_body(e->method)))
                return wt_fail(WT_EINVAL, "method %u has no body", e->method);
        if ((err = own(a, &wire_envelope, (char *)&copy)) != WT_OK ||
            (err = wire_envelope_limits(WT_EINVAL, &copy)) != WT_OK)
                return err;
        if (d) {
                copy.body = memcpy(wt_arena_take(a, d->size), e->body, d->size);
                if ((err = own(a, d, copy.body)) != WT_OK)
                        return err;
        }
        *e = copy;
        return WT_OK;
}
