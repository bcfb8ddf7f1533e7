/* model_test.c - generated models: the same bytes for a seed, a hidden state of size 1, logits that
 * are numbers, picks near uniform or by Zipf's law; and the bytes and multiply-adds that a step is
 * said to need, against sums made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "bench.h"
#include "bench_direct.h"
#include "bench_roof.h"
#include "plugin/plugin.h"

const struct wt_plugin *wt_plugin_compute_cpu(void);

static char root[] = "/tmp/witan-bench-test-XXXXXX";

static const struct bench_shape small = {
        .hidden = 96, .layers = 3, .dense = 1, .dense_hidden = 160, .experts = 16, .picks = 3,
        .expert_hidden = 48, .shared = 1, .latent = 32, .q_latent = 0, .nope = 16, .rope = 8,
        .v = 16, .heads = 4, .vocab = 512, .context = 256, .groups = 1, .groups_kept = 1 };

static void good(wt_err err)
{
        if (err != WT_OK)
                fail_msg("%s: %s", wt_code_name(err), wt_words());
}

static const char *path_of(const char *name)
{
        static char path[4][256];
        static int at;

        at = (at + 1) % 4;
        snprintf(path[at], sizeof path[at], "%s/%s", root, name);
        return path[at];
}

static void make(const char *name, const struct bench_shape *s, double zipf, uint64_t seed,
                 uint64_t shard_bytes)
{
        struct bench_model m = { .shape = *s, .zipf = zipf, .seed = seed,
                                 .shard_bytes = shard_bytes };

        good(bench_model_make(&m, path_of(name), NULL, NULL));
}

static void digest(const char *folder, const char *file, char hex[65])
{
        struct wt_buf b = { 0 };
        uint8_t sha[32];
        char path[400];

        snprintf(path, sizeof path, "%s/%s", path_of(folder), file);
        good(wt_file_read(path, 64 << 20, &b));
        wt_sha256_of(b.data, b.len, sha);
        wt_hex(sha, 32, hex);
        wt_buf_free(&b);
}

static const char golden_uniform[] =
        "397db96a8ef875087d7d3706c8fb02e7b31931fc97a5782389d8c918bb908585";
static const char golden_zipf[] =
        "7b43798fb59f39dd14da6ff532e17d1ab48a215c2d07f44ca13a092fa786a6ad";
static const char golden_tokenizer[] =
        "bdad09c2351488ff9b19ad368c607d65cc30baa84e35d3cda360171ff7518652";

/* The hashes stand here so that a figure of one machine is about the same model as another's. */
static void same_bytes(void **state)
{
        char one[65], two[65];

        (void)state;
        make("a", &small, 0, 1, 0);
        make("b", &small, 0, 1, 0);
        make("c", &small, 0, 2, 0);
        digest("a", "model.safetensors", one);
        digest("b", "model.safetensors", two);
        assert_string_equal(one, two);
        assert_string_equal(one, golden_uniform);
        digest("c", "model.safetensors", two);
        assert_string_not_equal(one, two);
        make("z", &small, 1, 1, 0);
        digest("z", "model.safetensors", one);
        assert_string_equal(one, golden_zipf);
        digest("a", "tokenizer.json", one);
        assert_string_equal(one, golden_tokenizer);
}

/* ---- run ---- */

static struct bench_direct *open_model(const char *name, uint32_t rows, uint32_t seqs)
{
        struct bench_direct *d;

        good(bench_direct_open(&d, wt_plugin_compute_cpu()->ops, path_of(name), path_of("packs"),
                               NULL, rows, seqs, 128));
        return d;
}

static void step(struct bench_direct *d, uint32_t n, struct bench_work *w)
{
        int32_t ids[128];

        for (uint32_t i = 0; i < n; i++)
                ids[i] = (int32_t)(wt_philox_unit(3, i, 0, 0) * 512);
        good(bench_direct_step(d, &(struct bench_run){ 0, 0, n }, 1, ids, w));
}

static void hidden_state(void **state)
{
        static const struct { const char *name; uint32_t layers; } rows[] = {
                { "l3", 3 }, { "l24", 24 } };

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct bench_work w = { 0 };
                struct bench_shape s = small;
                struct bench_direct *d;

                s.layers = rows[i].layers;
                make(rows[i].name, &s, 0, 1, 0);
                d = open_model(rows[i].name, 128, 1);
                step(d, 128, &w);
                assert_true(bench_direct_finite(d));
                assert_true(bench_direct_rms(d) > 0.5 && bench_direct_rms(d) < 3);
                bench_direct_close(d);
        }
}

static void routing(void **state)
{
        static const struct { const char *name; double zipf, least, most; } rows[] = {
                { "even", 0, 1.0 / 16, 0.13 },   /* of 128 rows the busiest of 16 has some more */
                { "zipf", 1, 0.24, 0.34 },       /* all rows pick the first: a third of picks */
        };

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct bench_work w = { 0 };
                struct bench_direct *d;

                make(rows[i].name, &small, rows[i].zipf, 5, 0);
                d = open_model(rows[i].name, 128, 1);
                step(d, 128, &w);
                assert_true(bench_direct_busiest(d) > rows[i].least);
                assert_true(bench_direct_busiest(d) < rows[i].most);
                bench_direct_close(d);
        }
}

