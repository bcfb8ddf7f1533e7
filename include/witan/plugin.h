/* plugin.h - the plugin ABI of Witan: the only header that a plugin may include beside libc.
 *
 * A plugin is one object file (built in, or a .so) that exports one function,
 *         const struct wt_plugin *wt_plugin_entry(void);
 * which returns one constant. The host compares magic, abi, size and kind in that order and says
 * in words what did not fit. Every struct here starts with its own size and only grows at the
 * end; compute and collective plugins must match the ABI exactly, other kinds by major version.
 *
 * Words: *borrows* (the callee reads until the call returns, unless said otherwise), *takes*,
 * *gives*. Calls return 0 or a code of enum wt_code, and word the failure with host->fail.
 * Shapes: T rows of a step, D model width, H heads, E experts, K picks a row, F hidden width of an
 * FFN, V vocabulary. Matrices are row-major f32 unless a dtype is named. */
#ifndef WITAN_PLUGIN_H
#define WITAN_PLUGIN_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WT_PLUGIN_MAGIC 0x4e415457u              /* "WTAN" */
#define WT_ABI_MAJOR    1u
#define WT_ABI_MINOR    1u
#define WT_ABI          (WT_ABI_MAJOR << 16 | WT_ABI_MINOR)

/* The numbers of gRPC's status codes, so that an error crosses the wire as it is. */
enum wt_code {
        WT_OK = 0, WT_ECANCELLED = 1, WT_EUNKNOWN = 2, WT_EINVAL = 3, WT_EDEADLINE = 4,
        WT_ENOTFOUND = 5, WT_EEXIST = 6, WT_EPERM = 7, WT_EEXHAUSTED = 8, WT_EPRECONDITION = 9,
        WT_EABORTED = 10, WT_ERANGE = 11, WT_EUNSUPPORTED = 12, WT_EINTERNAL = 13,
        WT_EUNAVAILABLE = 14, WT_EDATA = 15, WT_EUNAUTH = 16,
        WT_EAGAIN = 32,                          /* these three never leave the process */
        WT_EIO = 33, WT_ENOMEM = 34
};

enum wt_kind {
        WT_COMPUTE = 1, WT_COLLECTIVE = 2, WT_STORE = 3, WT_FILTER = 4, WT_PLACE = 5, WT_SAMPLE = 6,
        WT_TOKENIZER = 7, WT_ENCODER = 8, WT_TOOL = 9, WT_METRIC = 10   /* 7 on: reserved */
};

/* What the host lends to a plugin; valid as long as the plugin is open. */
struct wt_host {
        uint32_t size;
        /* Words a failure for the calling thread and returns code. */
        int (*fail)(int code, const char *fmt, ...)
#ifdef __GNUC__
                __attribute__((format(printf, 2, 3)))
#endif
                ;
        uint64_t (*now_us)(void);                /* monotonic */
        /* Runs body(arg, i) for i in [0, n) on the host's threads and returns when all are done.
         * Which thread runs which i is open: a body must not let its result depend on it. */
        void (*parallel)(void *pool, uint32_t n, void (*body)(void *arg, uint32_t i), void *arg);
        void *pool;
        uint32_t n_threads;
};

struct wt_plugin {
        /* WT_PLUGIN_MAGIC, WT_ABI, sizeof(struct wt_plugin) */
        uint32_t magic, abi, size;
        uint32_t kind;                           /* enum wt_kind */
        const char *name, *version, *about;      /* about: one line, no newline */
        const void *ops;                         /* the table of this kind; starts with its size */
};

