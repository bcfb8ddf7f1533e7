/* feed.c - notify, listen, wait: a table of counters, and a look at PRAGMA data_version 50 times a
 * second, which reads one word of shared memory as long as nobody has committed. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "db.h"

enum { LOOK_EVERY_US = 20000 };

static int make_table(wt_db *db)
{
        return db_exec(db, "CREATE TABLE IF NOT EXISTS witan_notify (channel TEXT PRIMARY KEY, "
                       "n BIGINT NOT NULL)", "making witan_notify");
}

static int tell(wt_db *db, void *arg)
{
        const char *channel = arg;
        const struct wt_value name = sql_text(channel);
        int err = make_table(db);

        if (err == WT_OK)
                err = db_run(db, "INSERT INTO witan_notify VALUES ($1, 1) "
                             "ON CONFLICT (channel) DO UPDATE SET n = witan_notify.n + 1", &name, 1,
                             NULL, NULL, NULL);
        return err;
}

int db_notify(wt_db *db, const char *channel)
{
        int err = sql_check_channels(db->host, &channel, 1);

        if (err == WT_OK)
                err = db_within(db, tell, (void *)channel);
        db->told = db->told || err == WT_OK;     /* data_version says nothing of our own commits */
        return err;
}

static int version_of(void *arg, const struct wt_value *v, uint32_t n)
{
        (void)n;
        *(int64_t *)arg = v[0].as.i;
        return 0;
}

static int compare(void *arg, const struct wt_value *v, uint32_t n)
{
        wt_db *db = arg;

        (void)n;
        for (uint32_t i = 0; i < db->n_channels; i++)
                if (strlen(db->channels[i]) == v[0].len &&
                    memcmp(db->channels[i], v[0].as.data, v[0].len) == 0) {
                        if (db->seen[i] != v[1].as.i)
                                db->pending |= 1u << i;
                        db->seen[i] = v[1].as.i;
                }
        return 0;
}

/* Sets pending when something was told. */
static int look(wt_db *db)
{
        int64_t version = -1;
        bool told = db->told;
        int err = db_run(db, "PRAGMA data_version", NULL, 0, version_of, &version, NULL);

        if (err != WT_OK || (version == db->version && !told))
                return err;
        if ((err = db_run(db, "SELECT channel, n FROM witan_notify", NULL, 0, compare, db, NULL)) !=
            WT_OK)
                return err;
        db->version = version;
        db->told = false;
        return WT_OK;
}

static int no_rows(wt_db *db, void *arg)
{
        (void)arg;
        return make_table(db);
}

int db_listen(wt_db *db, const char *const *channels, uint32_t n)
{
        int err = sql_check_channels(db->host, channels, n);

        if (err != WT_OK || (err = db_within(db, no_rows, NULL)) != WT_OK)
                return err;
        for (uint32_t i = 0; i < n; i++) {
                snprintf(db->channels[i], NAME, "%s", channels[i]);
                db->seen[i] = 0;
        }
        db->n_channels = n;
        db->version = -1;
        err = look(db);                          /* what was told before is not heard */
        db->pending = 0;
        if (db->tx == TX_NONE)
                db->failed = false;
        return err;
}

int db_wait(wt_db *db, uint64_t timeout_ms, uint32_t *heard)
{
        const struct timespec nap = { .tv_nsec = LOOK_EVERY_US * 1000L };
        uint64_t end = db->host->now_us() + timeout_ms * 1000;
        int err;

        if (db->tx != TX_NONE)
                return db->host->fail(WT_EPRECONDITION, "database %s: end the transaction before "
                                      "waiting", db->path);
        for (;;) {
                if ((err = db_start(db, true)) == WT_OK)
                        err = look(db);
                db->failed = false;
                if (err != WT_OK)
                        return err;
                if (db->pending != 0 || db->host->now_us() >= end)
                        break;
                nanosleep(&nap, NULL);
        }
        *heard = db->pending;
        db->pending = 0;
        return WT_OK;
}
