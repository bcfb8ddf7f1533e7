/* bench_online.c - witan bench online: streamed requests to the running cluster's HTTP, by a fixed
 * number of clients each of which asks again when it was answered, or as a Poisson stream; or many
 * streams at once, with what each costs in memory beside its keys and values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/number.h"
#include "bench.h"
#include "bench_find.h"
#include "bench_report.h"
#include "bench_wave.h"
#include "cluster.h"
#include "model/shape.h"
#include "net/http.h"

/* BYTE_IDS: whatever the vocabulary of a server elsewhere, it has as many behind the control
 * tokens. */
enum { MOST_WAVES = 16, MOST_CLIENTS = 16384, SPECIAL_IDS = 16, BYTE_IDS = 256 };

struct memory { double gateway, router, experts;  /* bytes that are not files */
                double kv_position; };            /* bytes of a position in all layers */

struct online {
        struct call *c;
        struct cluster cluster;
        struct wt_shape *shape;
        struct bench_target target;
        struct bench_remote remote;              /* model "": the cluster of the state folder */
        char model[256];
        uint32_t clients[MOST_WAVES], n_waves;
        double rate;
        struct bench_wave wave[MOST_WAVES];
        struct bench_streams streams;
        struct memory before, after;
};

/* ---- what the processes hold ---------------------------------------------------------------- */

/* Anonymous memory of a process: the packs, which all of them map from files, are no cost of a
 * stream. */
static double anonymous(pid_t pid)
{
        char path[64], line[256];
        double kib = 0;
        FILE *f;

        snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
        f = fopen(path, "r");
        while (f != NULL && fgets(line, sizeof line, f) != NULL)
                if (strncmp(line, "RssAnon:", 8) == 0 || strncmp(line, "RssShmem:", 9) == 0)
                        kib += wt_strtod(
                                strchr(line, ':') + 1 + strspn(strchr(line, ':') + 1, " \t"), NULL);
        if (f != NULL)
                fclose(f);
        return kib * 1024;
}

static double metric(const struct process *p, const char *name)
{
        struct wt_buf b = { 0 };
        char url[160], want[80];
        const char *at;
        double v = 0;
        int status;

        snprintf(url, sizeof url, "http://%s/metrics", p->metrics);
        snprintf(want, sizeof want, "\n%s ", name);
        if (wt_http_fetch("GET", url, NULL, NULL, 0, 5000000, &status, &b, NULL, NULL) == WT_OK &&
            b.data != NULL && (at = strstr(b.data, want)) != NULL)
                v = wt_strtod(at + strlen(want), NULL);
        wt_buf_free(&b);
        return v;
}

static struct memory look_at(const struct online *o)
{
        struct memory m = { 0, 0, 0, 0 };

        for (uint32_t i = 0; i < o->cluster.n; i++) {
                const struct process *p = &o->cluster.processes[i];
                double bytes = anonymous(p->pid);

                *(strcmp(p->role, "gateway") == 0  ? &m.gateway
                  : strcmp(p->role, "router") == 0 ? &m.router : &m.experts) += bytes;
                if (strcmp(p->role, "router") == 0)
                        m.kv_position += metric(p, "witan_router_kv_page_bytes") / WT_PAGE;
        }
        return m;
}

static double larger(double a, double b) { return a > b ? a : b; }

/* The most that was seen while all streams were open; at the last look their keys and values are
 * whole. */
static void look(void *arg, bool all_open)
{
        struct online *o = arg;
        struct memory m = look_at(o);

        if (!all_open) {
                o->before = o->after = m;
                return;
        }
        o->after = (struct memory){ larger(m.gateway, o->after.gateway),
                                    larger(m.router, o->after.router),
                                    larger(m.experts, o->after.experts), m.kv_position };
}

static double stream_bytes(const struct online *o)
{
        double kv = o->after.kv_position * (o->target.prompt_tokens + o->target.tokens);
        double grown = o->after.gateway - o->before.gateway + o->after.router - o->before.router;

        return grown / o->streams.n - kv;
}

