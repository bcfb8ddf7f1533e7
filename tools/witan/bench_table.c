/* bench_table.c - the offline results told: a row for each phase of each load, a row for each
 * way. */
#include <stdio.h>
#include <string.h>
#include "bench_offline.h"
#include "bench_report.h"
#include "bench_roof.h"

/* One figure of every round, and its median. */
typedef double figure(const struct bench_offline_result *r, const struct bench_round *round, int a,
                      int b);

static double median_of(const struct bench_offline_result *r, figure *f, int a, int b)
{
        double v[MOST_ROUNDS];

        for (uint32_t i = 0; i < r->rounds; i++)
                v[i] = f(r, &r->round[i], a, b);
        return bench_median(v, r->rounds);
}

/* ---- phases; phase N_PHASES: all of them together ---- */

static double spent(const struct bench_work *w, const double *by_stage, int phase)
{
        double sum = 0;

        (void)w;
        for (int s = 0; s < N_STAGES; s++)
                if (phase == N_PHASES || (int)bench_phase_of(s) == phase)
                        sum += by_stage[s];
        return sum;
}

static double limit(const struct bench_work *w, int phase, double read, double fma)
{
        double sum = 0;

        for (int p = 0; p < N_PHASES; p++)
                if (phase == N_PHASES || p == phase)
                        sum += bench_roof_limit(w, p, read, fma);
        return sum;
}

static double phase_ms(const struct bench_offline_result *r, const struct bench_round *d, int load,
                       int phase)
{
        const struct bench_work *w = &d->work[load];

        (void)r;
        return spent(w, w->wall, phase) / bench_loads[load].steps * 1e3;
}

static double limit_ms(const struct bench_offline_result *r, const struct bench_round *d, int load,
                       int phase)
{
        (void)r;
        return limit(&d->work[load], phase, d->read[load].wall, d->fma.wall) /
               bench_loads[load].steps * 1e3;
}

static double phase_ratio(const struct bench_offline_result *r, const struct bench_round *d,
                          int load, int phase)
{
        return phase_ms(r, d, load, phase) / limit_ms(r, d, load, phase);
}

static double cpu_ratio(const struct bench_offline_result *r, const struct bench_round *d, int load,
                        int phase)
{
        const struct bench_work *w = &d->work[load];

        (void)r;
        return spent(w, w->cpu, phase) / limit(w, phase, d->read[load].cpu, d->fma.cpu);
}

static double mega_bytes(const struct bench_offline_result *r, const struct bench_round *d,
                         int load, int phase)
{
        double sum = 0;

        (void)r;
        for (int p = 0; p < N_PHASES; p++)
                if (phase == N_PHASES || p == phase)
                        sum += d->work[load].bytes[p];
        return sum / bench_loads[load].steps / 1e6;
}

static double mega_fmas(const struct bench_offline_result *r, const struct bench_round *d, int load,
                        int phase)
{
        double sum = 0;

        (void)r;
        for (int p = 0; p < N_PHASES; p++)
                if (phase == N_PHASES || p == phase)
                        sum += d->work[load].fmas[p];
        return sum / bench_loads[load].steps / 1e6;
}

static double distinct(const struct bench_offline_result *r, const struct bench_round *d, int load,
                       int moe_layers)
{
        (void)r;
        return (double)d->work[load].distinct / bench_loads[load].steps / moe_layers;
}

static double stage_ms(const struct bench_offline_result *r, const struct bench_round *d, int load,
                       int stage)
{
        (void)r;
        return d->work[load].wall[stage] / bench_loads[load].steps * 1e3;
}

static double stage_cpu_ms(const struct bench_offline_result *r, const struct bench_round *d,
                           int load, int stage)
{
        (void)r;
        return d->work[load].cpu[stage] / bench_loads[load].steps * 1e3;
}

static const char *limited_by(const struct bench_offline_result *r, int load, int phase)
{
        const struct bench_round *d = &r->round[0];

        if (phase == N_PHASES)
                return "";
        return bench_roof_reads(&d->work[load], phase, d->read[load].wall, d->fma.wall)
                       ? "reading" : "multiplying";
}

static const char *phase_name(int phase)
{
        return phase == N_PHASES ? "all" : bench_phase_names[phase];
}

/* ---- ways ---- */

static double token_us(const struct bench_offline_result *r, const struct bench_round *d, int way,
                       int load)
{
        (void)r;
        return d->wall[way][load] * 1e6;
}

static double token_cpu_us(const struct bench_offline_result *r, const struct bench_round *d,
                           int way, int load)
{
        (void)r;
        return d->cpu[way][load] * 1e6;
}

