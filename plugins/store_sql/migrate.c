/* migrate.c - a schema climbs from its version to the newest one, step by step. */
#include <stdio.h>
#include "store_sql/sql.h"

static int version_of(wt_db *db, const struct sql_climb *c, int64_t *out)
{
        const struct wt_value arg = sql_text(c->name);
        int64_t there = 0;
        int err = c->base->run(db, c->base->is_there, NULL, 0, sql_take_int, &there, NULL);

        *out = 0;
        if (err == WT_OK && there != 0)
                err = c->base->run(db, "SELECT max(version) FROM witan_schema WHERE name = $1",
                                   &arg, 1, sql_take_int, out, NULL);
        if (err == WT_OK && *out > c->n)
                return c->host->fail(WT_EPRECONDITION, "%s has schema %s %lld, this program knows "
                                     "up to %u; use the newer program", c->where, c->name,
                                     (long long)*out, c->n);
        return err;
}

int sql_behind(wt_db *db, const struct sql_climb *c, bool *behind)
{
        int64_t at;
        int err = version_of(db, c, &at);

        *behind = err == WT_OK && at < c->n;
        return err;
}

static int one_step(wt_db *db, const struct sql_climb *c, int64_t at)
{
        const struct wt_value row[3] = { sql_text(c->name), { .type = WT_INT, .as.i = at + 1 },
                                         sql_text(c->steps[at]) };
        char doing[96];
        int err;

        snprintf(doing, sizeof doing, "migrating %.40s to %lld", c->name, (long long)at + 1);
        if ((err = c->base->exec(db, c->steps[at], doing)) != WT_OK)
                return err;
        return c->base->run(db, "INSERT INTO witan_schema(name, version, step, place) "
                            "VALUES ($1, $2, $3, (SELECT count(*) + 1 FROM witan_schema))", row, 3,
                            NULL, NULL, NULL);
}

int sql_climb(wt_db *db, const struct sql_climb *c)
{
        const struct sql_base *b = c->base;
        int64_t at;
        int err = version_of(db, c, &at);

        if (err != WT_OK || at == c->n)
                return err;
        err = b->exec(db, "CREATE TABLE IF NOT EXISTS witan_schema (name TEXT NOT NULL, "
                      "version BIGINT NOT NULL, step TEXT NOT NULL, place BIGINT NOT NULL, "
                      "PRIMARY KEY (name, version))", "making witan_schema");
        if (err == WT_OK && b->before != NULL)
                err = b->exec(db, b->before, "making functions");
        for (; err == WT_OK && at < c->n; at++)
                err = one_step(db, c, at);
        if (err == WT_OK && b->after != NULL)
                err = b->exec(db, b->after, "granting rights to the roles");
        return err;
}
