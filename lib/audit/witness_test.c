#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/witness.h"
#include "base/file.h"

enum { MOST = 64, LEVELS = 7 };
/* A log of MOST rows, and its twin that differs in row 5. */
static struct wt_hash tree[2][LEVELS][MOST];
static struct wt_frontier head[2][MOST + 1];
static struct wt_signer log_key;
static char top[] = "/tmp/witan-witness-XXXXXX";

static int building;
static void on_node(void *arg, uint32_t level, uint64_t index, const struct wt_hash *h)
{
        (void)arg;
        tree[building][level][index] = *h;
}

static wt_err get(void *arg, uint32_t level, uint64_t index, struct wt_hash *out)
{
        *out = tree[*(int *)arg][level][index];
        return WT_OK;
}

static int build(void **state)
{
        (void)state;
        for (building = 0; building < 2; building++)
                for (uint32_t i = 0; i < MOST; i++) {
                        uint32_t row[2] = { i, i == 5 ? (uint32_t)building : 0 };
                        struct wt_hash leaf;

                        wt_merkle_leaf(row, sizeof row, &leaf);
                        head[building][i + 1] = head[building][i];
                        wt_merkle_add(&head[building][i + 1], &leaf, on_node, NULL);
                }
        return wt_signer_new(&log_key, WT_NOTE_LOG, "log-1") != WT_OK || mkdtemp(top) == NULL;
}

static int sweep(void **state)
{
        char remove[64];

        (void)state;
        snprintf(remove, sizeof remove, "rm -rf %s", top);
        return system(remove);
}

static const char *folder(const char *name)
{
        static char path[300];

        snprintf(path, sizeof path, "%s/%s", top, name);
        return path;
}

static void checkpoint(int which, uint64_t size, struct wt_buf *out)
{
        struct wt_checkpoint c = { .origin = "log-1", .size = size };

        wt_merkle_root(&head[which][size], &c.root);
        assert_int_equal(wt_checkpoint_sign(&log_key, &c, out), WT_OK);
}

/* What log `which` asks: from old to size. Returns the status. */
static int ask(wt_witness *w, int which, uint64_t old, uint64_t size, struct wt_witness_answer *a)
{
        struct wt_buf text = { 0 }, body = { 0 };
        struct wt_hash path[WT_MERKLE_DEEP];
        uint32_t n = 0;

        if (old <= size)
                assert_int_equal(wt_merkle_consistency(old, size, get, &which, path, &n), WT_OK);
        checkpoint(which, size, &text);
        wt_witness_request(old, path, n, text.data, text.len, &body);
        wt_witness_add(w, body.data, body.len, 1700000000, a);
        wt_buf_free(&text);
        wt_buf_free(&body);
        return a->status;
}

static wt_witness *open_in(const char *name)
{
        wt_witness *w;

        if (wt_witness_open(&w, folder(name), &log_key.v) != WT_OK)
                fail_msg("%s", wt_words());
        return w;
}

static void says(const struct wt_witness_answer *a, const char *word)
{
        if (strstr(a->words, word) == NULL)
                fail_msg("\"%s\" is not in \"%s\"", word, a->words);
}

static void grows(void **state)
{
        struct wt_witness_answer a = { 0 };
        wt_witness *w = open_in("grows");
        struct wt_checkpoint c;
        struct wt_note n;
        uint64_t size, when;

        (void)state;
        assert_string_equal(wt_witness_last(w, &size), "");
        assert_int_equal(ask(w, 0, 0, 1, &a), 200);
        for (uint64_t to = 2; to <= MOST; to++)
                assert_int_equal(ask(w, 0, to - 1, to, &a), 200);
        assert_int_equal(ask(w, 0, MOST, MOST, &a), 200);        /* again: a newer time */
        assert_string_equal(a.words, "");
        assert_int_equal(wt_checkpoint_read(&c, &n, wt_witness_last(w, &size),
                                            strlen(wt_witness_last(w, &size)), &log_key.v,
                                            wt_witness_key(w)), WT_OK);
        assert_int_equal(c.size, MOST);
        assert_true(wt_note_signed(&n, wt_witness_key(w), &when));
        assert_int_equal(when, 1700000000);
        wt_witness_close(w);
        wt_buf_free(&a.body);
}

static void any_step(void **state)
{
        struct wt_witness_answer a = { 0 };
        char name[32];

        (void)state;
        for (uint64_t old = 0; old < 12; old++)
                for (uint64_t size = old + 1; size < 14; size++) {
                        wt_witness *w;

                        snprintf(name, sizeof name, "step-%d-%d", (int)old, (int)size);
                        w = open_in(name);
                        if (old > 0)
                                assert_int_equal(ask(w, 0, 0, old, &a), 200);
                        assert_int_equal(ask(w, 0, old, size, &a), 200);
                        wt_witness_close(w);
                }
        wt_buf_free(&a.body);
}

