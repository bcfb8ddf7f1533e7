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

/* What one call carries from the events to the rows. */
struct batch {
        struct wt_arena arena;                   /* the decoded events */
        struct wt_value *row;                    /* (n, N_WT_COLS), those that are new */
        struct wt_hash *leaf;
        uint32_t n;
        int64_t day;                             /* the last one that has room */
};

static int seen(void *arg, const struct wt_value *column, uint32_t n)
{
        (void)column;
        (void)n;
        *(bool *)arg = true;
        return WT_OK;
}

/* Is the event in the table, or earlier in this batch? */
static wt_err known(wt_store *s, const struct batch *b, const struct wt_value *row, bool *out)
{
        *out = false;
        for (uint32_t i = 0; i < b->n && !*out; i++) {
                const struct wt_value *r = b->row + (size_t)i * N_WT_COLS;

                *out = r[WT_COL_KIND].as.i == row[WT_COL_KIND].as.i &&
                       memcmp(r[WT_COL_REQUEST].as.data, row[WT_COL_REQUEST].as.data, 16) == 0;
        }
        if (*out)
                return WT_OK;
        return wt_store_query(s, "SELECT 1 FROM audit_events WHERE day = $1 AND request = $2"
                              " AND kind = $3", row + WT_COL_DAY, 3, seen, out, NULL);
}

static wt_err take(wt_store *s, struct batch *b, struct wt_bytes body, uint32_t at, uint32_t *bad)
{
        struct wt_value *row = b->row + (size_t)b->n * N_WT_COLS;
        struct wt_audit_event e;
        bool is_known;
        wt_err err;

        if ((err = wt_audit_decode(&e, body.data, body.len, &b->arena)) != WT_OK ||
            e.request.len != 16) {
                if (bad != NULL)
                        *bad = at;
                return err != WT_OK ? err : wt_fail(WT_EDATA, "an event without a request id");
        }
        wt_audit_row(&e, body, 0, row);
        if (row[WT_COL_DAY].as.i != b->day &&
            (err = wt_store_day_add(s, "audit_events", row[WT_COL_DAY].as.i)) != WT_OK)
                return err;
        b->day = row[WT_COL_DAY].as.i;
        if ((err = known(s, b, row, &is_known)) != WT_OK)
                return err;
        if (!is_known)
                wt_merkle_leaf(body.data, body.len, &b->leaf[b->n++]);
        return WT_OK;
}

wt_err wt_audit_append(wt_store *s, const struct wt_bytes *body, uint32_t n, uint64_t *first,
                       uint32_t *n_new, uint32_t *bad)
{
        struct batch b = { .day = -1 };
        uint64_t at = 0;
        wt_err err = WT_OK;

        b.row = calloc((size_t)n + 1, N_WT_COLS * sizeof *b.row);
        b.leaf = calloc((size_t)n + 1, sizeof *b.leaf);
        if (b.row == NULL || b.leaf == NULL)
                err = wt_fail(WT_ENOMEM, "no memory for %u audit events", n);
        for (uint32_t i = 0; i < n && err == WT_OK; i++)
                err = take(s, &b, body[i], i, bad);
        if (err == WT_OK && b.n > 0)
                err = wt_tree_add(s, b.leaf, b.n, &at);
        for (uint32_t i = 0; i < b.n; i++)
                b.row[(size_t)i * N_WT_COLS + WT_COL_LEAF] = wt_v_int((int64_t)(at + i));
        if (err == WT_OK && b.n > 0)
                err = wt_store_load(s, "audit_events", wt_audit_columns, N_WT_COLS, b.row, b.n);
        if (err == WT_OK) {
                *first = at;
                *n_new = b.n;
        }
        wt_arena_fini(&b.arena);
        free(b.row);
        free(b.leaf);
        return err;
}
