/* decode.c - protobuf to structs. Each message is walked twice: first its array entries are
 * counted and its limits compared, then memory is taken and filled. Bytes stay where they lie in
 * the input until their message ends, so that a field sent twice (the last one counts) costs
 * nothing. Stricter than protobuf asks: values that do not fit their type, a known field of
 * another wire type, groups, and a body given twice are refused; no correct sender makes them. */
#include "wire/span.h"
#include "wire/table.h"

enum { CALL_ID = 2 };                            /* its field in the envelope */

/* One field as it stands: number, and by wire type its value or its bytes. */
struct item { uint32_t number, wire_type; uint64_t value; struct span bytes; };

/* A message being read. filled: entries of each array so far. */
struct level {
        const struct wire_desc *d;
        char *base;
        struct span rest;
        uint32_t filled[WIRE_MAX_FIELDS];
};

struct reader {
        struct wt_arena *a;
        struct wt_envelope *e;
        struct level stack[WIRE_LEVELS];
        int top;
        uint32_t body;                           /* field number of the body seen; 0: none yet */
        uint32_t n_unknown;
};

static wt_err bad(const struct wire_desc *d, const char *what)
{
        return wt_fail(WT_EDATA, "%s: %s", d->name, what);
}

static wt_err bad_field(const struct wire_desc *d, const struct wire_field *f, const char *what)
{
        return wt_fail(WT_EDATA, "%s.%s: %s", d->name, f->name, what);
}

static wt_err no_memory(const struct wire_desc *d)
{
        return wt_fail(WT_ENOMEM, "no memory for a message (%s)", d->name);
}

