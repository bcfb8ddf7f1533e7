/* conform_schema.c - migrations, seals, days, the change feed, the list of columns, the clock. */
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "conform_rig.h"

enum { PROCESSES = 4 };

static const char *const ladder[] = {
        "CREATE TABLE conform_once (n BIGINT NOT NULL); INSERT INTO conform_once VALUES (1)",
        "INSERT INTO conform_once VALUES (2); INSERT INTO conform_once VALUES (3)",
        "CREATE TABLE conform_twice (n BIGINT NOT NULL, b {bytes})",
};

static bool migrate_in_a_process(struct rig *r)
{
        wt_db *db = NULL;
        bool ok = ask_open(r, &db) &&
                  ask_code(r, r->ops->migrate(db, "conform_ladder", ladder, 3), WT_OK, "migrate");

        if (!ok)
                fprintf(stderr, "%s\n", r->why);
        r->ops->close(db);
        return ok;
}

static bool many_processes(struct rig *r)
{
        pid_t pid[PROCESSES];
        bool ok = true;

        for (int i = 0; i < PROCESSES; i++) {
                pid[i] = fork();
                if (pid[i] == 0)
                        _exit(migrate_in_a_process(r) ? 0 : 1);
        }
        for (int i = 0; i < PROCESSES; i++) {
                int status = -1;

                ok = pid[i] > 0 && waitpid(pid[i], &status, 0) == pid[i] && status == 0 && ok;
        }
        return ask_holds(r, ok, "one of the processes could not migrate");
}

/* The rig's own connections are made afterwards: a child must not use them. */
bool conform_migrate(struct rig *r)
{
        static const char *const broken[] = { "CREATE TABLE conform_broken (n BIGINT)",
                                              "CREATE TABLE conform_broken (n BIGINT)" };
        bool ok;

        r->ops->close(r->a);
        r->ops->close(r->b);
        r->a = r->b = NULL;
        ok = many_processes(r) && ask_open(r, &r->a) && ask_open(r, &r->b);
        return ok &&
               ask_holds(r, ask_int(r, r->a, "SELECT CAST(sum(n) AS BIGINT) FROM conform_once",
                                    NULL, 0) == 6, "a step was run twice, or not at all") &&
               ask_holds(r, ask_int(r, r->a, "SELECT count(*) FROM witan_schema "
                                    "WHERE name = 'conform_ladder'", NULL, 0) == 3,
                         "witan_schema has other rows than one a step") &&
               ask_code(r, r->ops->migrate(r->a, "conform_ladder", ladder, 3), WT_OK, "again") &&
               ask_code(r, r->ops->migrate(r->a, "conform_ladder", ladder, 2), WT_EPRECONDITION,
                        "a schema that is newer") &&
               ask_holds(r, r->ops->migrate(r->a, "conform_broken", broken, 2) != WT_OK,
                         "a broken step is done") &&
               ask_code(r, r->ops->query(r->a, "SELECT n FROM conform_broken", NULL, 0, NULL, NULL,
                                         NULL), WT_EINVAL, "half of a broken migration");
}