#ifndef WT_PLUGIN_ENTRY
#define WT_PLUGIN_ENTRY wt_plugin_entry
#endif
/* Ends a plugin's file: WT_PLUGIN(.kind = WT_PLACE, .name = "...", .ops = &ops, ...); */
#define WT_PLUGIN(...)                                                                        \
        const struct wt_plugin *WT_PLUGIN_ENTRY(void);                                        \
        const struct wt_plugin *WT_PLUGIN_ENTRY(void)                                         \
        {                                                                                     \
                static const struct wt_plugin self = { .magic = WT_PLUGIN_MAGIC,              \
                        .abi = WT_ABI, .size = sizeof(struct wt_plugin), __VA_ARGS__ };       \
                return &self;                                                                 \
        }                                                                                     \
        struct wt_plugin

/* ---- the model's shape, as every plugin sees it: layers are data -------------------------- */

enum wt_dtype { WT_F32 = 0, WT_BF16 = 1, WT_F16 = 2, WT_I32 = 16, WT_U8 = 17, WT_U32 = 18 };
enum wt_attn { WT_ATTN_MLA = 1, WT_ATTN_GQA = 2 };
enum wt_ffn { WT_FFN_DENSE = 1, WT_FFN_MOE = 2 };
enum wt_rope { WT_ROPE_INTERLEAVED = 1, WT_ROPE_HALVES = 2 };
/* Score: softmax over all E; sigmoid; softmax over the K picked logits only (Mixtral). */
enum wt_score { WT_SCORE_SOFTMAX = 1, WT_SCORE_SIGMOID = 2, WT_SCORE_SOFTMAX_PICKED = 3 };
/* Select: K best; K best in the groups whose best member / sum of two best members is highest. */
enum wt_select { WT_SELECT_TOP = 1, WT_SELECT_GROUP_MAX = 2, WT_SELECT_GROUP_TOP2 = 3 };

struct wt_layer {
        uint32_t size, index;
        uint32_t width;                          /* D */
        float eps;                               /* of the two block norms */
        uint32_t attn;                           /* enum wt_attn */
        uint32_t n_heads, n_kv_heads;            /* n_kv_heads: GQA only */
        uint32_t head_dim;                       /* GQA: of q, k and v */
        uint32_t q_rank, kv_rank, nope, rope_dim, v_dim; /* MLA; q_rank 0: q is one projection.
                                                  * GQA sets rope_dim = head_dim, the rest 0 */
        float latent_eps;                        /* MLA: of the norms of the latents (1e-6) */
        float attn_scale;                        /* multiplies the score; mscale^2 is inside */
        uint32_t rope;                           /* enum wt_rope */
        uint32_t ffn;                            /* enum wt_ffn */
        uint32_t hidden;                         /* F of a dense FFN */
        uint32_t n_experts, n_picks, expert_hidden, shared_hidden;  /* MoE; shared_hidden 0: none */
        uint32_t score, select, n_group, n_group_kept;
        uint32_t normalise;                      /* weights / (sum + 1e-20) before the scale */
        float weight_scale;                      /* once, on the routed weights */
        uint32_t has_bias;                       /* a correction bias steers the pick */
};

/* ---- compute -------------------------------------------------------------------------------- */

typedef struct wt_compute wt_compute;            /* one device with its queue; the plugin's */
typedef struct wt_weight wt_weight;              /* an uploaded tensor, read-only */
typedef struct wt_buffer wt_buffer;              /* device memory */
typedef struct wt_event wt_event;

/* How a tensor of a model file is to be read: n_mat matrices of n_out rows and n_in columns, the
 * element (m, o, i) at src[m*mat_stride + o*out_stride + i*in_stride] (strides in elements).
 * A view, so that W_UK transposed and W_UV are two views of one kv_b_proj.
 * form: how a stage reads it. */
enum wt_form {
        WT_FORM_LINEAR = 1,                      /* y = W x, out of panels (numbers.md N2) */
        WT_FORM_VECTOR = 2,                      /* n_out numbers, n_in 1: norms, biases; as f32 */
        WT_FORM_ROWS = 3                         /* rows looked up by index: embeddings */
};
struct wt_matrix {
        uint32_t size, form, dtype;
        uint32_t n_mat, n_out, n_in;
        uint64_t mat_stride, out_stride, in_stride;
};