/* ---- JSON, curves, table -------------------------------------------------------------------- */

static void kf(struct wt_buf *b, const char *key, double v)
{
        wt_buf_json_key(b, key);
        wt_buf_fmt(b, "%.4g", v);
}

static void put_times(struct wt_buf *b, const char *what, const double v[3])
{
        static const char *const p[] = { "p50", "p95", "p99" };
        char key[64];

        for (int i = 0; i < 3; i++) {
                snprintf(key, sizeof key, "%s_%s_ms", what, p[i]);
                kf(b, key, v[i] * 1e3);
        }
}

static void put_waves(const struct online *o, struct wt_buf *b)
{
        wt_buf_json_key(b, "waves");
        wt_buf_str(b, "[");
        for (uint32_t i = 0; i < o->n_waves; i++) {
                const struct bench_wave *w = &o->wave[i];

                wt_buf_json_sep(b);
                wt_buf_str(b, "\n  {");
                if (o->rate > 0)
                        kf(b, "requests_a_second_offered", o->rate);
                else
                        wt_buf_json_ku(b, "clients", w->clients);
                wt_buf_json_ku(b, "requests", w->answered + w->failed);
                wt_buf_json_ku(b, "failed", w->failed);
                wt_buf_json_ku(b, "most_open", w->most_open);
                kf(b, "seconds", w->seconds);
                kf(b, "tokens_a_second", (double)w->tokens / w->seconds);
                put_times(b, "ttft", w->ttft);
                put_times(b, "gap", w->gap);
                if (o->rate <= 0)
                        kf(b, "unfairness", w->unfair);
                wt_buf_str(b, "}");
        }
        wt_buf_str(b, "]");
}

static double unfair(const struct bench_streams *s)
{
        double most = s->most - s->mean, least = s->mean - s->least;

        return s->mean > 0 ? (most > least ? most : least) / s->mean : 0;
}

static void put_memory(const struct online *o, struct wt_buf *b)
{
        const struct bench_streams *s = &o->streams;

        kf(b, "gateway_bytes_a_stream", (o->after.gateway - o->before.gateway) / s->n);
        kf(b, "router_bytes_a_stream", (o->after.router - o->before.router) / s->n);
        kf(b, "experts_bytes_a_stream", (o->after.experts - o->before.experts) / s->n);
        kf(b, "kv_bytes_a_stream", o->after.kv_position *
                                   (o->target.prompt_tokens + o->target.tokens));
        kf(b, "bytes_a_stream_beside_kv", stream_bytes(o));
}

static void put_streams(const struct online *o, struct wt_buf *b)
{
        const struct bench_streams *s = &o->streams;

        wt_buf_json_key(b, "streams");
        wt_buf_str(b, "{");
        wt_buf_json_ku(b, "opened", s->n);
        wt_buf_json_ku(b, "all_open_at_once", s->begun);
        wt_buf_json_ku(b, "answered", s->answered);
        wt_buf_json_ku(b, "failed", s->failed);
        kf(b, "seconds", s->seconds);
        kf(b, "tokens_a_second", (double)s->tokens / s->seconds);
        put_times(b, "ttft", s->ttft);
        put_times(b, "gap", s->gap);
        wt_buf_json_ku(b, "least_tokens_of_a_stream", s->least);
        wt_buf_json_ku(b, "most_tokens_of_a_stream", s->most);
        kf(b, "unfairness", unfair(s));
        if (o->remote.model[0] == '\0')
                put_memory(o, b);
        wt_buf_str(b, "}");
}

