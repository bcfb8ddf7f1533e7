#include "conform.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sha256.h"
#include "conform_step.h"

/* Sequence lengths: over two page edges, just over one, and a few. */
static const uint32_t lengths[] = { 131, 70, 5, CF_POISONED_LEN };
enum { SEQS = 3, LONG = 2200, LONG_PAGES = LONG / WT_PAGE + 2, GOLDEN_LEN = 70, ROWS = 300 };

/* chunk: rows a sequence gives to a step, each its own; together: sequences in a step. */
static const struct schedule {
        const char *name;
        uint32_t chunk[CF_SEQS], together, workers;
        bool scattered, poisoned, quick;
} schedules[] = {
        {"token by token, alone, leaves to combine", {1, 1, 1}, 1, 0, false, false, false},
        {"token by token, together, two workers", {1, 1, 1}, 3, 2, false, false, false},
        {"chunks of 17, together, one worker", {17, 17, 17}, 3, 1, false, false, true},
        {"chunks of 64, alone, four workers", {64, 64, 64}, 1, 4, false, false, false},
        {"chunks of 256, together, three scattered workers",
         {256, 256, 256},
         3,
         3,
         true,
         false,
         true},
        {"chunks of 64, 1 and 17, together, five scattered workers",
         {64, 1, 17},
         3,
         5,
         true,
         false,
         true},
        {"a row that is not finite among others", {33, 17, 2, 6}, 4, 2, false, true, true},
};
enum { N_SCHEDULES = sizeof schedules / sizeof *schedules };

struct check { const struct wt_conform *to; const struct wt_compute_ops *o; uint32_t faults; };

static void note(struct check *c, const char *what, bool ok, const char *words)
{
        c->faults += !ok;
        c->to->note(c->to->arg, what, ok, words);
}

/* ---- batches of every composition ------------------------------------------------------------ */

static bool run_schedule(struct cf_batch *b, const struct schedule *s)
{
        uint32_t pos[CF_SEQS] = { 0 }, n_seq = s->poisoned ? CF_SEQS : SEQS, left = n_seq;

        b->workers = s->workers;
        b->scattered = s->scattered;
        for (uint32_t turn = 0; left; turn++) {
                struct cf_feed f[CF_SEQS];
                uint32_t n = 0;

                for (uint32_t i = 0; i < n_seq && n < s->together; i++) {
                        uint32_t q = (i + turn) % n_seq, rest = lengths[q] - pos[q];

                        if (!rest)
                                continue;
                        f[n] = (struct cf_feed){q, pos[q], rest < s->chunk[q] ? rest : s->chunk[q]};
                        pos[q] += f[n++].n;
                        left -= pos[q] == lengths[q];
                }
                if (n && !cf_step(b, f, n))
                        return false;
        }
        return true;
}

static void check_batches(struct check *c, const struct cf_truth *t, uint32_t threads)
{
        struct cf_device d;
        char what[256], words[256] = "";

        snprintf(what, sizeof what, "%s, %u threads: open", t->m->c->name, threads);
        if (cf_device_open(&d, c->o, t->m, threads, ROWS, CF_SEQS, 3)) {
                note(c, what, false, wt_words());
                return;
        }
        for (uint32_t i = 0; i < N_SCHEDULES; i++) {
                const struct schedule *s = schedules + i;
                struct cf_batch b;
                bool ok;

                if (c->to->quick && !s->quick)
                        continue;
                snprintf(what, sizeof what, "%s, %u threads: %s", t->m->c->name, threads, s->name);
                ok = !cf_batch_new(&b, &d, t, ROWS, 3) && run_schedule(&b, s);
                snprintf(words, sizeof words, "%s", *b.words ? b.words : wt_words());
                note(c, what, ok, words);
                cf_batch_free(&b);
        }
        cf_device_close(&d);
}

/* ---- long contexts: three spans, and decode that threads must share -------------------------- */

static const uint32_t seen[] = {0,    62,   63,   64,   1022, 1023, 1024, 1087,     1088,    1500,
                                2046, 2047, 2048, 2111, 2112, 2190, 2195, LONG - 2, LONG - 1};

