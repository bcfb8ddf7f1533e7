/* pack_test.c - a model folder becomes packs: the right tensors, whole files, shared and rebuilt. */
#include "model/test_model.h"
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "model/pack.h"

/* ---- a compute plugin that keeps matrices as they are: n_mat x n_out x n_in floats ---- */

struct wt_weight { struct wt_matrix m; const float *x; };
static int refuse_upload;                        /* fails after so many uploads; 0: never */
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
                                uint64_t at = a * m->mat_stride + o * m->out_stride + i * m->in_stride;
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

static const struct wt_compute_ops plain = { .size = sizeof plain, .profile = "test", .layout = "plain",
                                             .pack_bytes = plain_bytes, .pack = plain_pack,
                                             .upload = plain_upload, .drop = plain_drop };

/* ---- a small model of each kind ---- */

#define ATTN                                                                                       \
        "\"vocab_size\":40,\"hidden_size\":24,\"num_hidden_layers\":2,\"num_attention_heads\":3,"     \
        "\"intermediate_size\":20,\"max_position_embeddings\":64,\"bos_token_id\":0,\"eos_token_id\":1"
#define DEEPSEEK                                                                                   \
        "{\"model_type\":\"deepseek_v3\"," ATTN ",\"q_lora_rank\":10,\"kv_lora_rank\":12,"              \
        "\"qk_nope_head_dim\":5,\"qk_rope_head_dim\":4,\"v_head_dim\":7,\"first_k_dense_replace\":1,"   \
        "\"moe_intermediate_size\":6,\"n_routed_experts\":4,\"n_shared_experts\":2,"                   \
        "\"num_experts_per_tok\":2,\"n_group\":2,\"topk_group\":1,\"rope_theta\":100.0"
static const char deepseek[] = DEEPSEEK "}";
static const char deepseek_tied[] = DEEPSEEK ",\"tie_word_embeddings\":true}";
static const char mixtral[] = "{\"model_type\":\"mixtral\"," ATTN ",\"num_key_value_heads\":1,"
                              "\"num_local_experts\":3,\"num_experts_per_tok\":2}";
static const char llama[] = "{\"model_type\":\"llama\"," ATTN ",\"head_dim\":6}";

struct place { char model[TEST_PATH], packs[2 * TEST_PATH]; };

static struct place new_place(const char *config, struct maker k, const char *extra)
{
        struct place p;

        tmp_dir(p.model);
        snprintf(p.packs, sizeof p.packs, "%s/packs", p.model);
        make_model(p.model, config, &k, extra);
        return p;
}

static wt_model *open_model(const struct place *p)
{
        wt_model *m = NULL;

        if (wt_model_open(&m, p->model, p->packs, &plain) != WT_OK)
                fail_msg("%s", wt_words());
        return m;
}

static struct wt_trunk *trunk_of(wt_model *m)
{
        struct wt_trunk *t = NULL;

        if (wt_model_trunk(m, NULL, 16, &t) != WT_OK)
                fail_msg("%s", wt_words());
        return t;
}

/* Files of the folder whose names hold what. */
static uint32_t count_files(const char *dir, const char *what)
{
        DIR *d = opendir(dir);
        uint32_t n = 0;

        for (struct dirent *e; d && (e = readdir(d));)
                n += strstr(e->d_name, what) != NULL;
        if (d)
                closedir(d);
        return n;
}

/* ---- what is packed ---- */

static float *tensor(const char *dir, const char *name)
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

