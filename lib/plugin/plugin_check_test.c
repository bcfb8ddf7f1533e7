#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "plugin/plugin.h"
#undef fail                                      /* cmocka's macro; struct wt_host has a fail */

/* Every callback of a table set to something: the check never calls one. */
static void callback(void) {}

static void fill(void *ops, size_t bytes)
{
        void (*f)(void) = callback;
        uint32_t size = (uint32_t)bytes;

        for (size_t at = sizeof f; at + sizeof f <= bytes; at += sizeof f)
                memcpy((char *)ops + at, &f, sizeof f);
        memcpy(ops, &size, sizeof size);
}

static struct wt_compute_ops compute_ops;
static struct wt_place_ops place_ops;
static struct wt_sample_ops sample_ops;
static struct wt_store_ops store_ops;
static struct wt_plugin compute, place, sample, store;

static int reset(void **state)
{
        struct wt_plugin p = {.magic = WT_PLUGIN_MAGIC,
                              .abi = WT_ABI,
                              .size = sizeof p,
                              .name = "p-1",
                              .version = "1.0",
                              .about = "one line"};

        (void)state;
        fill(&compute_ops, sizeof compute_ops);
        fill(&place_ops, sizeof place_ops);
        fill(&sample_ops, sizeof sample_ops);
        fill(&store_ops, sizeof store_ops);
        compute_ops.backward = NULL;
        compute = place = sample = store = p;
        store.kind = WT_STORE;
        store.ops = &store_ops;
        compute.kind = WT_COMPUTE;
        compute.ops = &compute_ops;
        place.kind = WT_PLACE;
        place.ops = &place_ops;
        sample.kind = WT_SAMPLE;
        sample.ops = &sample_ops;
        return 0;
}

static void good(void **state)
{
        (void)state;
        assert_int_equal(wt_plugin_check(&compute, WT_COMPUTE), WT_OK);
        assert_int_equal(wt_plugin_check(&place, WT_PLACE), WT_OK);
        assert_int_equal(wt_plugin_check(&sample, 0), WT_OK);
        assert_int_equal(wt_plugin_check(&store, WT_STORE), WT_OK);
}

static void magic(void) { place.magic++; }
static void abi_major(void) { place.abi = WT_ABI + 0x10000; }
static void record_size(void) { place.size -= 4; }
static void kind_unknown(void) { place.kind = 99; }
static void kind_tableless(void) { place.kind = WT_FILTER; }
static void kind_other(void) { place = sample; }
static void name_missing(void) { place.name = NULL; }
static void name_path(void) { place.name = "../evil"; }
static void about_lines(void) { place.about = "a\nb"; }
static void ops_missing(void) { place.ops = NULL; }
static void ops_short(void) { place_ops.size = 8; }
static void place_missing(void) { place_ops.place = NULL; }

static const struct bad {
        const char *name;
        void (*spoil)(void);
        wt_err code;
        const char *words;
} bads[] = {
        {"wrong magic", magic, WT_EINVAL, "no Witan plugin"},
        {"another major ABI", abi_major, WT_EPRECONDITION, "speaks ABI 2.1, this host 1.1"},
        {"a record that is too short", record_size, WT_EPRECONDITION, "record has"},
        {"an unknown kind", kind_unknown, WT_EUNSUPPORTED, "kind 99"},
        {"a kind without a table", kind_tableless, WT_EUNSUPPORTED, "filter"},
        {"another kind than wanted", kind_other, WT_EINVAL, "kind sample; place was wanted"},
        {"no name", name_missing, WT_EINVAL, "no name"},
        {"a name that is a path", name_path, WT_EINVAL, "a-z 0-9"},
        {"two lines about itself", about_lines, WT_EINVAL, "more than one line"},
        {"no table", ops_missing, WT_EINVAL, "no table"},
        {"a table without room for a required callback", ops_short, WT_EINVAL, "lacks place"},
        {"a required callback is NULL", place_missing, WT_EINVAL, "lacks place"},
};
enum { N_BADS = sizeof bads / sizeof *bads };

static void refused(void **state)
{
        const struct bad *b = *state;

        reset(NULL);
        b->spoil();
        assert_int_equal(wt_plugin_check(&place, WT_PLACE), b->code);
        assert_non_null(strstr(wt_words(), b->words));
}

static void each_compute_callback_is_required(void **state)
{
        const size_t last = offsetof(struct wt_compute_ops, backward);
        int refusals = 0;

        (void)state;
        for (size_t at = sizeof(void *); at < last; at += sizeof(void *)) {
                reset(NULL);
                memset((char *)&compute_ops + at, 0, sizeof(void *));
                assert_int_equal(wt_plugin_check(&compute, WT_COMPUTE), WT_EINVAL);
                assert_non_null(strstr(wt_words(), "lacks"));
                refusals++;
        }
        assert_int_equal(refusals, 28);          /* profile, layout and 26 callbacks */
}

