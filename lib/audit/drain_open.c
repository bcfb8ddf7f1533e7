/* drain_open.c - table audit_open: requests that have begun and not ended, with what was sent of
 * them so far. Most begin and end in one batch and never come here. */
#include <stdio.h>
#include "audit/drain_impl.h"

enum { IN_ONE = 64, ROWS_IN_ONE = 12 };          /* requests, rows in one statement */

static bool same(const struct item *a, const struct item *b)
{
        return memcmp(a->e.request.data, b->e.request.data, 16) == 0;
}

/* The end of item k's request in this batch, or NULL. Ends stand behind beginnings. */
static struct item *end_in_batch(struct wt_drain *d, uint32_t k)
{
        for (uint32_t j = k + 1; j < d->n; j++)
                if (d->item[j].ends && same(&d->item[k], &d->item[j]))
                        return &d->item[j];
        return NULL;
}

/* Whether a later mark of the same request stands in this batch. */
static bool marked_again(struct wt_drain *d, uint32_t k)
{
        for (uint32_t j = k + 1; j < d->n; j++)
                if (!d->item[j].bad && d->item[j].e.kind == WT_AUDIT_MARK &&
                    same(&d->item[k], &d->item[j]))
                        return true;
        return false;
}

/* Some rows of (request, gateway, time, tokens, body); one that is there already stays. */
static wt_err insert_rows(wt_store *s, const struct wt_value *v, uint32_t n)
{
        char sql[128 + ROWS_IN_ONE * 40];
        int at = snprintf(sql, sizeof sql, "INSERT INTO audit_open VALUES ");

        for (uint32_t i = 0; i < n; i++)
                at += snprintf(sql + at, sizeof sql - (size_t)at, "%s($%u,$%u,$%u,$%u,$%u)",
                               i > 0 ? "," : "", 5 * i + 1, 5 * i + 2, 5 * i + 3, 5 * i + 4,
                               5 * i + 5);
        snprintf(sql + at, sizeof sql - (size_t)at, " ON CONFLICT (request) DO NOTHING");
        return wt_store_query(s, sql, v, 5 * n, NULL, NULL, NULL);
}

static wt_err keep_intents(struct wt_drain *d, wt_store *s)
{
        struct wt_value v[ROWS_IN_ONE * 5];
        uint32_t n = 0;
        wt_err err = WT_OK;

        for (uint32_t k = 0; k < d->n && err == WT_OK; k++) {
                struct item *i = &d->item[k], *end;

                if (i->bad || i->e.kind != WT_AUDIT_INTENT || i->e.outcome.len > 0)
                        continue;
                if ((end = end_in_batch(d, k)) != NULL) {
                        end->was_open = true;
                        continue;
                }
                v[5 * n] = wt_v_blob(i->e.request.data, 16);
                v[5 * n + 1] = wt_v_text((const char *)i->e.gateway.data);
                v[5 * n + 2] = wt_v_int((int64_t)i->e.time_us);
                v[5 * n + 3] = wt_v_int(0);
                v[5 * n + 4] = wt_v_blob(d->bytes.data + i->at, (uint32_t)i->len);
                if (++n == ROWS_IN_ONE) {
                        err = insert_rows(s, v, n);
                        n = 0;
                }
        }
        return err == WT_OK && n > 0 ? insert_rows(s, v, n) : err;
}

wt_err drain_open_keep(struct wt_drain *d, wt_store *s)
{
        wt_err err = keep_intents(d, s);

        for (uint32_t k = 0; k < d->n && err == WT_OK; k++) {
                const struct item *i = &d->item[k];
                const struct wt_value v[] = { wt_v_int((int64_t)i->e.completion_tokens),
                                              wt_v_blob(i->e.request.data, 16) };

                if (i->bad || i->e.kind != WT_AUDIT_MARK || marked_again(d, k) ||
                    end_in_batch(d, k) != NULL)
                        continue;
                err = wt_store_query(s, "UPDATE audit_open SET tokens = $1 WHERE request = $2", v,
                                     2, NULL, NULL, NULL);
        }
        return err;
}

static int was_open(void *arg, const struct wt_value *v, uint32_t n)
{
        struct wt_drain *d = arg;

        (void)n;
        for (uint32_t k = 0; k < d->n; k++)
                if (d->item[k].ends && memcmp(d->item[k].e.request.data, v[0].as.data, 16) == 0)
                        d->item[k].was_open = true;
        return 0;
}

static wt_err drop_some(struct wt_drain *d, wt_store *s, const struct wt_value *request,
                        uint32_t n)
{
        char sql[128 + IN_ONE * 5];
        int at = snprintf(sql, sizeof sql, "DELETE FROM audit_open WHERE request IN ($1");

        for (uint32_t i = 2; i <= n; i++)
                at += snprintf(sql + at, sizeof sql - (size_t)at, ",$%u", i);
        snprintf(sql + at, sizeof sql - (size_t)at, ") RETURNING request");
        return wt_store_query(s, sql, request, n, was_open, d, NULL);
}

wt_err drain_open_end(struct wt_drain *d, wt_store *s)
{
        struct wt_value v[IN_ONE];
        uint32_t n = 0;
        wt_err err = WT_OK;

        for (uint32_t k = 0; k < d->n && err == WT_OK; k++) {
                if (!d->item[k].ends)
                        continue;
                v[n++] = wt_v_blob(d->item[k].e.request.data, 16);
                if (n == IN_ONE) {
                        err = drop_some(d, s, v, n);
                        n = 0;
                }
        }
        return err == WT_OK && n > 0 ? drop_some(d, s, v, n) : err;
}