static void same(const wt_weight *w, const char *dir, const char *name, uint32_t n_out, uint32_t n_in)
{
        float *x = tensor(dir, name);

        assert_true(w->m.n_mat == 1 && w->m.n_out == n_out && w->m.n_in == n_in);
        assert_memory_equal(w->x, x, (size_t)n_out * n_in * sizeof *x);
        free(x);
}

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
                                assert_true(uk->x[(h * 12 + c) * 5 + i] == x[(h * 12 + i) * 12 + c]);
                        for (uint32_t o = 0; o < 7; o++)
                                assert_true(uv->x[(h * 7 + o) * 12 + c] == x[(h * 12 + 5 + o) * 12 + c]);
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
        assert_true(fabs(t->cos->x[2 * 7 + 1] - cos(0.7)) < 1e-6 && fabs(t->sin->x[14] - sin(7)) < 1e-6);
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
        { "a norm is missing", deepseek, { .skip = "model.layers.1.post_attention_layernorm.weight" }, NULL,
          "model.layers.1.post_attention_layernorm.weight is missing", NULL },
        { "an expert is missing", deepseek, { .skip = "model.layers.1.mlp.experts.3.up_proj.weight" }, NULL,
          "model.layers.1.mlp.experts.3.up_proj.weight is missing", NULL },
        { "the gate's bias is missing", deepseek,
          { .skip = "model.layers.1.mlp.gate.e_score_correction_bias" }, NULL,
          "e_score_correction_bias is missing", NULL },
        { "an expert that is wider", deepseek,
          { .skip = "model.layers.1.mlp.experts.0.down_proj.weight", .wider = true }, NULL,
          "model.layers.1.mlp.experts.0.down_proj.weight is 25x6; its config.json says 24x6", NULL },
        { "a vector that is longer", deepseek, { .skip = "model.norm.weight", .wider = true }, NULL,
          "model.norm.weight is 25; its config.json says 24", NULL },
        { "a bias that the family does not know", llama, { 0 }, "model.layers.0.self_attn.q_proj.bias",
          "model.layers.0.self_attn.q_proj.bias is unknown to the family llama", NULL },
        { "frequencies that old files carry", llama, { 0 }, "model.layers.0.self_attn.rotary_emb.inv_freq",
          NULL, "" },
        { "a layer for multi-token prediction", deepseek, { 0 }, "model.layers.2.enorm.weight", NULL,
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
                     : r->config == deepseek_tied ? "model.embed_tokens.weight" : "lm_head.weight", 40, 24);
                wt_model_drop_trunk(m, NULL, t);
        }
        wt_model_close(m);
        rm_tree(p.model);
}

