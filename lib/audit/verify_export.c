/* verify_export.c - an export, on whatever machine it is read: its checkpoint, then each line. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/proof.h"
#include "audit/verify.h"
#include "audit/verify_walk.h"
#include "audit/view.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/list.h"
#include "base/rng.h"

/* Bytes of a line: an event of 5 MiB in base64, twice its text, and the path. */
static const struct wt_json_limits limits = { 16, 24 << 20, 1 << 16 };
enum { MOST_NOTES = 100000 };

struct stated { int64_t day; char code[64]; };
struct wt_verify_export {
        struct wt_verify *v;
        struct wt_checkpoint c;
        bool begun, complete, ended, csv;
        uint64_t line, next, n;                  /* next: the least leaf that may follow */
        struct gone *gap; uint32_t n_gaps, gap_cap;      /* leaves that did not come */
        struct stated *stated; uint32_t n_stated, stated_cap;
        struct wt_arena arena;
        struct wt_buf body, text, json;          /* json: what a row of CSV says */
        char request[37];                        /* of the line that is looked at */
};

wt_err wt_verify_export_begin(wt_verify_export **out, struct wt_verify *v)
{
        wt_verify_export *x = calloc(1, sizeof *x);

        if (x == NULL)
                return wt_fail(WT_ENOMEM, "no memory to verify an export");
        x->v = v;
        v->finding = (struct wt_finding){ .wrong = WT_WRONG_NOTHING };
        v->seen = (struct wt_seen){ .rows = 0 };
        *out = x;
        return WT_OK;
}

static bool wrong(wt_verify_export *x, enum wt_wrong what, uint64_t leaf, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

static bool wrong(wt_verify_export *x, enum wt_wrong what, uint64_t leaf, const char *fmt, ...)
{
        struct wt_finding *f = &x->v->finding;
        va_list ap;

        if (f->wrong != WT_WRONG_NOTHING)
                return false;
        *f = (struct wt_finding){ .wrong = what, .leaf = leaf, .last = leaf, .line = x->line };
        va_start(ap, fmt);
        vsnprintf(f->words, sizeof f->words, fmt, ap);
        va_end(ap);
        memcpy(f->request, x->request, sizeof f->request);
        return false;
}

static bool read_head(wt_verify_export *x, const wt_json *j)
{
        size_t kind_len, len;
        const char *kind = wt_json_str(j, wt_json_get(j, 0, "export"), &kind_len);
        const char *text = wt_json_str(j, wt_json_get(j, 0, "checkpoint"), &len);
        struct wt_verify *v = x->v;
        struct wt_note note;

        if (kind == NULL || strcmp(kind, "witan-audit/1") != 0 || text == NULL ||
            !wt_json_bool(j, wt_json_get(j, 0, "complete"), &x->complete))
                return wrong(x, WT_WRONG_EXPORT, 0, "this is no export of an audit log: its first "
                             "line names none");
        if (wt_checkpoint_read(&x->c, &note, text, len, v->log, v->witness) != WT_OK)
                return wrong(x, WT_WRONG_CHECKPOINT, 0, "%s", wt_words());
        wt_note_signed(&note, v->witness, &v->seen.witnessed_s);
        v->seen.witnessed = x->c.size;
        v->seen.checkpoints = 1;
        v->seen.complete = x->complete;
        x->begun = true;
        return true;
}

/* The witness has gone on: an export may be older than what it knows, never of another size. */
static bool check_last(wt_verify_export *x)
{
        struct wt_verify *v = x->v;
        struct wt_checkpoint c;
        struct wt_note note;

        if (v->last == NULL || v->last_len == 0)
                return true;
        if (wt_checkpoint_read(&c, &note, v->last, v->last_len, v->log, v->witness) != WT_OK)
                return wrong(x, WT_WRONG_CHECKPOINT, 0, "the witness's own checkpoint: %s",
                             wt_words());
        if (c.size == x->c.size && memcmp(c.root.b, x->c.root.b, 32) != 0)
                return wrong(x, WT_WRONG_CHECKPOINT, c.size, "the witness has cosigned another "
                             "root for %llu rows", (unsigned long long)c.size);
        if (x->complete && c.size > x->c.size)
                v->seen.unwitnessed = c.size - x->c.size;
        return true;
}

static bool read_path(wt_verify_export *x, const wt_json *j, uint64_t leaf,
                      struct wt_hash path[WT_MERKLE_DEEP], uint32_t *n)
{
        wt_jv list = wt_json_get(j, 0, "proof");

        *n = 0;
        if (wt_json_type(j, list) != WT_JSON_ARRAY || wt_json_count(j, list) > WT_MERKLE_DEEP)
                return wrong(x, WT_WRONG_EXPORT, leaf, "its proof is no list of hashes");
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                size_t len;
                const char *s = wt_json_str(j, v, &len);

                if (s == NULL || !wt_base64_exact(s, len, path[(*n)++].b, 32))
                        return wrong(x, WT_WRONG_EXPORT, leaf, "its proof holds what is no hash");
        }
        return true;
}