static float *long_rows(const struct cf_model *m, enum cf_mutation mutation)
{
        struct cf_ref ref = m->ref;
        float *h = malloc((size_t)LONG * m->l.width * sizeof *h);
        uint8_t *want = calloc(LONG, 1);

        for (uint32_t t = 0; t < LONG; t++)
                cf_embed_row(m, cf_token(0, t), h + (size_t)t * m->l.width);
        for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
                want[seen[i]] = 1;
        ref.mutation = mutation;
        cf_attend(&ref, h, LONG, want);
        free(want);
        return h;
}

static bool same_long(struct cf_batch *b, uint32_t pos, uint32_t n, const float *truth)
{
        size_t d = b->d->m->l.width;

        for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
                if (seen[i] >= pos && seen[i] < pos + n &&
                    memcmp(b->mine + (seen[i] - pos) * d, truth + seen[i] * d, d * sizeof(float))) {
                        snprintf(b->words, sizeof b->words, "attention at position %u differs",
                                 seen[i]);
                        return false;
                }
        return true;
}

/* Chunks of 256, then one row a step; a short neighbour comes along where there is room. */
static bool run_long(struct cf_batch *b, const float *truth)
{
        const struct cf_model *m = b->d->m;
        size_t d = m->l.width;

        for (uint32_t pos = 0, n; pos < LONG; pos += n) {
                uint32_t other = pos / 256 * 3 % 64;
                struct cf_feed f[2] = { { 0, pos, 0 }, { 1, other, 3 } };

                n = LONG - pos > 256 ? 256 : pos < 2190 ? 2190 - pos : 1;
                f[0].n = n;
                for (uint32_t t = 0; t < n; t++)
                        cf_embed_row(m, cf_token(0, pos + t), b->mine + t * d);
                for (uint32_t t = 0; t < 3; t++)
                        cf_embed_row(m, cf_token(1, other + t), b->mine + (n + t) * d);
                if (!cf_attend_only(b, f, 2) || !same_long(b, pos, n, truth))
                        return false;
        }
        return true;
}

static void check_long(struct check *c, const struct cf_case *k, uint32_t most_threads)
{
        struct cf_model m;
        struct cf_truth none = { 0 };
        float *truth;

        cf_model_new(&m, k, LONG);
        truth = long_rows(&m, CF_NONE);
        for (uint32_t threads = 1; threads <= most_threads; threads++) {
                struct cf_device d;
                struct cf_batch b;
                char what[256];
                bool ok;

                snprintf(what, sizeof what, "%s, %u threads: %u positions", k->name, threads, LONG);
                if (cf_device_open(&d, c->o, &m, threads, ROWS, 2, LONG_PAGES)) {
                        note(c, what, false, wt_words());
                        continue;
                }
                ok = !cf_batch_new(&b, &d, &none, ROWS, LONG_PAGES) && run_long(&b, truth);
                note(c, what, ok, *b.words ? b.words : wt_words());
                if (threads == 1 && k->l.attn == WT_ATTN_MLA) {
                        float *other = long_rows(&m, CF_NO_SPANS);

                        note(c, "a reference without spans differs",
                             memcmp(other + (size_t)(LONG - 1) * m.l.width,
                                    truth + (size_t)(LONG - 1) * m.l.width,
                                    m.l.width * sizeof *other),
                             "it gives the same bits");
                        free(other);
                }
                cf_batch_free(&b);
                cf_device_close(&d);
        }
        free(truth);
        cf_model_free(&m);
}

/* ---- many rows for few experts --------------------------------------------------------------- */

/* 700 rows with two picks each: one expert has 900 of them, one none; groups in no order. */
enum { CROWD = 700, CROWD_PICKS = 2 * CROWD };

