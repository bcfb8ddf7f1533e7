/* wire_test.c - the n-th malloc fails while messages of every method are encoded, decoded and made
 * the receiver's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "wire/samples.h"
#include "sweep.h"
#include "wire/wire.h"

enum { SEEDS = 8, SMALL = 256 };                 /* small blocks, so that many are taken */

static wt_err one(uint32_t method, uint64_t seed, struct wt_arena *into)
{
        struct wt_arena from = { 0 };
        struct wt_buf bytes = { 0 };
        struct wt_envelope e = { 0 }, got = { .call_id = 4711 };
        wt_err err;

        sample_random(&e, method, seed, &from);
        CHECK(wt_wire_encode(&e, &bytes) == WT_OK);
        fault_begin();
        err = wt_wire_decode(&got, bytes.data, bytes.len, into);
        fault_end();
        if (err == WT_OK)
                CHECK(sample_equal(&e, &got));
        else
                CHECK(got.call_id == 4711 && got.body == NULL);
        wt_buf_free(&bytes);
        wt_arena_fini(&from);
        return err;
}

static wt_err decode(void *arg)
{
        struct wt_arena into = { .block_bytes = SMALL };
        wt_err err = WT_OK;

        (void)arg;
        for (int m = 0; sample_methods[m] != 0 && err == WT_OK; m++)
                for (uint64_t seed = 0; seed < SEEDS && err == WT_OK; seed++)
                        err = one(sample_methods[m], seed, &into);
        wt_arena_fini(&into);
        return err;
}

/* Encoding and owning take memory that this process asked for itself: they end it in words. */
static wt_err encode_and_own(void *arg)
{
        struct wt_arena from = { 0 }, into = { .block_bytes = SMALL };
        struct wt_buf bytes = { 0 };
        struct wt_envelope e = { 0 }, own;

        sample_random(&e, WT_M_SUBMIT, 3, &from);
        own = e;
        fault_begin();
        CHECK(wt_wire_encode(&e, &bytes) == WT_OK);
        CHECK(wt_wire_own(&own, &into) == WT_OK);
        fault_end();
        CHECK(sample_equal(&e, &own));
        wt_buf_free(&bytes);
        wt_arena_fini(&from);
        wt_arena_fini(&into);
        return decode(arg);
}

static const struct sweep rows[] = {
        { "decode, malloc", decode, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem, .step = 3 },
        { "encode and own, malloc", encode_and_own, .fault = { .kind = FAULT_MEMORY },
          .codes = sweep_enomem, .step = 5 },
};

int main(void)
{
        return sweep_all(rows, sizeof rows / sizeof *rows);
}
