/* record.c - one line per request in the spool: who, what, how much, how long; never any text. */
#include "path.h"
#include <string.h>
#include <unistd.h>
#include "base/log.h"

static void put_counts(const struct request *r, struct wt_buf *b)
{
        uint64_t prompt = 0, made = 0, queue = 0, prefill = 0, decode = 0;

        for (uint32_t i = 0; i < r->n_prompts; i++)
                prompt += r->prompt[i].len;
        for (uint32_t i = 0; i < r->n_seqs; i++) {
                const struct sequence *s = &r->seqs[i];
                made += s->made.len;
                queue = s->queue_us > queue ? s->queue_us : queue;
                prefill = s->prefill_us > prefill ? s->prefill_us : prefill;
                decode = s->decode_us > decode ? s->decode_us : decode;
        }
        wt_buf_json_ku(b, "prompt_tokens", prompt);
        wt_buf_json_ku(b, "completion_tokens", made);
        wt_metric_add(&r->g->metrics[M_PROMPT_TOKENS], (double)prompt);
        wt_metric_add(&r->g->metrics[M_COMPLETION_TOKENS], (double)made);
        wt_buf_json_key(b, "latency_ms");
        wt_buf_str(b, "{");
        wt_buf_json_kf(b, "queue", (double)queue / 1e3);
        wt_buf_json_kf(b, "prefill", (double)prefill / 1e3);
        wt_buf_json_kf(b, "decode", (double)decode / 1e3);
        wt_buf_json_kf(b, "total", (double)(wt_now_us(r->g->conf.clock) - r->start_us) / 1e3);
        wt_buf_str(b, "}");
        if (r->first_us != 0)
                wt_buf_json_kf(b, "ttft_ms", (double)(r->first_us - r->start_us) / 1e3);
        else
                wt_buf_json_kv(b, "ttft_ms", NULL);
}

void gateway_record(struct request *r, const char *outcome)
{
        struct gateway *g = r->g;
        struct wt_buf *b = &g->line;
        uint32_t attempts = 0;

        wt_buf_clear(b);
        wt_buf_str(b, "{");
        wt_buf_json_kv(b, "request_id", r->id_text);
        wt_buf_json_kf(b, "time", (double)wt_wall_us(g->conf.clock) / 1e6);
        wt_buf_json_kv(b, "tenant", r->who.key.tenant);
        wt_buf_json_kv(b, "actor", r->who.key.name);
        wt_buf_json_kv(b, "key_id", r->who.key.id);
        wt_buf_json_kv(b, "door", r->door != NULL ? r->door->path : "/v1/models");
        wt_buf_json_kv(b, "model", g->conf.model);
        wt_buf_json_kv(b, "outcome", outcome);
        wt_buf_json_ki(b, "status", r->status);
        wt_buf_json_kv(b, "finish_reason", r->n_seqs > 0 ? r->seqs[0].finish : NULL);
        for (uint32_t i = 0; i < r->n_seqs; i++)
                attempts = r->seqs[i].attempt > attempts ? r->seqs[i].attempt : attempts;
        wt_buf_json_ku(b, "attempt", attempts);
        put_counts(r, b);
        wt_buf_str(b, "}\n");
        if (write(g->spool_fd, b->data, b->len) != (ssize_t)b->len)
                wt_log(WT_ERROR, "GATEWAY-SPOOL",
                       "request=%s words=\"the record could not be written; "
                       "is the disk full?\"",
                       r->id_text);
}