static void put_json(const struct online *o, struct wt_buf *b)
{
        uint32_t n[2] = { 0, 0 };

        for (uint32_t i = 0; i < o->cluster.n; i++) {
                n[0] += strcmp(o->cluster.processes[i].role, "router") == 0;
                n[1] += strcmp(o->cluster.processes[i].role, "expert") == 0;
        }
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "what", "witan bench online");
        bench_machine(b);
        wt_buf_json_kv(b, "model", o->model);
        if (o->remote.model[0] != '\0') {
                wt_buf_json_kv(b, "server", o->remote.url);
        } else {
                wt_buf_json_kb(b, "https", o->target.secure != NULL);
                wt_buf_json_ku(b, "routers", n[0]);
                wt_buf_json_ku(b, "workers", n[1]);
        }
        wt_buf_json_ku(b, "prompt_tokens", o->target.prompt_tokens);
        wt_buf_json_ku(b, "tokens", o->target.tokens);
        if (o->streams.n > 0)
                put_streams(o, b);
        else
                put_waves(o, b);
        wt_buf_str(b, "}\n");
}

static wt_err put_curves(const struct online *o, const char *dir)
{
        double x[MOST_WAVES], tokens[MOST_WAVES], ttft[MOST_WAVES], late[MOST_WAVES];
        struct bench_curve rate = { "tokens a second", x, tokens, o->n_waves };
        struct bench_curve first[] = { { "p50", x, ttft, o->n_waves },
                                       { "p99", x, late, o->n_waves } };
        struct wt_buf b = { 0 };
        wt_err err;

        for (uint32_t i = 0; i < o->n_waves; i++) {
                x[i] = o->wave[i].clients;
                tokens[i] = (double)o->wave[i].tokens / o->wave[i].seconds;
                ttft[i] = o->wave[i].ttft[0] * 1e3;
                late[i] = o->wave[i].ttft[2] * 1e3;
        }
        bench_svg(&b, o->model, "clients", "tokens a second", &rate, 1);
        err = bench_write(dir, "online-tokens.svg", &b);
        wt_buf_clear(&b);
        bench_svg(&b, o->model, "clients", "ms to the first token", first, 2);
        if (err == WT_OK)
                err = bench_write(dir, "online-ttft.svg", &b);
        wt_buf_free(&b);
        return err;
}

static void table_waves(const struct online *o)
{
        printf("%-10s %8s %6s %9s   %-23s   %-23s %8s\n", o->rate > 0 ? "REQUESTS/S" : "CLIENTS",
               "REQUESTS", "FAILED", "TOKENS/S", "TTFT MS p50/p95/p99", "GAP MS p50/p95/p99",
               "UNFAIR");
        for (uint32_t i = 0; i < o->n_waves; i++) {
                const struct bench_wave *w = &o->wave[i];

                printf("%-10.4g %8u %6u %9.1f   %7.1f %7.1f %7.1f   %7.1f %7.1f %7.1f %7.1f%%\n",
                       o->rate > 0 ? o->rate : w->clients, w->answered + w->failed, w->failed,
                       (double)w->tokens / w->seconds, w->ttft[0] * 1e3, w->ttft[1] * 1e3,
                       w->ttft[2] * 1e3, w->gap[0] * 1e3, w->gap[1] * 1e3, w->gap[2] * 1e3,
                       w->unfair * 100);
                if (w->failed > 0)
                        printf("  the first failure: %s\n", w->why);
        }
}

static void table_streams(const struct online *o)
{
        const struct bench_streams *s = &o->streams;

        printf("%u streams opened, %u of them at once; %u answered, %u failed%s%s\n"
               "%.1f s, %.1f tokens/s; first token after %.0f / %.0f / %.0f ms (p50, p95, p99), "
               "then one every %.0f / %.0f / %.0f ms\n"
               "while all ran, streams got %u to %u tokens: %.1f %% off the mean at most\n",
               s->n, s->begun, s->answered, s->failed, s->failed > 0 ? ": " : "", s->why,
               s->seconds, (double)s->tokens / s->seconds, s->ttft[0] * 1e3, s->ttft[1] * 1e3,
               s->ttft[2] * 1e3, s->gap[0] * 1e3, s->gap[1] * 1e3, s->gap[2] * 1e3, s->least,
               s->most, unfair(s) * 100);
        if (o->remote.model[0] != '\0')
                return;                          /* whose memory is not here to be looked at */
        printf("%.1f KiB a stream beside its keys and values: gateway %.1f, router %.1f less "
               "%.1f\n", stream_bytes(o) / 1024,
               (o->after.gateway - o->before.gateway) / s->n / 1024,
               (o->after.router - o->before.router) / s->n / 1024,
               o->after.kv_position * (o->target.prompt_tokens + o->target.tokens) / 1024);
}

