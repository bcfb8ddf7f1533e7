/* test_plain.h - a compute plugin that keeps matrices as they are, and small models to pack for
 * it. */
#ifndef WITAN_MODEL_TEST_PLAIN_H
#define WITAN_MODEL_TEST_PLAIN_H
#include "model/test_model.h"
#include "model/pack.h"
#include <dirent.h>

/* ---- a compute plugin that keeps matrices as they are: n_mat x n_out x n_in floats ---- */

struct wt_weight { struct wt_matrix m; const float *x; };
static int refuse_upload UNUSED;                        /* fails after so many uploads; 0: never */
static int n_live;

static size_t plain_bytes(const struct wt_matrix *m)
{
        return (size_t)m->n_mat * m->n_out * m->n_in * sizeof(float);
}

static void plain_pack(const struct wt_matrix *m, const void *src, void *dst)
{
        float *to = dst;

        for (uint32_t a = 0; a < m->n_mat; a++)
                for (uint32_t o = 0; o < m->n_out; o++)
                        for (uint32_t i = 0; i < m->n_in; i++) {
                                uint64_t at =
                                        a * m->mat_stride + o * m->out_stride + i * m->in_stride;
                                uint32_t bits;

                                if (m->dtype == WT_BF16) {
                                        bits = (uint32_t)((const uint16_t *)src)[at] << 16;
                                        memcpy(to++, &bits, 4);
                                } else {
                                        *to++ = ((const float *)src)[at];
                                }
                        }
}

static int plain_upload(wt_compute *c, const struct wt_matrix *m, const void *blob, wt_weight **out)
{
        wt_weight *w;

        (void)c;
        assert_int_equal((uintptr_t)blob % 64, 0);
        if (refuse_upload && --refuse_upload == 0)
                return wt_fail(WT_EEXHAUSTED, "the device is full");
        w = malloc(sizeof *w);
        *w = (wt_weight){ .m = *m, .x = blob };
        *out = w;
        n_live++;
        return WT_OK;
}

static void plain_drop(wt_compute *c, wt_weight *w)
{
        (void)c;
        free(w);
        n_live--;
}

static const struct wt_compute_ops plain = { .size = sizeof plain,
                                            .profile = "test",
                                            .layout = "plain",
                                            .pack_bytes = plain_bytes,
                                            .pack = plain_pack,
                                            .upload = plain_upload,
                                            .drop = plain_drop };

/* ---- a small model of each kind ---- */

#define ATTN                                                                                       \
        "\"vocab_size\":40,\"hidden_size\":24,\"num_hidden_layers\":2,\"num_attention_heads\":3,"  \
        "\"intermediate_size\":20,\"max_position_embeddings\":64,\"bos_token_id\":0,"              \
        "\"eos_token_id\":1"
#define DEEPSEEK                                                                                   \
        "{\"model_type\":\"deepseek_v3\"," ATTN ",\"q_lora_rank\":10,\"kv_lora_rank\":12,"         \
        "\"qk_nope_head_dim\":5,\"qk_rope_head_dim\":4,\"v_head_dim\":7,"                          \
        "\"first_k_dense_replace\":1,\"moe_intermediate_size\":6,\"n_routed_experts\":4,"          \
        "\"n_shared_experts\":2,\"num_experts_per_tok\":2,\"n_group\":2,\"topk_group\":1,"         \
        "\"rope_theta\":100.0"
static const char deepseek[] UNUSED = DEEPSEEK "}";
static const char deepseek_tied[] UNUSED = DEEPSEEK ",\"tie_word_embeddings\":true}";
static const char mixtral[] UNUSED = "{\"model_type\":\"mixtral\"," ATTN
                              ",\"num_key_value_heads\":1,"
                              "\"num_local_experts\":3,\"num_experts_per_tok\":2}";
static const char llama[] UNUSED = "{\"model_type\":\"llama\"," ATTN ",\"head_dim\":6}";

struct place { char model[TEST_PATH], packs[2 * TEST_PATH]; };

static UNUSED struct place new_place(const char *config, struct maker k, const char *extra)
{
        struct place p;

        tmp_dir(p.model);
        snprintf(p.packs, sizeof p.packs, "%s/packs", p.model);
        make_model(p.model, config, &k, extra);
        return p;
}

static UNUSED wt_model *open_model(const struct place *p)
{
        wt_model *m = NULL;

        if (wt_model_open(&m, p->model, p->packs, &plain) != WT_OK)
                fail_msg("%s", wt_words());
        return m;
}

static UNUSED struct wt_trunk *trunk_of(wt_model *m)
{
        struct wt_trunk *t = NULL;

        if (wt_model_trunk(m, NULL, 16, &t) != WT_OK)
                fail_msg("%s", wt_words());
        return t;
}

/* Files of the folder whose names hold what. */
static UNUSED uint32_t count_files(const char *dir, const char *what)
{
        DIR *d = opendir(dir);
        uint32_t n = 0;

        for (struct dirent *e; d && (e = readdir(d));)
                n += strstr(e->d_name, what) != NULL;
        if (d)
                closedir(d);
        return n;
}

static UNUSED float *tensor(const char *dir, const char *name)
{
        const struct wt_tensor_at *t;
        wt_source *s = NULL;
        float *x;

        assert_int_equal(wt_source_open(&s, dir), WT_OK);
        t = wt_source_find(s, name);
        assert_non_null(t);
        x = malloc(t->bytes);
        assert_int_equal(wt_source_read(s, t, x), WT_OK);
        wt_source_close(s);
        return x;
}

static UNUSED void same(const wt_weight *w, const char *dir, const char *name, uint32_t n_out,
                 uint32_t n_in)
{
        float *x = tensor(dir, name);

        assert_true(w->m.n_mat == 1 && w->m.n_out == n_out && w->m.n_in == n_in);
        assert_memory_equal(w->x, x, (size_t)n_out * n_in * sizeof *x);
        free(x);
}
#endif
