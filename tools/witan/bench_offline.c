/* bench_offline.c - witan bench offline: each round measures the machine's limits, then every load
 * by every way, one after another; a ratio is made of figures of one round, and what is told is the
 * median over the rounds. So what the neighbours of a shared machine do hits both sides of each
 * ratio. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/trace.h"
#include "bench_offline.h"
#include "bench_report.h"
#include "bench_rig.h"
#include "plugin/plugin.h"

const struct wt_plugin *wt_plugin_compute_cpu(void);

enum { MOST_READ = 3 << 29, SEQS = 16, PREFILL = 512, POSITIONS = 640, WORKERS = 2 };

const struct bench_load_row bench_loads[N_LOADS] = {
        { "decode of one", 1, 1, 128, 16, 1.5 },
        { "step of 16", SEQS, 1, 128, 6, 1.5 },
        { "prefill of 512", 1, PREFILL, 0, 1, 2.0 },
};
const char *const bench_ways[N_WAYS] = { "one process, no bus", "threads, in-process bus",
                                         "processes, ZeroMQ and CURVE" };

struct offline {
        struct call *c;
        wt_pool *pool;
        struct bench_limits *limits;
        struct bench_direct *direct;
        struct rig *rig[N_WAYS];
        char state[4200];
        int32_t ids[PREFILL];
        uint64_t drawn;
        struct bench_offline_result r;
};

/* ---- in this process ------------------------------------------------------------------------ */

static void draw_ids(struct offline *o, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++)
                o->ids[i] = (int32_t)(wt_philox_unit(11, (uint32_t)o->drawn++, 0, 0) *
                                      o->r.shape->vocab);
}

/* Step i of a load: its sequences go on from their context, which stays as it is. */
static wt_err direct_step(struct offline *o, const struct bench_load_row *l, uint32_t i,
                          struct bench_work *w)
{
        struct bench_run runs[SEQS];

        for (uint32_t s = 0; s < l->seqs; s++)
                runs[s] = (struct bench_run){ l->rows > 1 ? SEQS : s, l->context + i, l->rows };
        draw_ids(o, l->seqs * l->rows);
        return bench_direct_step(o->direct, runs, l->seqs, o->ids, w);
}

static wt_err fill_contexts(struct offline *o)
{
        uint32_t most = bench_loads[LOAD_STEP].context;
        struct bench_work none = { 0 };
        wt_err err = WT_OK;

        for (uint32_t s = 0; s < SEQS && err == WT_OK; s++) {
                draw_ids(o, most);
                err = bench_direct_step(o->direct, &(struct bench_run){ s, 0, most }, 1, o->ids,
                                        &none);
        }
        o->r.rms = bench_direct_rms(o->direct);
        o->r.busiest = bench_direct_busiest(o->direct);
        if (err == WT_OK && !bench_direct_finite(o->direct))
                err = wt_fail(WT_EDATA,
                              "the model's logits are not finite; its weights are no model");
        return err;
}

static wt_err run_direct(struct offline *o, enum bench_load k, struct bench_round *r)
{
        const struct bench_load_row *l = &bench_loads[k];
        struct bench_work *w = &r->work[k];
        double tokens = (double)l->seqs * l->steps * l->rows;
        wt_err err = WT_OK;

        for (uint32_t i = 0; i < l->steps && err == WT_OK; i++)
                err = direct_step(o, l, i, w);
        for (int s = 0; s < N_STAGES; s++) {
                r->wall[WAY_DIRECT][k] += w->wall[s] / tokens;
                r->cpu[WAY_DIRECT][k] += w->cpu[s] * o->r.threads / tokens;
        }
        return err;
}

/* ---- over the bus --------------------------------------------------------------------------- */

static wt_err run_rig(struct offline *o, enum bench_way way, enum bench_load k,
                      struct bench_round *r)
{
        const struct bench_load_row *l = &bench_loads[k];
        uint32_t prompt = l->rows > 1 ? l->rows : l->context, made = l->rows > 1 ? 1 : l->steps + 2;
        struct rig_result got;
        wt_err err = rig_run(o->rig[way], l->seqs, prompt, made, o->drawn++, &got);

        if (err != WT_OK)
                return err;
        r->wall[way][k] = l->rows > 1 ? got.first / l->rows : got.token;
        r->cpu[way][k] = l->rows > 1 ? 0 : got.cpu;
        return WT_OK;
}

static double bytes_a_step(const struct bench_work *w, enum bench_load k)
{
        double sum = 0;

        for (int p = 0; p < N_PHASES; p++)
                sum += w->bytes[p];
        return sum / bench_loads[k].steps;
}

static wt_err one_round(struct offline *o, struct bench_round *r)
{
        wt_err err = WT_OK;

        memset(r, 0, sizeof *r);
        r->fma = bench_fma_time(o->limits, o->pool, 0);
        for (int k = 0; k < N_LOADS; k++) {
                if ((err = run_direct(o, k, r)) != WT_OK)
                        return err;
                r->read[k] = bench_read_time(o->limits, o->pool, bytes_a_step(&r->work[k], k));
                for (int w = WAY_INPROC; w < N_WAYS; w++)
                        if (o->r.has_way[w] && (err = run_rig(o, w, k, r)) != WT_OK)
                                return err;
        }
        return WT_OK;
}

/* ---- open, close ---------------------------------------------------------------------------- */