static double of_one_process(const struct bench_offline_result *r, const struct bench_round *d,
                             int way, int load)
{
        (void)r;
        return d->wall[WAY_DIRECT][load] / d->wall[way][load];
}

static double bus_us(const struct bench_offline_result *r, const struct bench_round *d, int way,
                     int load)
{
        (void)r;
        return (d->wall[way][load] - d->wall[WAY_DIRECT][load]) * 1e6;
}

static double read_rate(const struct bench_offline_result *r, const struct bench_round *d, int cpu,
                        int load)
{
        (void)r;
        return 1e-9 / (cpu ? d->read[load].cpu : d->read[load].wall);
}

static double fma_rate(const struct bench_offline_result *r, const struct bench_round *d, int cpu,
                       int b)
{
        (void)r;
        (void)b;
        return 1e-9 / (cpu ? d->fma.cpu : d->fma.wall);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void kf(struct wt_buf *b, const char *key, double v)     /* four digits are enough */
{
        wt_buf_json_key(b, key);
        wt_buf_fmt(b, "%.4g", v);
}

static void open_object(struct wt_buf *b)
{
        wt_buf_json_sep(b);
        wt_buf_str(b, "\n  {");
}

static void put_model(const struct bench_offline_result *r, struct wt_buf *b)
{
        const struct wt_shape *s = r->shape;
        const struct wt_layer *y = &s->layers[s->n_layers - 1];
        const char *slash = strrchr(r->model, '/');

        wt_buf_json_key(b, "model");
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "name", slash != NULL && slash[1] != '\0' ? slash + 1 : r->model);
        wt_buf_json_kv(b, "family", s->family);
        wt_buf_json_ku(b, "layers", s->n_layers);
        wt_buf_json_ku(b, "moe_layers", wt_shape_moe_layers(s));
        wt_buf_json_ku(b, "hidden", s->width);
        wt_buf_json_ku(b, "vocab", s->vocab);
        wt_buf_json_ku(b, "heads", y->n_heads);
        wt_buf_json_ku(b, "latent", y->kv_rank);
        wt_buf_json_ku(b, "experts", y->n_experts);
        wt_buf_json_ku(b, "picks", y->n_picks);
        wt_buf_json_ku(b, "expert_hidden", y->expert_hidden);
        wt_buf_json_ku(b, "shared_hidden", y->shared_hidden);
        kf(b, "hidden_state_rms", r->rms);
        kf(b, "busiest_expert_share", r->busiest);
        wt_buf_str(b, "}");
}

static void put_phases(const struct bench_offline_result *r, struct wt_buf *b)
{
        int moe = (int)wt_shape_moe_layers(r->shape);

        wt_buf_json_key(b, "phases");
        wt_buf_str(b, "[");
        for (int l = 0; l < N_LOADS; l++)
                for (int p = 0; p <= N_PHASES; p++) {
                        if (p == PHASE_EXPERTS && moe == 0)
                                continue;
                        open_object(b);
                        wt_buf_json_kv(b, "load", bench_loads[l].name);
                        wt_buf_json_kv(b, "phase", phase_name(p));
                        kf(b, "ms", median_of(r, phase_ms, l, p));
                        kf(b, "roofline_ms", median_of(r, limit_ms, l, p));
                        kf(b, "ratio", median_of(r, phase_ratio, l, p));
                        kf(b, "cpu_ratio", median_of(r, cpu_ratio, l, p));
                        wt_buf_json_kv(b, "limit", limited_by(r, l, p));
                        kf(b, "megabytes", median_of(r, mega_bytes, l, p));
                        kf(b, "million_fmas", median_of(r, mega_fmas, l, p));
                        if (p == PHASE_EXPERTS)
                                kf(b, "distinct_experts_a_layer", median_of(r, distinct, l, moe));
                        if (p == N_PHASES)
                                kf(b, "aim", bench_loads[l].most);
                        wt_buf_str(b, "}");
                }
        wt_buf_str(b, "]");
        wt_buf_json_key(b, "stages");
        wt_buf_str(b, "[");
        for (int l = 0; l < N_LOADS; l++)
                for (int s = 0; s < N_STAGES; s++) {
                        open_object(b);
                        wt_buf_json_kv(b, "load", bench_loads[l].name);
                        wt_buf_json_kv(b, "stage", bench_stage_names[s]);
                        kf(b, "ms", median_of(r, stage_ms, l, s));
                        kf(b, "cpu_ms", median_of(r, stage_cpu_ms, l, s));
                        wt_buf_str(b, "}");
                }
        wt_buf_str(b, "]");
}