static void each_store_callback_is_required(void **state)
{
        int refusals = 0;

        (void)state;
        for (size_t at = sizeof(void *); at < sizeof store_ops; at += sizeof(void *)) {
                reset(NULL);
                memset((char *)&store_ops + at, 0, sizeof(void *));
                assert_int_equal(wt_plugin_check(&store, WT_STORE), WT_EINVAL);
                assert_non_null(strstr(wt_words(), "lacks"));
                refusals++;
        }
        assert_int_equal(refusals, 19);          /* scheme and 18 callbacks */
}

static void compute_matches_exactly_others_by_major(void **state)
{
        struct { struct wt_place_ops ops; void *later; } longer = { .later = &longer };

        (void)state;
        compute.abi = place.abi = WT_ABI + 1;
        assert_int_equal(wt_plugin_check(&compute, 0), WT_EPRECONDITION);
        assert_non_null(strstr(wt_words(), "exactly"));
        assert_int_equal(wt_plugin_check(&place, 0), WT_OK);
        compute.abi = WT_ABI;
        compute_ops.size += 8;
        assert_int_equal(wt_plugin_check(&compute, 0), WT_EPRECONDITION);
        longer.ops = place_ops;
        longer.ops.size = sizeof longer;
        place.ops = &longer;
        assert_int_equal(wt_plugin_check(&place, 0), WT_OK);
}

static const struct wt_plugin *entry_place(void) { return &place; }
static const struct wt_plugin *entry_sample(void) { return &sample; }
static struct wt_plugin twin;
static const struct wt_plugin *entry_twin(void) { return &twin; }

static void registered_and_found(void **state)
{
        const struct wt_plugin *(*const both[])(void) = { entry_place, entry_sample, NULL };
        const struct wt_plugin *(*const again[])(void) = { entry_twin, NULL };
        const struct wt_plugin *got = NULL;

        (void)state;
        assert_int_equal(wt_plugin_register(both), WT_OK);
        assert_int_equal(wt_plugin_register(both), WT_OK);
        assert_int_equal(wt_plugin_find(WT_PLACE, "p-1", &got), WT_OK);
        assert_ptr_equal(got, &place);
        assert_int_equal(wt_plugin_find(WT_SAMPLE, "p-1", &got), WT_OK);
        assert_ptr_equal(got, &sample);
        assert_int_equal(wt_plugin_find(WT_PLACE, "nosuch", &got), WT_ENOTFOUND);
        assert_string_equal(wt_words(), "no place plugin is called 'nosuch'; there are: p-1");
        assert_int_equal(wt_plugin_find(WT_COMPUTE, "p-1", &got), WT_ENOTFOUND);
        assert_ptr_equal(got, &sample);
        twin = place;
        assert_int_equal(wt_plugin_register(again), WT_EEXIST);
        twin.magic = 0;
        assert_int_equal(wt_plugin_register(again), WT_EINVAL);
}

static void mark(void *arg, uint32_t i) { ((uint32_t *)arg)[i]++; }

static void host_runs_each_item_once(void **state)
{
        uint32_t hits[100] = { 0 };
        struct wt_host h;
        wt_pool *pool;

        (void)state;
        wt_host_init(&h, NULL);
        assert_int_equal(h.n_threads, 1);
        h.parallel(h.pool, 100, mark, hits);
        assert_int_equal(wt_pool_new(&pool, 3), WT_OK);
        wt_host_init(&h, pool);
        assert_int_equal(h.n_threads, 3);
        h.parallel(h.pool, 100, mark, hits);
        for (int i = 0; i < 100; i++)
                assert_int_equal(hits[i], 2);
        wt_pool_free(pool);
        assert_int_equal(h.fail(WT_EDATA, "row %d", 7), WT_EDATA);
        assert_string_equal(wt_words(), "row 7");
        assert_true(h.now_us() > 0);
}

int main(void)
{
        struct CMUnitTest tests[N_BADS + 6] = {
                cmocka_unit_test_setup(good, reset),
                cmocka_unit_test_setup(each_compute_callback_is_required, reset),
                cmocka_unit_test_setup(each_store_callback_is_required, reset),
                cmocka_unit_test_setup(compute_matches_exactly_others_by_major, reset),
                cmocka_unit_test_setup(registered_and_found, reset),
                cmocka_unit_test(host_runs_each_item_once),
        };

        for (size_t i = 0; i < N_BADS; i++)
                tests[6 + i] =
                        (struct CMUnitTest){bads[i].name, refused, NULL, NULL, (void *)&bads[i]};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