/* Absent ones are NULL. */
struct wt_layer_weights {
        uint32_t size;
        const wt_weight *attn_norm;              /* VECTOR D */
        const wt_weight *q_a, *q_a_norm;         /* MLA with q_rank: (q_rank, D), VECTOR */
        const wt_weight *q;                      /* MLA: (H*(nope+rope), q_rank or D), nope first;
                                                  * GQA: (H*head_dim, D) */
        const wt_weight *kv_a, *kv_a_norm;       /* MLA: (kv_rank+rope, D), VECTOR kv_rank */
        const wt_weight *uk_t;                   /* MLA: n_mat H, (kv_rank, nope) */
        const wt_weight *uv;                     /* MLA: n_mat H, (v, kv_rank) */
        const wt_weight *k, *v;                  /* GQA: (n_kv_heads*head_dim, D) */
        const wt_weight *o;                      /* (D, H*v or H*head_dim) */
        const wt_weight *ffn_norm;               /* VECTOR D */
        const wt_weight *gate, *gate_bias;       /* MoE: (E, D); VECTOR E or NULL */
        const wt_weight *ffn_gate, *ffn_up, *ffn_down; /* dense FFN, or the shared experts as one:
                                                  * (F, D), (F, D), (D, F) */
};
struct wt_expert_weights { const wt_weight *gate, *up, *down; };  /* (F, D), (F, D), (D, F) */

struct wt_compute_conf {
        uint32_t size;
        uint32_t max_rows;                       /* T of the largest step */
        uint32_t max_seqs;                       /* sequences in a step */
        uint32_t max_pages;                      /* KV pages of the longest sequence */
        uint32_t vocab;                          /* V; 0 where there is no head */
        const struct wt_layer *layers;           /* all layers: scratch is sized by the largest */
        uint32_t n_layers;
};

struct wt_backward_ops;                          /* the trainer's; NULL until it exists */
struct wt_adapters;                              /* adapter table; NULL until LoRA exists */
/* activations kept for backward; NULL in serving */
struct wt_saved;

/* positions in a KV page, and in a segment of N5 */
enum { WT_PAGE = 64 };

/* A run of consecutive positions of one sequence in a step: rows [row, row+n_rows) of the buffers
 * hold its positions [pos, pos+n_rows). pages: KV page numbers for positions 0 .. pos+n_rows-1. */
struct wt_run { uint32_t row, n_rows, pos; const uint32_t *pages; };

struct wt_attend_args {
        uint32_t size;
        const struct wt_layer *layer;
        const struct wt_layer_weights *w;
        wt_buffer *h;                            /* (T, D) residual; h += attention(norm(h)) */
        const wt_weight *cos, *sin;              /* ROWS (positions, rope_dim/2), f32 */
        wt_buffer *kv;                           /* this layer's pages: kv_page_bytes each */
        const struct wt_run *runs;
        uint32_t n_runs, n_rows;
        uint8_t *bad;                            /* (T) host: set to 1 where a row is not finite */
        const struct wt_adapters *adapters; const int32_t *adapter_of_row;
        struct wt_saved *saved;
};
struct wt_gate_args {
        uint32_t size;
        const struct wt_layer *layer;
        const struct wt_layer_weights *w;
        const wt_buffer *h;                      /* (T, D) */
        /* (T, D) host-visible: norm(h), what experts eat */
        float *x;
        int32_t *pick;                           /* (T, K) host: expert ids, ascending in a row */
        float *weight;                           /* (T, K) host: of the same order */
        float *margin;                           /* (T) host or NULL: score of pick K minus K+1 */
        uint32_t n_rows;
        uint8_t *bad;
        const struct wt_adapters *adapters; const int32_t *adapter_of_row;
        struct wt_saved *saved;
};
/* dense: h += ffn(norm(h)); shared: out = ffn(x) */
struct wt_ffn_args {
        uint32_t size;
        const struct wt_layer *layer;
        const struct wt_layer_weights *w;
        wt_buffer *h;                            /* dense: (T, D) */
        const float *x;                          /* shared: (T, D) host-visible, from gate */
        wt_buffer *out;                          /* shared: (T, D) */
        uint32_t n_rows;
        uint8_t *bad;
        const struct wt_adapters *adapters; const int32_t *adapter_of_row;
        struct wt_saved *saved;
};

