/* pack_test.c - a model folder becomes packs: the right tensors, and refused what is not right. */
#include "model/test_plain.h"
#include <math.h>

/* ---- what is packed ---- */

/* kv_b_proj (3 heads x (5 + 7) rows, 12): W_UK transposed and W_UV, head by head. */
static void check_kv_b(const struct wt_layer_weights *l, const char *dir)
{
        float *x = tensor(dir, "model.layers.1.self_attn.kv_b_proj.weight");
        const wt_weight *uk = l->uk_t, *uv = l->uv;

        assert_true(uk->m.n_mat == 3 && uk->m.n_out == 12 && uk->m.n_in == 5);
        assert_true(uv->m.n_mat == 3 && uv->m.n_out == 7 && uv->m.n_in == 12);
        for (uint32_t h = 0; h < 3; h++)
                for (uint32_t c = 0; c < 12; c++) {
                        for (uint32_t i = 0; i < 5; i++)
                                assert_true(uk->x[(h * 12 + c) * 5 + i] ==
                                            x[(h * 12 + i) * 12 + c]);
                        for (uint32_t o = 0; o < 7; o++)
                                assert_true(uv->x[(h * 7 + o) * 12 + c] ==
                                            x[(h * 12 + 5 + o) * 12 + c]);
                }
        free(x);
}

static void deepseek_trunk(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        wt_model *m = open_model(&p);
        struct wt_trunk *t = trunk_of(m);
        const struct wt_layer_weights *l = &t->layers[1];

        (void)state;
        assert_string_equal(wt_model_notes(m), "");
        same(t->embed, p.model, "model.embed_tokens.weight", 40, 24);
        assert_int_equal(t->embed->m.form, WT_FORM_ROWS);
        same(t->head, p.model, "lm_head.weight", 40, 24);
        same(t->norm, p.model, "model.norm.weight", 24, 1);
        assert_int_equal(t->norm->m.form, WT_FORM_VECTOR);
        same(l->q_a, p.model, "model.layers.1.self_attn.q_a_proj.weight", 10, 24);
        same(l->q, p.model, "model.layers.1.self_attn.q_b_proj.weight", 27, 10);
        same(l->kv_a, p.model, "model.layers.1.self_attn.kv_a_proj_with_mqa.weight", 16, 24);
        same(l->o, p.model, "model.layers.1.self_attn.o_proj.weight", 24, 21);
        same(l->gate, p.model, "model.layers.1.mlp.gate.weight", 4, 24);
        same(l->gate_bias, p.model, "model.layers.1.mlp.gate.e_score_correction_bias", 4, 1);
        same(l->ffn_up, p.model, "model.layers.1.mlp.shared_experts.up_proj.weight", 12, 24);
        same(t->layers[0].ffn_down, p.model, "model.layers.0.mlp.down_proj.weight", 24, 20);
        assert_true(!t->layers[0].gate && !t->layers[0].gate_bias && !l->k && !l->v);
        check_kv_b(l, p.model);
        assert_true(t->cos->m.n_out == 16 && t->cos->m.n_in == 2 && t->cos->m.form == WT_FORM_ROWS);
        assert_true(t->cos->x[0] == 1.0f && t->sin->x[0] == 0.0f);
        assert_true(fabs(t->cos->x[2 * 7 + 1] - cos(0.7)) < 1e-6 &&
                    fabs(t->sin->x[14] - sin(7)) < 1e-6);
        wt_model_drop_trunk(m, NULL, t);
        wt_model_close(m);
        assert_int_equal(n_live, 0);
        rm_tree(p.model);
}

static void gqa_trunks(void **state)
{
        struct place p = new_place(mixtral, (struct maker){ 0 }, NULL);
        wt_model *m = open_model(&p);
        struct wt_trunk *t = trunk_of(m);
        struct wt_expert_weights w;
        size_t bytes = 0;

        (void)state;
        same(t->layers[1].k, p.model, "model.layers.1.self_attn.k_proj.weight", 8, 24);
        same(t->layers[1].gate, p.model, "model.layers.1.block_sparse_moe.gate.weight", 3, 24);
        assert_true(!t->layers[1].ffn_gate && !t->layers[1].uk_t && !t->layers[1].gate_bias);
        assert_int_equal(wt_model_expert(m, NULL, 1, 2, &w, &bytes), WT_OK);
        same(w.gate, p.model, "model.layers.1.block_sparse_moe.experts.2.w1.weight", 20, 24);
        same(w.up, p.model, "model.layers.1.block_sparse_moe.experts.2.w3.weight", 20, 24);
        same(w.down, p.model, "model.layers.1.block_sparse_moe.experts.2.w2.weight", 24, 20);
        assert_int_equal(bytes, 3 * 20 * 24 * 4);
        wt_model_drop_expert(m, NULL, 1, 2, &w);
        wt_model_drop_trunk(m, NULL, t);
        assert_int_equal(wt_model_expert(m, NULL, 1, 3, &w, NULL), WT_ERANGE);
        assert_int_equal(wt_model_expert(m, NULL, 2, 0, &w, NULL), WT_ERANGE);
        wt_model_close(m);
        rm_tree(p.model);

        p = new_place(llama, (struct maker){ 0 }, NULL);
        m = open_model(&p);
        t = trunk_of(m);
        same(t->layers[0].q, p.model, "model.layers.0.self_attn.q_proj.weight", 18, 24);
        same(t->layers[0].ffn_gate, p.model, "model.layers.0.mlp.gate_proj.weight", 20, 24);
        wt_model_drop_trunk(m, NULL, t);
        wt_model_close(m);
        rm_tree(p.model);
}

