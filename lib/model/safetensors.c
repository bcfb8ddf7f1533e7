/* safetensors.c - the header of one safetensors file, strictly: see safetensors.h.
 * Source: the format's own description (8 bytes of length, little endian; JSON; data). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "model/safetensors.h"

enum { MAX_NAME = 1024 };

static const struct wt_json_limits limits = { .max_depth = 4, .max_bytes = 100000000,
                                              .max_nodes = 16 << 20 };

/* Bits an element; types that this engine does not compute with are still checked for their
 * size. */
static const struct dtype { const char *name; uint32_t id, bits; } dtypes[] = {
        { "F32", WT_F32, 32 }, { "BF16", WT_BF16, 16 }, { "F16", WT_F16, 16 },
        { "I32", WT_I32, 32 }, { "U8", WT_U8, 8 }, { "U32", WT_U32, 32 },
        { "BOOL", WT_DTYPE_FOREIGN, 8 },
        { "I8", WT_DTYPE_FOREIGN, 8 }, { "I16", WT_DTYPE_FOREIGN, 16 },
        { "U16", WT_DTYPE_FOREIGN, 16 }, { "I64", WT_DTYPE_FOREIGN, 64 },
        { "U64", WT_DTYPE_FOREIGN, 64 }, { "F64", WT_DTYPE_FOREIGN, 64 },
        { "F8_E4M3", WT_DTYPE_FOREIGN, 8 }, { "F8_E5M2", WT_DTYPE_FOREIGN, 8 },
        { "F8_E8M0", WT_DTYPE_FOREIGN, 8 }, { "F4", WT_DTYPE_FOREIGN, 4 },
        { "F6_E2M3", WT_DTYPE_FOREIGN, 6 }, { "F6_E3M2", WT_DTYPE_FOREIGN, 6 },
        { "C64", WT_DTYPE_FOREIGN, 64 },
};

/* A span of the data and whose it is, to check the cover. */
struct span { uint64_t begin, end; const char *name; };

static wt_err bad(const char *name, const char *what)
{
        return wt_fail(WT_EDATA, "the tensor \"%.200s\" %s", name, what);
}

static const struct dtype *find_dtype(const char *name)
{
        for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
                if (strcmp(dtypes[i].name, name) == 0)
                        return &dtypes[i];
        return NULL;
}

static wt_err read_dtype(wt_source *s, const wt_json *j, wt_jv v, struct wt_tensor_at *t,
                         uint32_t *bits)
{
        size_t len;
        const char *text = wt_json_str(j, wt_json_get(j, v, "dtype"), &len);
        const struct dtype *d;

        if (!text || len == 0 || len > 32 || memchr(text, '\0', len))
                return bad(t->name, "has no dtype");
        d = find_dtype(text);
        t->dtype = d ? d->id : WT_DTYPE_FOREIGN;
        t->dtype_name = d ? d->name : wt_arena_str(&s->arena, text, len);
        *bits = d ? d->bits : 0;                 /* 0: of unknown size */
        return WT_OK;
}

/* The number of elements; a dimension of 0 makes it 0 and is legal, rank 0 is one element. */
static wt_err read_shape(const wt_json *j, wt_jv v, struct wt_tensor_at *t, uint64_t *elements)
{
        enum { MAX_DIM = sizeof t->shape / sizeof *t->shape };
        wt_jv shape = wt_json_get(j, v, "shape");
        uint64_t n = 1;
        bool over = false, empty = false;

        if (shape == WT_JSON_NONE || wt_json_type(j, shape) != WT_JSON_ARRAY)
                return bad(t->name, "has no shape");
        if (wt_json_count(j, shape) > MAX_DIM)
                return bad(t->name, "has more than 8 dimensions");
        for (wt_jv d = wt_json_first(j, shape); d != WT_JSON_NONE; d = wt_json_next(j, d)) {
                uint64_t size;

                if (!wt_json_u64(j, d, &size))
                        return bad(t->name, "has a dimension that is no whole number");
                t->shape[t->n_dim++] = size;
                empty |= size == 0;
                over |= __builtin_mul_overflow(n, size, &n);
        }
        if (over && !empty)
                return bad(t->name, "has more elements than 64 bits can count");
        *elements = empty ? 0 : n;
        return WT_OK;
}

