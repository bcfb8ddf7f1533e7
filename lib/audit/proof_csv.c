/* proof_csv.c - the rows of an export as CSV. Whoever reads one makes it again from its body and
 * compares, so a reader needs to take apart only what is no function of the body. */
#include <string.h>
#include "audit/merkle.h"
#include "audit/proof.h"
#include "audit/view.h"
#include "base/base64.h"
#include "base/rng.h"
#include "base/sha256.h"

const char wt_proof_csv_head[] =
        "leaf,kind,time,request_id,tenant,team,actor,key_id,source,gateway,door,action,model,"
        "revision,arm,policy,outcome,status,code,finish_reason,prompt_tokens,completion_tokens,"
        "cost,cause,subject,words,checkpoint,proof,body\r\n";
enum { N_EVENT = 24 };                           /* columns between kind and checkpoint */

/* In quotes, and with an apostrophe where a spreadsheet would see a formula: names of keys and
 * models are chosen by users. A line is a row: what would end it is a blank. */
static void put_text(struct wt_buf *out, struct wt_bytes b)
{
        const char *p = (const char *)b.data;

        wt_buf_str(out, ",");
        if (b.len == 0)
                return;
        wt_buf_str(out, strchr("=+-@\t\r", p[0]) != NULL ? "\"'" : "\"");
        for (uint32_t i = 0; i < b.len; i++) {
                bool control = (unsigned char)p[i] < 0x20 || p[i] == 0x7f;

                if (p[i] == '"')
                        wt_buf_str(out, "\"");
                wt_buf_add(out, control ? " " : p + i, 1);
        }
        wt_buf_str(out, "\"");
}

static void put_hex(struct wt_buf *out, struct wt_bytes b)
{
        char hex[65] = "";

        if (b.len <= 32)
                wt_hex(b.data, b.len, hex);
        wt_buf_fmt(out, ",%s", hex);
}

static void put_number(struct wt_buf *out, uint64_t v)
{
        wt_buf_fmt(out, ",%llu", (unsigned long long)v);
}

static void put_event(struct wt_buf *out, const struct wt_audit_event *e)
{
        char id[37] = "", time[32];

        if (e->request.len == 16)
                wt_uuid_text(e->request.data, id);
        wt_audit_time_text(e->time_us, time);
        wt_buf_fmt(out, ",%s,%s,%s", wt_audit_kind_name(e->kind), time, id);
        put_text(out, e->tenant);
        put_text(out, e->team);
        put_text(out, e->actor);
        put_text(out, e->key_id);
        put_text(out, e->source);
        put_text(out, e->gateway);
        put_text(out, e->door);
        put_text(out, e->action);
        put_text(out, e->model);
        put_hex(out, e->revision);
        put_text(out, e->arm);
        put_text(out, e->policy);
        put_text(out, e->outcome);
        put_number(out, e->status);
        put_text(out, e->code);
        put_text(out, e->finish_reason);
        put_number(out, e->prompt_tokens);
        put_number(out, e->completion_tokens);
        wt_buf_fmt(out, ",%llu.%09u", (unsigned long long)(e->cost_nano / 1000000000),
                   (unsigned)(e->cost_nano % 1000000000));
        put_text(out, e->cause);
        put_hex(out, e->subject);
        put_text(out, e->words);
}

void wt_proof_csv_row(struct wt_buf *out, uint64_t size, uint64_t leaf, struct wt_bytes body,
                      const struct wt_hash *path, uint32_t n_path, const struct wt_audit_event *e)
{
        wt_buf_fmt(out, "%llu", (unsigned long long)leaf);
        put_event(out, e);
        wt_buf_fmt(out, ",%llu,", (unsigned long long)size);
        for (uint32_t i = 0; i < n_path; i++) {
                wt_buf_str(out, i > 0 ? " " : "");
                wt_base64_add(out, path[i].b, 32);
        }
        wt_buf_str(out, ",");
        wt_base64_add(out, body.data, body.len);
        wt_buf_str(out, "\r\n");
}

void wt_proof_csv_edge(struct wt_buf *out, const char *kind, uint64_t size, const char *line,
                       size_t len)
{
        wt_buf_fmt(out, ",%s", kind);
        for (int i = 0; i < N_EVENT; i++)
                wt_buf_str(out, ",");
        wt_buf_fmt(out, ",%llu,,", (unsigned long long)size);
        wt_base64_add(out, line, len);
        wt_buf_str(out, "\r\n");
}

/* ---- reading ---- */

struct row { const char *kind, *size, *proof, *body; size_t kind_len, proof_len, body_len; };

static bool read_number(const char *p, const char *end, uint64_t *out)
{
        *out = 0;
        for (const char *at = p; at < end; at++) {
                if (*at < '0' || *at > '9' || end - p > 19)
                        return false;
                *out = *out * 10 + (uint64_t)(*at - '0');
        }
        return true;
}