/* ---- what is refused, what is remarked ---- */

static const struct opening {
        const char *name, *config;
        struct maker k;
        const char *extra, *want, *note;         /* want NULL: opens, with a note that holds note */
} openings[] = {
        { "L09 A: tied, an equal lm_head", deepseek_tied, { .twin = "model.embed_tokens.weight" },
          "lm_head.weight", NULL, "" },
        { "L09 B: tied, another lm_head", deepseek_tied, { 0 }, "lm_head.weight", NULL,
          "lm_head.weight of the file is used although config.json ties" },
        { "L09 C: not tied, no lm_head", deepseek, { .skip = "lm_head.weight" }, NULL,
          "lm_head.weight is missing, and config.json does not tie", NULL },
        { "L09 D: tied, no lm_head", deepseek_tied, { 0 }, NULL, NULL, "" },
        { "no embedding", deepseek, { .skip = "model.embed_tokens.weight" }, NULL,
          "model.embed_tokens.weight is missing", NULL },
        { "a norm is missing", deepseek,
          { .skip = "model.layers.1.post_attention_layernorm.weight" }, NULL,
          "model.layers.1.post_attention_layernorm.weight is missing", NULL },
        { "an expert is missing", deepseek,
          { .skip = "model.layers.1.mlp.experts.3.up_proj.weight" }, NULL,
          "model.layers.1.mlp.experts.3.up_proj.weight is missing", NULL },
        { "the gate's bias is missing", deepseek,
          { .skip = "model.layers.1.mlp.gate.e_score_correction_bias" }, NULL,
          "e_score_correction_bias is missing", NULL },
        { "an expert that is wider", deepseek,
          { .skip = "model.layers.1.mlp.experts.0.down_proj.weight", .wider = true }, NULL,
          "model.layers.1.mlp.experts.0.down_proj.weight is 25x6; its config.json says 24x6",
          NULL },
        { "a vector that is longer", deepseek, { .skip = "model.norm.weight", .wider = true }, NULL,
          "model.norm.weight is 25; its config.json says 24", NULL },
        { "a bias that the family does not know", llama, { 0 },
          "model.layers.0.self_attn.q_proj.bias",
          "model.layers.0.self_attn.q_proj.bias is unknown to the family llama", NULL },
        { "frequencies that old files carry", llama, { 0 },
          "model.layers.0.self_attn.rotary_emb.inv_freq",
          NULL, "" },
        { "a layer for multi-token prediction", deepseek, { 0 }, "model.layers.2.enorm.weight",
          NULL,
          "1 tensors are not used, the first is model.layers.2.enorm.weight" },
};

static void opening(void **state)
{
        const struct opening *r = *state;
        struct place p = new_place(r->config, r->k, r->extra);
        wt_model *m = NULL;
        struct wt_trunk *t;

        if (r->want) {
                assert_int_not_equal(wt_model_open(&m, p.model, p.packs, &plain), WT_OK);
                if (!strstr(wt_words(), r->want))
                        fail_msg("\"%s\" lacks \"%s\"", wt_words(), r->want);
                assert_int_equal(count_files(p.packs, ".pack"), 0);
        } else {
                m = open_model(&p);
                if (!strstr(wt_model_notes(m), r->note))
                        fail_msg("\"%s\" lacks \"%s\"", wt_model_notes(m), r->note);
                t = trunk_of(m);
                same(t->head, p.model,
                     r->extra && strcmp(r->extra, "lm_head.weight") == 0 ? "lm_head.weight"
                     : r->config == deepseek_tied ? "model.embed_tokens.weight"
                                                  : "lm_head.weight",
                     40, 24);
                wt_model_drop_trunk(m, NULL, t);
        }
        wt_model_close(m);
        rm_tree(p.model);
}