/* ---- the verb ------------------------------------------------------------------------------- */

static wt_err read_numbers(struct online *o)
{
        const struct call *c = o->c;
        const char *text = c->flag[BF_CLIENTS] != NULL ? c->flag[BF_CLIENTS] : "1,4,16,32";
        uint64_t streams, prompt, tokens;
        char *end;

        if (!bench_number(c, BF_STREAMS, 1, MOST_CLIENTS, 0, &streams) ||
            !bench_number(c, BF_PROMPT_TOKENS, 1, 1 << 20, streams > 0 ? 8 : 97, &prompt) ||
            !bench_number(c, BF_TOKENS, 1, 1 << 20, streams > 0 ? 56 : 64, &tokens))
                return WT_EINVAL;
        o->streams.n = (uint32_t)streams;
        o->target.prompt_tokens = (uint32_t)prompt;
        o->target.tokens = (uint32_t)tokens;
        if (c->flag[BF_RATE] != NULL) {
                o->rate = wt_strtod(c->flag[BF_RATE], &end);
                if (*end != '\0' || !(o->rate > 0 && o->rate < 1e6))
                        return wt_fail(WT_EINVAL, "--rate is \"%s\"; it takes requests a second",
                                       c->flag[BF_RATE]);
                o->clients[o->n_waves++] = 4096;
                return WT_OK;
        }
        do {
                unsigned long v = strtoul(text, &end, 10);

                if (end == text || v < 1 || v > MOST_CLIENTS || o->n_waves == MOST_WAVES ||
                    (*end != ',' && *end != '\0'))
                        return wt_fail(WT_EINVAL,
                                       "--clients is \"%s\"; it takes up to %d numbers from 1 "
                                       "to %d, separated by commas",
                                       c->flag[BF_CLIENTS], MOST_WAVES, MOST_CLIENTS);
                o->clients[o->n_waves++] = (uint32_t)v;
                text = end + 1;
        } while (*end == ',');
        return WT_OK;
}

static wt_err find_cluster(struct online *o)
{
        const char *slash;
        wt_err err = cluster_read(&o->cluster, o->c->state);

        if (err != WT_OK || (err = wt_shape_load(&o->shape, o->cluster.model)) != WT_OK)
                return err;
        slash = strrchr(o->cluster.model, '/');
        snprintf(o->model, sizeof o->model, "%.255s", slash != NULL ? slash + 1 : o->cluster.model);
        o->target.key = o->cluster.admin_key;
        o->target.n_ids = o->shape->vocab - SPECIAL_IDS;
        return bench_find_at(&o->target, o->cluster.http);
}

static wt_err find_remote(struct online *o)
{
        wt_err err = bench_find_at(&o->target, o->c->flag[BF_URL]);

        if (err != WT_OK || (err = bench_find_remote(o->c, &o->remote)) != WT_OK)
                return err;
        snprintf(o->model, sizeof o->model, "%s", o->remote.model);
        o->target.key = o->remote.key;
        o->target.n_ids = BYTE_IDS;
        return WT_OK;
}

