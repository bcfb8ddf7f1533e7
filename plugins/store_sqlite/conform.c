/* conform.c - see conform.h: the list, and the rig. */
#include "conform_rig.h"

bool ask_holds(struct rig *r, bool ok, const char *what)
{
        if (!ok && r->why[0] == '\0')
                snprintf(r->why, sizeof r->why, "%s", what);
        return ok;
}

bool ask_code(struct rig *r, int err, int want, const char *what)
{
        if (err != want && r->why[0] == '\0')
                snprintf(r->why, sizeof r->why, "%s: code %d, not %d (%s)", what, err, want,
                         err != WT_OK ? r->c->words() : "");
        return err == want;
}

bool ask_open(struct rig *r, wt_db **out)
{
        return ask_code(r, r->ops->open(out, r->c->host, r->c->url, TIMEOUT_MS), WT_OK, "open");
}

bool ask_run(struct rig *r, wt_db *db, const char *sql)
{
        return ask_code(r, r->ops->query(db, sql, NULL, 0, NULL, NULL, NULL), WT_OK, sql);
}

static int take(void *arg, const struct wt_value *v, uint32_t n)
{
        *(int64_t *)arg = n == 1 && v[0].type == WT_INT ? v[0].as.i : -1;
        return 0;
}

int64_t ask_int(struct rig *r, wt_db *db, const char *sql, const struct wt_value *args, uint32_t n)
{
        int64_t out = -1;

        ask_code(r, r->ops->query(db, sql, args, n, take, &out, NULL), WT_OK, sql);
        return out;
}

bool ask_make(struct rig *r, const char *name, const char *step)
{
        return ask_code(r, r->ops->migrate(r->a, name, &step, 1), WT_OK, "migrate");
}

/* Each finding with fresh connections, so that none stands on what another left. */
static bool holds(struct rig *r, bool (*finding)(struct rig *r))
{
        bool ok;

        r->why[0] = '\0';
        r->a = r->b = NULL;
        ok = ask_open(r, &r->a) && ask_open(r, &r->b) && finding(r);
        r->ops->close(r->a);
        r->ops->close(r->b);
        return ok && r->why[0] == '\0';
}

uint32_t wt_conform_store(const struct wt_plugin *p, const struct wt_conform_stores *c)
{
        static const struct {
                const char *what;
                bool (*finding)(struct rig *r);
        } all[] = {
                { "migrations run by four processes at once happen once", conform_migrate },
                { "values of every type and size come back as they were", conform_values },
                { "the dialect is understood", conform_dialect },
                { "a row that does not fit is refused as such", conform_bad_rows },
                { "a unique key is refused as such", conform_unique },
                { "ten thousand rows are loaded", conform_load },
                { "a caller that has enough stops the rows", conform_stops },
                { "a transaction is whole or not there", conform_rollback },
                { "a counter raised by two connections loses nothing", conform_counter },
                { "what two transactions read and wrote has an order", conform_skew },
                { "a reading transaction sees one moment", conform_snapshot },
                { "calls that do not fit a transaction are refused", conform_misuse },
                { "a statement that takes too long ends in time", conform_slow },
                { "rows of a sealed table stay as they are", conform_seal },
                { "days come and go, also of a sealed table", conform_days },
                { "what was told after a commit is heard by all", conform_feed },
                { "columns are listed", conform_columns },
                { "the clock is that of the database", conform_clock },
        };
        struct rig r = { .c = c, .ops = p->ops };
        uint32_t faults = 0;

        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
                bool ok = holds(&r, all[i].finding);

                faults += !ok;
                c->note(c->arg, all[i].what, ok, r.why);
        }
        return faults;
}
