/* export_test - an export proves itself; what is changed in it is named by its line; and the second
 * verifier (verify.py), which was made from the documentation, agrees on exports and databases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "audit/proof.h"
#include "base/file.h"
#include "base/rng.h"
#include "tamper.h"

static struct wt_buf whole, table;               /* the complete export; the same as CSV */
static char key_path[128], out_path[128], last_path[128];

static wt_err collect(void *arg, const char *data, size_t len)
{
        wt_buf_add(arg, data, len);
        return WT_OK;
}

static int build(void **state)
{
        struct wt_audit_filter none = { .limit = 0 };
        uint64_t n, size;
        const char *last;

        (void)state;
        tamper_open();
        last = wt_witness_last(tampered.witness, &size);
        snprintf(key_path, sizeof key_path, "%s/witness/key.pub", tampered.folder);
        snprintf(out_path, sizeof out_path, "%s/out.ndjson", tampered.folder);
        snprintf(last_path, sizeof last_path, "%s/witness/checkpoint", tampered.folder);
        if (wt_audit_export(tampered.store, &none, collect, &whole, &n) != WT_OK)
                fail_msg("%s", wt_words());
        assert_int_equal(n, size);
        assert_true(last[0] != '\0');
        if (wt_audit_export_csv(tampered.store, &none, collect, &table, &n) != WT_OK)
                fail_msg("%s", wt_words());
        assert_int_equal(n, size);
        return 0;
}

static int sweep(void **state)
{
        (void)state;
        tamper_close();
        wt_buf_free(&whole);
        wt_buf_free(&table);
        return 0;
}

static bool verify(const struct wt_buf *text, struct wt_verify *v)
{
        const char *at = text->data, *end = at + text->len;
        wt_verify_export *x;

        *v = (struct wt_verify){ .witness = wt_witness_key(tampered.witness) };
        assert_int_equal(wt_verify_export_begin(&x, v), WT_OK);
        while (at < end) {
                const char *stop = memchr(at, '\n', (size_t)(end - at));

                if (stop == NULL)
                        stop = end;
                if (!wt_verify_export_line(x, at, (size_t)(stop - at)))
                        break;
                at = stop + (stop < end);
        }
        return wt_verify_export_end(x);
}

static void good(void **state)
{
        struct wt_audit_filter f = { .tenant = "tenant-2" };
        struct wt_buf some = { 0 };
        struct wt_verify v;
        uint64_t n;

        (void)state;
        if (!verify(&whole, &v))
                fail_msg("%s", v.finding.words);
        assert_int_equal(v.seen.rows, v.seen.witnessed);
        assert_true(v.seen.complete);
        assert_int_equal(wt_audit_export(tampered.store, &f, collect, &some, &n), WT_OK);
        assert_true(n > 0 && n < v.seen.rows);
        if (!verify(&some, &v))
                fail_msg("%s", v.finding.words);
        assert_int_equal(v.seen.rows, n);
        assert_false(v.seen.complete);
        wt_buf_free(&some);
}

static size_t line_at(const struct wt_buf *t, uint32_t line)     /* from 1 */
{
        size_t at = 0;

        while (--line > 0)
                at = (size_t)((char *)memchr(t->data + at, '\n', t->len - at) - t->data) + 1;
        return at;
}

static void cut(struct wt_buf *t, size_t from, size_t to)
{
        memmove(t->data + from, t->data + to, t->len - to);
        t->len -= to - from;
        t->data[t->len] = '\0';
}

/* One of the lines of rows is changed; returns its number. */
static uint32_t change(struct wt_buf *t, uint32_t how, uint32_t i)
{
        uint32_t rows = 540, line = 2 + (uint32_t)(wt_philox_unit(3, i, how, 0) * (rows - 1));
        size_t at = line_at(t, line), next = line_at(t, line + 1), after;
        struct wt_buf copy = { 0 };
        char *p;

        switch (how) {
        case 0:                                  /* a letter of the body */
                p = strstr(t->data + at, "\"body\":\"") + 12 + i % 20;
                *p = *p == 'A' ? 'B' : 'A';
                break;
        case 1:                                  /* a letter of the proof */
                p = strstr(t->data + at, "\"proof\":[\"") + 12 + i % 20;
                *p = *p == 'A' ? 'B' : 'A';
                break;
        case 2:                                  /* what people read */
                p = strstr(t->data + at, "\"tenant\":\"tenant-") + 17;
                *p = *p == '1' ? '2' : '1';
                break;
        case 3:                                  /* left out */
                cut(t, at, next);
                break;
        case 4:                                  /* twice */
                wt_buf_add(&copy, t->data + at, next - at);
                wt_buf_add(&copy, t->data + next, t->len - next);
                t->len = next;
                wt_buf_add(t, copy.data, copy.len);
                line++;
                break;
        case 5:                                  /* swapped with the next */
                after = line_at(t, line + 2);
                wt_buf_add(&copy, t->data + next, after - next);
                wt_buf_add(&copy, t->data + at, next - at);
                memcpy(t->data + at, copy.data, copy.len);
                break;
        default:                                 /* broken off in the middle of a line */
                t->len = at + (next - at) / 2;
                t->data[t->len] = '\0';
        }
        wt_buf_free(&copy);
        return line;
}

