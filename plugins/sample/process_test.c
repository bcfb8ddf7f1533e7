/* process_test.c - the processors and the draw against transformers' own
 * (tests/golden/processors.json, made by make_processors.py): processed logits, the ids that may
 * be drawn, and how often they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/json.h"
#include "process.h"

const struct wt_plugin *wt_plugin_sample(void);

enum { MAX_V = 64, DRAWS = 20000 };
static wt_json *doc;

static uint32_t floats(wt_jv list, float *out)
{
        uint32_t n = 0;
        double d;

        for (wt_jv v = wt_json_first(doc, list); v != WT_JSON_NONE && n < MAX_V;
             v = wt_json_next(doc, v)) {
                assert_true(wt_json_f64(doc, v, &d));
                out[n++] = (float)d;
        }
        return n;
}

static uint32_t ids(wt_jv list, int32_t *out)
{
        float f[MAX_V];
        uint32_t n = floats(list, f);

        for (uint32_t i = 0; i < n; i++)
                out[i] = (int32_t)f[i];
        return n;
}

static float option(wt_jv o, const char *name, float def)
{
        double d;

        return wt_json_f64(doc, wt_json_get(doc, o, name), &d) ? (float)d : def;
}

struct fixture { struct wt_sample_in in; float logits[MAX_V]; int32_t prompt[MAX_V], made[MAX_V];
                 struct wt_bias bias[MAX_V]; };

static void read_case(wt_jv c, struct fixture *f)
{
        wt_jv o = wt_json_get(doc, c, "options"), list = wt_json_get(doc, o, "bias");

        f->in = (struct wt_sample_in){.size = sizeof f->in,
                                      .logits = f->logits,
                                      .prompt = f->prompt,
                                      .made = f->made,
                                      .temperature = option(o, "temperature", 1),
                                      .top_p = option(o, "top_p", 1),
                                      .top_k = (uint32_t)option(o, "top_k", 0),
                                      .min_p = option(o, "min_p", 0),
                                      .repetition_penalty = option(o, "repetition_penalty", 0),
                                      .frequency_penalty = option(o, "frequency_penalty", 0),
                                      .presence_penalty = option(o, "presence_penalty", 0),
                                      .bias = f->bias,
                                      .seed = 11};
        f->in.vocab = floats(wt_json_get(doc, c, "logits"), f->logits);
        f->in.n_prompt = ids(wt_json_get(doc, c, "prompt"), f->prompt);
        f->in.n_made = ids(wt_json_get(doc, c, "made"), f->made);
        for (wt_jv v = wt_json_first(doc, list); v != WT_JSON_NONE; v = wt_json_next(doc, v)) {
                float pair[MAX_V];
                assert_int_equal(floats(v, pair), 2);
                f->bias[f->in.n_bias++] = (struct wt_bias){ (int32_t)pair[0], pair[1] };
        }
}

static void processed_as_they_do(const struct fixture *f, wt_jv c)
{
        float want[MAX_V], got[MAX_V];
        uint32_t count[MAX_V], n = floats(wt_json_get(doc, c, "processed"), want);

        process(&f->in, n, got, count);
        for (uint32_t i = 0; i < n; i++)
                if (!(fabsf(got[i] - want[i]) <= 1e-5f * fmaxf(1, fabsf(want[i]))))
                        fail_msg("logit %u is %.9g, not %.9g", i, (double)got[i], (double)want[i]);
}

static void drawn_as_they_do(struct fixture *f, wt_jv c)
{
        const struct wt_sample_ops *ops = wt_plugin_sample()->ops;
        int32_t kept[MAX_V];
        float p[MAX_V];
        uint32_t seen[MAX_V] = { 0 }, n = ids(wt_json_get(doc, c, "kept"), kept);
        void *scratch = malloc(ops->scratch_bytes(f->in.vocab));
        struct wt_sample_out out = { .size = sizeof out };

        floats(wt_json_get(doc, c, "probability"), p);
        for (uint32_t i = 0; i < DRAWS; i++) {
                f->in.position = i;
                assert_int_equal(ops->sample(scratch, &f->in, &out), WT_OK);
                seen[out.id]++;
        }
        for (uint32_t i = 0; i < n; i++) {       /* within five standard deviations */
                double mean = DRAWS * (double)p[i], dev = 5 * sqrt(mean * (1 - (double)p[i])) + 1;
                if (fabs(seen[kept[i]] - mean) > dev)
                        fail_msg("id %d was drawn %u times of %d, not %.1f", kept[i], seen[kept[i]],
                                 DRAWS, mean);
                seen[kept[i]] = 0;
        }
        for (uint32_t i = 0; n > 0 && i < f->in.vocab; i++)
                if (seen[i] > 0)
                        fail_msg("id %u was drawn and must not be", i);
        free(scratch);
}

static void as_transformers(void **state)
{
        struct wt_buf text = { 0 };
        uint32_t n = 0;

        (void)state;
        assert_int_equal(wt_file_read("tests/golden/processors.json", 1 << 22, &text), WT_OK);
        assert_int_equal(wt_json_parse(&doc, text.data, text.len, &wt_json_default), WT_OK);
        for (wt_jv c = wt_json_first(doc, 0); c != WT_JSON_NONE; c = wt_json_next(doc, c), n++) {
                struct fixture f = { 0 };
                read_case(c, &f);
                processed_as_they_do(&f, c);
                drawn_as_they_do(&f, c);
        }
        assert_int_equal(n, 16);
        wt_json_free(doc);
        wt_buf_free(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(as_transformers) };

        return cmocka_run_group_tests_name("processors", tests, NULL, NULL);
}