/* A node of the binary trie of expert ids (N7): the sum, for one row (slot), over its picks whose
 * id >> (bits - depth) equals prefix, bits being the least with 2^bits >= E. depth == bits: a
 * leaf. */
struct wt_node { uint32_t slot, depth, prefix; };

/* leaf[i] = weight[i] * expert(x[row[i]]) for the picks of one expert after another. Group g is
 * picks [first[g], first[g+1]) and expert weights[g]. Groups may come in any order. */
struct wt_expert_args {
        uint32_t size;
        const struct wt_layer *layer;
        const struct wt_expert_weights *weights; /* (n_groups) */
        const uint32_t *first;                   /* (n_groups + 1) */
        uint32_t n_groups;
        const float *x;                          /* (rows, D) host-visible */
        const uint32_t *row;                     /* (picks) row of x */
        const float *weight;                     /* (picks) */
        const uint32_t *leaf;                    /* (picks) row of out that gets it */
        float *out;                              /* (picks, D) host-visible */
        uint8_t *bad;                            /* (rows) of x */
        const struct wt_adapters *adapters; const int32_t *adapter_of_row;
        struct wt_saved *saved;
};
/* Sums nodes upward. in: sorted by (slot, lowest id), no node inside another. Each out node is the
 * trie sum of the in nodes inside it; outs in the same order cover all ins. in == out allowed. */
struct wt_fold_args {
        uint32_t size;
        uint32_t width, bits;
        const struct wt_node *in;  const float *const *in_rows;  uint32_t n_in;   /* (n_in) x (D) */
        const struct wt_node *out; float *out_rows;              uint32_t n_out;  /* (n_out, D) */
};
/* h[t] += (trie root of row t) + shared[t]; the shared term is omitted where shared is NULL. */
struct wt_combine_args {
        uint32_t size;
        const struct wt_layer *layer;
        wt_buffer *h;                            /* (T, D) */
        const wt_buffer *shared;                 /* (T, D) or NULL */
        const struct wt_node *in;  const float *const *in_rows;  uint32_t n_in;   /* host-visible */
        uint32_t n_rows;
        uint8_t *bad;
};
struct wt_embed_args {
        uint32_t size;
        const wt_weight *table;                  /* ROWS (V, D) */
        const int32_t *ids;                      /* (T), each < V */
        wt_buffer *h;                            /* (T, D) */
        uint32_t width, n_rows;
};
struct wt_head_args {
        uint32_t size;
        const wt_weight *norm, *head;            /* VECTOR D; LINEAR (V, D) */
        float eps;
        const wt_buffer *h;                      /* (T, D) */
        const uint32_t *rows;                    /* (n) the rows of h that want logits */
        uint32_t n, width, vocab;
        float *logits;                           /* (n, V) host-visible */
        uint8_t *bad;                            /* (T), indexed by row of h */
};

/* A resource plugin: it may own threads, memory and a device. Work is queued in order; results in
 * host memory are valid after sync. The processor's plugin does the work before it returns. */
struct wt_compute_ops {
        uint32_t size;
        const char *profile;                     /* numeric profile, e.g. "wn1/f32" */
        /* names packs, e.g. "p16"; changes with the bytes */
        const char *layout;