static wt_err read_span(const wt_json *j, wt_jv v, const char *name, uint64_t data_bytes,
                        struct span *span)
{
        wt_jv at = wt_json_get(j, v, "data_offsets"), first = wt_json_first(j, at);

        if (at == WT_JSON_NONE || wt_json_type(j, at) != WT_JSON_ARRAY ||
            wt_json_count(j, at) != 2 || !wt_json_u64(j, first, &span->begin) ||
            !wt_json_u64(j, wt_json_next(j, first), &span->end))
                return bad(name, "has no data_offsets of two whole numbers");
        if (span->begin > span->end)
                return bad(name, "ends before it begins");
        if (span->end > data_bytes)
                return wt_fail(WT_EDATA,
                               "the tensor \"%.200s\" ends at byte %" PRIu64 " of the data, "
                               "which has %" PRIu64 " (is the file cut short?)",
                               name, span->end, data_bytes);
        span->name = name;
        return WT_OK;
}

static wt_err read_tensor(wt_source *s, const wt_json *j, wt_jv v, uint64_t data_bytes,
                          struct wt_tensor_at *t, struct span *span)
{
        uint64_t elements = 0, bits_all;
        uint32_t bits = 0;
        wt_err err;

        if (wt_json_type(j, v) != WT_JSON_OBJECT)
                return bad(t->name, "is no object");
        if ((err = read_dtype(s, j, v, t, &bits)) != WT_OK ||
            (err = read_shape(j, v, t, &elements)) != WT_OK ||
            (err = read_span(j, v, t->name, data_bytes, span)) != WT_OK)
                return err;
        t->bytes = span->end - span->begin;
        if (bits == 0)
                return WT_OK;
        if (__builtin_mul_overflow(elements, (uint64_t)bits, &bits_all) || bits_all % 8)
                return bad(t->name, "has more elements than bytes can hold, or a part of a byte");
        if (bits_all / 8 != t->bytes)
                return wt_fail(WT_EDATA,
                               "the tensor \"%.200s\" has %" PRIu64 " bytes of data, its dtype "
                               "and shape want %" PRIu64,
                               t->name, t->bytes, bits_all / 8);
        return WT_OK;
}

static int by_begin(const void *a, const void *b)
{
        const struct span *x = a, *y = b;

        if (x->begin != y->begin)
                return x->begin < y->begin ? -1 : 1;
        return x->end < y->end ? -1 : x->end > y->end;
}

/* Together the spans are [0, data_bytes): each begins where the one before ended. */
static wt_err check_cover(struct span *span, uint32_t n, uint64_t data_bytes)
{
        uint64_t at = 0;

        if (n)
                qsort(span, n, sizeof *span, by_begin);
        for (uint32_t i = 0; i < n; i++) {
                if (span[i].begin < at)
                        return wt_fail(WT_EDATA,
                                       "the tensors \"%.200s\" and \"%.200s\" overlap at byte "
                                       "%" PRIu64 " of the data",
                                       span[i - 1].name, span[i].name, span[i].begin);
                if (span[i].begin > at)
                        return wt_fail(WT_EDATA,
                                       "bytes %" PRIu64 " to %" PRIu64 " of the data, before "
                                       "the tensor \"%.200s\", belong to no tensor",
                                       at, span[i].begin, span[i].name);
                at = span[i].end;
        }
        if (at != data_bytes)
                return wt_fail(WT_EDATA,
                               "the file has %" PRIu64 " bytes of data, its tensors take %" PRIu64,
                               data_bytes, at);
        return WT_OK;
}

static wt_err check_metadata(const wt_json *j, wt_jv v)
{
        if (wt_json_type(j, v) != WT_JSON_OBJECT)
                return wt_fail(WT_EDATA, "__metadata__ is no object");
        for (wt_jv m = wt_json_first(j, v); m != WT_JSON_NONE; m = wt_json_next(j, m))
                if (wt_json_type(j, m) != WT_JSON_STRING)
                        return wt_fail(WT_EDATA, "__metadata__ has a value that is no string");
        return WT_OK;
}

struct walk {
        wt_source *s;
        const wt_json *j;
        uint32_t file, n_spans;
        uint64_t data_at, data_bytes;
        struct span *spans;
        bool (*keep)(void *arg, const char *name);
        void *arg;
};

