#include "audit/table.h"
#include <stdlib.h>
#include "audit/tree.h"

const char *const wt_audit_columns[N_WT_COLS] = {
        [WT_COL_LEAF] = "leaf",         [WT_COL_DAY] = "day",       [WT_COL_REQUEST] = "request",
        [WT_COL_KIND] = "kind",         [WT_COL_TIME] = "time_us",  [WT_COL_GATEWAY] = "gateway",
        [WT_COL_TENANT] = "tenant",     [WT_COL_ACTOR] = "actor",   [WT_COL_KEY] = "key_id",
        [WT_COL_MODEL] = "model",       [WT_COL_REVISION] = "revision", [WT_COL_ARM] = "arm",
        [WT_COL_OUTCOME] = "outcome",   [WT_COL_STATUS] = "status",
        [WT_COL_SUBJECT] = "subject",   [WT_COL_BODY] = "body",
};

static const char *const steps[] = {
        "CREATE TABLE audit_events (leaf BIGINT NOT NULL, day BIGINT NOT NULL,"
        " request {bytes} NOT NULL, kind BIGINT NOT NULL, time_us BIGINT NOT NULL, gateway TEXT,"
        " tenant TEXT, actor TEXT, key_id TEXT, model TEXT, revision {bytes}, arm TEXT,"
        " outcome TEXT, status BIGINT, subject {bytes}, body {bytes} NOT NULL,"
        " PRIMARY KEY (day, request, kind)) {by_day};"
        "CREATE INDEX audit_events_leaf ON audit_events (leaf);"
        "CREATE INDEX audit_events_time ON audit_events (time_us, leaf);"
        "CREATE INDEX audit_events_tenant ON audit_events (tenant, time_us);"
        "CREATE TABLE audit_dropped (day BIGINT NOT NULL, first_leaf BIGINT NOT NULL,"
        " last_leaf BIGINT NOT NULL, PRIMARY KEY (day, first_leaf))",
};

wt_err wt_audit_migrate(wt_store *s)
{
        wt_err err;

        if ((err = wt_tree_migrate(s)) != WT_OK ||
            (err = wt_store_migrate(s, "audit", steps, sizeof steps / sizeof *steps)) != WT_OK ||
            (err = wt_store_seal(s, "audit_dropped")) != WT_OK)
                return err;
        return wt_store_seal(s, "audit_events");
}

static struct wt_value text(struct wt_bytes b)
{
        if (b.len == 0)
                return wt_v_null();
        return (struct wt_value){ .type = WT_TEXT, .len = b.len, .as.data = b.data };
}

static struct wt_value blob(struct wt_bytes b)
{
        return b.len == 0 ? wt_v_null() : wt_v_blob(b.data, b.len);
}

void wt_audit_row(const struct wt_audit_event *e, struct wt_bytes body, uint64_t leaf,
                  struct wt_value row[N_WT_COLS])
{
        row[WT_COL_LEAF] = wt_v_int((int64_t)leaf);
        row[WT_COL_DAY] = wt_v_int(wt_audit_day(e->request.data));
        row[WT_COL_REQUEST] = blob(e->request);
        row[WT_COL_KIND] = wt_v_int(e->kind);
        row[WT_COL_TIME] = wt_v_int((int64_t)e->time_us);
        row[WT_COL_GATEWAY] = text(e->gateway);
        row[WT_COL_TENANT] = text(e->tenant);
        row[WT_COL_ACTOR] = text(e->actor);
        row[WT_COL_KEY] = text(e->key_id);
        row[WT_COL_MODEL] = text(e->model);
        row[WT_COL_REVISION] = blob(e->revision);
        row[WT_COL_ARM] = text(e->arm);
        row[WT_COL_OUTCOME] = text(e->outcome);
        row[WT_COL_STATUS] = e->status != 0 ? wt_v_int(e->status) : wt_v_null();
        row[WT_COL_SUBJECT] = blob(e->subject);
        row[WT_COL_BODY] = blob(body);
}

enum { CHUNK = 64 };                             /* requests that one query asks for */

/* What one call carries from the events to the rows. */
struct batch {
        struct wt_arena arena;                   /* the decoded events */
        struct wt_value *row;                    /* (n, N_WT_COLS) */
        bool *known;                             /* (n): in the table, or earlier in this batch */
        struct wt_hash *leaf;                    /* (n): of those that are new */
        uint32_t n, first, end;                  /* the chunk that is asked for: first <= i < end */
        int64_t day;                             /* the last one that has room */
};

static struct wt_value *row_of(const struct batch *b, uint32_t i)
{
        return b->row + (size_t)i * N_WT_COLS;
}

static bool same_event(const struct wt_value *row, const void *request, int64_t kind)
{
        return row[WT_COL_KIND].as.i == kind &&
               memcmp(row[WT_COL_REQUEST].as.data, request, 16) == 0;
}

