/* load.c - COPY FROM STDIN. As text: a whole number then also fits a column of reals, as it does
 * elsewhere. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "db.h"

enum { CHUNK = 256 << 10 };

static void put_text(struct wt_buf *b, const char *s, size_t n)
{
        size_t from = 0;

        for (size_t i = 0; i < n; i++) {
                const char *is = s[i] == '\\' ? "\\\\" : s[i] == '\n' ? "\\n" : s[i] == '\r' ? "\\r"
                               : s[i] == '\t' ? "\\t" : NULL;

                if (is == NULL)
                        continue;
                wt_buf_add(b, s + from, i - from);
                wt_buf_str(b, is);
                from = i + 1;
        }
        wt_buf_add(b, s + from, n - from);
}

static void put_bytes(struct wt_buf *b, const uint8_t *p, size_t n)
{
        static const char hex[] = "0123456789abcdef";
        char *to;

        wt_buf_str(b, "\\\\x");
        to = wt_buf_room(b, 2 * n);
        for (size_t i = 0; i < n; i++) {
                *to++ = hex[p[i] >> 4];
                *to++ = hex[p[i] & 15];
        }
        b->len += 2 * n;
}

static void put(struct wt_buf *b, const struct wt_value *v)
{
        switch (v->type) {
        case WT_INT:  wt_buf_fmt(b, "%" PRId64, v->as.i); break;
        case WT_REAL: wt_buf_fmt(b, "%.17g", v->as.d); break;    /* "inf" is understood */
        case WT_TEXT: put_text(b, v->as.data, v->len); break;
        case WT_BLOB: put_bytes(b, v->as.data, v->len); break;
        default:      wt_buf_str(b, "\\N");
        }
}

static int send(wt_db *db, struct wt_buf *b)
{
        int err;

        if (b->len > 0 && PQputCopyData(db->c, b->data, (int)b->len) != 1)
                return pg_fail(db, NULL, "loading rows");
        if ((err = pg_flush(db)) == WT_OK)
                wt_buf_clear(b);
        return err;
}

static int send_rows(wt_db *db, struct wt_buf *b, uint32_t n_columns, const struct wt_value *rows,
                     uint32_t n_rows)
{
        int err = WT_OK;

        for (uint32_t r = 0; r < n_rows && err == WT_OK; r++, rows += n_columns) {
                for (uint32_t i = 0; i < n_columns; i++) {
                        if ((err = pg_bad_value(db, &rows[i], i + 1)) != WT_OK)
                                return err;
                        if (i > 0)
                                wt_buf_str(b, "\t");
                        put(b, &rows[i]);
                }
                wt_buf_str(b, "\n");
                if (b->len >= CHUNK)
                        err = send(db, b);
        }
        return err != WT_OK ? err : send(db, b);
}

/* err: what went wrong on the way (the server is told to forget the rows), or WT_OK. */
static int end(wt_db *db, int err)
{
        PGresult *res;
        int said = WT_OK, next;

        if (db->c == NULL)
                return err;
        if (PQputCopyEnd(db->c, err != WT_OK ? "given up" : NULL) != 1)
                return pg_fail(db, NULL, "loading rows");
        if ((next = pg_flush(db)) != WT_OK)
                return next;
        while ((next = pg_next(db, &res)) == WT_OK && res != NULL) {
                if (PQresultStatus(res) != PGRES_COMMAND_OK && said == WT_OK && err == WT_OK)
                        said = pg_fail(db, res, "loading rows");
                PQclear(res);
                if (db->c == NULL)
                        break;
        }
        return err != WT_OK ? err : said != WT_OK ? said : next;
}

static int start(wt_db *db, const char *sql)
{
        PGresult *res;
        int err;

        if (!PQsendQuery(db->c, sql))
                return pg_fail(db, NULL, "loading rows");
        if ((err = pg_flush(db)) != WT_OK || (err = pg_next(db, &res)) != WT_OK)
                return err;
        if (PQresultStatus(res) != PGRES_COPY_IN)
                err = pg_fail(db, res, "loading rows");
        PQclear(res);
        while (err != WT_OK && db->c != NULL && (res = NULL, pg_next(db, &res)) == WT_OK &&
               res != NULL)
                PQclear(res);
        return err;
}

int pg_load(wt_db *db, const char *table, const char *const *columns, uint32_t n_columns,
            const struct wt_value *rows, uint32_t n_rows)
{
        struct wt_buf b = { 0 };
        int err;

        if (db->tx != TX_WRITE)
                return db->host->fail(WT_EPRECONDITION, "PostgreSQL: rows are loaded inside a "
                                      "transaction; begin one");
        if (n_columns == 0 || n_columns > MOST_ARGS)
                return db->host->fail(WT_EINVAL, "load takes 1 to %d columns, not %u", MOST_ARGS,
                                      n_columns);
        if ((err = pg_may(db)) == WT_OK)
                err = sql_check_name(db->host, "table", table);
        wt_buf_fmt(&b, "COPY %.*s (", NAME, table);
        for (uint32_t i = 0; i < n_columns && err == WT_OK; i++)
                if ((err = sql_check_name(db->host, "column", columns[i])) == WT_OK)
                        wt_buf_fmt(&b, "%s%s", i ? ", " : "", columns[i]);
        wt_buf_str(&b, ") FROM STDIN");
        if (err == WT_OK && (err = pg_start(db, db->timeout_ms)) == WT_OK &&
            (err = start(db, b.data)) == WT_OK) {
                wt_buf_clear(&b);
                err = end(db, send_rows(db, &b, n_columns, rows, n_rows));
        }
        db->failed = db->failed || err != WT_OK;
        wt_buf_free(&b);
        return err;
}
