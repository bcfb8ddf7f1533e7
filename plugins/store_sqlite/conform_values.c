/* conform_values.c - what goes in comes out; what does not fit is refused. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include "conform_rig.h"

static const char make_values[] =
        "CREATE TABLE conform_values (id BIGINT PRIMARY KEY, i BIGINT, d DOUBLE PRECISION, t TEXT,"
        " b {bytes}, CHECK (i IS NULL OR i <> 13))";

struct row { struct wt_value v[4]; };            /* i, d, t, b */
struct check { const struct row *want; bool same; uint32_t rows; };

static bool same(const struct wt_value *a, const struct wt_value *b)
{
        if (a->type != b->type)
                return false;
        switch (a->type) {
        case WT_INT:  return a->as.i == b->as.i;
        case WT_REAL: return memcmp(&a->as.d, &b->as.d, sizeof a->as.d) == 0;
        case WT_TEXT:
        case WT_BLOB: return a->len == b->len && memcmp(a->as.data, b->as.data, a->len) == 0;
        default:      return true;
        }
}

static int compare(void *arg, const struct wt_value *v, uint32_t n)
{
        struct check *c = arg;

        c->rows++;
        for (uint32_t k = 0; k < 4; k++)
                c->same = c->same && n == 4 && same(&v[k], &c->want->v[k]);
        return 0;
}

static bool there_and_back(struct rig *r, int64_t id, const struct row *row)
{
        const struct wt_value in[5] = { v_int(id), row->v[0], row->v[1], row->v[2], row->v[3] };
        struct check c = { row, true, 0 };
        uint64_t n = 0;
        char what[64];

        snprintf(what, sizeof what, "row %d came back otherwise", (int)id);
        return ask_code(r, r->ops->query(r->a, "INSERT INTO conform_values VALUES ($1, $2, $3, $4, "
                                         "$5)", in, 5, NULL, NULL, &n), WT_OK, "insert") &&
               ask_holds(r, n == 1, "an insert did not change 1 row") &&
               ask_code(r, r->ops->query(r->b, "SELECT i, d, t, b FROM conform_values "
                                         "WHERE id = $1", in, 1, compare, &c, NULL), WT_OK,
                        "select") && ask_holds(r, c.rows == 1 && c.same, what);
}

static struct row row_of(int64_t i, double d, const void *t, size_t nt, const void *b, size_t nb)
{
        return (struct row){ { v_int(i), { .type = WT_REAL, .as.d = d },
                               v_bytes(WT_TEXT, t, nt), v_bytes(WT_BLOB, b, nb) } };
}