static bool run_crowd(struct cf_device *d, const float *x, const struct cf_ref *ref, char *words,
                      size_t n)
{
        static const uint32_t expert[] = { 5, 0, 11, 2, 3 }, count[] = { 300, 900, 0, 199, 1 };
        uint32_t first[6] = {0}, width = d->m->l.width,
                 *row = malloc(2 * CROWD_PICKS * sizeof *row);
        uint32_t *leaf = row + CROWD_PICKS, p = 0;
        float *weight = malloc(CROWD_PICKS * sizeof *weight), *want = malloc(width * sizeof *want);
        struct wt_expert_weights w[5];
        uint8_t bad[CROWD] = { 0 };
        void *out = NULL;
        bool ok;

        for (uint32_t g = 0; g < 5; g++) {
                for (uint32_t i = 0; i < count[g]; i++, p++) {
                        row[p] = (p * 37 + g) % CROWD;
                        leaf[p] = CROWD_PICKS - 1 - p;
                        weight[p] = 0.25f + (float)(p % 7);
                }
                first[g + 1] = p;
                w[g] = d->experts[expert[g]];
        }
        ok = !d->o->host_alloc(d->c, (size_t)CROWD_PICKS * width * sizeof(float), &out) &&
             !d->o->expert_ffn(d->c, &(struct wt_expert_args){.size = sizeof(struct wt_expert_args),
                                                              .layer = &d->m->l,
                                                              .weights = w,
                                                              .first = first,
                                                              .n_groups = 5,
                                                              .x = x,
                                                              .row = row,
                                                              .weight = weight,
                                                              .leaf = leaf,
                                                              .out = out,
                                                              .bad = bad}) &&
             !d->o->sync(d->c);
        if (!ok)
                snprintf(words, n, "%s", wt_words());
        for (uint32_t g = 0; ok && g < 5; g++)
                for (uint32_t i = first[g]; ok && i < first[g + 1]; i++) {
                        cf_leaf(ref, expert[g], x + (size_t)row[i] * width, weight[i], want);
                        ok = !memcmp((float *)out + (size_t)leaf[i] * width, want,
                                     width * sizeof *want);
                        if (!ok)
                                snprintf(words, n, "leaf of pick %u, expert %u differs", i,
                                         expert[g]);
                }
        d->o->host_free(d->c, out);
        free(row);
        free(weight);
        free(want);
        return ok;
}

static void check_crowd(struct check *c, uint32_t threads)
{
        struct cf_model m;
        struct cf_device d;
        char what[256], words[256] = "";
        void *x = NULL;
        bool ok = false;

        cf_model_new(&m, cf_cases + 1, 64);
        snprintf(what, sizeof what, "%u picks of five experts, %u threads", CROWD_PICKS, threads);
        if (cf_device_open(&d, c->o, &m, threads, CROWD, 1, 1)) {
                note(c, what, false, wt_words());
                cf_model_free(&m);
                return;
        }
        if (!d.o->host_alloc(d.c, (size_t)CROWD * m.l.width * sizeof(float), &x)) {
                for (uint32_t t = 0; t < CROWD; t++)
                        cf_embed_row(&m, cf_token(t, 9), (float *)x + (size_t)t * m.l.width);
                ok = run_crowd(&d, x, &m.ref, words, sizeof words);
        }
        note(c, what, ok, words);
        d.o->host_free(d.c, x);
        cf_device_close(&d);
        cf_model_free(&m);
}

/* ---- broken references must differ ----------------------------------------------------------- */

static void check_mutations(struct check *c, const struct cf_truth *t)
{
        size_t d = t->m->l.width, n = lengths[1];
        float *h = malloc(n * d * sizeof *h);

        for (int m = CF_NONE + 1; m < CF_MUTATIONS; m++) {
                struct cf_ref ref = t->m->ref;
                char what[256];

                if (m == CF_NO_SPANS)
                        continue;                        /* needs more than a span: check_long */
                ref.mutation = (enum cf_mutation)m;
                for (uint32_t p = 0; p < n; p++)
                        cf_embed_row(t->m, cf_token(1, p), h + p * d);
                cf_attend(&ref, h, (uint32_t)n, NULL);
                for (uint32_t p = 0; p < n; p++)
                        cf_ffn(&ref, h + p * d);
                snprintf(what, sizeof what, "a reference with %s differs", cf_mutation_name[m]);
                note(c, what, memcmp(h, t->out[1], n * d * sizeof *h), "it gives the same bits");
        }
        free(h);
}