static wt_err one_member(struct walk *w, wt_jv v)
{
        size_t len;
        const char *name = wt_json_key(w->j, v, &len);
        struct wt_tensor_at t = { .file = w->file };
        struct span *span = &w->spans[w->n_spans];
        wt_err err;

        if (strcmp(name, "__metadata__") == 0)
                return check_metadata(w->j, v);
        if (len == 0 || len > MAX_NAME || memchr(name, '\0', len))
                return wt_fail(WT_EDATA,
                               "a tensor's name is empty, longer than %d bytes or holds a NUL",
                               MAX_NAME);
        t.name = name;                           /* the document's, until it is known to be kept */
        if ((err = read_tensor(w->s, w->j, v, w->data_bytes, &t, span)) != WT_OK)
                return err;
        t.offset = w->data_at + span->begin;
        w->n_spans++;
        if (w->keep && !w->keep(w->arg, name))
                return WT_OK;
        t.name = wt_arena_str(&w->s->arena, name, len);
        return wt_source_add(w->s, &t);
}

static wt_err read_members(struct walk *w)
{
        wt_err err = WT_OK;

        w->spans = calloc((size_t)wt_json_count(w->j, 0) + 1, sizeof *w->spans);
        if (!w->spans)
                return wt_fail(WT_ENOMEM, "no memory for the header of a model file");
        for (wt_jv v = wt_json_first(w->j, 0); v != WT_JSON_NONE && err == WT_OK;
             v = wt_json_next(w->j, v))
                err = one_member(w, v);
        if (err == WT_OK)
                err = check_cover(w->spans, w->n_spans, w->data_bytes);
        free(w->spans);
        return err;
}

struct raw_key { const char *at; size_t len; };

static int by_text(const void *a, const void *b)
{
        const struct raw_key *x = a, *y = b;
        int d = memcmp(x->at, y->at, x->len < y->len ? x->len : y->len);

        return d ? d : x->len < y->len ? -1 : x->len > y->len;
}

/* The end of the string that begins at text[i], a quote. */
static size_t string_end(const char *text, size_t len, size_t i)
{
        for (i++; i < len && text[i] != '"'; i++)
                i += text[i] == '\\';
        return i < len ? i : len;
}

/* The reader refuses a name that occurs twice without saying which (its texts may be private). This
 * header is not: finds the name in the text, among the keys of the outermost object. */
static wt_err name_twice(const char *text, size_t len, wt_err err)
{
        struct raw_key *keys = NULL;
        size_t n = 0, cap = 0, depth = 0;

        for (size_t i = 0; i < len; i++) {
                size_t end;

                depth += text[i] == '{' || text[i] == '[';
                depth -= depth && (text[i] == '}' || text[i] == ']');
                if (text[i] != '"')
                        continue;
                end = string_end(text, len, i);
                if (depth == 1) {
                        if (n == cap) {
                                struct raw_key *grown =
                                        realloc(keys, (cap = 2 * cap + 64) * sizeof *keys);

                                if (!grown)
                                        break;
                                keys = grown;
                        }
                        keys[n++] = (struct raw_key){ text + i + 1, end - i - 1 };
                }
                i = end;
        }
        if (n)
                qsort(keys, n, sizeof *keys, by_text);
        for (size_t i = 1; i < n; i++)
                if (by_text(&keys[i - 1], &keys[i]) == 0) {
                        err = wt_fail(WT_EDATA, "the name \"%.*s\" occurs twice in the header",
                                      keys[i].len < 200 ? (int)keys[i].len : 200, keys[i].at);
                        break;
                }
        free(keys);
        return err;
}

wt_err wt_safetensors_header(wt_source *s, uint32_t file, const char *text, size_t len,
                             uint64_t data_at, uint64_t data_bytes,
                             bool (*keep)(void *arg, const char *name), void *arg)
{
        struct walk w = { .s = s, .file = file, .data_at = data_at, .data_bytes = data_bytes,
                          .keep = keep, .arg = arg };
        wt_json *j = NULL;
        wt_err err;

        if (len == 0 || text[0] != '{')
                return wt_fail(WT_EDATA, "the header is no JSON object (it must begin with '{')");
        if ((err = wt_json_parse(&j, text, len, &limits)) != WT_OK)
                return name_twice(text, len, wt_fail_in(err, "the header"));
        w.j = j;
        err = read_members(&w);
        wt_json_free(j);
        return err;
}