static void bias_not_finite(void **state)
{
        static const struct { float bias; const char *is; } rows[] = { { NAN, "NaN" }, { -INFINITY, "infinite" } };

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct place p = new_place(deepseek, (struct maker){ .bias = rows[i].bias }, NULL);
                wt_model *m = open_model(&p);
                struct wt_trunk *t = NULL;

                assert_int_equal(wt_model_trunk(m, NULL, 16, &t), WT_EDATA);
                assert_non_null(strstr(wt_words(), "model.layers.1.mlp.gate.e_score_correction_bias[2] is "));
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

/* ---- packs ---- */

static void first_pack(const char *dir, char path[4 * TEST_PATH], struct stat *st)
{
        DIR *d = opendir(dir);

        path[0] = '\0';
        for (struct dirent *e; (e = readdir(d));)
                if (strstr(e->d_name, ".pack") && strlen(e->d_name) == 69)
                        snprintf(path, 4 * TEST_PATH, "%s/%s", dir, e->d_name);
        closedir(d);
        assert_int_equal(stat(path, st), 0);
}

static void pack_again(const struct place *p)
{
        wt_model *m = open_model(p);
        struct wt_trunk *t = trunk_of(m);
        struct wt_expert_weights w;

        for (uint32_t e = 0; e < 4; e++) {
                if (wt_model_expert(m, NULL, 1, e, &w, NULL) != WT_OK)
                        fail_msg("%s", wt_words());
                same(w.down, p->model, (const char *[]){ "model.layers.1.mlp.experts.0.down_proj.weight",
                     "model.layers.1.mlp.experts.1.down_proj.weight",
                     "model.layers.1.mlp.experts.2.down_proj.weight",
                     "model.layers.1.mlp.experts.3.down_proj.weight" }[e], 24, 6);
                wt_model_drop_expert(m, NULL, 1, e, &w);
        }
        wt_model_drop_trunk(m, NULL, t);
        wt_model_close(m);
}

static void packs_are_kept(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        char path[4 * TEST_PATH];
        struct stat a, b;
        uint32_t n;

        (void)state;
        pack_again(&p);
        n = count_files(p.packs, ".pack");
        assert_true(n > 30);
        assert_int_equal(count_files(p.packs, ".tmp."), 0);
        first_pack(p.packs, path, &a);
        assert_int_equal(a.st_mode & 0777, 0400);
        pack_again(&p);
        assert_int_equal(stat(path, &b), 0);
        assert_true(a.st_ino == b.st_ino && count_files(p.packs, ".pack") == n);
        assert_int_equal(stat(p.packs, &b), 0);
        assert_int_equal(b.st_mode & 0777, 0700);
        rm_tree(p.model);
}

/* A pack that was cut, grown or changed is built again: its size and its digest are sealed. */
static void damage(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        char path[4 * TEST_PATH];

        (void)state;
        pack_again(&p);
        for (int how = 0; how < 4; how++) {
                struct wt_buf before = { 0 }, after = { 0 };
                struct stat st;
                int fd;

                first_pack(p.packs, path, &st);
                assert_int_equal(wt_file_read(path, 1 << 20, &before), WT_OK);
                assert_int_equal(chmod(path, 0600), 0);
                fd = open(path, O_RDWR);
                if (how < 2)
                        assert_int_equal(ftruncate(fd, how ? st.st_size + 64 : st.st_size / 2), 0);
                else
                        assert_int_equal(pwrite(fd, "!", 1, how == 2 ? 0 : st.st_size - 1), 1);
                close(fd);
                pack_again(&p);
                assert_int_equal(wt_file_read(path, 1 << 20, &after), WT_OK);
                assert_int_equal(before.len, after.len);
                assert_memory_equal(before.data, after.data, after.len);
                wt_buf_free(&before);
                wt_buf_free(&after);
        }
        rm_tree(p.model);
}

/* The limit of a file's size stands for a disk that is full. */
static void disk_full(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        wt_model *m = open_model(&p);
        struct rlimit old, small;
        struct wt_trunk *t = NULL;
        wt_err err;

        (void)state;
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        small = (struct rlimit){ .rlim_cur = 1000, .rlim_max = old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        err = wt_model_trunk(m, NULL, 16, &t);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(err, WT_EEXHAUSTED);
        assert_non_null(strstr(wt_words(), "free space"));
        assert_int_equal(count_files(p.packs, ".pack"), 0);
        t = trunk_of(m);
        wt_model_drop_trunk(m, NULL, t);
        wt_model_close(m);
        rm_tree(p.model);
}

/* Four processes want every pack at once: each is built once and all read the same. */
static void many_at_once(void **state)
{
        enum { N = 4 };
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL), q;
        pid_t pid[N];

        (void)state;
        q = p;
        snprintf(q.packs, sizeof q.packs, "%s/alone", p.model);
        pack_again(&q);
        for (int i = 0; i < N; i++) {
                pid[i] = fork();
                assert_true(pid[i] >= 0);
                if (pid[i] == 0) {
                        wt_model *m = NULL;
                        struct wt_trunk *t = NULL;
                        struct wt_expert_weights w;
                        wt_err err = wt_model_open(&m, p.model, p.packs, &plain);

                        if (err == WT_OK)
                                err = wt_model_trunk(m, NULL, 16, &t);
                        for (uint32_t e = 0; e < 4 && err == WT_OK; e++)
                                err = wt_model_expert(m, NULL, 1, e, &w, NULL);
                        _exit(err == WT_OK ? 0 : 1);
                }
        }
        for (int i = 0; i < N; i++) {
                int status = 1;

                assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
                assert_int_equal(status, 0);
        }
        assert_int_equal(count_files(p.packs, ".pack"), count_files(q.packs, ".pack"));
        assert_int_equal(count_files(p.packs, ".tmp."), 0);
        pack_again(&p);
        rm_tree(p.model);
}

static void stale_files_go(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);

        (void)state;
        assert_int_equal(mkdir(p.packs, 0700), 0);
        put_text(p.packs, "00.pack.tmp.1.0", "half");
        put_text(p.packs, "11.pack.tmp.1.0", "another's, just now");
        make_old(p.packs, "00.pack.tmp.1.0");
        wt_model_close(open_model(&p));
        assert_int_equal(count_files(p.packs, "00.pack"), 0);
        assert_int_equal(count_files(p.packs, "11.pack"), 1);
        rm_tree(p.model);
}

