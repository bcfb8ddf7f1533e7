/* tamper_test [N] - N random changes behind the log's back (1,000 unless told), one at a time; the
 * verifier must name the row, or the tile, checkpoint or range, of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "tamper.h"

static uint32_t n_tries = 1000;

static int build(void **state)
{
        (void)state;
        tamper_open();
        return 0;
}

static int sweep(void **state)
{
        (void)state;
        tamper_close();
        return 0;
}

static void one(uint32_t kind, uint32_t i)
{
        struct tamper_want want = tamper_once(kind);
        struct wt_verify v = { .witness = wt_witness_key(tampered.witness),
                               .log = &tampered.key.v };
        wt_store *s;
        uint64_t size;
        wt_err err;

        v.last = wt_witness_last(tampered.witness, &size);
        v.last_len = strlen(v.last);
        assert_int_equal(wt_store_open(&s, tampered_copy.url, 5000), WT_OK);
        err = wt_verify_store(&v, s);
        wt_store_close(s);
        if (err != WT_OK)
                fail_msg("%s", wt_words());
        if (!tamper_found(&v.finding, &want))
                fail_msg("try %u: row %llu was changed, kind %d; found kind %d, rows %llu to %llu: "
                         "%s", i, (unsigned long long)want.leaf, (int)want.wrong,
                         (int)v.finding.wrong, (unsigned long long)v.finding.leaf,
                         (unsigned long long)v.finding.last, v.finding.words);
        if (want.wrong == WT_WRONG_ROW && v.finding.request[0] == '\0')
                fail_msg("the request of row %llu is not named", (unsigned long long)want.leaf);
}

static void one_kind(void **state)
{
        uint32_t kind = (uint32_t)((const struct tamper *)*state - tampers);

        for (uint32_t i = 0; i < (n_tries + N_TAMPERS - 1) / N_TAMPERS; i++)
                one(kind, i);
}

int main(int argc, char **argv)
{
        struct CMUnitTest tests[N_TAMPERS];

        if (argc > 1)
                n_tries = (uint32_t)atoi(argv[1]);
        for (int i = 0; i < N_TAMPERS; i++)
                tests[i] = (struct CMUnitTest){ tampers[i].name, one_kind, NULL, NULL,
                                                (void *)(uintptr_t)&tampers[i] };
        return cmocka_run_group_tests(tests, build, sweep);
}