static wt_err take(wt_store *s, struct batch *b, struct wt_bytes body, uint32_t at, uint32_t *bad)
{
        struct wt_value *row = row_of(b, at);
        struct wt_audit_event e;
        wt_err err;

        if ((err = wt_audit_decode(&e, body.data, body.len, &b->arena)) != WT_OK ||
            e.request.len != 16) {
                if (bad != NULL)
                        *bad = at;
                return err != WT_OK ? err : wt_fail(WT_EDATA, "an event without a request id");
        }
        wt_audit_row(&e, body, 0, row);
        for (uint32_t i = 0; i < at && !b->known[at]; i++)
                b->known[at] = same_event(row_of(b, i), e.request.data, e.kind);
        if (row[WT_COL_DAY].as.i == b->day)
                return WT_OK;
        b->day = row[WT_COL_DAY].as.i;
        return wt_store_day_add(s, "audit_events", b->day);
}

static int on_known(void *arg, const struct wt_value *column, uint32_t n)
{
        struct batch *b = arg;
        uint64_t at = b->first + (uint64_t)column[0].as.i;

        WT_ASSERT(n == 2 && column[0].type == WT_INT);
        if (at < b->end && column[1].type != WT_NULL)
                b->known[at] = true;
        return WT_OK;
}

/* Which of a chunk does the table hold? Neighbours of one day, for the key begins with the day. A
 * short chunk asks for its last event again and again, so that there is one statement. */
static wt_err look_up(wt_store *s, struct batch *b, const char *sql)
{
        const struct wt_value *first = row_of(b, b->first);
        struct wt_value v[2 * CHUNK + 1];

        for (b->end = b->first; b->end < b->n && b->end < b->first + CHUNK; b->end++) {
                const struct wt_value *row = row_of(b, b->end);

                if (row[WT_COL_DAY].as.i != first[WT_COL_DAY].as.i)
                        break;
                v[2 * (b->end - b->first)] = row[WT_COL_REQUEST];
                v[2 * (b->end - b->first) + 1] = row[WT_COL_KIND];
        }
        for (uint32_t i = 2 * (b->end - b->first); i < 2 * CHUNK; i++)
                v[i] = v[i - 2];
        v[2 * CHUNK] = first[WT_COL_DAY];
        return wt_store_query(s, sql, v, 2 * CHUNK + 1, on_known, b, NULL);
}

/* A subquery for each event, not a join or IN: a database that knows nothing of a table that is
 * young would read all of the day for those, and this one by its key. */
static wt_err find_known(wt_store *s, struct batch *b)
{
        struct wt_buf sql = { 0 };
        wt_err err = WT_OK;

        wt_buf_str(&sql, "WITH v (i, request, kind) AS (VALUES ");
        for (int i = 0; i < CHUNK; i++)
                wt_buf_fmt(&sql, "%s(%d, $%d, $%d)", i > 0 ? ", " : "", i, 2 * i + 1, 2 * i + 2);
        wt_buf_fmt(&sql, ") SELECT i, (SELECT e.leaf FROM audit_events e WHERE e.day = $%d AND"
                   " e.request = v.request AND e.kind = v.kind) FROM v", 2 * CHUNK + 1);
        for (b->first = 0; b->first < b->n && err == WT_OK; b->first = b->end)
                err = look_up(s, b, sql.data);
        wt_buf_free(&sql);
        return err;
}

/* The rows that are new move together, and get their leaves. */
static wt_err put_new(wt_store *s, struct batch *b, const struct wt_bytes *body, uint64_t *first,
                      uint32_t *n_new)
{
        uint32_t n = 0;
        uint64_t at = 0;
        wt_err err = WT_OK;

        for (uint32_t i = 0; i < b->n; i++) {
                if (b->known[i])
                        continue;
                wt_merkle_leaf(body[i].data, body[i].len, &b->leaf[n]);
                memmove(row_of(b, n++), row_of(b, i), N_WT_COLS * sizeof *b->row);
        }
        if (n > 0 && (err = wt_tree_add(s, b->leaf, n, &at)) == WT_OK) {
                for (uint32_t i = 0; i < n; i++)
                        row_of(b, i)[WT_COL_LEAF] = wt_v_int((int64_t)(at + i));
                err = wt_store_load(s, "audit_events", wt_audit_columns, N_WT_COLS, b->row, n);
        }
        if (err == WT_OK) {
                *first = at;
                *n_new = n;
        }
        return err;
}

wt_err wt_audit_append(wt_store *s, const struct wt_bytes *body, uint32_t n, uint64_t *first,
                       uint32_t *n_new, uint32_t *bad)
{
        struct batch b = { .day = -1, .n = n };
        wt_err err = WT_OK;

        b.row = calloc((size_t)n + 1, N_WT_COLS * sizeof *b.row);
        b.known = calloc((size_t)n + 1, sizeof *b.known);
        b.leaf = calloc((size_t)n + 1, sizeof *b.leaf);
        if (b.row == NULL || b.known == NULL || b.leaf == NULL)
                err = wt_fail(WT_ENOMEM, "no memory for %u audit events", n);
        for (uint32_t i = 0; i < n && err == WT_OK; i++)
                err = take(s, &b, body[i], i, bad);
        if (err == WT_OK && (err = find_known(s, &b)) == WT_OK)
                err = put_new(s, &b, body, first, n_new);
        wt_arena_fini(&b.arena);
        free(b.row);
        free(b.known);
        free(b.leaf);
        return err;
}
