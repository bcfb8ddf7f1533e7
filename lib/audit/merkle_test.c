#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "audit/merkle.h"
#include "base/sha256.h"

/* The eight leaves of Certificate Transparency's own tests, and what they give. */
static const char *const ct_leaf[8] = { "", "00", "10", "2021", "3031", "40414243",
                                        "5051525354555657", "606162636465666768696a6b6c6d6e6f" };
static const char *const ct_root[9] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};
#define N96 "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
#define N5F "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
#define N6B "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
#define NBC "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
#define NCA "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
#define ND3 "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
#define N0E "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
#define NFA "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
#define N6E "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
static const struct path { const char *name; uint64_t from, size; const char *want[4]; }
inclusions[] = {
        { "row 0 of 1", 0, 1, { NULL } },       { "row 0 of 8", 0, 8, { N96, N5F, N6B } },
        { "row 5 of 8", 5, 8, { NBC, NCA, ND3 } }, { "row 2 of 3", 2, 3, { NFA } },
        { "row 1 of 5", 1, 5, { N6E, N5F, NBC } },
}, consistencies[] = {
        { "1 to 1", 1, 1, { NULL } },           { "1 to 8", 1, 8, { N96, N5F, N6B } },
        { "6 to 8", 6, 8, { N0E, NCA, ND3 } },  { "2 to 5", 2, 5, { N5F, NBC } },
};

enum { MOST = 300, LEVELS = 10 };
/* All perfect subtrees of MOST leaves, as on_node told them. */
static struct wt_hash told[LEVELS][MOST], naive_leaf[MOST];
static uint8_t is_told[LEVELS][MOST];

static void on_node(void *arg, uint32_t level, uint64_t index, const struct wt_hash *h)
{
        (void)arg;
        assert_true(level < LEVELS && index < MOST && !is_told[level][index]);
        told[level][index] = *h;
        is_told[level][index] = 1;
}

static wt_err get(void *arg, uint32_t level, uint64_t index, struct wt_hash *out)
{
        (void)arg;
        assert_true(level < LEVELS && index < MOST && is_told[level][index]);
        *out = told[level][index];
        return WT_OK;
}

static uint64_t half_of(uint64_t n)
{
        uint64_t k = 1;

        while (2 * k < n)
                k *= 2;
        return k;
}

/* RFC 6962's own definitions, recursive, over leaf hashes. */
static struct wt_hash naive_root(const struct wt_hash *leaf, uint64_t n)
{
        struct wt_hash l, r, out;

        if (n == 0) {
                wt_sha256_of("", 0, out.b);
                return out;
        }
        if (n == 1)
                return leaf[0];
        l = naive_root(leaf, half_of(n));
        r = naive_root(leaf + half_of(n), n - half_of(n));
        wt_merkle_node(&l, &r, &out);
        return out;
}

static uint32_t naive_path(uint64_t m, const struct wt_hash *leaf, uint64_t n, struct wt_hash *out)
{
        uint64_t k = half_of(n);
        uint32_t len;

        if (n == 1)
                return 0;
        if (m < k) {
                len = naive_path(m, leaf, k, out);
                out[len] = naive_root(leaf + k, n - k);
        } else {
                len = naive_path(m - k, leaf + k, n - k, out);
                out[len] = naive_root(leaf, k);
        }
        return len + 1;
}

static uint32_t naive_proof(uint64_t m, const struct wt_hash *leaf, uint64_t n, int whole,
                            struct wt_hash *out)
{
        uint64_t k = half_of(n);
        uint32_t len;

        if (m == n) {
                if (!whole)
                        out[0] = naive_root(leaf, n);
                return !whole;
        }
        if (m <= k) {
                len = naive_proof(m, leaf, k, whole, out);
                out[len] = naive_root(leaf + k, n - k);
        } else {
                len = naive_proof(m - k, leaf + k, n - k, 0, out);
                out[len] = naive_root(leaf, k);
        }
        return len + 1;
}

static struct wt_frontier grow(uint64_t n)
{
        struct wt_frontier f = { 0 };

