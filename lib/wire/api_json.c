/* api_json.c - protobuf to JSON and back, by the tables of api_table.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "wire/api.h"
#include "wire/span.h"

enum { MOST_FIELDS = 65536, DEEPEST = 6 };

/* One field as it stands. */
struct item { uint32_t number, form; uint64_t value; struct span bytes; };
enum { VARINT = 0, EIGHT = 1, BYTES = 2, FOUR = 5 };

static bool next(struct span *s, struct item *i)
{
        uint64_t tag, len;

        if (!span_varint(s, &tag) || tag >> 3 == 0 || tag >> 3 > 536870911)
                return false;
        *i = (struct item){ .number = (uint32_t)(tag >> 3), .form = tag & 7 };
        switch (i->form) {
        case VARINT: return span_varint(s, &i->value);
        case EIGHT:  return span_fixed(s, 8, &i->value);
        case FOUR:   return span_fixed(s, 4, &i->value);
        case BYTES:
                if (!span_varint(s, &len) || len > (uint64_t)(s->end - s->at))
                        return false;
                i->bytes = (struct span){ s->at, s->at + len };
                s->at += len;
                return true;
        default:     return false;
        }
}

static wt_err broken(const struct api_message *m)
{
        return wt_fail(WT_EINVAL, "%s is no protobuf message; see proto/witan/v1/api.proto",
                       m->name);
}

static wt_err wrong(const struct api_message *m, const struct api_field *f)
{
        return wt_fail(WT_EINVAL, "%s.%s has another type; see proto/witan/v1/api.proto", m->name,
                       f->name);
}

static uint32_t form_of(const struct api_field *f)
{
        return f->type == API_DOUBLE ? EIGHT : f->type == API_STR || f->type == API_MSG ? BYTES
                                                                                        : VARINT;
}

static wt_err message_json(const struct api_message *m, struct span s, int depth,
                           struct wt_buf *out);

static wt_err value_json(const struct api_message *m, const struct api_field *f,
                         const struct item *i, int depth, struct wt_buf *out)
{
        double d;

        switch (f->type) {
        case API_STR:
                wt_buf_json_str(out, (const char *)i->bytes.at,
                                (size_t)(i->bytes.end - i->bytes.at));
                return WT_OK;
        case API_BOOL: wt_buf_str(out, i->value != 0 ? "true" : "false"); return WT_OK;
        case API_INT:  wt_buf_fmt(out, "%lld", (long long)i->value); return WT_OK;
        case API_DOUBLE:
                memcpy(&d, &i->value, sizeof d);
                if (!isfinite(d))
                        return wt_fail(WT_EINVAL, "%s.%s is not finite", m->name, f->name);
                wt_buf_fmt(out, "%.17g", d);
                return WT_OK;
        default:       return message_json(f->of, i->bytes, depth + 1, out);
        }
}

/* An entry {1 key, 2 value} as "key":value. */
static wt_err entry_json(const struct api_field *f, struct span s, struct wt_buf *out)
{
        struct item i, key = { .form = BYTES }, value = { .form = EIGHT };
        const struct api_field *rows = f->of->field;

        while (s.at < s.end) {
                if (!next(&s, &i))
                        return broken(f->of);
                if (i.number == 1 && i.form == BYTES)
                        key = i;
                else if (i.number == 2 && i.form == form_of(&rows[1]))
                        value = i;
        }
        wt_buf_json_str(out, key.bytes.at != NULL ? (const char *)key.bytes.at : "",
                        (size_t)(key.bytes.end - key.bytes.at));
        wt_buf_str(out, ":");
        return value_json(f->of, &rows[1], &value, 0, out);
}

/* The one repeated field of a message that is written bare. */
static wt_err bare_json(const struct api_message *m, struct span s, int depth, struct wt_buf *out)
{
        struct wt_buf whole = { 0 };
        size_t skip = strlen(m->field[0].name) + 4;      /* {"name": */
        wt_err err = message_json(m, s, depth, &whole);

        if (err == WT_OK && whole.len > 2)
                wt_buf_add(out, whole.data + skip, whole.len - skip - 1);
        else if (err == WT_OK)
                wt_buf_str(out, m->field[0].how == API_MAP ? "{}" : "[]");
        wt_buf_free(&whole);
        return err;
}

static wt_err packed_json(const struct api_message *m, const struct api_field *f, struct span s,
                          struct wt_buf *member)
{
        wt_err err = WT_OK;

