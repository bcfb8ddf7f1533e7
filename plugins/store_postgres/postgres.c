/* postgres.c - the store of a cluster: PostgreSQL 14 or later, by libpq. */
#include "db.h"

static const struct wt_store_ops ops = {
        .size = sizeof ops, .scheme = "postgresql",
        .open = pg_open, .close = pg_close, .describe = pg_describe, .now = pg_now,
        .begin = pg_begin, .snapshot = pg_snapshot, .commit = pg_commit, .rollback = pg_rollback,
        .query = pg_query, .load = pg_load, .migrate = pg_migrate, .seal = pg_seal,
        .day_add = pg_day_add, .day_drop = pg_day_drop,
        .notify = pg_notify, .listen = pg_listen, .wait = pg_wait, .columns = pg_columns,
};

WT_PLUGIN(.kind = WT_STORE, .name = "postgresql", .version = "1.0", .ops = &ops,
          .about = "PostgreSQL 14 or later, for several gateways");
