/* golden_test.c - the processor's forward pass against transformers in FP32: per layer, per pick,
 * per log-probability, and 64 greedy tokens. Usage: golden_test [FOLDER] (default
 * tests/golden/models; a folder made by make_models.py with another seed may be given). The
 * numbers it found are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "forward.h"

const struct wt_plugin *wt_plugin_compute_cpu(void);

static const char *root = "tests/golden/models";
static char pack_dir[256];

enum { T = 300, PROMPT = 40, GREEDY = 64, MAX_AT = 32 };

/* A tensor of vectors.safetensors as floats; n its count. */
static float *vector(wt_source *s, const char *name, size_t *n)
{
        const struct wt_tensor_at *t = wt_source_find(s, name);
        float *v;

        if (t == NULL)
                return NULL;
        v = malloc(t->bytes + 4);
        assert_int_equal(wt_source_read(s, t, v), WT_OK);
        if (n != NULL)
                *n = t->bytes / 4;
        return v;
}

struct seen {                                    /* what the watch compares with */
        wt_source *vectors;
        const struct wt_shape *shape;
        float *at; size_t n_at;
        double worst_hidden;                     /* relative to the largest number of that row */
        uint32_t wrong_picks, picks;
};

static void see_hidden(struct seen *s, uint32_t layer, uint32_t pos, uint32_t n, const float *h)
{
        char name[32];
        float *want;
        uint32_t d = s->shape->width;

        snprintf(name, sizeof name, "hidden.%u", layer);
        assert_non_null(want = vector(s->vectors, name, NULL));
        for (size_t i = 0; i < s->n_at; i++) {
                uint32_t p = (uint32_t)s->at[i];
                double scale = 0, diff = 0;
                if (p < pos || p >= pos + n)
                        continue;
                for (uint32_t c = 0; c < d; c++) {
                        scale = fmax(scale, fabs(want[i * d + c]));
                        diff = fmax(diff,
                                    fabs((double)want[i * d + c] - h[(size_t)(p - pos) * d + c]));
                }
                s->worst_hidden = fmax(s->worst_hidden, diff / scale);
        }
        free(want);
}

static void see(void *arg, uint32_t layer, uint32_t pos, uint32_t n, const float *h,
                const int32_t *pick)
{
        struct seen *s = arg;
        uint32_t k = s->shape->layers[layer].n_picks;
        char name[32];
        float *want;

        see_hidden(s, layer, pos, n, h);
        if (pick == NULL)
                return;
        snprintf(name, sizeof name, "picks.%u", layer);
        assert_non_null(want = vector(s->vectors, name, NULL));
        for (uint32_t i = 0; i < n * k; i++, s->picks++)
                s->wrong_picks += pick[i] != (int32_t)want[(size_t)pos * k + i];
        free(want);
}

static double log_sum_exp(const float *z, uint32_t v)
{
        double m = z[0], sum = 0;

        for (uint32_t i = 1; i < v; i++)
                m = fmax(m, z[i]);
        for (uint32_t i = 0; i < v; i++)
                sum += exp(z[i] - m);
        return m + log(sum);
}

static double worst_logprob(const float *logits, const float *want, uint32_t n, uint32_t v)
{
        double worst = 0;

        for (uint32_t p = 0; p < n; p++) {
                double lse = log_sum_exp(logits + (size_t)p * v, v);
                for (uint32_t i = 0; i < v; i++)
                        worst = fmax(worst, fabs(logits[(size_t)p * v + i] - lse -
                                                 want[(size_t)p * v + i]));
        }
        return worst;
}

static int32_t best_of(const float *z, uint32_t v)
{
        uint32_t best = 0;

        for (uint32_t i = 1; i < v; i++)
                if (z[i] > z[best])
                        best = i;
        return (int32_t)best;
}

static void greedy(struct forward *f, const int32_t *ids, const float *want)
{
        uint32_t v = f->shape->vocab, pos = PROMPT;
        float *z = malloc((size_t)PROMPT * v * 4);
        int32_t id;

        assert_int_equal(forward_run(f, ids, 0, PROMPT, PROMPT, z, NULL), WT_OK);
        id = best_of(z + (size_t)(PROMPT - 1) * v, v);
        for (uint32_t i = 0; i < GREEDY; i++) {
                assert_int_equal(id, (int32_t)want[i]);
                assert_int_equal(forward_run(f, &id, pos++, 1, 1, z, NULL), WT_OK);
                id = best_of(z, v);
        }
        free(z);
}

static void family(void **state)
{
        const char *name = *state;
        char folder[512], path[600];
        struct forward f;
        struct seen s = { 0 };
        float *ids_f, *want, *want_greedy, *logits;
        struct forward_watch w = { see, &s };
        int32_t ids[T];
        size_t n;
        double worst;

        snprintf(folder, sizeof folder, "%s/%s", root, name);
        snprintf(path, sizeof path, "%s/vectors.safetensors", folder);
        assert_int_equal(wt_source_open(&s.vectors, path), WT_OK);
        assert_non_null(ids_f = vector(s.vectors, "ids", &n));
        assert_int_equal(n, T);
        for (int i = 0; i < T; i++)
                ids[i] = (int32_t)ids_f[i];
        assert_non_null(want = vector(s.vectors, "logprobs", NULL));
        assert_non_null(want_greedy = vector(s.vectors, "greedy", NULL));
        assert_non_null(s.at = vector(s.vectors, "at", &s.n_at));
        if (forward_open(&f, wt_plugin_compute_cpu, folder, pack_dir, 384, T) != WT_OK)
                fail_msg("%s", wt_words());
        s.shape = f.shape;
        logits = malloc((size_t)T * f.shape->vocab * 4);
        if (forward_run(&f, ids, 0, T, 100, logits, &w) != WT_OK)
                fail_msg("%s", wt_words());
        worst = worst_logprob(logits, want, T, f.shape->vocab);
        print_message("# %s: largest difference of a log-probability %.2e, of a hidden number %.2e "
                      "(relative), picks %u of %u equal, smallest gate margin %.2e\n", name, worst,
                      s.worst_hidden, s.picks - s.wrong_picks, s.picks, f.smallest_margin);
        assert_int_equal(s.wrong_picks, 0);
        assert_true(worst <= 1e-4);
        assert_true(s.worst_hidden <= 1e-5 * 3);
        greedy(&f, ids, want_greedy);
        forward_close(&f);
        wt_source_close(s.vectors);
        free(ids_f); free(want); free(want_greedy); free(s.at); free(logits);
}

int main(int argc, char **argv)
{
        static const char *const names[] = { "v2lite", "v2", "v3", "v3neg", "mixtral", "llama" };
        struct CMUnitTest tests[sizeof names / sizeof *names];
        const char *tmp = getenv("TMPDIR");

        if (argc > 1)
                root = argv[1];
        snprintf(pack_dir, sizeof pack_dir, "%s/witan-golden-XXXXXX", tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(pack_dir) == NULL)
                return 1;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                tests[i] = (struct CMUnitTest){ names[i], family, NULL, NULL, (void *)names[i] };
        return cmocka_run_group_tests_name("transformers", tests, NULL, NULL);
}