        while (s.at < s.end && err == WT_OK) {
                struct item one = { .form = form_of(f) };

                if (!(one.form == VARINT ? span_varint(&s, &one.value)
                                         : span_fixed(&s, one.form == EIGHT ? 8 : 4, &one.value)))
                        return broken(m);
                wt_buf_str(member, member->len > 0 ? "," : "");
                err = value_json(m, f, &one, 0, member);
        }
        return err;
}

static wt_err add_item(const struct api_message *m, const struct api_field *f, struct item *i,
                       int depth, struct wt_buf *member)
{
        if (f->how == API_MANY && i->form == BYTES && form_of(f) != BYTES)
                return packed_json(m, f, i->bytes, member);
        if (f->how == API_ONE)
                wt_buf_clear(member);            /* the last one counts */
        else if (member->len > 0)
                wt_buf_str(member, ",");
        if (i->form != form_of(f))
                return wrong(m, f);
        if (f->how == API_MAP)
                return entry_json(f, i->bytes, member);
        if (f->how == API_BARE)
                return bare_json(f->of, i->bytes, depth + 1, member);
        return value_json(m, f, i, depth, member);
}

/* Members in the table's order; rows with one name (prompt as text or as ids) write it once. */
static void close_message(const struct api_message *m, const struct wt_buf *member,
                          struct wt_buf *out)
{
        static const char *const opens[] = { "", "[", "{", "[" }, *const closes[] = { "", "]", "}",
                                                                                      "]" };

        for (uint32_t k = 0; k < m->n; k++) {
                if (member[k].data == NULL)
                        continue;
                wt_buf_json_key(out, m->field[k].name);
                wt_buf_str(out, opens[m->field[k].how]);
                wt_buf_add(out, member[k].data, member[k].len);
                wt_buf_str(out, closes[m->field[k].how]);
        }
}

static wt_err message_json(const struct api_message *m, struct span s, int depth,
                           struct wt_buf *out)
{
        struct wt_buf member[32] = { { 0 } };
        uint32_t fields = 0;
        wt_err err = WT_OK;

        WT_ASSERT(m->n <= 32);
        if (depth > DEEPEST)
                return broken(m);
        while (s.at < s.end && err == WT_OK) {
                struct item i;

                if (!next(&s, &i) || ++fields > MOST_FIELDS) {
                        err = broken(m);
                        break;
                }
                for (uint32_t k = 0; k < m->n; k++)
                        if (m->field[k].number == i.number)
                                err = add_item(m, &m->field[k], &i, depth, &member[k]);
        }
        wt_buf_str(out, "{");
        close_message(m, member, out);
        wt_buf_str(out, "}");
        for (uint32_t k = 0; k < m->n; k++)
                wt_buf_free(&member[k]);
        return err;
}

wt_err api_to_json(const struct api_message *m, const void *data, size_t len, const char *extra,
                   struct wt_buf *out)
{
        struct span s = { data, len > 0 ? (const uint8_t *)data + len : data };
        size_t at = out->len;
        wt_err err = message_json(m, s, 0, out);

        if (err != WT_OK || extra[0] == '\0')
                return err;
        out->data[--out->len] = '\0';            /* the brace: more members follow */
        if (out->len > at + 1)
                wt_buf_str(out, ",");
        wt_buf_fmt(out, "%s}", extra);
        return WT_OK;
}

/* ---- and back ------------------------------------------------------------------------------ */

static void put_varint(struct wt_buf *out, uint64_t v)
{
        uint8_t b[10];
        size_t n = 0;

        do {
                b[n] = (uint8_t)(v & 0x7f) | (v > 0x7f ? 0x80 : 0);
                v >>= 7;
        } while ((b[n++] & 0x80) != 0);
        wt_buf_add(out, b, n);
}

static void put_tag(struct wt_buf *out, const struct api_field *f)
{
        put_varint(out, (uint64_t)f->number << 3 | form_of(f));
}

static void put_bytes(struct wt_buf *out, const void *p, size_t n)
{
        put_varint(out, n);
        wt_buf_add(out, p, n);
}

static wt_err other_type(const struct api_message *m, const struct api_field *f)
{
        return wt_fail(WT_EDATA, "an answer's \"%s\" does not fit %s of api.proto", f->name,
                       m->name);
}

static wt_err put_map(const struct api_field *f, const wt_json *j, wt_jv v, struct wt_buf *out);