static wt_err find_target(struct online *o)
{
        wt_err err = o->c->flag[BF_URL] != NULL ? find_remote(o) : find_cluster(o);
        uint64_t most;

        if (err != WT_OK)
                return err;
        o->target.model = o->model;
        o->target.first_id = SPECIAL_IDS;        /* the first ids are control tokens */
        most = o->shape != NULL ? o->shape->max_positions : o->remote.context;
        if (most > 0 && (uint64_t)o->target.prompt_tokens + o->target.tokens > most)
                return wt_fail(WT_EINVAL,
                               "%u and %u tokens are more than the model's %llu; lower "
                               "--prompt-tokens or --tokens",
                               o->target.prompt_tokens, o->target.tokens, (unsigned long long)most);
        return WT_OK;
}

static wt_err run_waves(struct online *o)
{
        uint64_t requests;
        wt_err err;

        /* Not counted: packs are paged in, buffers grow to their sizes. */
        struct bench_wave warm = { .target = &o->target, .clients = 2, .requests = 4 };

        if ((err = bench_wave_run(&warm)) != WT_OK)
                return err;
        if (warm.failed > 0)
                return wt_fail(WT_EUNAVAILABLE, "the cluster refused: %s", warm.why);
        for (uint32_t i = 0; i < o->n_waves && err == WT_OK; i++) {
                struct bench_wave *w = &o->wave[i];

                if (!bench_number(o->c, BF_REQUESTS, 1, 1 << 24,
                                  o->rate > 0 ? 64 : 4 * (uint64_t)o->clients[i], &requests))
                        return WT_EINVAL;
                *w = (struct bench_wave){ .target = &o->target, .clients = o->clients[i],
                                          .rate = o->rate, .requests = (uint32_t)requests };
                err = bench_wave_run(w);
        }
        return err;
}

static wt_err run_streams(struct online *o)
{
        struct bench_wave warm = { .target = &o->target, .clients = 4, .requests = 8 };
        wt_err err = bench_wave_run(&warm);

        if (err != WT_OK)
                return err;
        if (warm.failed > 0)
                return wt_fail(WT_EUNAVAILABLE, "the cluster refused: %s", warm.why);
        o->streams.target = &o->target;
        o->streams.look = look;
        o->streams.arg = o;
        return bench_streams_run(&o->streams);
}

static wt_err tell(struct online *o)
{
        const char *out = o->c->flag[BF_OUT];
        struct wt_buf b = { 0 };
        wt_err err = WT_OK;

        put_json(o, &b);
        if (o->c->json)
                fputs(b.data, stdout);
        else if (o->streams.n > 0)
                table_streams(o);
        else
                table_waves(o);
        if (out != NULL)
                err = bench_write(out, o->streams.n > 0 ? "streams.json" : "online.json", &b);
        if (out != NULL && err == WT_OK && o->streams.n == 0 && o->n_waves > 1)
                err = put_curves(o, out);
        wt_buf_free(&b);
        return err;
}

int bench_online(struct call *c)
{
        struct online *o = calloc(1, sizeof *o);
        bool failed = false;
        int rc = EXIT_DONE;

        WT_ASSERT(o != NULL);
        o->c = c;
        if (c->n_words != 1 || read_numbers(o) != WT_OK)
                rc = c->n_words != 1 ? verb_usage(c, "online takes no further word")
                                     : verb_usage(c, "%s", wt_words());
        else if (c->flag[BF_KEY_FILE] != NULL && c->flag[BF_URL] == NULL)
                rc = verb_usage(c, "--key-file goes with --url; a cluster of this machine is asked "
                                "with its own key");
        else if (find_target(o) != WT_OK ||
                 (o->streams.n > 0 ? run_streams(o) : run_waves(o)) != WT_OK || tell(o) != WT_OK)
                rc = verb_fail(c, "%s", wt_words());
        for (uint32_t i = 0; i < o->n_waves; i++)
                failed |= o->wave[i].failed > 0;
        if (rc == EXIT_DONE && (failed || o->streams.failed > 0))
                rc = EXIT_FAILED;                /* the table says which and why */
        wt_shape_free(o->shape);
        explicit_bzero(o->remote.key, sizeof o->remote.key);
        free(o);
        return rc;
}
