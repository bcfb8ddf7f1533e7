/* conform_tx.c - transactions: whole or not at all, one after another, and in time. */
#include <pthread.h>
#include <time.h>
#include "conform_rig.h"

static const char make_counters[] =
        "CREATE TABLE conform_counters (name TEXT PRIMARY KEY, n BIGINT NOT NULL);"
        "INSERT INTO conform_counters VALUES ('a', 0), ('b', 0), ('c', 0)";

static int64_t counter(struct rig *r, wt_db *db, const char *name)
{
        const struct wt_value v = v_bytes(WT_TEXT, name, strlen(name));

        return ask_int(r, db, "SELECT n FROM conform_counters WHERE name = $1", &v, 1);
}

bool conform_rollback(struct rig *r)
{
        bool ok = ask_make(r, "conform_counters", make_counters);

        ok = ok && ask_code(r, r->ops->begin(r->a), WT_OK, "begin") &&
             ask_run(r, r->a, "UPDATE conform_counters SET n = 99 WHERE name = 'c'") &&
             ask_holds(r, counter(r, r->a, "c") == 99, "its own change is not seen") &&
             ask_holds(r, counter(r, r->b, "c") == 0, "others see what is not committed") &&
             ask_code(r, r->ops->rollback(r->a), WT_OK, "rollback") &&
             ask_holds(r, counter(r, r->a, "c") == 0, "it was rolled back and is there") &&
             ask_code(r, r->ops->begin(r->a), WT_OK, "begin") &&
             ask_run(r, r->a, "UPDATE conform_counters SET n = 5 WHERE name = 'c'");
        r->ops->close(r->a);                     /* goes away in the middle */
        r->a = NULL;
        return ok && ask_open(r, &r->a) &&
               ask_holds(r, counter(r, r->a, "c") == 0, "half a transaction is there") &&
               ask_code(r, r->ops->begin(r->a), WT_OK, "begin") &&
               ask_run(r, r->a, "UPDATE conform_counters SET n = 7 WHERE name = 'c'") &&
               ask_code(r, r->ops->commit(r->a), WT_OK, "commit") &&
               ask_holds(r, counter(r, r->b, "c") == 7, "what was committed is not there") &&
               ask_code(r, r->ops->rollback(r->a), WT_OK, "rollback with nothing open");
}

static int raise_once(struct rig *r, wt_db *db)
{
        int err = r->ops->begin(db);
        int64_t n = -1;

        if (err == WT_OK) {
                n = counter(r, db, "a");
                r->why[0] = '\0';                /* a conflict may show here already */
        }
        if (err == WT_OK && n >= 0) {
                const struct wt_value v = v_int(n + 1);

                err = r->ops->query(db, "UPDATE conform_counters SET n = $1 WHERE name = 'a'", &v,
                                    1, NULL, NULL, NULL);
        } else if (err == WT_OK) {
                err = WT_EABORTED;
        }
        if (err == WT_OK)
                return r->ops->commit(db);
        r->ops->rollback(db);
        return err;
}

struct raiser { struct rig rig; wt_db *db; int times, err; };

static void *raise_often(void *arg)
{
        struct raiser *w = arg;

        for (int done = 0; done < w->times && w->err == WT_OK;) {
                int err = raise_once(&w->rig, w->db);

                if (err == WT_OK)
                        done++;
                else if (err != WT_EABORTED)
                        w->err = err;
        }
        return NULL;
}

bool conform_counter(struct rig *r)
{
        int times = r->c->quick ? 200 : 1000;
        struct raiser w[2] = { { *r, r->a, times, WT_OK }, { *r, r->b, times, WT_OK } };
        pthread_t thread;

        if (!ask_make(r, "conform_counters", make_counters) ||
            pthread_create(&thread, NULL, raise_often, &w[1]) != 0)
                return false;
        raise_often(&w[0]);
        pthread_join(thread, NULL);
        return ask_code(r, w[0].err, WT_OK, "raising") && ask_code(r, w[1].err, WT_OK, "raising") &&
               ask_holds(r, counter(r, r->a, "a") == 2 * times, "a raise of the counter was lost");
}

/* Each reads the sum of both and raises its own when it is 0: in no order may both succeed. The
 * second begins in a thread of its own, since a store may let it wait for the first. */
struct second { struct rig rig; int err; };

static int skew(struct rig *r, wt_db *db, const char *sql)
{
        int64_t sum = -1;
        int err = r->ops->begin(db);

        if (err != WT_OK)
                return err;
        sum = ask_int(r, db, "SELECT CAST(sum(n) AS BIGINT) FROM conform_counters "
                      "WHERE name IN ('b', 'c')", NULL, 0);
        if (sum == 0)
                return r->ops->query(db, sql, NULL, 0, NULL, NULL, NULL);
        return sum > 0 ? WT_OK : WT_EABORTED;
}

