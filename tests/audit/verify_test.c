#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "audit/tree.h"
#include "audit/verify.h"
#include "rig.h"

enum { ROWS = 1000 };                            /* four tiles, the last one partial */

static struct rig rig;

static int build(void **state)
{
        (void)state;
        rig_open(&rig);
        for (uint32_t i = 0; i < 10; i++) {
                rig_rows(&rig, ROWS / 10, 1);
                if (i % 3 == 2)
                        rig_checkpoint(&rig);    /* at 300, 600, 900: the last 100 are not
                                                  * witnessed */
        }
        return 0;
}

static int sweep(void **state)
{
        (void)state;
        rig_close(&rig);
        return 0;
}

static void verify_with(struct wt_verify *v, const char *last)
{
        v->witness = wt_witness_key(rig.witness);
        v->log = &rig.key.v;
        v->last = last;
        v->last_len = last != NULL ? strlen(last) : 0;
        if (wt_verify_store(v, rig.store) != WT_OK)
                fail_msg("%s", wt_words());
}

static void verify(struct wt_verify *v)
{
        uint64_t size;

        memset(v, 0, sizeof *v);
        verify_with(v, wt_witness_last(rig.witness, &size));
}

static void all_good(void **state)
{
        struct wt_verify v;

        (void)state;
        verify(&v);
        assert_string_equal(v.finding.words, "");
        assert_int_equal(v.finding.wrong, WT_WRONG_NOTHING);
        assert_int_equal(v.seen.rows, ROWS);
        assert_int_equal(v.seen.witnessed, 900);
        assert_int_equal(v.seen.witnessed_s, 1717300000);
        assert_int_equal(v.seen.unwitnessed, 100);
        assert_int_equal(v.seen.checkpoints, 3);
}

static void twice_is_once(void **state)
{
        struct wt_buf body = { 0 };
        struct wt_bytes b;
        uint64_t first = 77, size;
        struct wt_hash root;
        uint32_t n_new = 9, bad;

        (void)state;
        rig_event(5, 1, &body);
        b = WT_BYTES(body.data, body.len);
        assert_int_equal(wt_audit_append(rig.store, &b, 1, &first, &n_new, &bad), WT_OK);
        assert_int_equal(n_new, 0);
        b.len--;
        assert_int_equal(wt_audit_append(rig.store, &b, 1, &first, &n_new, &bad), WT_EDATA);
        assert_int_equal(bad, 0);
        assert_int_equal(wt_tree_head(rig.store, &size, &root), WT_OK);
        assert_int_equal(size, ROWS);
        wt_buf_free(&body);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_good), cmocka_unit_test(twice_is_once),
        };

        return cmocka_run_group_tests(tests, build, sweep);
}
