/* bench.h - what the files of witan bench share: its flags, and its three parts.
 *   witan bench make-model DIR    a model folder of any shape with random weights
 *   witan bench offline           how far each phase is from this machine's limits
 *   witan bench online            clients against the running cluster's HTTP */
#ifndef WITAN_TOOLS_BENCH_H
#define WITAN_TOOLS_BENCH_H
#include "base/buf.h"
#include "verb.h"

/* The flags of the verb, in the order of its table. */
enum bench_flag {
        BF_SHAPE, BF_ROUTING, BF_SEED, BF_SHARD_BYTES, BF_TOKENIZER, BF_OUT, BF_ROUNDS, BF_PROFILE,
        BF_ONLY, BF_CLIENTS, BF_RATE, BF_REQUESTS, BF_PROMPT_TOKENS, BF_TOKENS, BF_STREAMS,
        BF_URL, BF_KEY_FILE
};

int bench_make_model(struct call *c);
int bench_offline(struct call *c);
int bench_online(struct call *c);

/* The flag's number in [min, max], or otherwise when it was not given. False, with the reason in
 * wt_words(): it is no such number. */
bool bench_number(const struct call *c, enum bench_flag f, uint64_t min, uint64_t max,
                  uint64_t otherwise, uint64_t *out);

/* ---- bench_model.c, bench_tensors.c, bench_tokenizer.c: the generator ----------------------- */

/* Numbers of a DeepSeek-V3-shaped model. */
struct bench_shape {
        uint32_t hidden, layers, dense, dense_hidden, experts, picks, expert_hidden, shared;
        uint32_t latent, q_latent, nope, rope, v, heads, vocab, context, groups, groups_kept;
};
struct bench_model {
        struct bench_shape shape;
        double zipf;                             /* 0: near uniform; s of rank^-s */
        uint64_t seed, shard_bytes;
        const char *tokenizer;                   /* folder whose tokenizer is copied; NULL: bytes */
};
/* "hidden=2048,layers=4": over what *s holds already. Words name an unknown key and the known
 * ones. */
wt_err bench_shape_parse(struct bench_shape *s, const char *text);
extern const struct bench_shape bench_shape_default;     /* that of docs/benchmarks */
/* Makes the folder: config.json, model*.safetensors, tokenizer.json. WT_EEXIST: it is there. The
 * same (shape, routing, seed) give the same bytes anywhere. progress (or NULL): bytes of bytes. */
wt_err bench_model_make(const struct bench_model *m, const char *dir,
                        void (*progress)(void *arg, uint64_t done, uint64_t of), void *arg);
wt_err bench_tokenizer_make(const char *dir, uint32_t vocab);
/* Correction bias (E) that makes the picks of layer y Zipf-distributed: order (E) lists the experts
 * from the most to the least picked. */
wt_err bench_zipf_bias(const struct wt_layer *y, double s, uint64_t seed, const uint32_t *order,
                       float *bias);
#endif