bool conform_seal(struct rig *r)
{
        bool ok = ask_make(r, "conform_sealed",
                           "CREATE TABLE conform_sealed (day BIGINT NOT NULL, n BIGINT NOT NULL,"
                           " PRIMARY KEY (day, n)) {by_day}") &&
                  ask_code(r, r->ops->day_add(r->a, "conform_sealed", 1), WT_OK, "day_add") &&
                  ask_run(r, r->a, "INSERT INTO conform_sealed VALUES (1, 1), (1, 2)") &&
                  ask_code(r, r->ops->seal(r->a, "conform_sealed"), WT_OK, "seal") &&
                  ask_code(r, r->ops->seal(r->a, "conform_sealed"), WT_OK, "seal, again");

        ok = ok && ask_code(r, r->ops->query(r->b, "UPDATE conform_sealed SET n = 9", NULL, 0, NULL,
                                             NULL, NULL), WT_EPERM, "UPDATE") &&
             ask_code(r, r->ops->query(r->b, "DELETE FROM conform_sealed WHERE n = 2", NULL, 0,
                                       NULL, NULL, NULL), WT_EPERM, "DELETE") &&
             ask_code(r, r->ops->query(r->b, "INSERT INTO conform_sealed VALUES (1, 2) ON CONFLICT "
                                       "(day, n) DO UPDATE SET n = 7", NULL, 0, NULL, NULL, NULL),
                      WT_EPERM, "an update on conflict") &&
             ask_run(r, r->b, "INSERT INTO conform_sealed VALUES (1, 2), (1, 3) "
                     "ON CONFLICT DO NOTHING") &&
             ask_code(r, r->ops->day_add(r->a, "conform_sealed", 2), WT_OK, "a later day") &&
             ask_run(r, r->a, "INSERT INTO conform_sealed VALUES (2, 1)") &&
             ask_code(r, r->ops->query(r->b, "DELETE FROM conform_sealed WHERE day = 2", NULL, 0,
                                       NULL, NULL, NULL), WT_EPERM, "DELETE of a later day");
        return ok && ask_holds(r, ask_int(r, r->b, "SELECT CAST(sum(n) AS BIGINT) FROM "
                                          "conform_sealed", NULL, 0) == 7, "a sealed row changed");
}

static int at_once(wt_db *db, const struct wt_store_ops *ops)
{
        int err = ops->begin(db);

        if (err == WT_OK && (err = ops->day_add(db, "conform_days", 12)) == WT_OK &&
            (err = ops->query(db, "INSERT INTO conform_days VALUES (12, 1)", NULL, 0, NULL, NULL,
                              NULL)) == WT_OK &&
            (err = ops->day_drop(db, "conform_days", 10)) == WT_OK)
                return ops->commit(db);
        ops->rollback(db);
        return err;
}

bool conform_days(struct rig *r)
{
        bool ok = ask_make(r, "conform_days",
                           "CREATE TABLE conform_days (day BIGINT NOT NULL, n BIGINT NOT NULL,"
                           " PRIMARY KEY (day, n)) {by_day};"
                           "CREATE INDEX conform_days_n ON conform_days (n)");

        for (int64_t day = 10; ok && day < 12; day++)
                ok = ask_code(r, r->ops->day_add(r->a, "conform_days", day), WT_OK, "day_add") &&
                     ask_code(r, r->ops->day_add(r->b, "conform_days", day), WT_OK,
                              "day_add, again");
        return ok &&
               ask_run(r, r->a, "INSERT INTO conform_days VALUES (10, 1), (10, 2), (11, 1)") &&
               ask_code(r, r->ops->seal(r->a, "conform_days"), WT_OK, "seal") &&
               ask_code(r, r->ops->day_drop(r->a, "conform_days", 99), WT_ENOTFOUND,
                        "a day that never was") &&
               ask_code(r, at_once(r->b, r->ops), WT_OK, "a day comes and another goes, at once") &&
               ask_holds(r, ask_int(r, r->a, "SELECT count(*) FROM conform_days WHERE day = 10",
                                    NULL, 0) == 0, "a day that went is there") &&
               ask_holds(r, ask_int(r, r->a, "SELECT count(*) FROM conform_days", NULL, 0) == 2,
                         "other days went as well") &&
               ask_code(r, r->ops->query(r->a, "DELETE FROM conform_days", NULL, 0, NULL, NULL,
                                         NULL), WT_EPERM, "the seal after a day went");
}

static bool heard(struct rig *r, wt_db *db, uint64_t ms, uint32_t want, const char *what)
{
        uint32_t got = 77;

        return ask_code(r, r->ops->wait(db, ms, &got), WT_OK, "wait") &&
               ask_holds(r, got == want, what);
}

