/* connect.c - from a URL to a connection whose transactions are serialisable and durable. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "db.h"

enum { LEAST_IDLE_MS = 60000 };

static void silent(void *arg, const char *words)
{
        (void)arg;
        (void)words;
}

/* What stands in a URL stands in the list of processes. */
static int check_url(const struct wt_host *host, const char *url)
{
        char *why = NULL;
        PQconninfoOption *o = PQconninfoParse(url, &why), *at;
        int err = WT_OK;

        if (o == NULL) {
                err = host->fail(WT_EINVAL, "the store's URL cannot be read: %.300s; write "
                                 "postgresql://USER@HOST/DATABASE", why ? why : "no memory");
                PQfreemem(why);
                return err;
        }
        for (at = o; at->keyword != NULL; at++)
                if (strcmp(at->keyword, "password") == 0 && at->val != NULL && at->val[0] != '\0')
                        err = host->fail(WT_EINVAL, "the store's URL holds a password, which "
                                         "anybody on this machine can read in the list of "
                                         "processes; put it into a file of mode 0600 and name it: "
                                         "?passfile=FILE");
        PQconninfoFree(o);
        return err;
}

static int drive(wt_db *db)
{
        PostgresPollingStatusType s = PGRES_POLLING_WRITING;
        int err;

        while (s != PGRES_POLLING_OK) {
                if (s == PGRES_POLLING_FAILED)
                        return pg_fail(db, NULL, "connecting");
                if ((err = pg_poll(db, s == PGRES_POLLING_READING ? POLLIN : POLLOUT)) != WT_OK)
                        return err;
                s = PQconnectPoll(db->c);
        }
        return WT_OK;
}

static int take_fsync(void *arg, const struct wt_value *v, uint32_t n)
{
        *(bool *)arg = n == 2 && v[0].len == 2 && memcmp(v[0].as.data, "on", 2) == 0;
        return 0;
}

/* synchronous_commit off would acknowledge what a crash takes away; fsync off likewise, and there
 * only the server's own settings help. */
static int settle(wt_db *db)
{
        uint64_t idle = 4 * db->timeout_ms > LEAST_IDLE_MS ? 4 * db->timeout_ms : LEAST_IDLE_MS;
        char sql[512];
        bool fsync_on = false;
        int err;

        snprintf(sql, sizeof sql,
                 "SET statement_timeout = %llu; SET lock_timeout = %llu;"
                 "SET idle_in_transaction_session_timeout = %llu;"
                 "SET default_transaction_isolation = 'serializable';"
                 "SET default_transaction_read_only = off; SET standard_conforming_strings = on;"
                 "SET extra_float_digits = 1; SET bytea_output = 'hex'",
                 (unsigned long long)db->timeout_ms, (unsigned long long)db->timeout_ms,
                 (unsigned long long)idle);
        if ((err = pg_exec(db, sql, "settling in")) != WT_OK)
                return err;
        err = pg_run(db, "SELECT current_setting('fsync'), set_config('synchronous_commit', CASE "
                     "current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE "
                     "current_setting('synchronous_commit') END, false)", NULL, 0, take_fsync,
                     &fsync_on, NULL);
        if (err == WT_OK && !fsync_on) {
                pg_lose(db);
                return db->host->fail(WT_EPRECONDITION, "this PostgreSQL runs with fsync off: it "
                                      "loses what it acknowledged; turn fsync on");
        }
        return err != WT_OK ? err : pg_look_for_turns(db);
}

static int reopen(wt_db *db)
{
        char ms[24];
        const char *const keys[] = { "dbname", "fallback_application_name", "client_encoding",
                                     "tcp_user_timeout", "keepalives_idle", NULL };
        const char *const values[] = { db->url, "witan", "UTF8", ms, "30", NULL };
        bool again = db->clock > 0;              /* not the first connection */
        int err;

        snprintf(ms, sizeof ms, "%llu", (unsigned long long)db->timeout_ms);
        db->c = PQconnectStartParams(keys, values, 1);
        if (db->c == NULL)
                return db->host->fail(WT_ENOMEM, "no memory for a connection to the store");
        PQsetNoticeProcessor(db->c, silent, NULL);
        if (PQstatus(db->c) == CONNECTION_BAD)
                return pg_fail(db, NULL, "connecting");
        if ((err = drive(db)) != WT_OK)
                return err;
        if (PQsetnonblocking(db->c, 1) != 0 || PQserverVersion(db->c) < 140000) {
                err = db->host->fail(WT_EPRECONDITION, "this is PostgreSQL %d; Witan needs 14 or "
                                     "later", PQserverVersion(db->c) / 10000);
                pg_lose(db);
                return err;
        }
        if ((err = settle(db)) == WT_OK && again)
                err = pg_listen_again(db);
        if (err == WT_OK)
                db->failed = db->tx != TX_NONE;
        else
                pg_lose(db);
        return err;
}

int pg_start(wt_db *db, uint64_t ms)
{
        db->deadline_us = db->host->now_us() + ms * 1000;
        if (db->c != NULL && PQstatus(db->c) == CONNECTION_BAD)
                pg_lose(db);
        return db->c != NULL ? WT_OK : reopen(db);
}

void pg_lose(wt_db *db)
{
        pg_forget(db);
        PQfinish(db->c);
        db->c = NULL;
        db->pending = db->n_channels < 32 ? (1u << db->n_channels) - 1 : UINT32_MAX;
}

int pg_open(wt_db **out, const struct wt_host *host, const char *url, uint64_t timeout_ms)
{
        int err = check_url(host, url);
        wt_db *db;

        if (err != WT_OK)
                return err;
        if ((db = calloc(1, sizeof *db)) == NULL || (db->url = strdup(url)) == NULL) {
                free(db);
                return host->fail(WT_ENOMEM, "no memory for a connection to the store");
        }
        db->host = host;
        db->timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
        if ((err = pg_start(db, db->timeout_ms)) != WT_OK) {
                pg_close(db);
                return err;
        }
        *out = db;
        return WT_OK;
}

void pg_close(wt_db *db)
{
        if (db == NULL)
                return;
        pg_lose(db);
        free(db->url);
        free(db);
}

int pg_describe(wt_db *db, char *out, size_t cap)
{
        int err = pg_start(db, db->timeout_ms), v;

        if (err != WT_OK)
                return err;
        v = PQserverVersion(db->c);
        snprintf(out, cap, "PostgreSQL %d.%d", v / 10000, v % 10000);
        return WT_OK;
}

int pg_now(wt_db *db, int64_t *us)
{
        return pg_query(db, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS "
                        "BIGINT)", NULL, 0, sql_take_int, us, NULL);
}