static wt_err open_rig(struct offline *o, enum bench_way way)
{
        struct rig_conf c = {
                .folder = o->r.model,
                .state = o->state,
                .processes = way == WAY_PROCESSES,
                .n_workers = WORKERS,
                .threads = o->r.threads,
                .worker_threads = o->r.threads > WORKERS ? o->r.threads / WORKERS : 1,
                .step_rows = PREFILL,
                .chunk = PREFILL,
                .max_seqs = 2 * SEQS,
                .max_context = POSITIONS,
                .kv_bytes = 512 << 20,
        };

        o->r.has_way[way] = true;
        return rig_open(&o->rig[way], &c);
}

static wt_err open_all(struct offline *o)
{
        const wt_conf *conf = o->c->conf;
        const char *only = o->c->flag[BF_ONLY];
        const struct wt_compute_ops *ops = wt_plugin_compute_cpu()->ops;
        char packs[4300];
        wt_err err;

        o->r.model = wt_conf_str(conf, WT_SET_model);
        snprintf(o->state, sizeof o->state, "%s/bench", o->c->state);
        snprintf(packs, sizeof packs, "%s/packs", o->state);
        if ((err = wt_dir_make(o->state, 0700)) != WT_OK ||
            (err = wt_pool_new(&o->pool, (uint32_t)wt_conf_u64(conf, WT_SET_threads))) != WT_OK ||
            (err = bench_limits_open(&o->limits, MOST_READ)) != WT_OK)
                return err;
        o->r.threads = wt_pool_threads(o->pool);
        o->r.workers = WORKERS;
        o->r.has_way[WAY_DIRECT] = true;
        o->r.profiled = wt_trace_on;
        if (wt_trace_on)
                ops = wt_compute_traced(ops);
        fprintf(stderr, "opening %s\n", o->r.model);
        if ((err = bench_direct_open(&o->direct, ops, o->r.model, packs, o->pool, PREFILL, SEQS + 1,
                                     POSITIONS)) != WT_OK)
                return err;
        o->r.shape = bench_direct_shape(o->direct);
        if ((err = fill_contexts(o)) != WT_OK || (only != NULL && strcmp(only, "phases") == 0))
                return err;
        if (wt_shape_moe_layers(o->r.shape) == 0)
                return WT_OK;                    /* nothing for workers to do */
        if ((err = open_rig(o, WAY_INPROC)) != WT_OK)
                return err;
        return open_rig(o, WAY_PROCESSES);
}

static void close_all(struct offline *o)
{
        for (int w = 0; w < N_WAYS; w++)
                rig_close(o->rig[w]);
        bench_direct_close(o->direct);
        bench_limits_close(o->limits);
        if (o->pool != NULL)
                wt_pool_free(o->pool);
}

/* ---- the verb ------------------------------------------------------------------------------- */

static wt_err measure(struct offline *o, uint32_t rounds)
{
        struct bench_round warm;
        wt_err err = one_round(o, &warm);

        for (uint32_t i = 0; i < rounds && err == WT_OK; i++) {
                if (isatty(2))
                        fprintf(stderr, "\rround %u of %u%s", i + 1, rounds,
                                i + 1 < rounds ? "" : "\n");
                err = one_round(o, &o->r.round[i]);
                o->r.rounds += err == WT_OK;
        }
        return err;
}

static int tell(struct offline *o)
{
        const char *out = o->c->flag[BF_OUT];
        struct wt_buf b = { 0 };
        int rc = EXIT_DONE;

        bench_offline_json(&o->r, &b);
        wt_buf_str(&b, "\n");
        if (o->c->json)
                fputs(b.data, stdout);
        else
                bench_offline_table(&o->r);
        if (out != NULL && bench_write(out, "offline.json", &b) != WT_OK)
                rc = verb_fail(o->c, "%s", wt_words());
        wt_buf_free(&b);
        return rc;
}

static void tell_totals(void)
{
        struct wt_trace_total t[32];
        uint32_t n = wt_trace_totals(t, 32);

        fprintf(stderr, "\n%-8s %-12s %10s %12s\n", "KIND", "NAME", "CALLS", "MS");
        for (uint32_t i = 0; i < n; i++)
                fprintf(stderr, "%-8s %-12s %10llu %12.1f\n", t[i].kind, t[i].name,
                        (unsigned long long)t[i].count, (double)t[i].ns / 1e6);
}

int bench_offline(struct call *c)
{
        struct offline *o = calloc(1, sizeof *o);
        const char *only = c->flag[BF_ONLY];
        uint64_t rounds;
        int rc;

        WT_ASSERT(o != NULL);
        o->c = c;
        wt_log_init("bench", WT_ERROR, 2);      /* the services on threads speak of faults only */
        if (c->n_words != 1 || !bench_number(c, BF_ROUNDS, 1, MOST_ROUNDS, 9, &rounds) ||
            (only != NULL && strcmp(only, "phases") != 0 && strcmp(only, "all") != 0)) {
                free(o);
                return verb_usage(c, "offline takes --rounds 1 to %d and --only phases|all",
                                  MOST_ROUNDS);
        }
        if ((c->flag[BF_PROFILE] != NULL && wt_trace_open(c->flag[BF_PROFILE], "witan") != WT_OK) ||
            open_all(o) != WT_OK || measure(o, (uint32_t)rounds) != WT_OK)
                rc = verb_fail(c, "%s", wt_words());
        else
                rc = tell(o);
        if (wt_trace_on && rc == EXIT_DONE)
                tell_totals();
        close_all(o);
        if (wt_trace_close() != WT_OK)
                rc = verb_fail(c, "%s", wt_words());
        free(o);
        return rc;
}
