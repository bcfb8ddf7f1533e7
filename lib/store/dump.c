/* dump.c - rows of a table as bytes; see dump.h. */
#include "store/dump.h"
#include <string.h>

static const char magic[] = "witan rows 1\n";
enum { MAGIC = sizeof magic - 1 };

static void put_n(struct wt_buf *out, uint64_t v, size_t n)
{
        uint8_t b[8];

        for (size_t i = 0; i < n; i++)
                b[i] = (uint8_t)(v >> 8 * i);
        wt_buf_add(out, b, n);
}

void wt_rows_head(struct wt_buf *out, uint32_t n_columns)
{
        wt_buf_add(out, magic, MAGIC);
        put_n(out, n_columns, 4);
}

void wt_rows_put(struct wt_buf *out, const struct wt_value *v, uint32_t n)
{
        put_n(out, 1, 1);
        for (uint32_t i = 0; i < n; i++) {
                uint64_t bits = 0;

                put_n(out, v[i].type, 1);
                memcpy(&bits, &v[i].as, sizeof bits);
                if (v[i].type == WT_INT || v[i].type == WT_REAL) {
                        put_n(out, bits, 8);
                } else if (v[i].type == WT_TEXT || v[i].type == WT_BLOB) {
                        put_n(out, v[i].len, 4);
                        wt_buf_add(out, v[i].as.data, v[i].len);
                }
        }
}

void wt_rows_end(struct wt_buf *out, uint64_t n_rows)
{
        put_n(out, 0, 1);
        put_n(out, n_rows, 8);
}

static uint64_t get_n(const uint8_t *p, size_t n)
{
        uint64_t v = 0;

        for (size_t i = n; i-- > 0;)
                v = v << 8 | p[i];
        return v;
}

wt_err wt_rows_open(struct wt_rows *r, const void *data, size_t len)
{
        const uint8_t *p = data;
        uint64_t n = len >= MAGIC + 4 ? get_n(p + MAGIC, 4) : 0;

        if (len < MAGIC + 4 || memcmp(p, magic, MAGIC) != 0)
                return wt_fail(WT_EDATA, "these are no rows of a backup; take another copy");
        if (n == 0 || n > WT_DUMP_COLUMNS)
                return wt_fail(WT_EDATA, "the rows have %u columns, at most %d are possible; take "
                               "another copy", (unsigned)n, WT_DUMP_COLUMNS);
        *r = (struct wt_rows){ .p = p + MAGIC + 4, .end = p + len, .n_columns = (uint32_t)n };
        return WT_OK;
}

static wt_err cut(const struct wt_rows *r)
{
        return wt_fail(WT_EDATA, "row %llu is cut off, or damaged; take another copy",
                       (unsigned long long)r->n_rows);
}

static wt_err get_value(struct wt_rows *r, struct wt_value *v)
{
        size_t left = (size_t)(r->end - r->p);
        uint64_t n;

        if (left < 1)
                return cut(r);
        *v = (struct wt_value){ .type = *r->p++ };
        left--;
        if (v->type == WT_NULL)
                return WT_OK;
        if (v->type == WT_INT || v->type == WT_REAL) {
                if (left < 8)
                        return cut(r);
                n = get_n(r->p, 8);
                memcpy(&v->as, &n, sizeof n);
                r->p += 8;
                return WT_OK;
        }
        if (v->type > WT_BLOB || left < 4 || (n = get_n(r->p, 4)) > WT_DUMP_VALUE || left - 4 < n)
                return cut(r);
        v->len = (uint32_t)n;
        v->as.data = r->p + 4;
        r->p += 4 + n;
        return WT_OK;
}

wt_err wt_rows_next(struct wt_rows *r, struct wt_value *v)
{
        wt_err err = WT_OK;

        if (r->p == r->end || *r->p > 1)
                return cut(r);
        if (*r->p++ == 0) {
                if (r->end - r->p != 8 || get_n(r->p, 8) != r->n_rows)
                        return cut(r);
                return WT_ENOTFOUND;
        }
        for (uint32_t i = 0; i < r->n_columns && err == WT_OK; i++)
                err = get_value(r, &v[i]);
        if (err == WT_OK)
                r->n_rows++;
        return err;
}
