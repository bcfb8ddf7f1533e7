#include "audit/query.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The events of a request share day and request id, which is the table's key. The first of them
 * carries the row; a row that has no intent (it was lost with a gateway's disk) is still a row. */
#define ROWS                                                                                    \
        "SELECT e.leaf, e.time_us, e.body, o.leaf, o.body, i.leaf, i.body FROM audit_events e"  \
        " LEFT JOIN audit_events o ON o.day = e.day AND o.request = e.request AND o.kind = 2"   \
        " AND e.kind <> 2 LEFT JOIN audit_events i ON i.day = e.day AND"                        \
        " i.request = e.request AND i.kind = 3 AND e.kind <> 3"                                 \
        " WHERE NOT EXISTS (SELECT 1 FROM audit_events x WHERE x.day = e.day AND"               \
        " x.request = e.request AND x.kind < e.kind)"

static void add_text(const char *name, const char *value, struct wt_buf *sql,
                     struct wt_value *args, uint32_t *n)
{
        if (value[0] == '\0')
                return;
        args[(*n)++] = wt_v_text(value);
        wt_buf_fmt(sql, " AND e.%s = $%u", name, *n);
}

static void add_int(const char *what, int64_t value, struct wt_buf *sql, struct wt_value *args,
                    uint32_t *n)
{
        args[(*n)++] = wt_v_int(value);
        wt_buf_fmt(sql, " AND e.%s $%u", what, *n);
}

void wt_audit_where(const struct wt_audit_filter *f, struct wt_buf *sql,
                    struct wt_value args[WT_QUERY_ARGS], uint32_t *n)
{
        add_text("tenant", f->tenant, sql, args, n);
        add_text("actor", f->actor, sql, args, n);
        add_text("key_id", f->key, sql, args, n);
        add_text("model", f->model, sql, args, n);
        add_text("arm", f->arm, sql, args, n);
        if (f->has_revision) {
                args[(*n)++] = wt_v_blob(f->revision, 32);
                args[(*n)++] = wt_v_blob(f->revision_end, 32);
                wt_buf_fmt(sql, " AND e.revision >= $%u AND e.revision <= $%u", *n - 1, *n);
        }
        if (f->has_request) {                    /* its day makes it one look-up */
                args[(*n)++] = wt_v_int(wt_audit_day(f->request));
                wt_buf_fmt(sql, " AND e.day = $%u", *n);
                args[(*n)++] = wt_v_blob(f->request, 16);
                wt_buf_fmt(sql, " AND e.request = $%u", *n);
        }
        if (f->since_us != 0)
                add_int("time_us >=", f->since_us, sql, args, n);
        if (f->until_us != 0)
                add_int("time_us <", f->until_us, sql, args, n);
}

static bool is_word(struct wt_bytes b, const char *word)
{
        return b.len == strlen(word) && memcmp(b.data, word, b.len) == 0;
}

bool wt_audit_has_verdict(const struct wt_audit_event *e, const char *word)
{
        bool has = word[0] == '\0';

        for (uint32_t i = 0; i < e->n_verdicts && !has; i++)
                has = is_word(e->verdicts[i].action, word) || is_word(e->verdicts[i].rule, word) ||
                      is_word(e->verdicts[i].type, word);
        return has;
}

struct give {
        wt_err (*each)(void *arg, const struct wt_audit_view *v);
        void *arg;
        const char *verdict;
        uint32_t limit, n;                       /* rows of this statement: most, and so far */
        uint32_t most;                           /* rows that are given */
        int64_t at_us, at_leaf;                  /* of the last one looked at */
        struct wt_audit_page page;
        struct wt_arena arena;
};

static wt_err read_event(struct wt_audit_event *e, const struct wt_value *leaf,
                         const struct wt_value *body, struct wt_arena *a)
{
        wt_err err;

        if (body->type != WT_BLOB || leaf->type != WT_INT)
                return wt_fail(WT_EDATA, "a row of audit_events has no body; witan audit verify "
                               "says which");
        if ((err = wt_audit_decode(e, body->as.data, body->len, a)) != WT_OK)
                return wt_fail_in(err, "row %" PRId64 " of the audit log", leaf->as.i);
        return WT_OK;
}

static int on_row(void *arg, const struct wt_value *c, uint32_t n)
{
        struct give *g = arg;
        struct wt_audit_view v = { .has_end = false };
        uint32_t end = c[4].type == WT_BLOB ? 3 : 5;     /* an outcome outdoes an interruption */
        wt_err err;

        WT_ASSERT(n == 7);
        if (g->n == g->limit || g->page.n == g->most) {  /* it only says that there is more */
                g->page.has_more = true;
                return WT_OK;
        }
        wt_arena_reset(&g->arena);
        if ((err = read_event(&v.first, &c[0], &c[2], &g->arena)) != WT_OK)
                return err;
        v.leaf = (uint64_t)c[0].as.i;
        v.has_end = c[end + 1].type == WT_BLOB;
        if (v.has_end) {
                if ((err = read_event(&v.end, &c[end], &c[end + 1], &g->arena)) != WT_OK)
                        return err;
                v.end_leaf = (uint64_t)c[end].as.i;
        }
        g->n++;
        g->at_us = c[1].as.i;
        g->at_leaf = c[0].as.i;
        snprintf(g->page.after, sizeof g->page.after, "%" PRId64 "-%" PRId64, c[1].as.i,
                 c[0].as.i);
        if (!wt_audit_has_verdict(&v.first, g->verdict) &&
            !(v.has_end && wt_audit_has_verdict(&v.end, g->verdict)))
                return WT_OK;
        g->page.n++;
        return g->each(g->arg, &v);
}

static wt_err ask(wt_store *s, const struct wt_audit_filter *f, struct give *g)
{
        struct wt_value args[WT_QUERY_ARGS];
        struct wt_buf sql = { 0 };
        uint32_t n = 0;
        wt_err err;

        g->n = 0;
        g->page.has_more = false;
        wt_buf_str(&sql, ROWS);
        wt_audit_where(f, &sql, args, &n);
        if (f->outcome[0] != '\0') {
                args[n++] = wt_v_text(f->outcome);
                wt_buf_fmt(&sql, " AND COALESCE(o.outcome, i.outcome, e.outcome) = $%u", n);
        }
        if (g->page.after[0] != '\0' || f->has_after) {
                args[n++] = wt_v_int(g->page.after[0] != '\0' ? g->at_us : f->after_us);
                args[n++] = wt_v_int(g->page.after[0] != '\0' ? g->at_leaf : f->after_leaf);
                wt_buf_fmt(&sql, " AND (e.time_us, e.leaf) > ($%u, $%u)", n - 1, n);
        }
        wt_buf_fmt(&sql, " ORDER BY e.time_us, e.leaf LIMIT %u", g->limit + 1);
        err = wt_store_query(s, sql.data, args, n, on_row, g, NULL);
        wt_buf_free(&sql);
        return err;
}

wt_err wt_audit_query(wt_store *s, const struct wt_audit_filter *f,
                      wt_err (*each)(void *arg, const struct wt_audit_view *v), void *arg,
                      struct wt_audit_page *page)
{
        struct give g = { .each = each, .arg = arg, .verdict = f->verdict,
                          .most = f->limit != 0 ? f->limit : 100 };
        uint32_t seen = 0;
        wt_err err;

        g.limit = f->verdict[0] != '\0' ? WT_QUERY_MOST : g.most;
        do {
                err = ask(s, f, &g);
                seen += g.n;
        } while (err == WT_OK && g.page.has_more && g.page.n < g.most && seen < WT_QUERY_SEEN);
        wt_arena_fini(&g.arena);
        if (err == WT_OK)
                *page = g.page;
        return err;
}

struct follow {
        wt_err (*each)(void *arg, const struct wt_audit_view *v);
        void *arg;
        const char *verdict;
        struct wt_arena arena;
        uint64_t next; uint32_t n;
};

static int on_end(void *arg, const struct wt_value *c, uint32_t n)
{
        struct follow *w = arg;
        struct wt_audit_view v = { .has_end = c[3].type == WT_BLOB };
        wt_err err;

        WT_ASSERT(n == 4);
        wt_arena_reset(&w->arena);
        if ((err = read_event(v.has_end ? &v.end : &v.first, &c[0], &c[1], &w->arena)) != WT_OK ||
            (v.has_end && (err = read_event(&v.first, &c[2], &c[3], &w->arena)) != WT_OK))
                return err;
        v.leaf = (uint64_t)(v.has_end ? c[2] : c[0]).as.i;
        v.end_leaf = (uint64_t)c[0].as.i;
        w->next = v.end_leaf + 1;
        w->n++;
        if (!wt_audit_has_verdict(&v.first, w->verdict) &&
            !(v.has_end && wt_audit_has_verdict(&v.end, w->verdict)))
                return WT_OK;
        return w->each(w->arg, &v);
}

wt_err wt_audit_tail(wt_store *s, const struct wt_audit_filter *f, uint64_t *leaf,
                     wt_err (*each)(void *arg, const struct wt_audit_view *v), void *arg,
                     uint32_t *n)
{
        struct follow w = { .each = each, .arg = arg, .verdict = f->verdict, .next = *leaf };
        struct wt_value args[WT_QUERY_ARGS] = { wt_v_int((int64_t)*leaf) };
        struct wt_buf sql = { 0 };
        uint32_t n_args = 1;
        wt_err err;

        wt_buf_str(&sql, "SELECT e.leaf, e.body, f.leaf, f.body FROM audit_events e"
                   " LEFT JOIN audit_events f ON f.day = e.day AND f.request = e.request"
                   " AND f.kind = 1 WHERE e.leaf >= $1 AND e.kind <> 1");
        wt_audit_where(f, &sql, args, &n_args);
        if (f->outcome[0] != '\0') {
                args[n_args++] = wt_v_text(f->outcome);
                wt_buf_fmt(&sql, " AND e.outcome = $%u", n_args);
        }
        wt_buf_fmt(&sql, " ORDER BY e.leaf LIMIT %d", WT_QUERY_MOST);
        err = wt_store_query(s, sql.data, args, n_args, on_end, &w, NULL);
        wt_buf_free(&sql);
        wt_arena_fini(&w.arena);
        if (err == WT_OK) {
                *leaf = w.next;
                *n = w.n;
        }
        return err;
}