        /* Packing: pure functions, no device needed. dst has pack_bytes(m) bytes, 64-aligned. */
        /* 0: this form or dtype is not known */
        size_t (*pack_bytes)(const struct wt_matrix *m);
        void (*pack)(const struct wt_matrix *m, const void *src, void *dst);

        int (*open)(wt_compute **out, const struct wt_host *host, const struct wt_compute_conf *c);
        void (*close)(wt_compute *c);            /* NULL is fine */
        /* blob: as pack wrote it; borrowed until drop (the processor reads it in place). */
        int (*upload)(wt_compute *c, const struct wt_matrix *m, const void *blob, wt_weight **out);
        void (*drop)(wt_compute *c, wt_weight *w);
        int (*buffer_new)(wt_compute *c, size_t bytes, wt_buffer **out);       /* zeroed */
        void (*buffer_free)(wt_compute *c, wt_buffer *b);      /* NULL is fine */
        /* Host-visible memory (pinned on a GPU), for x, picks, weights, replies and logits. */
        int (*host_alloc)(wt_compute *c, size_t bytes, void **out);            /* zeroed */
        void (*host_free)(wt_compute *c, void *p);             /* NULL is fine */
        int (*copy_in)(wt_compute *c, wt_buffer *dst, size_t at, const void *src, size_t bytes);
        int (*copy_out)(wt_compute *c, void *dst, const wt_buffer *src, size_t at, size_t bytes);
        size_t (*kv_page_bytes)(const struct wt_layer *l);    /* of one page of this layer */

        int (*embed)(wt_compute *c, const struct wt_embed_args *a);
        int (*attend)(wt_compute *c, const struct wt_attend_args *a);
        int (*gate)(wt_compute *c, const struct wt_gate_args *a);
        int (*ffn)(wt_compute *c, const struct wt_ffn_args *a);
        int (*expert_ffn)(wt_compute *c, const struct wt_expert_args *a);
        int (*fold)(wt_compute *c, const struct wt_fold_args *a);
        int (*combine)(wt_compute *c, const struct wt_combine_args *a);
        int (*head)(wt_compute *c, const struct wt_head_args *a);

        int (*event_new)(wt_compute *c, wt_event **out);
        void (*event_free)(wt_compute *c, wt_event *e);        /* NULL is fine */
        int (*event_record)(wt_compute *c, wt_event *e);
        int (*event_wait)(wt_compute *c, wt_event *e);        /* the host waits */
        int (*sync)(wt_compute *c);
        const struct wt_backward_ops *backward;  /* NULL: this plugin does not train */
};

/* ---- place: which worker multiplies which expert's rows ------------------------------------- */

/* Pure. One layer of one step. Items are the distinct experts picked, ids ascending. Item i may go
 * to holders [holder_first[i], holder_first[i+1]) of holder[]; each holder list is ascending, live
 * and not empty. All rows of an expert go to one worker, so that its weights are read once. */
struct wt_place_in {
        uint32_t size;
        const uint32_t *expert, *rows; uint32_t n_items;      /* (n_items): id, rows in this step */
        const uint32_t *holder_first, *holder;                /* (n_items + 1), worker numbers */
        /* (n_workers): rows in flight there */
        const uint32_t *load; uint32_t n_workers;
};
struct wt_place_ops {
        uint32_t size;
        /* bytes of scratch the host gives, zeroed: 0 is fine */
        uint32_t state_size;
        /* worker (n_items) out. Cannot fail. Equal choices go to the lowest number: replays
         * agree. */
        void (*place)(void *state, const struct wt_place_in *in, uint32_t *worker);
};

/* ---- sample: logits -> the next token (N8) -------------------------------------------------- */