        memset(is_told, 0, sizeof is_told);
        for (uint64_t i = 0; i < n; i++)
                wt_merkle_add(&f, &naive_leaf[i], on_node, NULL);
        return f;
}

static void fill_ct(void)
{
        uint8_t bytes[16];

        for (int i = 0; i < 8; i++) {
                size_t n = strlen(ct_leaf[i]) / 2;

                assert_int_equal(wt_unhex(ct_leaf[i], n, bytes), 0);
                wt_merkle_leaf(bytes, n, &naive_leaf[i]);
        }
}

static void fill_many(void)
{
        for (uint32_t i = 0; i < MOST; i++)
                wt_merkle_leaf(&i, sizeof i, &naive_leaf[i]);
}

static void known_roots(void **state)
{
        char hex[65];

        (void)state;
        fill_ct();
        for (uint64_t n = 0; n <= 8; n++) {
                struct wt_frontier f = grow(n);
                struct wt_hash root;

                wt_merkle_root(&f, &root);
                wt_hex(root.b, 32, hex);
                assert_string_equal(hex, ct_root[n]);
        }
}

static void check_path(const struct path *p, const struct wt_hash *path, uint32_t n)
{
        char hex[65];
        uint32_t i;

        for (i = 0; i < n && p->want[i] != NULL; i++) {
                wt_hex(path[i].b, 32, hex);
                assert_string_equal(hex, p->want[i]);
        }
        assert_int_equal(i, n);
        assert_null(p->want[i]);
}

static void known_inclusion(void **state)
{
        const struct path *p = *state;
        struct wt_hash path[WT_MERKLE_DEEP];
        uint32_t n;

        fill_ct();
        grow(8);
        assert_int_equal(wt_merkle_inclusion(p->from, p->size, get, NULL, path, &n), WT_OK);
        check_path(p, path, n);
}

static void known_consistency(void **state)
{
        const struct path *p = *state;
        struct wt_hash path[WT_MERKLE_DEEP];
        uint32_t n;

        fill_ct();
        grow(8);
        assert_int_equal(wt_merkle_consistency(p->from, p->size, get, NULL, path, &n), WT_OK);
        check_path(p, path, n);
}

static void roots_as_defined(void **state)
{
        (void)state;
        fill_many();
        for (uint64_t n = 0; n <= MOST; n++) {
                struct wt_frontier f = grow(n);
                struct wt_hash want = naive_root(naive_leaf, n), root;

                wt_merkle_root(&f, &root);
                assert_memory_equal(root.b, want.b, 32);
        }
}

/* Nothing but the proof itself proves: one that is shorter, longer, changed, or of another place
 * does not. */
static void only_this(const struct wt_hash *leaf, uint64_t i, uint64_t size, struct wt_hash *path,
                      uint32_t n, const struct wt_hash *root)
{
        uint32_t at = (uint32_t)(i % (n > 0 ? n : 1));

        assert_true(wt_merkle_included(leaf, i, size, path, n, root));
        assert_false(wt_merkle_included(leaf, i + 1, size, path, n, root));
        assert_false(wt_merkle_included(&naive_leaf[(i + 1) % MOST], i, size, path, n, root));
        assert_false(wt_merkle_included(leaf, i, size, path, n + 1, root));
        assert_false(wt_merkle_included(leaf, size, size, path, n, root));
        if (n == 0)
                return;
        assert_false(wt_merkle_included(leaf, i, size, path, n - 1, root));
        path[at].b[i % 32] ^= 1;
        assert_false(wt_merkle_included(leaf, i, size, path, n, root));
        path[at].b[i % 32] ^= 1;
}

static void inclusion_as_defined(void **state)
{
        struct wt_hash got[WT_MERKLE_DEEP + 1] = { { { 0 } } }, want[WT_MERKLE_DEEP];

        (void)state;
        fill_many();
        grow(MOST);
        for (uint64_t size = 1; size <= MOST; size++) {
                struct wt_hash root = naive_root(naive_leaf, size);

                for (uint64_t i = 0; i < size; i++) {
                        uint32_t n;

                        assert_int_equal(wt_merkle_inclusion(i, size, get, NULL, got, &n), WT_OK);
                        assert_int_equal(n, naive_path(i, naive_leaf, size, want));
                        assert_memory_equal(got, want, n * sizeof *got);
                        only_this(&naive_leaf[i], i, size, got, n, &root);
                }
        }
}