static bool read_body(wt_verify_export *x, struct wt_audit_event *e)
{
        wt_arena_reset(&x->arena);
        if (wt_audit_decode(e, x->body.data, x->body.len, &x->arena) != WT_OK)
                return false;
        if (e->request.len == 16)
                wt_uuid_text(e->request.data, x->request);
        return true;
}

/* What a person reads in the line must be what was logged. */
static bool check_event(wt_verify_export *x, const wt_json *j, uint64_t leaf)
{
        struct wt_audit_event e;
        size_t len;
        const char *raw = wt_json_raw(j, wt_json_get(j, 0, "event"), &len);

        if (!read_body(x, &e))
                return wrong(x, WT_WRONG_ROW, leaf, "its body is no event: %s", wt_words());
        wt_buf_clear(&x->text);
        wt_audit_event_json(&e, &x->text);
        if (raw == NULL || len != x->text.len || memcmp(raw, x->text.data, len) != 0)
                return wrong(x, WT_WRONG_ROW, leaf, "its readable form says something else than "
                             "its body");
        if (is_retention(&e) && x->n_stated < MOST_NOTES) {
                struct stated *s = wt_list_more(&x->stated, x->n_stated, &x->stated_cap, sizeof *s);

                if (s == NULL)
                        return wrong(x, WT_WRONG_EXPORT, leaf, "no memory for its notes");
                s->day = (int64_t)e.count;
                memcpy(s->code, e.code.data, 64);
                x->n_stated++;
        }
        return true;
}

static bool check_order(wt_verify_export *x, uint64_t leaf)
{
        struct gone *g;

        if (leaf < x->next)
                return wrong(x, WT_WRONG_EXTRA, leaf, "row %llu comes twice or out of order",
                             (unsigned long long)leaf);
        if (leaf >= x->c.size)
                return wrong(x, WT_WRONG_EXTRA, leaf, "row %llu lies behind the checkpoint of "
                             "%llu rows", (unsigned long long)leaf,
                             (unsigned long long)x->c.size);
        if (x->complete && leaf > x->next) {
                g = wt_list_more(&x->gap, x->n_gaps, &x->gap_cap, sizeof *g);
                if (g == NULL)
                        return wrong(x, WT_WRONG_EXPORT, leaf, "no memory for its gaps");
                *g = (struct gone){ 0, x->next, leaf - 1, false };
                x->n_gaps++;
        }
        x->next = leaf + 1;
        return true;
}

static bool read_row(wt_verify_export *x, const wt_json *j)
{
        struct wt_hash path[WT_MERKLE_DEEP], hash;
        const char *body;
        uint64_t leaf;
        uint32_t n;
        size_t len;

        body = wt_json_str(j, wt_json_get(j, 0, "body"), &len);
        if (!wt_json_u64(j, wt_json_get(j, 0, "leaf"), &leaf) || body == NULL)
                return wrong(x, WT_WRONG_EXPORT, x->next, "the line has no leaf and body");
        wt_buf_clear(&x->body);
        if (!wt_base64_read(&x->body, body, len) || x->body.len == 0)
                return wrong(x, WT_WRONG_ROW, leaf, "its body is no base64");
        if (!check_order(x, leaf) || !read_path(x, j, leaf, path, &n))
                return false;
        wt_merkle_leaf(x->body.data, x->body.len, &hash);
        if (!wt_merkle_included(&hash, leaf, x->c.size, path, n, &x->c.root)) {
                struct wt_audit_event e;

                read_body(x, &e);                /* it still names a request, for the report */
                return wrong(x, WT_WRONG_ROW, leaf, "its body is not what was logged there: the "
                             "proof does not lead to the cosigned root");
        }
        x->n++;
        x->v->seen.rows++;
        return check_event(x, j, leaf);
}

/* [day, first, last] */
static bool read_gone(const wt_json *j, wt_jv v, struct gone *out)
{
        wt_jv first = wt_json_next(j, wt_json_first(j, v));

        return wt_json_count(j, v) == 3 && wt_json_i64(j, wt_json_first(j, v), &out->day) &&
               wt_json_u64(j, first, &out->first) &&
               wt_json_u64(j, wt_json_next(j, first), &out->last);
}

static bool covered(const struct gone *list, uint32_t n, uint64_t leaf, uint64_t *to)
{
        for (uint32_t i = 0; i < n; i++)
                if (list[i].stated && leaf >= list[i].first && leaf <= list[i].last) {
                        *to = list[i].last;
                        return true;
                }
        return false;
}