static wt_err get_item(const struct wire_desc *d, struct span *s, struct item *it)
{
        uint64_t tag, len;
        bool ok;

        if (!span_varint(s, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
                return bad(d, "a field's tag is cut off or no tag");
        it->number = (uint32_t)(tag >> 3);
        it->wire_type = (uint32_t)tag & 7;
        switch (it->wire_type) {
        case 0: ok = span_varint(s, &it->value);   break;
        case 1: ok = span_fixed(s, 8, &it->value); break;
        case 5: ok = span_fixed(s, 4, &it->value); break;
        case 2:
                ok = span_varint(s, &len) && len <= (size_t)(s->end - s->at);
                if (ok) {
                        it->bytes = (struct span){ s->at, s->at + len };
                        s->at += len;
                }
                break;
        default:
                return wt_fail(WT_EDATA, "%s: field %u has wire type %u", d->name, it->number,
                               it->wire_type);
        }
        return ok ? WT_OK : wt_fail(WT_EDATA, "%s: field %u is cut off", d->name, it->number);
}

static const struct wire_field *find(const struct wire_desc *d, uint32_t number, uint32_t *index)
{
        for (uint32_t i = 0; i < d->n_fields && d->fields[i].number <= number; i++)
                if (d->fields[i].number == number) {
                        *index = i;
                        return &d->fields[i];
                }
        return NULL;
}

/* Entries that one occurrence of a repeated field adds: 1, or those of a packed run. */
static wt_err entries_of(const struct wire_desc *d, const struct wire_field *f,
                         const struct item *it, uint64_t *n)
{
        uint32_t natural = wire_form(f);
        size_t len = (size_t)(it->bytes.end - it->bytes.at);

        *n = 1;
        if (it->wire_type == natural)
                return WT_OK;
        if (it->wire_type != 2)
                return bad_field(d, f, "has another wire type");
        if (natural != 0) {
                unsigned item = natural == 1 ? 8 : 4;

                *n = len / item;
                return len % item ? bad_field(d, f, "is no whole number of entries") : WT_OK;
        }
        *n = 0;
        for (const uint8_t *p = it->bytes.at; p < it->bytes.end; p++)
                *n += *p < 0x80;
        return WT_OK;
}

/* First walk over a message: counts array entries against their limits, then takes the arrays. */
static wt_err take_arrays(struct reader *r, struct level *l)
{
        uint32_t count[WIRE_MAX_FIELDS] = { 0 }, i;
        struct span s = l->rest;
        struct item it;
        uint64_t n;
        wt_err err;

        while (s.at < s.end) {
                const struct wire_field *f;

                if ((err = get_item(l->d, &s, &it)) != WT_OK)
                        return err;
                f = find(l->d, it.number, &i);
                if (!f || f->how == WIRE_ONE)
                        continue;
                if ((err = entries_of(l->d, f, &it, &n)) != WT_OK)
                        return err;
                if (n > f->max_count - count[i])
                        return wt_fail(WT_EDATA, "%s.%s has more than %u entries", l->d->name,
                                       f->name, f->max_count);
                count[i] += (uint32_t)n;
        }
        for (i = 0; i < l->d->n_fields; i++) {
                const struct wire_field *f = &l->d->fields[i];
                void *p;

                if (f->how == WIRE_ONE)
                        continue;
                memcpy(l->base + f->n_off, &count[i], sizeof count[i]);
                if (f->how == WIRE_INLINE || !count[i])
                        continue;
                if (!(p = wt_arena_try(r->a, wire_item_bytes(f) * count[i])))
                        return no_memory(l->d);
                memcpy(l->base + f->off, &p, sizeof p);
        }
        return WT_OK;
}

static wt_err push(struct reader *r, const struct wire_desc *d, char *base, struct span bytes)
{
        struct level *l = &r->stack[++r->top];

        WT_ASSERT(r->top < WIRE_LEVELS && d->n_fields <= WIRE_MAX_FIELDS);
        *l = (struct level){ .d = d, .base = base, .rest = bytes };
        for (uint32_t i = 0; i < d->n_fields; i++) {
                const struct wire_field *f = &d->fields[i];
                struct wt_bytes none = { (const uint8_t *)"", 0 };

                if (f->how == WIRE_ONE && (f->type == WIRE_BYTES || f->type == WIRE_STR))
                        memcpy(base + f->off, &none, sizeof none);
        }
        return take_arrays(r, l);
}

static wt_err set_number(const struct wire_desc *d, const struct wire_field *f, char *at,
                         uint64_t v)
{
        uint32_t v32 = (uint32_t)v;
        bool fits = true;

        switch (f->type) {
        case WIRE_BOOL:
                fits = v <= 1;
                *(bool *)at = v & 1;
                break;
        case WIRE_U32:
                fits = v <= UINT32_MAX;
                memcpy(at, &v32, 4);
                break;
        case WIRE_I32:
                fits = (int64_t)v == (int32_t)v32;
                memcpy(at, &v32, 4);
                break;
        case WIRE_FLOAT:
                memcpy(at, &v32, 4);
                break;
        default:
                memcpy(at, &v, 8);
        }
        return fits ? WT_OK : bad_field(d, f, "does not fit its type");
}

/* One entry, or a packed run, at the place for the next entries. */
static wt_err set_entries(struct level *l, uint32_t i, struct item *it)
{
        const struct wire_field *f = &l->d->fields[i];
        size_t item = wire_item_bytes(f);
        char *array = wire_array(f, l->base);
        uint64_t v = it->value;
        wt_err err;

        if (it->wire_type == wire_form(f))
                return set_number(l->d, f, array + item * l->filled[i]++, v);
        while (it->bytes.at < it->bytes.end) {
                bool ok = wire_form(f) == 0 ? span_varint(&it->bytes, &v)
                                               : span_fixed(&it->bytes, (unsigned)item, &v);
                if (!ok)
                        return bad_field(l->d, f, "is cut off");
                if ((err = set_number(l->d, f, array + item * l->filled[i]++, v)) != WT_OK)
                        return err;
        }
        return WT_OK;
}

static wt_err set_field(struct reader *r, struct level *l, uint32_t i, struct item *it)
{
        const struct wire_field *f = &l->d->fields[i];
        char *at = l->base + f->off;

        if (f->how != WIRE_ONE && f->type != WIRE_MSG && f->type != WIRE_BYTES)
                return set_entries(l, i, it);
        if (it->wire_type != wire_form(f))
                return bad_field(l->d, f, "has another wire type");
        if (f->how != WIRE_ONE)
                at = wire_array(f, l->base) + wire_item_bytes(f) * l->filled[i]++;
        if (f->type == WIRE_MSG)
                return push(r, f->sub, at, it->bytes);
        if (f->type == WIRE_BYTES || f->type == WIRE_STR) {
                struct wt_bytes b = { it->bytes.at, (uint32_t)(it->bytes.end - it->bytes.at) };

                memcpy(at, &b, sizeof b);
                return WT_OK;
        }
        return set_number(l->d, f, at, it->value);
}

/* A field of the envelope that its table does not know: the body, or something newer. */
static wt_err other_field(struct reader *r, const struct level *l, const struct item *it)
{
        const struct wire_desc *d = l->d == &wire_envelope ? wire_body(it->number) : NULL;

        if (!d) {
                if (++r->n_unknown > WIRE_MAX_UNKNOWN)
                        return bad(l->d, "more unknown fields than can be meant");
                return WT_OK;
        }
        if (r->body)
                return bad(l->d, "has two bodies");
        if (it->wire_type != 2)
                return bad(d, "has another wire type");
        r->body = it->number;
        if (!(r->e->body = wt_arena_try(r->a, d->size)))
                return no_memory(d);
        return push(r, d, r->e->body, it->bytes);
}

/* Zeroed memory behind the copy ends a string. */
static bool own_bytes(struct wt_arena *a, struct wt_bytes *b)
{
        uint8_t *to = b->len ? wt_arena_try(a, (size_t)b->len + 1) : NULL;

        if (to)
                memcpy(to, b->data, b->len);
        b->data = to ? to : (const uint8_t *)"";
        return to || b->len == 0;
}

/* The message on top is read: its limits, then its bytes move from the input to the arena. */
static wt_err finish(struct reader *r, struct level *l)
{
        wt_err err = wire_limits(WT_EDATA, l->d, l->base);

        for (uint32_t i = 0; i < l->d->n_fields && err == WT_OK; i++) {
                const struct wire_field *f = &l->d->fields[i];
                uint32_t n = f->how == WIRE_ONE ? 1 : wire_count(f, l->base);
                char *at = f->how == WIRE_ONE ? l->base + f->off : wire_array(f, l->base);

                if (f->type != WIRE_BYTES && f->type != WIRE_STR)
                        continue;
                for (uint32_t k = 0; k < n; k++, at += sizeof(struct wt_bytes)) {
                        struct wt_bytes b;

                        memcpy(&b, at, sizeof b);
                        if (!own_bytes(r->a, &b))
                                return no_memory(l->d);
                        memcpy(at, &b, sizeof b);
                }
        }
        r->top--;
        return err;
}

static wt_err run(struct reader *r)
{
        struct item it;
        uint32_t i;
        wt_err err = WT_OK;

        while (r->top >= 0 && err == WT_OK) {
                struct level *l = &r->stack[r->top];

                if (l->rest.at == l->rest.end)
                        err = finish(r, l);
                else if ((err = get_item(l->d, &l->rest, &it)) == WT_OK)
                        err = find(l->d, it.number, &i) ? set_field(r, l, i, &it)
                                                        : other_field(r, l, &it);
        }
        return err;
}

wt_err wt_wire_decode(struct wt_envelope *e, const void *data, size_t len, struct wt_arena *a)
{
        struct wt_envelope got = { 0 };
        struct reader r = { .a = a, .e = &got, .top = -1 };
        struct span all = { data, (const uint8_t *)data + len };
        wt_err err;

        if (len > WT_MAX_ENVELOPE)
                return wt_fail(WT_EDATA, "envelope of %zu bytes, the most is %d", len,
                               WT_MAX_ENVELOPE);
        if ((err = push(&r, &wire_envelope, (char *)&got, all)) != WT_OK ||
            (err = run(&r)) != WT_OK ||
            (err = wire_envelope_limits(WT_EDATA, &got)) != WT_OK)
                return err;
        if (r.body && r.body != got.method)
                return wt_fail(WT_EDATA, "envelope of method %u has the body of %s", got.method,
                               wt_method_name(r.body));
        *e = got;
        return WT_OK;
}

bool wt_wire_call_id(const void *data, size_t len, uint64_t *call_id)
{
        struct span s = { data, (const uint8_t *)data + len };
        struct item it;

        for (uint32_t i = 0; i < WIRE_MAX_UNKNOWN && s.at < s.end; i++) {
                if (get_item(&wire_envelope, &s, &it) != WT_OK)
                        return false;
                if (it.number == CALL_ID && it.wire_type == 0) {
                        *call_id = it.value;
                        return true;
                }
        }
        return false;
}

wt_err wire_decode_one(const struct wire_desc *d, void *base, const void *data, size_t len,
                       struct wt_arena *a)
{
        struct reader r = { .a = a, .top = -1 };
        struct span all = { data, (const uint8_t *)data + len };
        wt_err err;

        memset(base, 0, d->size);
        if ((err = push(&r, d, base, all)) != WT_OK)
                return err;
        return run(&r);
}