static void consistency_as_defined(void **state)
{
        struct wt_hash got[WT_MERKLE_DEEP + 1] = { { { 0 } } }, want[WT_MERKLE_DEEP];
        static struct wt_hash root[MOST + 1];

        (void)state;
        fill_many();
        grow(MOST);
        for (uint64_t size = 0; size <= MOST; size++)
                root[size] = naive_root(naive_leaf, size);
        for (uint64_t size = 1; size <= MOST; size++)
                for (uint64_t old = 1; old <= size; old++) {
                        uint32_t n, at;

                        assert_int_equal(wt_merkle_consistency(old, size, get, NULL, got, &n),
                                         WT_OK);
                        assert_int_equal(n, naive_proof(old, naive_leaf, size, 1, want));
                        assert_memory_equal(got, want, n * sizeof *got);
                        assert_true(wt_merkle_consistent(old, &root[old], size, &root[size], got,
                                                         n));
                        assert_false(wt_merkle_consistent(old, &root[old - 1], size, &root[size],
                                                          got, n));
                        assert_false(wt_merkle_consistent(old, &root[old], size, &root[size - 1],
                                                          got, n));
                        assert_false(wt_merkle_consistent(old, &root[old], size, &root[size], got,
                                                          n + 1));
                        if (n == 0)
                                continue;
                        assert_false(wt_merkle_consistent(old, &root[old], size, &root[size], got,
                                                          n - 1));
                        at = (uint32_t)(old % n);
                        got[at].b[size % 32] ^= 4;
                        assert_false(wt_merkle_consistent(old, &root[old], size, &root[size], got,
                                                          n));
                }
}

static void edges(void **state)
{
        struct wt_hash path[WT_MERKLE_DEEP], root = naive_root(NULL, 0), other = { { 1 } };
        uint32_t n = 7;

        (void)state;
        fill_many();
        grow(3);
        assert_int_equal(wt_merkle_inclusion(3, 3, get, NULL, path, &n), WT_EINVAL);
        assert_int_equal(wt_merkle_inclusion(0, 0, get, NULL, path, &n), WT_EINVAL);
        assert_int_equal(wt_merkle_inclusion(0, UINT64_MAX, get, NULL, path, &n), WT_EINVAL);
        assert_int_equal(wt_merkle_consistency(4, 3, get, NULL, path, &n), WT_EINVAL);
        assert_int_equal(n, 7);
        assert_int_equal(wt_merkle_consistency(0, 3, get, NULL, path, &n), WT_OK);
        assert_int_equal(n, 0);
        assert_true(wt_merkle_consistent(0, &root, 3, &other, path, 0));
        assert_false(wt_merkle_consistent(0, &other, 3, &other, path, 0));
        assert_false(wt_merkle_consistent(0, &root, 3, &other, path, 1));
        assert_false(wt_merkle_consistent(4, &root, 3, &root, path, 0));
        assert_false(wt_merkle_included(&other, 0, 0, path, 0, &other));
        assert_false(wt_merkle_consistent(UINT64_MAX - 1, &root, UINT64_MAX, &root, path, 0));
}

int main(void)
{
        enum { N_IN = sizeof inclusions / sizeof *inclusions,
               N_CO = sizeof consistencies / sizeof *consistencies };
        struct CMUnitTest tests[N_IN + N_CO + 5];
        int n = 0;

        for (int i = 0; i < N_IN; i++)
                tests[n++] = (struct CMUnitTest){ inclusions[i].name, known_inclusion, NULL, NULL,
                                                  (void *)(uintptr_t)&inclusions[i] };
        for (int i = 0; i < N_CO; i++)
                tests[n++] = (struct CMUnitTest){ consistencies[i].name, known_consistency, NULL,
                                                  NULL, (void *)(uintptr_t)&consistencies[i] };
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(known_roots);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(roots_as_defined);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(inclusion_as_defined);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(consistency_as_defined);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(edges);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
