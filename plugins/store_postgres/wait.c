/* wait.c - libpq without blocking: flush, poll, consume. */
#include <errno.h>
#include <poll.h>
#include "db.h"

int pg_poll(wt_db *db, short events)
{
        struct pollfd p = { .fd = PQsocket(db->c), .events = events };
        uint64_t now;
        int n;

        do {
                now = db->host->now_us();
                if (now >= db->deadline_us)
                        return pg_late(db);
                n = poll(&p, 1, (int)((db->deadline_us - now + 999) / 1000));
        } while (n == 0 || (n < 0 && errno == EINTR));
        return n > 0 ? WT_OK : pg_late(db);
}

int pg_flush(wt_db *db)
{
        int left, err;

        while ((left = PQflush(db->c)) > 0) {
                if ((err = pg_poll(db, POLLIN | POLLOUT)) != WT_OK)
                        return err;
                if (!PQconsumeInput(db->c))      /* the server may have to write before it reads */
                        return pg_fail(db, NULL, "asking");
        }
        return left < 0 ? pg_fail(db, NULL, "asking") : WT_OK;
}

int pg_next(wt_db *db, PGresult **out)
{
        int err;

        *out = NULL;
        while (PQisBusy(db->c)) {
                if ((err = pg_poll(db, POLLIN)) != WT_OK)
                        return err;
                if (!PQconsumeInput(db->c))
                        return pg_fail(db, NULL, "waiting for an answer");
        }
        *out = PQgetResult(db->c);
        return WT_OK;
}

int pg_exec(wt_db *db, const char *sql, const char *doing)
{
        PGresult *res;
        int err, first = WT_OK;

        if (!PQsendQuery(db->c, sql))
                return pg_fail(db, NULL, doing);
        if ((err = pg_flush(db)) != WT_OK)
                return err;
        while ((err = pg_next(db, &res)) == WT_OK && res != NULL) {
                ExecStatusType s = PQresultStatus(res);

                if (first == WT_OK && s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK)
                        first = pg_fail(db, res, doing);
                PQclear(res);
                if (db->c == NULL)
                        break;
        }
        return first != WT_OK ? first : err;
}