static wt_err put_one(const struct api_message *m, const struct api_field *f, const wt_json *j,
                      wt_jv v, struct wt_buf *out)
{
        struct wt_buf sub = { 0 };
        const char *s;
        size_t len;
        double d;
        int64_t i;
        bool b;
        wt_err err = WT_OK;

        put_tag(out, f);
        switch (f->type) {
        case API_STR:
                if ((s = wt_json_str(j, v, &len)) == NULL)
                        return other_type(m, f);
                put_bytes(out, s, len);
                return WT_OK;
        case API_BOOL:
                if (!wt_json_bool(j, v, &b))
                        return other_type(m, f);
                put_varint(out, b);
                return WT_OK;
        case API_INT:
                if (!wt_json_i64(j, v, &i))
                        return other_type(m, f);
                put_varint(out, (uint64_t)i);
                return WT_OK;
        case API_DOUBLE:
                if (wt_json_type(j, v) == WT_JSON_NULL)
                        d = NAN;
                else if (!wt_json_f64(j, v, &d))
                        return other_type(m, f);
                wt_buf_add(out, &d, 8);
                return WT_OK;
        default:
                if (f->how != API_BARE)
                        err = api_of_json(f->of, j, v, &sub);
                else if (f->of->field[0].how == API_MAP)
                        err = put_map(&f->of->field[0], j, v, &sub);
                else
                        for (wt_jv e = wt_json_first(j, v); e != WT_JSON_NONE && err == WT_OK;
                             e = wt_json_next(j, e))
                                err = put_one(f->of, &f->of->field[0], j, e, &sub);
                put_bytes(out, sub.data, sub.len);
                wt_buf_free(&sub);
                return err;
        }
}

static wt_err put_map(const struct api_field *f, const wt_json *j, wt_jv v, struct wt_buf *out)
{
        wt_err err = WT_OK;

        for (wt_jv e = wt_json_first(j, v); e != WT_JSON_NONE && err == WT_OK;
             e = wt_json_next(j, e)) {
                struct wt_buf entry = { 0 };
                size_t len;
                const char *key = wt_json_key(j, e, &len);

                put_tag(&entry, &f->of->field[0]);
                put_bytes(&entry, key, len);
                err = put_one(f->of, &f->of->field[1], j, e, &entry);
                put_tag(out, f);
                put_bytes(out, entry.data, entry.len);
                wt_buf_free(&entry);
        }
        return err;
}

/* Two rows of one name stand side by side: prompt as texts, and as ids. */
static bool shared(const struct api_message *m, uint32_t k)
{
        const char *name = m->field[k].name;

        return (k > 0 && strcmp(m->field[k - 1].name, name) == 0) ||
               (k + 1 < m->n && strcmp(m->field[k + 1].name, name) == 0);
}

/* The elements of x, or x alone where the JSON API takes one for a list of one. */
static wt_err put_many(const struct api_message *m, uint32_t k, const wt_json *j, wt_jv x,
                       struct wt_buf *out)
{
        const struct api_field *f = &m->field[k];
        enum wt_json_type want = f->how == API_BARE ? WT_JSON_ARRAY : WT_JSON_STRING;
        wt_jv e = wt_json_first(j, x);
        bool two = shared(m, k);
        wt_err err = WT_OK;

        if (wt_json_type(j, x) != WT_JSON_ARRAY ||
            (two && e != WT_JSON_NONE && wt_json_type(j, e) == WT_JSON_NUMBER))
                return two && wt_json_type(j, x) != want ? WT_OK : put_one(m, f, j, x, out);
        for (; e != WT_JSON_NONE && err == WT_OK; e = wt_json_next(j, e))
                if (!two || wt_json_type(j, e) == want)
                        err = put_one(m, f, j, e, out);
        return err;
}

wt_err api_of_json(const struct api_message *m, const wt_json *j, wt_jv v, struct wt_buf *out)
{
        wt_err err = WT_OK;

        for (uint32_t k = 0; k < m->n && err == WT_OK; k++) {
                const struct api_field *f = &m->field[k];
                wt_jv x = wt_json_get(j, v, f->name);

                if (x == WT_JSON_NONE || wt_json_type(j, x) == WT_JSON_NULL)
                        continue;
                if (f->how == API_ONE)
                        err = put_one(m, f, j, x, out);
                else if (f->how == API_MAP)
                        err = put_map(f, j, x, out);
                else
                        err = put_many(m, k, j, x, out);
        }
        return err;
}