static void put_ways(const struct bench_offline_result *r, struct wt_buf *b)
{
        wt_buf_json_key(b, "ways");
        wt_buf_str(b, "[");
        for (int w = 0; w < N_WAYS; w++)
                for (int l = 0; l < N_LOADS && r->has_way[w]; l++) {
                        open_object(b);
                        wt_buf_json_kv(b, "way", bench_ways[w]);
                        wt_buf_json_kv(b, "load", bench_loads[l].name);
                        kf(b, "us_a_token", median_of(r, token_us, w, l));
                        kf(b, "tokens_a_second", 1e6 / median_of(r, token_us, w, l));
                        kf(b, "cpu_us_a_token", median_of(r, token_cpu_us, w, l));
                        kf(b, "rate_to_one_process", median_of(r, of_one_process, w, l));
                        kf(b, "bus_us_a_token", median_of(r, bus_us, w, l));
                        wt_buf_str(b, "}");
                }
        wt_buf_str(b, "]");
}

void bench_offline_json(const struct bench_offline_result *r, struct wt_buf *b)
{
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "what", "witan bench offline");
        bench_machine(b);
        put_model(r, b);
        wt_buf_json_ku(b, "threads", r->threads);
        wt_buf_json_ku(b, "workers", r->workers);
        wt_buf_json_ku(b, "rounds", r->rounds);
        wt_buf_json_kb(b, "profiled", r->profiled);
        wt_buf_json_key(b, "limits");
        wt_buf_str(b, "{");
        kf(b, "fma_g_s", median_of(r, fma_rate, 0, 0));
        kf(b, "fma_g_s_by_cpu_time", median_of(r, fma_rate, 1, 0));
        wt_buf_json_key(b, "read");              /* as many bytes as a step of the load reads */
        wt_buf_str(b, "[");
        for (int l = 0; l < N_LOADS; l++) {
                open_object(b);
                wt_buf_json_kv(b, "load", bench_loads[l].name);
                kf(b, "gb_s", median_of(r, read_rate, 0, l));
                kf(b, "gb_s_by_cpu_time", median_of(r, read_rate, 1, l));
                wt_buf_str(b, "}");
        }
        wt_buf_str(b, "]");
        wt_buf_str(b, "}");
        put_phases(r, b);
        put_ways(r, b);
        wt_buf_str(b, "}");
}

/* ---- table ---------------------------------------------------------------------------------- */

void bench_offline_table(const struct bench_offline_result *r)
{
        printf("%s, %u threads, %u rounds; this machine reads what the loads read at %.1f, %.1f, "
               "%.1f GB/s and does %.1f G multiply-adds/s\n\n",
               r->model, r->threads, r->rounds, median_of(r, read_rate, 0, LOAD_DECODE),
               median_of(r, read_rate, 0, LOAD_STEP), median_of(r, read_rate, 0, LOAD_PREFILL),
               median_of(r, fma_rate, 0, 0));
        printf("%-15s %-15s %9s %12s %6s %6s %6s  %s\n", "LOAD", "PHASE", "MS", "ROOFLINE MS",
               "RATIO", "BY CPU", "AIM", "LIMIT");
        for (int l = 0; l < N_LOADS; l++)
                for (int p = 0; p <= N_PHASES; p++) {
                        char aim[16] = "";

                        if (p == N_PHASES)
                                snprintf(aim, sizeof aim, "%.1f", bench_loads[l].most);
                        printf("%-15s %-15s %9.3f %12.3f %6.2f %6.2f %6s  %s\n",
                               bench_loads[l].name, phase_name(p), median_of(r, phase_ms, l, p),
                               median_of(r, limit_ms, l, p), median_of(r, phase_ratio, l, p),
                               median_of(r, cpu_ratio, l, p), aim, limited_by(r, l, p));
                }
        printf("\n%-28s %-15s %11s %10s %13s %13s\n", "WAY", "LOAD", "US A TOKEN", "TOKENS/S",
               "OF NO BUS", "BUS, US");
        for (int w = 0; w < N_WAYS; w++)
                for (int l = 0; l < N_LOADS && r->has_way[w]; l++)
                        printf("%-28s %-15s %11.1f %10.1f %13.2f %13.1f\n", bench_ways[w],
                               bench_loads[l].name, median_of(r, token_us, w, l),
                               1e6 / median_of(r, token_us, w, l),
                               median_of(r, of_one_process, w, l), median_of(r, bus_us, w, l));
}
