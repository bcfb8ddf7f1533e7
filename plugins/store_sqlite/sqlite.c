/* sqlite.c - the built-in store: one file on this machine, shared by its processes. */
#include "db.h"

static const struct wt_store_ops ops = {
        .size = sizeof ops, .scheme = "sqlite",
        .open = db_open, .close = db_close, .describe = db_describe, .now = db_now,
        .begin = db_begin, .snapshot = db_snapshot, .commit = db_commit, .rollback = db_rollback,
        .query = db_query, .load = db_load, .migrate = db_migrate, .seal = db_seal,
        .day_add = db_day_add, .day_drop = db_day_drop,
        .notify = db_notify, .listen = db_listen, .wait = db_wait, .columns = db_columns,
};

WT_PLUGIN(.kind = WT_STORE, .name = "sqlite", .version = "1.0", .ops = &ops,
          .about = "one SQLite file, for all processes of one machine");
