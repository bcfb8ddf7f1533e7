/* metrics.c - a router's numbers as Prometheus text. Names are an API. */
#include <stdio.h>
#include "metrics.h"
#include "net/metrics.h"

enum { WORKER_ROWS = 3 };

static const struct { const char *name, *help; enum wt_metric_kind kind; size_t at; } rows[] = {
#define N(field) offsetof(struct router_numbers, field)
        { "witan_router_turns_total", "Turns of the loop.", WT_COUNTER, N(turns) },
        { "witan_router_steps_total", "Steps through the model.", WT_COUNTER, N(steps) },
        { "witan_router_step_rows_total", "Token rows of all steps; by steps: the mean step.",
          WT_COUNTER, N(step_rows) },
        { "witan_router_tokens_total", "Tokens generated.", WT_COUNTER, N(tokens) },
        { "witan_router_prompt_tokens_total", "Prompt tokens computed.", WT_COUNTER,
          N(prompt_tokens) },
        { "witan_router_head_rows_total", "Rows that the head made logits for.", WT_COUNTER,
          N(head_rows) },
        { "witan_router_submits_total", "Sequences taken in.", WT_COUNTER, N(submits) },
        { "witan_router_refused_total", "Submits refused.", WT_COUNTER, N(refused) },
        { "witan_router_cancelled_total", "Sequences cancelled.", WT_COUNTER, N(cancelled) },
        { "witan_router_failed_total", "Sequences that failed.", WT_COUNTER, N(failed) },
        { "witan_router_put_back_total",
          "Sequences that left a step because nobody lives who holds an expert.", WT_COUNTER,
          N(put_back) },
        { "witan_router_handed_back_total", "Sequences handed back while draining.", WT_COUNTER,
          N(handed_back) },
        { "witan_router_calls_total", "Expert calls sent.", WT_COUNTER, N(calls) },
        { "witan_router_call_resends_total", "Expert calls sent again after a loss or an error.",
          WT_COUNTER, N(resends) },
        { "witan_router_call_hedges_total", "Late expert calls sent to a second holder.",
          WT_COUNTER, N(hedges) },
        { "witan_router_call_hedges_won_total", "Hedges that answered first.", WT_COUNTER,
          N(hedges_won) },
        { "witan_router_calls_lost_total", "Calls in flight when their worker died.", WT_COUNTER,
          N(calls_lost) },
        { "witan_router_replies_late_total", "Reply parts dropped: late, repeated or stale.",
          WT_COUNTER, N(replies_late) },
        { "witan_router_sent_bytes_total", "Tensor bytes sent.", WT_COUNTER, N(bytes_out) },
        { "witan_router_received_bytes_total", "Tensor bytes received from workers.", WT_COUNTER,
          N(bytes_in) },
        { "witan_router_keys_refused_total",
          "Handshakes refused: the key is not in the allow-list.", WT_COUNTER, N(keys_refused) },
        { "witan_router_messages_malformed_total",
          "Messages dropped: they do not decode or contradict themselves.", WT_COUNTER,
          N(malformed) },
        { "witan_router_messages_too_long_total", "Messages dropped: above a limit of length.",
          WT_COUNTER, N(too_long) },
        { "witan_router_messages_misnamed_total", "Messages dropped: not from whom they say.",
          WT_COUNTER, N(misnamed) },
#undef N
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static uint64_t field(const struct router_numbers *n, size_t at)
{
        return *(const uint64_t *)((const char *)n + at);
}

static void gauge(struct wt_buf *out, const char *name, const char *help, enum wt_metric_kind kind,
                  double value)
{
        struct wt_metric m = { .name = name, .help = help, .kind = kind, .value = value };

        wt_metrics_text(out, &m, 1);
}

static void workers(struct wt_buf *out, const struct router_numbers *n)
{
        static const struct { const char *name, *help; enum wt_metric_kind kind; } row[] = {
                { "witan_router_worker_picks_total", "Picks answered by a worker.", WT_COUNTER },
                { "witan_router_worker_calls_total", "Calls sent to a worker.", WT_COUNTER },
                { "witan_router_worker_live", "1: takes calls; 0.5: is late; 0: gone.", WT_GAUGE },
        };
        struct wt_metric m[ROUTER_MAX_WORKERS];
        struct wt_buf label[ROUTER_MAX_WORKERS] = { 0 };

        for (uint32_t i = 0; i < n->n_workers; i++)
                wt_metric_label(&label[i], "worker", n->worker[i].name);
        for (uint32_t k = 0; k < WORKER_ROWS; k++) {
                for (uint32_t i = 0; i < n->n_workers; i++) {
                        const struct router_worker_numbers *w = &n->worker[i];

                        m[i] = (struct wt_metric){
                                .name = row[k].name, .help = row[k].help, .kind = row[k].kind,
                                .labels = label[i].data,
                                .value = k == 0 ? (double)w->picks : k == 1 ? (double)w->calls
                                         : !w->live ? 0 : w->late ? 0.5 : 1 };
                }
                wt_metrics_text(out, m, n->n_workers);
        }
        for (uint32_t i = 0; i < n->n_workers; i++)
                wt_buf_free(&label[i]);
}

void router_metrics(const struct router_numbers *n, struct wt_buf *out)
{
        uint64_t buckets[ROUTER_STEP_BOUNDS];
        struct wt_metric steps = { .name = "witan_router_step_seconds", .help = "Time of a step.",
                                   .kind = WT_HISTOGRAM, .bounds = router_step_bounds,
                                   .n_bounds = ROUTER_STEP_BOUNDS, .buckets = buckets,
                                   .count = n->steps, .sum = (double)n->step_us / 1e6 };

        for (uint32_t i = 0; i < N_ROWS; i++)
                gauge(out, rows[i].name, rows[i].help, rows[i].kind, (double)field(n, rows[i].at));
        gauge(out, "witan_router_idle_seconds_total", "Time that steps waited for experts.",
              WT_COUNTER, (double)n->idle_us / 1e6);
        gauge(out, "witan_router_sequences_running", "Sequences that hold KV pages.", WT_GAUGE,
              n->running);
        gauge(out, "witan_router_sequences_waiting", "Sequences that wait for room.", WT_GAUGE,
              n->waiting);
        gauge(out, "witan_router_kv_pages_used", "KV pages reserved.", WT_GAUGE, n->pages_used);
        gauge(out, "witan_router_kv_pages", "KV pages there are.", WT_GAUGE, n->pages);
        gauge(out, "witan_router_kv_page_bytes", "Bytes of a KV page of all layers.", WT_GAUGE,
              n->page_bytes);
        gauge(out, "witan_router_gateways", "Gateways that are welcome.", WT_GAUGE, n->gateways);
        gauge(out, "witan_router_experts_missing",
              "Experts without a holder that lives and answers.", WT_GAUGE, n->missing);
        gauge(out, "witan_router_plan_version", "How often the set of live workers has changed.",
              WT_GAUGE, (double)n->plan_version);
        gauge(out, "witan_router_policy_version", "The newest policy that a control has pushed.",
              WT_GAUGE, (double)n->policy_version);
        gauge(out, "witan_router_draining", "1 while it drains.", WT_GAUGE, n->draining);
        for (uint32_t i = 0; i < ROUTER_STEP_BOUNDS; i++)
                buckets[i] = n->step_buckets[i];
        wt_metrics_text(out, &steps, 1);
        workers(out, n);
}
