/* fuzz_backup.c - what a restore reads: 'm' a manifest, 'r' the rows of a table, 'u' the setting of
 * a store. What is taken is within its limits, and comes out as it went in when it is written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "store/dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void manifest(const char *text, size_t len)
{
        struct wt_buf once = { 0 }, twice = { 0 };
        struct wt_dump d, again;

        if (wt_dump_read(&d, text, len) != WT_OK) {
                WT_ASSERT(wt_words()[0] != '\0' && d.n_steps == 0 && d.n_tables == 0);
                return;
        }
        WT_ASSERT(d.n_steps <= WT_DUMP_STEPS && d.n_tables <= WT_DUMP_TABLES);
        for (uint32_t i = 0; i < d.n_tables; i++)
                WT_ASSERT(d.tables[i].n_columns > 0 && d.tables[i].n_columns <= WT_DUMP_COLUMNS &&
                          strchr(d.tables[i].name, '/') == NULL && d.tables[i].name[0] != '\0');
        wt_dump_write(&d, &once);
        WT_ASSERT(wt_dump_read(&again, once.data, once.len) == WT_OK);
        wt_dump_write(&again, &twice);
        WT_ASSERT(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
        wt_dump_free(&d);
        wt_dump_free(&again);
        wt_buf_free(&once);
        wt_buf_free(&twice);
}

static void rows(const uint8_t *data, size_t len)
{
        struct wt_value v[WT_DUMP_COLUMNS];
        struct wt_buf out = { 0 };
        struct wt_rows r;
        uint64_t n = 0;
        wt_err err;

        if (wt_rows_open(&r, data, len) != WT_OK)
                return;
        wt_rows_head(&out, r.n_columns);
        while ((err = wt_rows_next(&r, v)) == WT_OK) {
                n++;
                wt_rows_put(&out, v, r.n_columns);       /* reads every byte of every value */
        }
        WT_ASSERT(err == WT_ENOTFOUND || err == WT_EDATA);
        if (err == WT_ENOTFOUND) {
                wt_rows_end(&out, n);
                WT_ASSERT(out.len == len && memcmp(out.data, data, len) == 0);
        }
        wt_buf_free(&out);
}

static void setting(const char *text, size_t len)
{
        char *copy = strndup(text, len), out[128];

        if (copy != NULL && wt_store_url(copy, "/state", out, sizeof out) == WT_OK)
                WT_ASSERT(strchr(out, ':') != NULL && strlen(out) < sizeof out);
        free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size == 0)
                return 0;
        if (data[0] == 'm')
                manifest((const char *)data + 1, size - 1);
        else if (data[0] == 'r')
                rows(data + 1, size - 1);
        else if (data[0] == 'u')
                setting((const char *)data + 1, size - 1);
        return 0;
}