static void refuses(void **state)
{
        struct wt_witness_answer a = { 0 };
        wt_witness *w = open_in("refuses");

        (void)state;
        assert_int_equal(ask(w, 0, 0, 20, &a), 200);
        assert_int_equal(ask(w, 0, 10, 20, &a), 409);            /* it knows more */
        assert_string_equal(a.body.data, "20\n");
        assert_string_equal(a.type, "text/x.tlog.size");
        assert_int_equal(ask(w, 0, 10, 15, &a), 409);
        assert_string_equal(a.body.data, "20\n");
        says(&a, "rollback");
        assert_int_equal(ask(w, 0, 20, 15, &a), 400);
        assert_int_equal(ask(w, 1, 20, 20, &a), 409);            /* row 5 was changed */
        says(&a, "fork");
        assert_int_equal(ask(w, 1, 20, 30, &a), 422);
        says(&a, "fork");
        assert_int_equal(ask(w, 0, 0, 30, &a), 409);
        assert_int_equal(ask(w, 0, 20, 30, &a), 200);            /* the honest log goes on */
        wt_witness_close(w);
        wt_buf_free(&a.body);
}

static void strangers(void **state)
{
        struct wt_checkpoint c = { .origin = "log-2", .size = 3 };
        struct wt_witness_answer a = { 0 };
        struct wt_buf text = { 0 }, body = { 0 };
        struct wt_signer other, same_name;
        wt_witness *w = open_in("strangers");

        (void)state;
        assert_int_equal(wt_signer_new(&other, WT_NOTE_LOG, "log-2"), WT_OK);
        assert_int_equal(wt_signer_new(&same_name, WT_NOTE_LOG, "log-1"), WT_OK);
        wt_merkle_root(&head[0][3], &c.root);
        assert_int_equal(wt_checkpoint_sign(&other, &c, &text), WT_OK);
        wt_witness_request(0, NULL, 0, text.data, text.len, &body);
        wt_witness_add(w, body.data, body.len, 1, &a);
        assert_int_equal(a.status, 404);
        strcpy(c.origin, "log-1");
        wt_buf_clear(&text);
        wt_buf_clear(&body);
        assert_int_equal(wt_checkpoint_sign(&same_name, &c, &text), WT_OK);
        wt_witness_request(0, NULL, 0, text.data, text.len, &body);
        wt_witness_add(w, body.data, body.len, 1, &a);
        assert_int_equal(a.status, 403);
        wt_witness_close(w);
        wt_buf_free(&text);
        wt_buf_free(&body);
        wt_buf_free(&a.body);
}

static const char *const junk[] = {
        "", "old", "old 3", "old 3\n", "old x\n\n", "old -1\n\n", "old 03\n\n", "new 3\n\n",
        "old 0\nAAAA\n\nlog-1\n", "old 0\n\n", "old 0\n\nlog-1\n3\n", "\n\n\n",
};

static void bad_requests(void **state)
{
        struct wt_witness_answer a = { 0 };
        wt_witness *w = open_in("junk");
        uint64_t size;

        (void)state;
        for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
                wt_witness_add(w, junk[i], strlen(junk[i]), 1, &a);
                assert_int_equal(a.status, 400);
                assert_true(a.words[0] != '\0');
        }
        wt_witness_last(w, &size);
        assert_int_equal(size, 0);
        wt_witness_close(w);
        wt_buf_free(&a.body);
}

static void remembers(void **state)
{
        struct wt_witness_answer a = { 0 };
        wt_witness *w = open_in("memory"), *second;
        char path[400];
        uint64_t size;

        (void)state;
        assert_int_equal(ask(w, 0, 0, 9, &a), 200);
        assert_int_equal(wt_witness_open(&second, folder("memory"), &log_key.v), WT_EEXIST);
        wt_witness_close(w);
        w = open_in("memory");
        wt_witness_last(w, &size);
        assert_int_equal(size, 9);
        assert_int_equal(ask(w, 1, 9, 9, &a), 409);
        assert_int_equal(ask(w, 0, 9, 12, &a), 200);
        wt_witness_close(w);
        snprintf(path, sizeof path, "%s/checkpoint", folder("memory"));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(wt_witness_open(&second, folder("memory"), &log_key.v), WT_EDATA);
        assert_non_null(strstr(wt_words(), "memory"));
        assert_int_equal(wt_file_write(path, "log-1\n", 6, 0600), WT_OK);
        assert_int_equal(wt_witness_open(&second, folder("memory"), &log_key.v), WT_EDATA);
        wt_buf_free(&a.body);
}

/* A memory that cannot be written is no cosignature: the folder is gone. */
static void durable_first(void **state)
{
        struct wt_witness_answer a = { 0 };
        wt_witness *w = open_in("gone");
        char away[400];
        uint64_t size;

        (void)state;
        assert_int_equal(ask(w, 0, 0, 4, &a), 200);
        snprintf(away, sizeof away, "%s.away", folder("gone"));
        assert_int_equal(rename(folder("gone"), away), 0);
        assert_int_equal(ask(w, 0, 4, 8, &a), 500);
        wt_witness_last(w, &size);
        assert_int_equal(size, 4);
        assert_int_equal(rename(away, folder("gone")), 0);
        assert_int_equal(ask(w, 0, 4, 8, &a), 200);
        wt_witness_close(w);
        wt_buf_free(&a.body);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(grows),        cmocka_unit_test(any_step),
                cmocka_unit_test(refuses),      cmocka_unit_test(strangers),
                cmocka_unit_test(bad_requests), cmocka_unit_test(remembers),
                cmocka_unit_test(durable_first),
        };

        return cmocka_run_group_tests(tests, build, sweep);
}
