#include "audit/view.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "wire/table.h"

static void put_hex(struct wt_buf *out, const char *key, struct wt_bytes b)
{
        wt_buf_json_key(out, key);
        wt_buf_str(out, "\"");
        wt_hex(b.data, b.len, wt_buf_room(out, 2 * (size_t)b.len + 1));
        out->len += 2 * (size_t)b.len;
        wt_buf_str(out, "\"");
}

static uint64_t number(const struct wire_field *f, const char *base)
{
        uint64_t wide;
        uint32_t narrow;

        memcpy(&wide, base + f->off, f->type == WIRE_U64 ? sizeof wide : 0);
        memcpy(&narrow, base + f->off, sizeof narrow);
        return f->type == WIRE_U64 ? wide : narrow;
}

static void put_field(const struct wire_field *f, const char *base, struct wt_buf *out)
{
        struct wt_bytes b;

        if (f->type == WIRE_U32 || f->type == WIRE_U64) {
                uint64_t v = number(f, base);

                if (v != 0)
                        wt_buf_json_ku(out, f->name, v);
                return;
        }
        memcpy(&b, base + f->off, sizeof b);
        if (b.len == 0)
                return;
        if (f->type == WIRE_STR) {
                wt_buf_json_key(out, f->name);
                wt_buf_json_str(out, (const char *)b.data, b.len);
        } else if (strcmp(f->name, "sealed") == 0) {
                wt_buf_json_ku(out, "sealed_bytes", b.len);
        } else {
                put_hex(out, f->name, b);
        }
}

static void put_message(const struct wire_desc *d, const char *base, struct wt_buf *out);

static void put_list(const struct wire_field *f, const char *base, struct wt_buf *out)
{
        uint32_t n = wire_count(f, base);
        const char *list = n > 0 ? wire_array(f, base) : NULL;

        if (n == 0)
                return;
        wt_buf_json_key(out, f->name);
        wt_buf_str(out, "[");
        for (uint32_t i = 0; i < n; i++) {
                wt_buf_json_sep(out);
                put_message(f->sub, list + (size_t)i * f->sub->size, out);
        }
        wt_buf_str(out, "]");
}

/* An element of a list holds no list (wire/table.h), so this is two deep. */
static void put_message(const struct wire_desc *d, const char *base, struct wt_buf *out)
{
        wt_buf_str(out, "{");
        for (uint32_t i = 0; i < d->n_fields; i++)
                if (d->fields[i].how == WIRE_ONE)
                        put_field(&d->fields[i], base, out);
                else
                        put_list(&d->fields[i], base, out);
        wt_buf_str(out, "}");
}

void wt_audit_event_json(const struct wt_audit_event *e, struct wt_buf *out)
{
        struct wt_buf raw = { 0 };
        struct wt_audit_event rest = *e;
        char uuid[37];

        rest.kind = 0;                           /* these two are said in their own way */
        rest.request.len = 0;
        put_message(&wt_audit_desc, (const char *)&rest, &raw);
        wt_buf_str(out, "{");
        wt_buf_json_kv(out, "kind", wt_audit_kind_name(e->kind));
        if (e->request.len == 16) {
                wt_uuid_text(e->request.data, uuid);
                wt_buf_json_kv(out, "request", uuid);
        }
        if (raw.len > 2)
                wt_buf_str(out, ",");
        wt_buf_add(out, raw.data + 1, raw.len - 1);
        wt_buf_free(&raw);
}