static void upload_fails(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        wt_model *m = open_model(&p);
        struct wt_trunk *t = NULL;
        struct wt_expert_weights w;

        (void)state;
        for (int n = 1; n <= 40; n++) {
                refuse_upload = n;
                if (wt_model_trunk(m, NULL, 16, &t) == WT_OK) {
                        assert_true(n > 20);
                        wt_model_drop_trunk(m, NULL, t);
                        break;
                }
                assert_int_equal(n_live, 0);
        }
        refuse_upload = 3;
        assert_int_equal(wt_model_expert(m, NULL, 1, 0, &w, NULL), WT_EEXHAUSTED);
        assert_non_null(strstr(wt_words(), "experts.0.down_proj.weight: the device is full"));
        refuse_upload = 0;
        assert_int_equal(n_live, 0);
        wt_model_close(m);
        rm_tree(p.model);
}

/* A router never maps an expert, nor any file of the model. */
static void experts_are_not_mapped(void **state)
{
        struct place p = new_place(deepseek, (struct maker){ 0 }, NULL);
        wt_model *m = open_model(&p);
        struct wt_trunk *t = trunk_of(m);
        struct wt_expert_weights w;
        struct wt_buf maps = { 0 };
        uint8_t sha[32];
        uint32_t n;

        (void)state;
        for (uint32_t e = 0; e < 4; e++)
                assert_int_equal(wt_model_variant(m, 1, e, sha), WT_OK);
        assert_int_equal(wt_model_revision(m, sha), WT_OK);
        n = count_files(p.packs, ".pack");
        assert_int_equal(wt_file_read("/proc/self/maps", 16 << 20, &maps), WT_OK);
        assert_null(strstr(maps.data, "model.safetensors"));
        assert_non_null(strstr(maps.data, ".pack"));
        assert_int_equal(wt_model_expert(m, NULL, 1, 0, &w, NULL), WT_OK);
        assert_int_equal(count_files(p.packs, ".pack"), n + 1);  /* none was built before */
        wt_buf_free(&maps);
        wt_model_drop_expert(m, NULL, 1, 0, &w);
        wt_model_drop_trunk(m, NULL, t);
        wt_model_close(m);
        rm_tree(p.model);
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
        assert_int_equal(wt_model_trunk(m, NULL, 16, &(struct wt_trunk *){ NULL }), WT_EPRECONDITION);
        wt_model_close(m);
        rm_tree(p.model);
}

static void names(void **state)
{
        uint8_t v[5][32], r[5][32];

        (void)state;
        digests(deepseek, (struct maker){ 0 }, NULL, v[0], r[0]);
        digests(deepseek, (struct maker){ 0 }, NULL, v[1], r[1]);              /* in another folder */
        digests(deepseek, (struct maker){ .bias = 1 }, NULL, v[2], r[2]);      /* another trunk */
        digests(deepseek, (struct maker){ 0 }, "model.layers.2.x", v[3], r[3]);
        digests(deepseek_tied, (struct maker){ 0 }, "lm_head.weight", v[4], r[4]);     /* another config */
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
                cmocka_unit_test(packs_are_kept), cmocka_unit_test(damage), cmocka_unit_test(disk_full),
                cmocka_unit_test(many_at_once), cmocka_unit_test(stale_files_go),
                cmocka_unit_test(upload_fails), cmocka_unit_test(experts_are_not_mapped),
                cmocka_unit_test(names), cmocka_unit_test(tiny),
        };
        struct CMUnitTest tests[OPENINGS + sizeof rest / sizeof *rest];

        for (size_t i = 0; i < OPENINGS; i++)
                tests[i] = (struct CMUnitTest){ openings[i].name, opening, NULL, NULL,
                                                (void *)&openings[i] };
        memcpy(tests + OPENINGS, rest, sizeof rest);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
