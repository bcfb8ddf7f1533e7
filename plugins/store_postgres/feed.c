/* feed.c - LISTEN and NOTIFY; channels are called witan_... at the server. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "db.h"

enum { AWAY_NAP_MS = 100 };
static const char prefix[] = "witan_";

int pg_notify(wt_db *db, const char *channel)
{
        char name[64];
        struct wt_value v = { .type = WT_TEXT, .as.data = name };
        int err = sql_check_channels(db->host, &channel, 1);

        if (err != WT_OK)
                return err;
        v.len = (uint32_t)snprintf(name, sizeof name, "%s%s", prefix, channel);
        return pg_query(db, "SELECT 1 FROM (SELECT pg_notify($1, '')) AS told", &v, 1, NULL, NULL,
                        NULL);
}

int pg_listen_again(wt_db *db)
{
        char sql[MOST_CHANNELS * (NAME + 24)];
        size_t at = (size_t)snprintf(sql, sizeof sql, "UNLISTEN *");

        for (uint32_t i = 0; i < db->n_channels; i++)
                at += (size_t)snprintf(sql + at, sizeof sql - at, "; LISTEN %s%s", prefix,
                                       db->channels[i]);
        return pg_exec(db, sql, "listening");
}

int pg_listen(wt_db *db, const char *const *channels, uint32_t n)
{
        PGnotify *told;
        int err = sql_check_channels(db->host, channels, n);

        if (err == WT_OK && db->tx != TX_NONE)
                err = db->host->fail(WT_EPRECONDITION, "PostgreSQL: end the transaction before "
                                     "listening");
        if (err != WT_OK || (err = pg_start(db, db->timeout_ms)) != WT_OK)
                return err;
        for (uint32_t i = 0; i < n; i++)
                snprintf(db->channels[i], NAME, "%s", channels[i]);
        db->n_channels = n;
        if ((err = pg_listen_again(db)) != WT_OK)
                return err;
        while ((told = PQnotifies(db->c)) != NULL)       /* what was told before is not heard */
                PQfreemem(told);
        db->pending = 0;
        return WT_OK;
}

static void take(wt_db *db)
{
        PGnotify *told;

        while ((told = PQnotifies(db->c)) != NULL) {
                for (uint32_t i = 0; i < db->n_channels; i++)
                        if (strcmp(told->relname + sizeof prefix - 1, db->channels[i]) == 0)
                                db->pending |= 1u << i;
                PQfreemem(told);
        }
}

/* The server is away: nobody shall turn in a circle at full speed because of that. */
static int away(uint64_t timeout_ms, int err)
{
        struct timespec nap = { .tv_nsec = AWAY_NAP_MS * 1000000L };

        if (timeout_ms < AWAY_NAP_MS)
                nap.tv_nsec = (long)timeout_ms * 1000000L;
        nanosleep(&nap, NULL);
        return err;
}

int pg_wait(wt_db *db, uint64_t timeout_ms, uint32_t *heard)
{
        uint64_t end = db->host->now_us() + timeout_ms * 1000, now;
        struct pollfd p = { .events = POLLIN };
        int err;

        if (db->tx != TX_NONE)
                return db->host->fail(WT_EPRECONDITION, "PostgreSQL: end the transaction before "
                                      "waiting");
        for (;;) {
                if ((err = pg_start(db, db->timeout_ms)) != WT_OK)
                        return away(timeout_ms, err);
                if (!PQconsumeInput(db->c))
                        return pg_fail(db, NULL, "waiting for news");
                take(db);
                now = db->host->now_us();
                if (db->pending != 0 || now >= end)
                        break;
                p.fd = PQsocket(db->c);
                poll(&p, 1, (int)((end - now + 999) / 1000));
        }
        *heard = db->pending;
        db->pending = 0;
        return WT_OK;
}