/* ---- all ------------------------------------------------------------------------------------- */

static bool well_formed(struct check *c, const struct wt_plugin *p)
{
        const struct wt_compute_ops *o = p->ops;
        bool ok = p->kind == WT_COMPUTE && o && o->size >= sizeof *o && o->pack_bytes && o->pack &&
                  o->open && o->close && o->upload && o->drop && o->buffer_new && o->buffer_free &&
                  o->host_alloc && o->host_free && o->copy_in && o->copy_out && o->kv_page_bytes &&
                  o->embed && o->attend && o->gate && o->ffn && o->expert_ffn && o->fold &&
                  o->combine && o->head && o->event_new && o->event_free && o->event_record &&
                  o->event_wait && o->sync && o->layout && o->profile &&
                  !strcmp(o->profile, "wn1/f32");

        note(c, "a compute plugin of profile wn1/f32 with all its stages", ok,
             "kind, profile, table size or a stage is missing");
        c->o = o;
        return ok;
}

uint32_t wt_conform_compute(const struct wt_plugin *p, const struct wt_conform *to)
{
        uint32_t most = to->most_threads ? to->most_threads : 4;
        uint32_t quick_step = to->quick && most > 1 ? most - 1 : 1;
        struct check c = { .to = to };

        if (!well_formed(&c, p))
                return c.faults;
        for (uint32_t i = 0; i < cf_n_cases; i++) {
                struct cf_model m;
                struct cf_truth t;

                cf_model_new(&m, cf_cases + i, 192);
                cf_truth_new(&t, &m, SEQS, lengths);
                for (uint32_t threads = 1; threads <= most; threads += quick_step)
                        check_batches(&c, &t, threads);
                if (i == 1)
                        check_mutations(&c, &t);
                cf_truth_free(&t);
                cf_model_free(&m);
        }
        check_long(&c, cf_cases, to->quick ? 1 : most);
        check_long(&c, cf_cases + 5, to->quick ? 1 : most);
        check_crowd(&c, 1);
        check_crowd(&c, most);
        return c.faults;
}

void wt_conform_golden(enum cf_mutation mutation, uint8_t out[32])
{
        struct wt_sha256 sha;
        float logits[CF_VOCAB];

        wt_sha256_init(&sha);
        for (uint32_t i = 0; i < cf_n_cases; i++) {
                uint32_t n =
                        cf_cases[i].l.n_heads > 100 ? GOLDEN_LEN / 4 : GOLDEN_LEN; /* slow there */
                struct cf_model m;
                float *h;

                cf_model_new(&m, cf_cases + i, n);
                m.ref.mutation = mutation;
                h = malloc((size_t)n * m.l.width * sizeof *h);
                for (uint32_t t = 0; t < n; t++)
                        cf_embed_row(&m, cf_token(0, t), h + (size_t)t * m.l.width);
                cf_attend(&m.ref, h, n, NULL);
                for (uint32_t t = 0; t < n; t++) {
                        cf_ffn(&m.ref, h + (size_t)t * m.l.width);
                        cf_head(&m.ref, h + (size_t)t * m.l.width, logits);
                        wt_sha256_add(&sha, h + (size_t)t * m.l.width, m.l.width * sizeof *h);
                        wt_sha256_add(&sha, logits, sizeof logits);
                }
                free(h);
                cf_model_free(&m);
        }
        for (uint32_t i = 0; i < 2; i++) {
                struct cf_model m;
                float *h;

                cf_model_new(&m, cf_cases + 5 * i, LONG);
                h = long_rows(&m, mutation == CF_EXPANDED ? CF_NONE : mutation);
                wt_sha256_add(&sha, h, (size_t)LONG * m.l.width * sizeof *h);
                free(h);
                cf_model_free(&m);
        }
        wt_sha256_end(&sha, out);
}
