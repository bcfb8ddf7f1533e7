/* dump.h - what a backup's folder holds; for this folder and for its tests. The same for every kind
 * of store, so that a deployment moves from one to another by backup and restore.
 *
 * manifest.json, written last: without it the folder is no backup.
 *      {"witan_backup": 1, "from": "SQLite 3.40.1", "taken_us": N,
 *       "steps": [{"schema": S, "version": N, "sql": TEXT}, ...],     in the order of their running
 *       "tables": [{"name": S, "sealed": BOOL, "columns": [S, ...], "rows": N, "sha256": S}, ...]}
 * Tables stand in the order of their making, so that what a row refers to is loaded before it.
 * TABLE.rows for each table: "witan rows 1\n", u32 number of columns; a row is the byte 1, then its
 * values: a byte (enum wt_type), then 8 bytes (INT, REAL), or u32 length and bytes (TEXT, BLOB);
 * the byte 0 and u64 number of rows end it. Little-endian throughout. */
#ifndef WITAN_STORE_DUMP_H
#define WITAN_STORE_DUMP_H
#include "base/buf.h"
#include "store/store.h"

enum { WT_DUMP_COLUMNS = 200, WT_DUMP_STEPS = 4096, WT_DUMP_TABLES = 1024, WT_DUMP_NAME = 41,
       WT_DUMP_VALUE = 256 << 20, WT_DUMP_MANIFEST = 16 << 20 };

/* The writing side: appends to out. */
void wt_rows_head(struct wt_buf *out, uint32_t n_columns);
void wt_rows_put(struct wt_buf *out, const struct wt_value *v, uint32_t n);
void wt_rows_end(struct wt_buf *out, uint64_t n_rows);

/* The reading side, over bytes that stay where they are: values point into them. */
struct wt_rows { const uint8_t *p, *end; uint32_t n_columns; uint64_t n_rows; };
/* WT_EDATA in words: no such file, or more columns than WT_DUMP_COLUMNS. */
wt_err wt_rows_open(struct wt_rows *r, const void *data, size_t len);
/* A row into v (n_columns). WT_ENOTFOUND: that was the last one, and all is well; WT_EDATA. */
wt_err wt_rows_next(struct wt_rows *r, struct wt_value *v);

struct wt_dump_step { char schema[WT_DUMP_NAME]; int64_t version; char *sql; };
struct wt_dump_table {
        char name[WT_DUMP_NAME];
        bool sealed;
        char (*columns)[WT_DUMP_NAME]; uint32_t n_columns;
        uint64_t rows;
        uint8_t sha256[32];
};
struct wt_dump {                                 /* all zeros is a valid empty one */
        char from[64];
        int64_t taken_us;
        struct wt_dump_step *steps; uint32_t n_steps;
        struct wt_dump_table *tables; uint32_t n_tables;
};
void wt_dump_free(struct wt_dump *d);
/* Appends; WT_EEXHAUSTED: too many; WT_EDATA: a name that is none. */
wt_err wt_dump_step(struct wt_dump *d, const struct wt_value *schema, int64_t version,
                    const struct wt_value *sql);
wt_err wt_dump_column(struct wt_dump *d, const struct wt_value *table,
                      const struct wt_value *column, bool sealed);
void wt_dump_write(const struct wt_dump *d, struct wt_buf *out);
/* WT_EDATA in words. */
wt_err wt_dump_read(struct wt_dump *d, const char *text, size_t len);
void wt_dump_sum(const struct wt_dump *d, struct wt_store_copy *out);
#endif