/* Of one row at position 5: each matrix once, its picked experts, six keys. */
static void roofline(void **state)
{
        double d = small.hidden, h = small.heads, q = h * (16 + 8), kv = 32 + 8, kv_b = h * 32 * 32;
        double attention = d * q + d * kv + kv_b + h * 16 * d, gate = 16 * d, ffn = 3 * d * 48;
        double keys = 6 * h * (2 * 32 + 8);
        struct bench_work w = { 0 };
        struct bench_direct *m;
        int32_t id = 9;

        (void)state;
        make("roof", &small, 0, 1, 0);
        m = open_model("roof", 8, 1);
        for (uint32_t i = 0; i < 5; i++) {
                struct bench_work none = { 0 };
                good(bench_direct_step(m, &(struct bench_run){ 0, i, 1 }, 1, &id, &none));
        }
        good(bench_direct_step(m, &(struct bench_run){ 0, 5, 1 }, 1, &id, &w));
        assert_float_equal(w.fmas[PHASE_TRUNK], 3 * (attention + keys) + 3 * d * 160 +
                           2 * (gate + ffn), 0.5);
        assert_float_equal(w.fmas[PHASE_EXPERTS], 2 * 3 * ffn, 0.5);
        assert_float_equal(w.fmas[PHASE_HEAD], d * 512, 0.5);
        assert_int_equal(w.distinct, 2 * 3);
        assert_float_equal(w.bytes[PHASE_EXPERTS], 2 * w.fmas[PHASE_EXPERTS], 0.5);     /* BF16 */
        assert_float_equal(w.bytes[PHASE_HEAD], 2 * d * 512 + 4 * d, 0.5);
        assert_true(w.bytes[PHASE_TRUNK] > 2 * (w.fmas[PHASE_TRUNK] - 3 * keys));
        assert_true(w.bytes[PHASE_TRUNK] < 2.1 * (w.fmas[PHASE_TRUNK] - 3 * keys));
        assert_float_equal(bench_roof_limit(&w, PHASE_HEAD, 1e-9, 1e-12),
                           w.bytes[PHASE_HEAD] * 1e-9, 1e-12);
        assert_float_equal(bench_roof_limit(&w, PHASE_HEAD, 1e-12, 1e-9),
                           w.fmas[PHASE_HEAD] * 1e-9, 1e-12);
        for (int s = 0; s < N_STAGES; s++)
                assert_true(w.wall[s] >= 0);
        bench_direct_close(m);
}

/* Shards: each tensor is in one of them, and the model is the same. */
static void shards(void **state)
{
        uint8_t one[32], two[32];
        wt_model *m;

        (void)state;
        make("whole", &small, 0, 1, 0);
        make("cut", &small, 0, 1, 100000);
        assert_int_equal(access(path_of("cut/model.safetensors.index.json"), F_OK), 0);
        assert_int_equal(access(path_of("cut/model-00003-of-00015.safetensors"), F_OK), 0);
        good(wt_model_open(&m, path_of("whole"), NULL, NULL));
        good(wt_model_variant(m, 1, 7, one));
        wt_model_close(m);
        good(wt_model_open(&m, path_of("cut"), NULL, NULL));
        good(wt_model_variant(m, 1, 7, two));
        wt_model_close(m);
        assert_memory_equal(one, two, 32);
}

static void refused(void **state)
{
        struct bench_model m = { .shape = small, .seed = 1 };
        struct bench_shape s = small;

        (void)state;
        make("there", &small, 0, 1, 0);
        assert_int_equal(bench_model_make(&m, path_of("there"), NULL, NULL), WT_EEXIST);
        assert_non_null(strstr(wt_words(), "there/config.json"));
        assert_int_equal(bench_shape_parse(&s, "hidden=128,widht=3"), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "\"widht\""));
        assert_int_equal(bench_shape_parse(&s, "layers=0"), WT_EINVAL);
        assert_int_equal(bench_shape_parse(&s, "layers"), WT_EINVAL);
        assert_int_equal(bench_shape_parse(&s, "layers=7,q_latent=24"), WT_OK);
        assert_int_equal(s.layers, 7);
        assert_int_equal(s.q_latent, 24);
        m.shape.picks = 17;                      /* of 16 experts: the model's own check says so */
        assert_int_equal(bench_model_make(&m, path_of("picks"), NULL, NULL), WT_EINVAL);
        assert_non_null(strstr(wt_words(), "num_experts_per_tok"));
        assert_int_equal(access(path_of("picks"), F_OK), -1);
}

static int clean(void **state)
{
        char command[300];

        (void)state;
        snprintf(command, sizeof command, "rm -rf %s", root);
        return system(command) == 0 ? 0 : -1;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(same_bytes), cmocka_unit_test(hidden_state),
                cmocka_unit_test(routing), cmocka_unit_test(roofline), cmocka_unit_test(shards),
                cmocka_unit_test(refused),
        };

        if (mkdtemp(root) == NULL)
                return 2;
        return cmocka_run_group_tests(tests, NULL, clean);
}