/* The first two columns and the last three have no quotes: each goes to the nearest comma. */
static bool take_apart(const char *s, size_t len, uint64_t *leaf, struct row *r)
{
        const char *end = s + len, *comma = memchr(s, ',', len);

        if (comma == NULL || !read_number(s, comma, leaf))
                return false;
        r->kind = comma + 1;
        if ((comma = memchr(r->kind, ',', (size_t)(end - r->kind))) == NULL)
                return false;
        r->kind_len = (size_t)(comma - r->kind);
        if ((r->body = memrchr(comma + 1, ',', (size_t)(end - comma - 1))) == NULL ||
            (r->proof = memrchr(comma + 1, ',', (size_t)(r->body - comma - 1))) == NULL ||
            (r->size = memrchr(comma + 1, ',', (size_t)(r->proof - comma - 1))) == NULL)
                return false;
        r->proof_len = (size_t)(r->body - ++r->proof);
        r->body_len = (size_t)(end - ++r->body);
        return true;
}

static bool read_path(const struct row *r, struct wt_hash path[WT_MERKLE_DEEP], uint32_t *n)
{
        const char *p = r->proof, *end = p + r->proof_len;

        for (*n = 0; p < end; (*n)++) {
                const char *stop = memchr(p, ' ', (size_t)(end - p));

                stop = stop != NULL ? stop : end;
                if (*n == WT_MERKLE_DEEP ||
                    !wt_base64_exact(p, (size_t)(stop - p), path[*n].b, 32))
                        return false;
                p = stop + (stop < end);
        }
        return true;
}

static void put_line(struct wt_buf *out, uint64_t leaf, const struct row *r,
                     const struct wt_hash *path, uint32_t n, const struct wt_audit_event *e)
{
        wt_buf_str(out, "{");
        wt_buf_json_ku(out, "leaf", leaf);
        wt_buf_str(out, ",\"body\":\"");
        wt_buf_add(out, r->body, r->body_len);
        wt_buf_str(out, "\",\"proof\":[");
        for (uint32_t i = 0; i < n; i++) {
                wt_buf_str(out, i > 0 ? ",\"" : "\"");
                wt_base64_add(out, path[i].b, 32);
                wt_buf_str(out, "\"");
        }
        wt_buf_str(out, "],\"event\":");
        wt_audit_event_json(e, out);
        wt_buf_str(out, "}");
}

static bool is_kind(const struct row *r, const char *kind)
{
        return r->kind_len == strlen(kind) && memcmp(r->kind, kind, r->kind_len) == 0;
}

static bool is_again(const struct wt_buf *again, const char *row, size_t len)
{
        return again->len == len + 2 && memcmp(again->data, row, len) == 0;
}

static bool read_edge(const char *row, size_t len, const struct row *r, const struct wt_buf *line,
                      struct wt_buf *out)
{
        bool end = is_kind(r, "end");
        struct wt_buf again = { 0 };
        uint64_t size;
        bool good;

        if (!read_number(r->size + 1, r->proof - 1, &size))
                return false;
        wt_proof_csv_edge(&again, end ? "end" : "checkpoint", size, line->data, line->len);
        if ((good = is_again(&again, row, len)))
                wt_buf_add(out, line->data, line->len);
        wt_buf_free(&again);
        return good;
}

static bool read_event(const char *row, size_t len, const struct row *r, uint64_t size,
                       uint64_t leaf, const struct wt_buf *body, struct wt_buf *out)
{
        struct wt_hash path[WT_MERKLE_DEEP];
        struct wt_buf again = { 0 };
        struct wt_arena a = { 0 };
        struct wt_audit_event e;
        uint32_t n;
        bool good = read_path(r, path, &n) &&
                    wt_audit_decode(&e, body->data, body->len, &a) == WT_OK;

        if (good) {
                wt_proof_csv_row(&again, size, leaf, WT_BYTES(body->data, body->len), path, n, &e);
                good = is_again(&again, row, len);
        }
        if (good)
                put_line(out, leaf, r, path, n, &e);
        wt_arena_fini(&a);
        wt_buf_free(&again);
        return good;
}

bool wt_proof_csv_read(const char *row, size_t len, uint64_t size, uint64_t *leaf,
                       struct wt_buf *out)
{
        struct wt_buf body = { 0 };
        struct row r;
        bool good;

        *leaf = 0;
        good = take_apart(row, len, leaf, &r) && wt_base64_read(&body, r.body, r.body_len) &&
               body.len > 0;
        if (good)
                good = is_kind(&r, "checkpoint") || is_kind(&r, "end")
                               ? read_edge(row, len, &r, &body, out)
                               : read_event(row, len, &r, size, *leaf, &body, out);
        wt_buf_free(&body);
        return good;
}