enum { N_HOW = 7 };

/* The number of the row that a line holds: the export begins with row 0. */
static void changes_are_named(void **state)
{
        struct wt_buf t = { 0 };
        struct wt_verify v;

        (void)state;
        for (uint32_t i = 0; i < 300; i++) {
                uint32_t how = i % N_HOW, line;

                wt_buf_clear(&t);
                wt_buf_add(&t, whole.data, whole.len);
                line = change(&t, how, i);
                if (verify(&t, &v))
                        fail_msg("change %u of line %u is not seen", how, line);
                if (how == 3 || how == 5) {      /* the gap is judged when all has come */
                        if (how == 3 ? v.finding.leaf != line - 2 : v.finding.line != line + 1)
                                fail_msg("line %u left out or swapped: %s, row %d", line,
                                         v.finding.words, (int)v.finding.leaf);
                        continue;
                }
                if (v.finding.line != line)
                        fail_msg("change %u: line %u named, not %u: %s", how,
                                 (unsigned)v.finding.line, line, v.finding.words);
        }
        wt_buf_free(&t);
}

/* ---- as CSV ---- */

static void csv_is_good(void **state)
{
        struct wt_audit_filter f = { .tenant = "tenant-2" };
        struct wt_buf some = { 0 };
        struct wt_verify v;
        uint64_t n;

        (void)state;
        if (!verify(&table, &v))
                fail_msg("%s", v.finding.words);
        assert_int_equal(v.seen.rows, v.seen.witnessed);
        assert_true(v.seen.complete);
        assert_int_equal(wt_audit_export_csv(tampered.store, &f, collect, &some, &n), WT_OK);
        if (!verify(&some, &v))
                fail_msg("%s", v.finding.words);
        assert_int_equal(v.seen.rows, n);
        assert_false(v.seen.complete);
        wt_buf_free(&some);
}

/* Whichever byte of a row is another one, the row is named. */
static void csv_changes_are_named(void **state)
{
        struct wt_buf t = { 0 };
        struct wt_verify v;

        (void)state;
        for (uint32_t i = 0; i < 400; i++) {
                uint32_t line = 3 + i % 500;
                size_t at = line_at(&table, line), len = line_at(&table, line + 1) - at - 2;
                size_t byte = at + (size_t)(wt_philox_unit(5, i, 0, 0) * (double)len);

                wt_buf_clear(&t);
                wt_buf_add(&t, table.data, table.len);
                t.data[byte] = t.data[byte] == '7' ? '8' : '7';
                if (verify(&t, &v))
                        fail_msg("byte %zu of line %u is not seen", byte - at, line);
                if (v.finding.line != line)
                        fail_msg("line %u: %u is named: %s", line, (unsigned)v.finding.line,
                                 v.finding.words);
        }
        for (uint32_t how = 0; how < 4; how++) { /* left out, twice, broken off, two checkpoints */
                size_t at = line_at(&table, 40), next = line_at(&table, 41);

                wt_buf_clear(&t);
                wt_buf_add(&t, table.data, how == 2 ? at + 30 : how == 3 ? line_at(&table, 3) : at);
                if (how == 1)
                        wt_buf_add(&t, table.data + at, next - at);
                if (how == 3)
                        wt_buf_add(&t, table.data + line_at(&table, 2), table.len - line_at(&table, 2));
                else if (how != 2)
                        wt_buf_add(&t, table.data + (how == 1 ? at : next),
                                   table.len - (how == 1 ? at : next));
                assert_false(verify(&t, &v));
        }
        wt_buf_free(&t);
}

/* ---- the second verifier ---- */

struct second { bool good; char wrong[16]; unsigned long long leaf, line; };