struct wt_bias { int32_t id; float value; };
struct wt_sample_in {
        uint32_t size;
        const float *logits; uint32_t vocab;     /* (V) */
        uint32_t n_valid;                        /* ids >= n_valid are padding: never drawn */
        const int32_t *prompt; uint32_t n_prompt;
        const int32_t *made; uint32_t n_made;    /* generated so far */
        float temperature;                       /* 0: the highest logit, ties to the lowest id */
        float top_p;                             /* (0, 1]; 1: off */
        uint32_t top_k;                          /* 0: off */
        uint64_t seed;
        /* position: index in the sequence of the new token */
        uint32_t prompt_index, choice, position;
        uint32_t n_top;                          /* how many best (id, log-probability) to report */
        const int32_t *banned; uint32_t n_banned;/* never drawn (ignore_eos, min_tokens) */
        /* keeps what is at least min_p as likely as the best; 0: off */
        float min_p;
        /* of ids in prompt or made: logit / it, or * it below 0; 1 or 0: off */
        float repetition_penalty;
        /* of ids made: logit - count * it, - it; 0: off */
        float frequency_penalty, presence_penalty;
        const struct wt_bias *bias; uint32_t n_bias;     /* added to the logits of their ids */
};
struct wt_sample_out {
        uint32_t size;
        int32_t id;
        double logprob;                          /* of id under the raw logits, natural log */
        int32_t *top_id; double *top_logprob;    /* the caller's, (n_top) each */
};
struct wt_sample_ops {
        uint32_t size;
        size_t (*scratch_bytes)(uint32_t vocab);
        /* Pure. WT_EDATA: a logit is NaN or infinite. */
        int (*sample)(void *scratch, const struct wt_sample_in *in, struct wt_sample_out *out);
        /* Log-probability of id and the n_top best, without drawing (echo of a prompt). */
        int (*score)(void *scratch, const struct wt_sample_in *in, int32_t id,
                     struct wt_sample_out *out);
};

/* ---- store: what must survive (SQLite, PostgreSQL) ------------------------------------------ */

/* A connection. One thread at a time; a program opens one for each of its threads. */
typedef struct wt_db wt_db;

enum wt_type { WT_NULL = 0, WT_INT = 1, WT_REAL = 2, WT_TEXT = 3, WT_BLOB = 4 };
/* TEXT and BLOB: data of len bytes, lent; text is UTF-8 without NUL, not NUL-ended. */
struct wt_value {
        uint32_t type, len;
        union { int64_t i; double d; const void *data; } as;
};
/* Called for each row of an answer; columns live until it returns, and it must not use the
 * connection. Not 0: stop, and query returns that. */
typedef int (*wt_on_row)(void *arg, const struct wt_value *column, uint32_t n);

/* SQL is the part that SQLite (3.40) and PostgreSQL (15) read alike: $1, $2, ... for the args, each
 * used; INSERT ... ON CONFLICT DO NOTHING | DO UPDATE; RETURNING; WITH; window functions; row
 * values; a NULL that stands alone as CAST($1 AS BIGINT). Types are written BIGINT, DOUBLE
 * PRECISION, TEXT and {bytes}; a table that is cut by day has a column `day` (BIGINT, days since
 * 1970) and {by_day} behind its closing bracket (its primary key and unique keys must then hold
 * `day`). Names of tables: [a-z_][a-z0-9_]{0,39}; those that start with witan_ are the host's. A
 * temporary table is made, loaded, read and dropped in one transaction.
 *
 * Codes, so that a caller knows what to do: WT_EUNAVAILABLE the database is away, or did not
 * answer in time, be it that others held a lock for so long (the connection may be closed, and is
 * opened again by the next begin or query; what was not committed is gone; a commit that ends so
 * may or may not have happened: ask); WT_EABORTED a deadlock or a serialisation failure: run the
 * whole transaction again; WT_EEXIST a unique key; WT_EDATA a row that the database refuses
 * (constraint, encoding, range, NaN): running it again does not help; WT_EEXHAUSTED no space;
 * WT_EPERM no right, or a sealed table; WT_EINVAL bad SQL; WT_EPRECONDITION a call that does not
 * fit the transaction. After a failure inside a transaction there is only rollback. */