static void *second_raises(void *arg)
{
        struct second *s = arg;

        s->err = skew(&s->rig, s->rig.b, "UPDATE conform_counters SET n = n + 1 WHERE name = 'c'");
        return NULL;
}

bool conform_skew(struct rig *r)
{
        const struct timespec nap = { .tv_nsec = 50000000 };
        struct second s = { *r, WT_OK };
        pthread_t thread;
        int err;

        if (!ask_make(r, "conform_counters", make_counters) ||
            !ask_run(r, r->a, "UPDATE conform_counters SET n = 0 WHERE name IN ('b', 'c')"))
                return false;
        err = skew(r, r->a, "UPDATE conform_counters SET n = n + 1 WHERE name = 'b'");
        if (!ask_code(r, err, WT_OK, "the first") ||
            pthread_create(&thread, NULL, second_raises, &s) != 0)
                return false;
        nanosleep(&nap, NULL);                   /* the second is at work, or waits */
        err = r->ops->commit(r->a);
        pthread_join(thread, NULL);
        if (s.err == WT_OK)
                s.err = r->ops->commit(r->b);
        else
                r->ops->rollback(r->b);
        return ask_holds(r, err == WT_OK || err == WT_EABORTED, "the first's end") &&
               ask_holds(r, s.err == WT_OK || s.err == WT_EABORTED, "the second's end") &&
               ask_holds(r, err == WT_OK || s.err == WT_OK, "both were turned away") &&
               ask_holds(r, counter(r, r->a, "b") + counter(r, r->a, "c") == 1,
                         "both raised, each as if it were alone");
}

bool conform_snapshot(struct rig *r)
{
        return ask_make(r, "conform_counters", make_counters) &&
               ask_run(r, r->a, "UPDATE conform_counters SET n = 1 WHERE name = 'b'") &&
               ask_code(r, r->ops->snapshot(r->a), WT_OK, "snapshot") &&
               ask_run(r, r->b, "UPDATE conform_counters SET n = 2 WHERE name = 'b'") &&
               ask_holds(r, counter(r, r->a, "b") == 1, "it sees a later moment") &&
               ask_holds(r, counter(r, r->b, "b") == 2, "it hinders others") &&
               ask_code(r, r->ops->rollback(r->a), WT_OK, "rollback") &&
               ask_holds(r, counter(r, r->a, "b") == 2, "it is still there after its end");
}

bool conform_misuse(struct rig *r)
{
        uint32_t heard;

        return ask_make(r, "conform_counters", make_counters) &&
               ask_code(r, r->ops->commit(r->a), WT_EPRECONDITION, "commit with nothing open") &&
               ask_code(r, r->ops->begin(r->a), WT_OK, "begin") &&
               ask_code(r, r->ops->begin(r->a), WT_EPRECONDITION, "begin in a transaction") &&
               ask_code(r, r->ops->wait(r->a, 0, &heard), WT_EPRECONDITION,
                        "wait in a transaction") &&
               ask_code(r, r->ops->query(r->a, "INSERT INTO conform_counters VALUES ('a', 1)", NULL,
                                         0, NULL, NULL, NULL), WT_EEXIST, "a double") &&
               ask_code(r, r->ops->query(r->a, "SELECT 1", NULL, 0, NULL, NULL, NULL),
                        WT_EPRECONDITION, "a query after a failure") &&
               ask_code(r, r->ops->commit(r->a), WT_EPRECONDITION, "commit after a failure") &&
               ask_code(r, r->ops->rollback(r->a), WT_OK, "rollback") &&
               ask_holds(r, ask_int(r, r->a, "SELECT 1", NULL, 0) == 1, "a query afterwards") &&
               ask_code(r, r->ops->query(r->a, "SELECT 1; SELECT 2", NULL, 0, NULL, NULL, NULL),
                        WT_EINVAL, "two statements");
}

/* A join that would take hours, on a connection that waits for 300 ms. */
bool conform_slow(struct rig *r)
{
        static const char sql[] =
                "WITH RECURSIVE q(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM q WHERE x < 100000) "
                "SELECT count(*) FROM q AS a, q AS b, q AS c WHERE a.x + b.x + c.x = 5";
        uint64_t start = r->c->host->now_us();
        wt_db *db = NULL;
        bool ok;

        if (!ask_code(r, r->ops->open(&db, r->c->host, r->c->url, 300), WT_OK, "open"))
                return false;
        ok = ask_code(r, r->ops->query(db, sql, NULL, 0, NULL, NULL, NULL), WT_EUNAVAILABLE,
                      "a query of hours") &&
             ask_holds(r, r->c->host->now_us() - start < 3000000, "it took more than 3 s") &&
             ask_holds(r, ask_int(r, db, "SELECT 5", NULL, 0) == 5, "a query afterwards");
        r->ops->close(db);
        return ok;
}