bool conform_feed(struct rig *r)
{
        static const char *const two[] = { "conform_x", "conform_y" };
        static const char *const one[] = { "conform_y" };

        return ask_code(r, r->ops->listen(r->a, two, 2), WT_OK, "listen") &&
               ask_code(r, r->ops->listen(r->b, one, 1), WT_OK, "listen") &&
               heard(r, r->a, 0, 0, "something is heard before anything was told") &&
               ask_code(r, r->ops->notify(r->b, "conform_y"), WT_OK, "notify") &&
               heard(r, r->a, 2000, 2, "another connection does not hear it") &&
               heard(r, r->b, 2000, 1, "the connection itself does not hear it") &&
               heard(r, r->a, 30, 0, "it is heard twice") &&
               ask_code(r, r->ops->begin(r->b), WT_OK, "begin") &&
               ask_code(r, r->ops->notify(r->b, "conform_x"), WT_OK, "notify") &&
               heard(r, r->a, 60, 0, "it is heard before its commit") &&
               ask_code(r, r->ops->commit(r->b), WT_OK, "commit") &&
               heard(r, r->a, 2000, 1, "it is not heard after its commit") &&
               ask_code(r, r->ops->begin(r->b), WT_OK, "begin") &&
               ask_code(r, r->ops->notify(r->b, "conform_x"), WT_OK, "notify") &&
               ask_code(r, r->ops->rollback(r->b), WT_OK, "rollback") &&
               heard(r, r->a, 60, 0, "it was rolled back and is heard") &&
               ask_code(r, r->ops->notify(r->b, "no channel"), WT_EINVAL, "a name that is none") &&
               ask_code(r, r->ops->notify(r->a, "conform_nobody"), WT_OK, "a channel of nobody") &&
               heard(r, r->a, 60, 0, "a channel that nobody listens to is heard");
}

static int put(void *arg, const struct wt_value *v, uint32_t n)
{
        if (n == 5 && v[0].type == WT_TEXT && v[0].len == 14 &&
            memcmp(v[0].as.data, "conform_listed", 14) == 0)
                wt_buf_fmt(arg, "%.*s:%d:%d ", (int)v[1].len, (const char *)v[1].as.data,
                           (int)v[2].as.i, (int)v[4].as.i);
        return 0;
}

bool conform_columns(struct rig *r)
{
        struct wt_buf b = { 0 };
        bool ok = ask_make(r, "conform_listed",
                           "CREATE TABLE conform_listed (z BIGINT NOT NULL, a DOUBLE PRECISION,"
                           " t TEXT, b {bytes})") &&
                  ask_code(r, r->ops->seal(r->a, "conform_listed"), WT_OK, "seal") &&
                  ask_code(r, r->ops->columns(r->b, put, &b), WT_OK, "columns") &&
                  ask_holds(r, b.len > 0 && strcmp(b.data, "z:1:1 a:2:1 t:3:1 b:4:1 ") == 0,
                            b.len > 0 ? b.data : "the table is not listed");

        wt_buf_free(&b);
        return ok;
}

bool conform_clock(struct rig *r)
{
        const struct timespec nap = { .tv_nsec = 2000000 };
        int64_t first = 0, second = 0, here = (int64_t)time(NULL) * 1000000;
        char name[64] = "";

        return ask_code(r, r->ops->now(r->a, &first), WT_OK, "now") &&
               ask_code(r, r->ops->begin(r->a), WT_OK, "begin") &&
               ask_code(r, r->ops->now(r->a, &first), WT_OK, "now") &&
               nanosleep(&nap, NULL) == 0 &&
               ask_code(r, r->ops->now(r->a, &second), WT_OK, "now") &&
               ask_code(r, r->ops->rollback(r->a), WT_OK, "rollback") &&
               ask_holds(r, second > first, "it stands still in a transaction") &&
               ask_holds(r, llabs(first - here) < 86400 * 1000000LL, "it is a day off") &&
               ask_code(r, r->ops->describe(r->a, name, sizeof name), WT_OK, "describe") &&
               ask_holds(r, name[0] != '\0', "it has no name");
}