struct wt_store_ops {
        uint32_t size;
        const char *scheme;                      /* of the URLs it opens: "sqlite", "postgresql" */
        /* timeout_ms bounds every later call, but for migrate and day_drop. host is borrowed until
         * close. The file, or the schema's tables, need not exist; the server and its database
         * must. */
        int (*open)(wt_db **out, const struct wt_host *host, const char *url, uint64_t timeout_ms);
        void (*close)(wt_db *db);                /* NULL is fine */
        int (*describe)(wt_db *db, char *out, size_t cap);       /* "PostgreSQL 15.8" */
        int (*now)(wt_db *db, int64_t *us);      /* the database's clock, microseconds since 1970:
                                                  * all leases and windows are told by it */
        /* One writing transaction at a time in a connection. Isolation: as if they ran one after
         * another (SQLite: BEGIN IMMEDIATE; PostgreSQL: SERIALIZABLE). commit returns when the
         * transaction is durable. Outside a transaction a query is one of its own. */
        int (*begin)(wt_db *db);
        /* A reading transaction: all its queries see one moment, and it hinders nobody. Inside of
         * it timeout_ms bounds the time from one row to the next. Ends by rollback. */
        int (*snapshot)(wt_db *db);
        int (*commit)(wt_db *db);
        int (*rollback)(wt_db *db);              /* also after a failure; none open: WT_OK */
        /* One statement. n_changed (or NULL): rows inserted, changed or deleted. */
        int (*query)(wt_db *db, const char *sql, const struct wt_value *args, uint32_t n_args,
                     wt_on_row row, void *arg, uint64_t *n_changed);
        /* Many rows into a (temporary) table, inside a transaction: COPY, or one prepared insert.
         * rows (n_rows, n_columns). */
        int (*load)(wt_db *db, const char *table, const char *const *columns, uint32_t n_columns,
                    const struct wt_value *rows, uint32_t n_rows);

        /* The next four are part of the transaction that is open, or one of their own. */

        /* steps[i] leads schema `name` from version i to i + 1 (several statements, `;` between);
         * all in one transaction; processes that do it at once do it once. A version above n:
         * WT_EPRECONDITION. Each step is kept: table witan_schema (name TEXT, version BIGINT, step
         * TEXT, place BIGINT), one row a step, version being i + 1, place counting all of them. */
        int (*migrate)(wt_db *db, const char *name, const char *const *steps, uint32_t n);
        /* From now on rows of the table can be neither changed nor deleted by anybody who uses
         * this ABI: WT_EPERM. Idempotent. */
        int (*seal)(wt_db *db, const char *table);
        /* Makes room for rows of that day; idempotent. And: takes all rows of that day away, of
         * a sealed table as well (retention); WT_ENOTFOUND when there is none. */
        int (*day_add)(wt_db *db, const char *table, int64_t day);
        int (*day_drop)(wt_db *db, const char *table, int64_t day);

        /* Change feed. notify inside a transaction is heard after its commit by every connection
         * that listens to the channel ([a-z_]{1,32}), this one included; several may be heard as
         * one. listen replaces the list (at most 32 channels). wait returns when one of the
         * channels was notified since the last wait (*heard has bit i for channel i of listen), or
         * after timeout_ms with *heard 0; not inside a transaction. After a connection was lost
         * all bits are set: look again at everything. */
        int (*notify)(wt_db *db, const char *channel);
        int (*listen)(wt_db *db, const char *const *channels, uint32_t n);
        int (*wait)(wt_db *db, uint64_t timeout_ms, uint32_t *heard);

        /* Columns of all tables in the order of their names and places: row gets table TEXT,
         * column TEXT, type INT (enum wt_type), by_day INT (0 where days mean nothing), sealed
         * INT. */
        int (*columns)(wt_db *db, wt_on_row row, void *arg);
};

#ifdef __cplusplus
}
#endif
#endif