/* Every gap must be what retention said that it took. */
static bool check_gaps(wt_verify_export *x, const struct gone *list, uint32_t n)
{
        for (uint32_t i = 0; i < x->n_gaps; i++)
                for (uint64_t at = x->gap[i].first; at <= x->gap[i].last; at++) {
                        uint64_t to;

                        if (!covered(list, n, at, &to))
                                return wrong(x, WT_WRONG_MISSING, at, "a complete export, and the "
                                             "row is missing; no note in the log says that "
                                             "retention took it");
                        to = to < x->gap[i].last ? to : x->gap[i].last;
                        x->v->seen.dropped += to - at + 1;
                        at = to;
                }
        return true;
}

static bool read_tail(wt_verify_export *x, const wt_json *j)
{
        wt_jv list = wt_json_get(j, 0, "dropped");
        struct gone *gone = NULL, *g;
        uint32_t n = 0, cap = 0;
        uint64_t events;
        bool good = true;

        if (x->complete && x->next < x->c.size) {
                g = wt_list_more(&x->gap, x->n_gaps, &x->gap_cap, sizeof *g);
                if (g == NULL)
                        return wrong(x, WT_WRONG_EXPORT, x->next, "no memory for its gaps");
                *g = (struct gone){ 0, x->next, x->c.size - 1, false };
                x->n_gaps++;
        }
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE && good; v = wt_json_next(j, v)) {
                g = wt_list_more(&gone, n, &cap, sizeof *g);
                good = g != NULL;
                if (good) {
                        *g = (struct gone){ .stated = false };
                        good = read_gone(j, v, g);
                        n++;
                }
        }
        for (uint32_t i = 0; i < x->n_stated && good; i++)
                gone_stated(gone, n, x->stated[i].day, x->stated[i].code);
        good = good ? check_gaps(x, gone, n)
                    : wrong(x, WT_WRONG_EXPORT, x->next, "\"dropped\" is no list of ranges");
        free(gone);
        x->ended = true;
        if (good && (!wt_json_u64(j, wt_json_get(j, 0, "events"), &events) || events != x->n))
                return wrong(x, WT_WRONG_MISSING, x->next, "the last line counts other events "
                             "than the %llu that came", (unsigned long long)x->n);
        return good;
}

/* The line of NDJSON that a row says; false: it says none. */
static bool from_csv(wt_verify_export *x, const char **line, size_t *len)
{
        size_t n = *len - (*len > 0 && (*line)[*len - 1] == '\r');
        uint64_t leaf;

        wt_buf_clear(&x->json);
        if (!wt_proof_csv_read(*line, n, x->c.size, &leaf, &x->json))
                return wrong(x, WT_WRONG_ROW, leaf, "the row is none of an export, or its columns "
                             "say something else than its body");
        *line = x->json.data;
        *len = x->json.len;
        return true;
}

static bool is_csv_head(const char *line, size_t len)
{
        size_t n = strlen(wt_proof_csv_head) - 2;        /* its end may be one of two */

        return len >= n && len <= n + 1 && memcmp(line, wt_proof_csv_head, n) == 0;
}

bool wt_verify_export_line(wt_verify_export *x, const char *line, size_t len)
{
        wt_json *j;
        bool end = false, good;

        x->line++;
        x->request[0] = '\0';
        if (x->v->finding.wrong != WT_WRONG_NOTHING)
                return false;
        if (x->ended)
                return wrong(x, WT_WRONG_EXPORT, x->next, "lines follow the one that says that "
                             "it is the last");
        if (x->line == 1 && is_csv_head(line, len)) {
                x->csv = true;
                return true;
        }
        if (x->csv && !from_csv(x, &line, &len))
                return false;
        if (wt_json_parse(&j, line, len, &limits) != WT_OK)
                return wrong(x, WT_WRONG_EXPORT, x->next, "the line is no JSON: %s", wt_words());
        if (!x->begun)
                good = read_head(x, j) && check_last(x);
        else if (wt_json_bool(j, wt_json_get(j, 0, "end"), &end))
                good = read_tail(x, j);
        else
                good = read_row(x, j);
        wt_json_free(j);
        return good;
}

bool wt_verify_export_end(wt_verify_export *x)
{
        bool good;

        if (!x->ended)
                wrong(x, WT_WRONG_EXPORT, x->next, "the export breaks off: its last line is "
                      "missing");
        good = x->v->finding.wrong == WT_WRONG_NOTHING;
        wt_arena_fini(&x->arena);
        wt_buf_free(&x->body);
        wt_buf_free(&x->text);
        wt_buf_free(&x->json);
        free(x->gap);
        free(x->stated);
        free(x);
        return good;
}