static void bias_not_finite(void **state)
{
        static const struct {
                float bias;
                const char *is;
        } rows[] = {{NAN, "NaN"}, {-INFINITY, "infinite"}};

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct place p = new_place(deepseek, (struct maker){ .bias = rows[i].bias }, NULL);
                wt_model *m = open_model(&p);
                struct wt_trunk *t = NULL;

                assert_int_equal(wt_model_trunk(m, NULL, 16, &t), WT_EDATA);
                assert_non_null(strstr(wt_words(),
                                       "model.layers.1.mlp.gate.e_score_correction_bias[2] is "));
                assert_non_null(strstr(wt_words(), rows[i].is));
                wt_model_close(m);
                assert_int_equal(n_live, 0);
                rm_tree(p.model);
        }
}

static void no_model(void **state)
{
        wt_model *m = NULL;

        (void)state;
        assert_int_equal(wt_model_open(&m, "models/none", NULL, NULL), WT_ENOTFOUND);
        assert_non_null(strstr(wt_words(), "models/none"));
}

/* ---- names by digest ---- */

static void digests(const char *config, struct maker k, const char *extra, uint8_t variant[32],
                    uint8_t revision[32])
{
        struct place p = new_place(config, k, extra);
        wt_model *m = NULL;

        assert_int_equal(wt_model_open(&m, p.model, NULL, NULL), WT_OK);
        assert_int_equal(wt_model_variant(m, 1, 2, variant), WT_OK);
        assert_int_equal(wt_model_revision(m, revision), WT_OK);
        assert_int_equal(wt_model_trunk(m, NULL, 16, &(struct wt_trunk *){NULL}), WT_EPRECONDITION);
        wt_model_close(m);
        rm_tree(p.model);
}

static void names(void **state)
{
        uint8_t v[5][32], r[5][32];

        (void)state;
        digests(deepseek, (struct maker){ 0 }, NULL, v[0], r[0]);
        digests(deepseek, (struct maker){0}, NULL, v[1], r[1]); /* in another folder */
        digests(deepseek, (struct maker){ .bias = 1 }, NULL, v[2], r[2]);      /* another trunk */
        digests(deepseek, (struct maker){ 0 }, "model.layers.2.x", v[3], r[3]);
        digests(deepseek_tied, (struct maker){0}, "lm_head.weight", v[4],
                r[4]); /* another config */
        for (int i = 1; i < 5; i++) {
                assert_memory_equal(v[0], v[i], 32);     /* the expert is the same in all */
                if (i == 1)
                        assert_memory_equal(r[0], r[i], 32);
                else
                        assert_memory_not_equal(r[0], r[i], 32);
        }
}

/* Each of the 80 experts of the model that ships has its own variant, and its packs load. */
static void tiny(void **state)
{
        char dir[TEST_PATH];
        uint8_t v[80][32];
        uint32_t n = 0;
        struct wt_trunk *t = NULL;
        wt_model *m = NULL;

        (void)state;
        tmp_dir(dir);
        if (wt_model_open(&m, "models/tiny", dir, &plain) != WT_OK)
                fail_msg("%s", wt_words());
        assert_string_equal(wt_model_name(m), "tiny");
        t = trunk_of(m);
        for (uint32_t l = 1; l < 6; l++)
                for (uint32_t e = 0; e < 16; e++) {
                        struct wt_expert_weights w;

                        assert_int_equal(wt_model_variant(m, l, e, v[n]), WT_OK);
                        for (uint32_t i = 0; i < n; i++)
                                assert_memory_not_equal(v[i], v[n], 32);
                        n++;
                        assert_int_equal(wt_model_expert(m, NULL, l, e, &w, NULL), WT_OK);
                        assert_true(w.gate->m.n_out == 96 && isfinite(w.gate->x[0]));
                        wt_model_drop_expert(m, NULL, l, e, &w);
                }
        wt_model_drop_trunk(m, NULL, t);
        wt_model_close(m);
        rm_tree(dir);
}

int main(void)
{
        enum { OPENINGS = sizeof openings / sizeof *openings };
        static const struct CMUnitTest rest[] = {
                cmocka_unit_test(deepseek_trunk), cmocka_unit_test(gqa_trunks),
                cmocka_unit_test(bias_not_finite), cmocka_unit_test(no_model),
                cmocka_unit_test(names), cmocka_unit_test(tiny),
        };
        struct CMUnitTest tests[OPENINGS + sizeof rest / sizeof *rest];

        for (size_t i = 0; i < OPENINGS; i++)
                tests[i] = (struct CMUnitTest){ openings[i].name, opening, NULL, NULL,
                                                (void *)&openings[i] };
        memcpy(tests + OPENINGS, rest, sizeof rest);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