bool conform_values(struct rig *r)
{
        static const int64_t ints[] = { 0, 1, -1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN };
        static const double reals[] = { 0.0, 1.0, -1.5, 0.1, 1e300, DBL_MIN, DBL_TRUE_MIN, -1e-300,
                                        1.0 / 3, (double)INFINITY, -DBL_MAX };
        static const char *const texts[] = { "", "a", "it's \"so\"\\n", "\t\n\r\x01", "\\N", "\\.",
                                             "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "NULL", "{}" };
        static const struct row nothing = { 0 };
        size_t most = r->c->quick ? 1 << 20 : 8 << 20;
        uint8_t *bytes = malloc(most);
        bool ok = bytes != NULL && ask_make(r, "conform_values", make_values);
        int64_t id = 0;

        for (size_t k = 0; ok && k < most; k++)
                bytes[k] = (uint8_t)(k * 2654435761u >> 13);
        for (size_t k = 0; ok && k < 11; k++) {
                struct row row = row_of(ints[k % 7], reals[k], texts[k % 9], strlen(texts[k % 9]),
                                        bytes, k * k * 7);
                ok = there_and_back(r, id++, &row);
        }
        for (size_t n = 255; ok && n <= most; n = n * 3 + 1) {
                struct row row = row_of(7, 1, "", 0, bytes, n);
                ok = there_and_back(r, id++, &row);
        }
        ok = ok && there_and_back(r, id++, &nothing);
        for (size_t k = 0; ok && k < most; k++)
                bytes[k] = (uint8_t)('a' + k % 26);
        if (ok) {
                struct row row = row_of(7, 1, bytes, most, "", 0);
                ok = there_and_back(r, id, &row);
        }
        free(bytes);
        return ok;
}

static int insert(struct rig *r, struct wt_value id, struct wt_value i, struct wt_value d,
                  struct wt_value t)
{
        const struct wt_value in[4] = { id, i, d, t };

        return r->ops->query(r->a, "INSERT INTO conform_values(id, i, d, t) "
                             "VALUES ($1, $2, $3, $4)", in, 4, NULL, NULL, NULL);
}

/* Each of them leaves the connection usable. */
bool conform_bad_rows(struct rig *r)
{
        const struct wt_value none = { 0 }, id = v_int(1 << 20);
        const struct wt_value nan_ = { .type = WT_REAL, .as.d = (double)NAN };
        const struct wt_value nul = v_bytes(WT_TEXT, "a\0b", 3);
        const struct wt_value cut = v_bytes(WT_TEXT, "\xe2\x82", 2);
        const struct wt_value surrogate = v_bytes(WT_TEXT, "\xed\xa0\x80", 3);
        const char *const cols[] = { "id", "i", "t" };
        const struct wt_value bad[3] = { v_int(1 << 21), v_int(13), none };

        return ask_make(r, "conform_values", make_values) &&
               ask_code(r, insert(r, id, v_int(13), none, none), WT_EDATA, "a broken CHECK") &&
               ask_code(r, insert(r, id, none, nan_, none), WT_EDATA, "NaN") &&
               ask_code(r, insert(r, id, none, none, nul), WT_EDATA, "a NUL in a text") &&
               ask_code(r, insert(r, id, none, none, cut), WT_EDATA, "half a character") &&
               ask_code(r, insert(r, id, none, none, surrogate), WT_EDATA, "a surrogate") &&
               ask_code(r, r->ops->begin(r->a), WT_OK, "begin") &&
               ask_code(r, r->ops->load(r->a, "conform_values", cols, 3, bad, 1), WT_EDATA,
                        "a broken CHECK in load") &&
               ask_code(r, r->ops->rollback(r->a), WT_OK, "rollback") &&
               ask_code(r, r->ops->query(r->a, "SELECT nosuch FROM conform_values", NULL, 0, NULL,
                                         NULL, NULL), WT_EINVAL, "an unknown column") &&
               ask_code(r, r->ops->query(r->a, "SELECT $1", NULL, 0, NULL, NULL, NULL), WT_EINVAL,
                        "a value that is missing") &&
               ask_holds(r, ask_int(r, r->a, "SELECT count(*) FROM conform_values "
                                    "WHERE id >= 1048576", NULL, 0) == 0, "a bad row is there");
}

bool conform_unique(struct rig *r)
{
        const struct wt_value none = { 0 };
        const struct wt_value in[2] = { v_int(-5), v_int(4) };
        uint64_t n = 9;

        return ask_make(r, "conform_values", make_values) &&
               ask_code(r, insert(r, v_int(-5), none, none, none), WT_OK, "insert") &&
               ask_code(r, insert(r, v_int(-5), none, none, none), WT_EEXIST, "the same again") &&
               ask_code(r, r->ops->query(r->a, "INSERT INTO conform_values(id, i) VALUES ($1, $2) "
                                         "ON CONFLICT DO NOTHING", in, 2, NULL, NULL, &n), WT_OK,
                        "ON CONFLICT DO NOTHING") &&
               ask_holds(r, n == 0, "a row that was there counts as changed") &&
               ask_code(r, r->ops->query(r->a, "INSERT INTO conform_values(id, i) VALUES ($1, $2) "
                                         "ON CONFLICT (id) DO UPDATE SET i = excluded.i", in, 2,
                                         NULL, NULL, &n), WT_OK, "ON CONFLICT DO UPDATE") &&
               ask_holds(r, n == 1, "an update on conflict is not 1 row") &&
               ask_holds(r, ask_int(r, r->b, "SELECT i FROM conform_values WHERE id = $1", in, 1) ==
                            4, "the update on conflict is not there");
}

bool conform_load(struct rig *r)
{
        enum { N = 10000 };
        static const char find[] = "SELECT count(*) FROM conform_load "
                                   "WHERE id = $1 AND t = $2 AND b = $3 AND d = $4";
        const char *const cols[] = { "id", "t", "b", "d" };
        struct wt_value *v = calloc(N * 4, sizeof *v);
        char (*text)[24] = calloc(N, sizeof *text);
        bool ok = v != NULL && text != NULL && ask_make(r, "conform_load",
                        "CREATE TABLE conform_load (id BIGINT PRIMARY KEY, t TEXT NOT NULL,"
                        " b {bytes}, d DOUBLE PRECISION)");

        for (size_t i = 0; ok && i < N; i++) {
                int n = snprintf(text[i], sizeof text[i], "row\t%zu\\\n\xc3\xa4", i);

                v[4 * i] = v_int((int64_t)i);
                v[4 * i + 1] = v_bytes(WT_TEXT, text[i], (size_t)n);
                v[4 * i + 2] = i % 3 ? v_bytes(WT_BLOB, &text[i], i % 24) : (struct wt_value){ 0 };
                v[4 * i + 3] = (struct wt_value){ .type = WT_REAL, .as.d = (double)i / 8 };
        }
        ok = ok && ask_code(r, r->ops->load(r->a, "conform_load", cols, 4, v, N), WT_EPRECONDITION,
                            "load outside of a transaction") &&
             ask_code(r, r->ops->begin(r->a), WT_OK, "begin") &&
             ask_run(r, r->a, "CREATE TEMPORARY TABLE staged (id BIGINT, t TEXT, b {bytes}, "
                     "d DOUBLE PRECISION)") &&
             ask_code(r, r->ops->load(r->a, "staged", cols, 4, v, N), WT_OK, "load") &&
             ask_run(r, r->a, "INSERT INTO conform_load SELECT * FROM staged WHERE true "
                     "ON CONFLICT DO NOTHING") &&
             ask_run(r, r->a, "DROP TABLE staged") &&
             ask_code(r, r->ops->commit(r->a), WT_OK, "commit") &&
             ask_holds(r, ask_int(r, r->b, "SELECT count(*) FROM conform_load", NULL, 0) == N,
                       "not all rows are there");
        for (size_t i = 1; ok && i < N; i += 3)  /* those that have bytes */
                ok = ask_holds(r, ask_int(r, r->b, find, &v[4 * i], 4) == 1, "a row is another");
        free(v);
        free(text);
        return ok;
}

struct few { uint32_t rows; };

static int two(void *arg, const struct wt_value *v, uint32_t n)
{
        struct few *f = arg;

        (void)v;
        (void)n;
        return ++f->rows == 2 ? 77 : 0;
}

bool conform_stops(struct rig *r)
{
        struct few f = { 0 };

        return ask_make(r, "conform_values", make_values) &&
               ask_code(r, r->ops->query(r->a, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 "
                                         "UNION ALL SELECT 4", NULL, 0, two, &f, NULL), 77,
                        "a caller's own code") &&
               ask_holds(r, f.rows == 2, "rows came after the caller had enough") &&
               ask_code(r, r->ops->begin(r->a), WT_OK, "begin") &&
               ask_code(r, r->ops->query(r->a, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3",
                                         NULL, 0, two, &(struct few){ 0 }, NULL), 77,
                        "a caller's own code in a transaction") &&
               ask_holds(r, ask_int(r, r->a, "SELECT count(*) FROM conform_values WHERE id = -99",
                                    NULL, 0) == 0, "a query after it") &&
               ask_code(r, r->ops->commit(r->a), WT_OK, "commit after it");
}

bool conform_dialect(struct rig *r)
{
        static const struct { const char *sql; int64_t is; } asks[] = {
                { "SELECT sum(x) FROM (SELECT 40 AS x UNION ALL SELECT 2) AS q", 42 },
                { "WITH q(x) AS (SELECT 5 UNION ALL SELECT 6) SELECT max(x) FROM q", 6 },
                { "SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY x) AS n FROM "
                  "(SELECT 3 AS x UNION ALL SELECT 1) AS q) AS w WHERE n = 2", 1 },
                { "SELECT 7 / 2", 3 },
                { "SELECT CASE WHEN (1, 2) < (1, 3) THEN 1 ELSE 0 END", 1 },
                { "SELECT coalesce(CAST(NULL AS BIGINT), 9)", 9 },
                { "INSERT INTO conform_values(id, i) VALUES (-7, 70) "
                  "ON CONFLICT (id) DO UPDATE SET i = conform_values.i RETURNING i", 70 },
                { "SELECT length('abc' || 'de')", 5 },
                { "SELECT 1 WHERE 'x' LIKE 'x%' AND 2 BETWEEN 1 AND 3 AND 3 IN (3, 4)", 1 },
        };
        const struct wt_value v[3] = { v_int(4), v_bytes(WT_TEXT, "x", 1), { 0 } };
        bool ok = ask_make(r, "conform_values", make_values);

        for (size_t i = 0; ok && i < sizeof asks / sizeof *asks; i++)
                ok = ask_holds(r, ask_int(r, r->a, asks[i].sql, NULL, 0) == asks[i].is,
                               asks[i].sql);
        return ok && ask_holds(r, ask_int(r, r->a, "SELECT $1 + $1", v, 1) == 8,
                               "a value used twice") &&
               ask_holds(r, ask_int(r, r->a, "SELECT CASE WHEN $2 = 'x' THEN $1 ELSE 0 END", v,
                                    2) == 4, "values out of order") &&
               ask_holds(r, ask_int(r, r->a, "SELECT CASE WHEN CAST($3 AS BIGINT) IS NULL AND "
                                    "$2 = 'x' THEN $1 ELSE 0 END", v, 3) == 4, "a NULL");
}
