/* rows_test.c - the n-th malloc, write or sync fails, or the process is killed there, while the
 * store commits rows. What was acknowledged is there when the file is opened again, half of a
 * transaction never is, and a text that cannot be had is an error, not an empty one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "plugin/plugin.h"
#include "store/store.h"
#include "sweep.h"

const struct wt_plugin *wt_plugin_store_sqlite(void);

enum { TIMEOUT_MS = 5000, LONG = 300 };

/* In memory that outlives the process: pairs of rows that were acknowledged, and asked for. */
struct acks { int64_t done, asked; };

static const char *const steps[] = {
        "CREATE TABLE rows (n BIGINT NOT NULL, half BIGINT NOT NULL, t TEXT NOT NULL,"
        " b {bytes}, PRIMARY KEY (n, half))",
};
static char text[LONG];

static wt_err opened(wt_store **s)
{
        static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_store_sqlite, NULL };
        char url[512];
        wt_err err = wt_plugin_register(built_in);

        memset(text, 't', sizeof text);
        snprintf(url, sizeof url, "sqlite:%s/rows.db", sweep_dir());
        if (err == WT_OK && (err = wt_store_open(s, url, TIMEOUT_MS)) == WT_OK &&
            (err = wt_store_migrate(*s, "rows", steps, 1)) != WT_OK) {
                wt_store_close(*s);
                *s = NULL;
        }
        return err;
}

struct seen { int64_t rows, halves; bool same; };

static int see(void *arg, const struct wt_value *v, uint32_t n)
{
        struct seen *s = arg;

        s->rows++;
        s->halves += v[1].as.i;
        s->same = s->same && n == 4 && v[2].type == WT_TEXT && v[2].len == LONG &&
                  memcmp(v[2].as.data, text, LONG) == 0 && v[3].type == WT_BLOB &&
                  v[3].len == LONG && memcmp(v[3].as.data, text, LONG) == 0;
        return 0;
}

/* "": all is as acknowledged; a pair that was asked for may be there, whole. */
static const char *look(const struct acks *a)
{
        struct seen seen = { .same = true };
        wt_store *s = NULL;
        wt_err err;

        if (opened(&s) != WT_OK)
                return "it does not open again";
        err = wt_store_query(s, "SELECT n, half, t, b FROM rows", NULL, 0, see, &seen, NULL);
        wt_store_close(s);
        return err != WT_OK                          ? "it cannot be read"
               : seen.rows != 2 * seen.halves        ? "half of a transaction is there"
               : !seen.same                          ? "a row is another one"
               : seen.rows < 2 * a->done             ? "acknowledged rows are not there"
               : seen.rows > 2 * a->asked            ? "rows are there that nobody asked for"
                                                     : "";
}

static wt_err put(void *arg, wt_store *s)
{
        struct acks *a = arg;
        wt_err err = WT_OK;

        for (int half = 0; half < 2 && err == WT_OK; half++) {
                const struct wt_value v[4] = { wt_v_int(a->asked), wt_v_int(half),
                        { .type = WT_TEXT, .len = LONG, .as.data = text }, wt_v_blob(text, LONG) };

                err = wt_store_query(s, "INSERT INTO rows VALUES ($1, $2, $3, $4)", v, 4, NULL,
                                     NULL, NULL);
        }
        return err == WT_OK ? wt_store_notify(s, "rows") : err;
}

static wt_err use(wt_store *s, struct acks *a)
{
        struct seen seen = { .same = true };
        wt_err err;

        for (int i = 0; i < 3; i++) {
                a->asked++;
                if ((err = wt_store_do(s, put, a)) != WT_OK)
                        return err;
                a->done++;
        }
        err = wt_store_query(s, "SELECT n, half, t, b FROM rows", NULL, 0, see, &seen, NULL);
        CHECK(seen.same);
        CHECK(err != WT_OK || seen.rows >= 2 * a->done);
        return err;
}

static wt_err work(void *arg)
{
        struct acks *a = sweep_shared();
        wt_store *s = NULL;
        const char *wrong;
        wt_err err;

        (void)arg;
        fault_begin();
        if ((err = opened(&s)) == WT_OK)
                err = use(s, a);
        wt_store_close(s);
        fault_end();
        wrong = look(a);
        if (*wrong)
                fprintf(stderr, "%s\n", wrong);
        CHECK(!*wrong);
        return err;
}

static void after(void *arg)
{
        const char *wrong = look(sweep_shared());

        (void)arg;
        if (*wrong)
                fail_msg("%s: %s", wrong, wt_words());
}

/* A disk that fails is a database that is away: the caller comes again. */
static const wt_err io[] = { WT_EUNAVAILABLE, WT_OK },
                    full[] = { WT_EEXHAUSTED, WT_EUNAVAILABLE, WT_OK },
                    memory[] = { WT_ENOMEM, WT_EUNAVAILABLE, WT_OK };
static const struct sweep rows[] = {
        { "rows, malloc", work, .after = after, .fault = { .kind = FAULT_MEMORY }, .codes = memory,
          .ok = true, .step = 7 },
        { "rows, no malloc from there on", work, .after = after,
          .fault = { .kind = FAULT_MEMORY, .lasts = true }, .codes = memory, .ok = true,
          .step = 7 },
        { "rows, write: EIO", work, .after = after, .fault = { .kind = FAULT_WRITE }, .codes = io,
          .ok = true },
        { "rows, write: ENOSPC from there on", work, .after = after,
          .fault = { .kind = FAULT_WRITE, .error = ENOSPC, .lasts = true }, .codes = full,
          .ok = true },
        { "rows, fsync: EIO", work, .after = after, .fault = { .kind = FAULT_SYNC }, .codes = io,
          .ok = true },
        { "rows, killed in a write", work, .after = after,
          .fault = { .kind = FAULT_WRITE, .dies = true }, .codes = io },
        { "rows, killed before a sync", work, .after = after,
          .fault = { .kind = FAULT_SYNC, .dies = true }, .codes = io },
};

int main(void)
{
        return sweep_all(rows, sizeof rows / sizeof *rows);
}