static bool run(const char *file, bool with_last, struct second *out)
{
        char command[700], text[1000], *p;
        FILE *f;
        size_t n;

        snprintf(command, sizeof command, "python3 tests/audit/verify.py %s%s %s %s",
                 with_last ? "--last " : "", with_last ? last_path : "", key_path, file);
        f = popen(command, "r");
        assert_non_null(f);
        n = fread(text, 1, sizeof text - 1, f);
        text[n] = '\0';
        pclose(f);
        if (strncmp(text, "{\"good\": ", 9) != 0)
                return false;
        out->good = text[9] == 't';
        if (out->good)
                return true;
        p = strstr(text, "\"wrong\": \"");
        return p != NULL && sscanf(p, "\"wrong\": \"%15[a-z]\", \"leaf\": %llu, \"line\": %llu",
                                   out->wrong, &out->leaf, &out->line) == 3;
}

static void agree_on_exports(void **state)
{
        struct wt_buf t = { 0 };
        struct second s;
        struct wt_verify v;

        (void)state;
        for (uint32_t i = 0; i <= N_HOW; i++) {
                wt_buf_clear(&t);
                wt_buf_add(&t, whole.data, whole.len);
                if (i < N_HOW)
                        change(&t, i, i + 100);
                assert_int_equal(wt_file_write(out_path, t.data, t.len, 0600), WT_OK);
                if (!run(out_path, false, &s))
                        fail_msg("verify.py says nothing about change %u", i);
                if (verify(&t, &v) != s.good)
                        fail_msg("change %u: ours %s, theirs %s", i, v.finding.words, s.wrong);
                if (!s.good && v.finding.leaf != s.leaf)
                        fail_msg("change %u: row %llu, theirs %llu (%s; %s)", i,
                                 (unsigned long long)v.finding.leaf, s.leaf, v.finding.words,
                                 s.wrong);
        }
        wt_buf_free(&t);
}

/* Changed by one byte in each column in turn. */
static void agree_on_csv(void **state)
{
        struct wt_buf t = { 0 };
        struct second s;
        struct wt_verify v;

        (void)state;
        for (uint32_t i = 0; i <= 29; i++) {
                size_t at = line_at(&table, 9);

                wt_buf_clear(&t);
                wt_buf_add(&t, table.data, table.len);
                for (uint32_t column = 0; column < i && i < 29; column++)
                        at = (size_t)((char *)memchr(t.data + at, ',', t.len - at) - t.data) + 1;
                if (i < 29 && t.data[at] == '"')
                        at++;
                if (i < 29)
                        t.data[at] = t.data[at] == '7' ? '8' : '7';
                assert_int_equal(wt_file_write(out_path, t.data, t.len, 0600), WT_OK);
                if (!run(out_path, false, &s))
                        fail_msg("verify.py says nothing about column %u", i);
                if (verify(&t, &v) != s.good || s.good != (i == 29))
                        fail_msg("column %u: ours %s, theirs %s", i, v.finding.words, s.wrong);
                if (!s.good && v.finding.line != s.line)
                        fail_msg("column %u: line %u, theirs %llu", i, (unsigned)v.finding.line,
                                 s.line);
        }
        wt_buf_free(&t);
}

/* It looks at rows; tiles, the frontier and stored notes are ours to look after. */
static void agree_on_databases(void **state)
{
        (void)state;
        for (uint32_t i = 0; i < 2 * N_TAMPERS; i++) {
                struct tamper_want want = tamper_once(i % N_TAMPERS);
                bool rows = want.wrong != WT_WRONG_TREE && want.wrong != WT_WRONG_CHECKPOINT;
                struct second s;

                if (!run(tampered_copy.db, true, &s))
                        fail_msg("verify.py says nothing about \"%s\"",
                                 tampers[i % N_TAMPERS].name);
                if (rows && s.good && want.or != WT_WRONG_TREE)
                        fail_msg("verify.py does not see \"%s\" of row %llu",
                                 tampers[i % N_TAMPERS].name, (unsigned long long)want.leaf);
                if (rows && !s.good && want.wrong != WT_WRONG_RANGE && s.leaf != want.leaf)
                        fail_msg("\"%s\": row %llu, verify.py says %llu (%s)",
                                 tampers[i % N_TAMPERS].name, (unsigned long long)want.leaf,
                                 s.leaf, s.wrong);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(good),             cmocka_unit_test(changes_are_named),
                cmocka_unit_test(agree_on_exports), cmocka_unit_test(agree_on_databases),
                cmocka_unit_test(csv_is_good),      cmocka_unit_test(csv_changes_are_named),
                cmocka_unit_test(agree_on_csv),
        };

        return cmocka_run_group_tests(tests, build, sweep);
}
