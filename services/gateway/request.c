/* request.c - a request from its first byte to its record. */
#include "messages.h"
#include "path.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "base/sha256.h"
#include "tls/sign.h"

static uint32_t bucket_of(const uint8_t id[16])
{
        return (id[15] | (uint32_t)id[14] << 8) % N_BUCKETS;     /* the random end of a UUIDv7 */
}

/* "00-<32 hex>-<16 hex>-<2 hex>": the client's when it has that form, else one that begins here. */
static void trace_of(struct request *r, const char *given)
{
        static const char form[] = "00-................................-................-..";
        uint8_t span[8];
        char trace[33], parent[17];
        size_t i = 0;

        for (; given != NULL && form[i] != '\0'; i++)
                if (form[i] == '.'
                            ? strchr("0123456789abcdef", given[i]) == NULL || given[i] == '\0'
                            : given[i] != form[i])
                        break;
        if (given != NULL && form[i] == '\0' && given[i] == '\0') {
                memcpy(r->trace, given, sizeof r->trace);
                return;
        }
        wt_random_bytes(span, sizeof span);
        wt_hex(r->id, 16, trace);
        wt_hex(span, 8, parent);
        snprintf(r->trace, sizeof r->trace, "00-%s-%s-01", trace, parent);
}

struct request *request_new(struct gateway *g, struct caller c, const struct door *d)
{
        struct request *r = calloc(1, sizeof *r);
        uint64_t wall = wt_wall_us(g->conf.clock);
        uint32_t b;

        if (r == NULL)                           /* nothing can be answered or recorded without */
                wt_out_of_memory("a request", sizeof *r);
        r->g = g;
        r->caller = c;
        r->call = &r->caller;
        r->door = d;
        r->start_us = wt_now_us(g->conf.clock);
        r->created = (int64_t)(wall / 1000000);
        r->status = 200;
        wt_uuid7(wall, r->id);
        wt_uuid_text(r->id, r->id_text);
        trace_of(r, caller_header(r->call, "traceparent"));
        c.ops->bind(c.end, r);
        snprintf(r->tally.door, sizeof r->tally.door, "%s%s", c.ops->name,
                 c.ops->name[0] != '\0' ? record_action(d) : d != NULL ? d->path : "/v1/models");

        r->next = g->open;
        if (g->open != NULL)
                g->open->prev = r;
        g->open = r;
        b = bucket_of(r->id);
        r->next_in_bucket = g->bucket[b];
        g->bucket[b] = r;
        g->n_open++;
        wt_metric_add(&g->metrics[M_REQUESTS], 1);
        wt_metric_set(&g->metrics[M_OPEN], g->n_open);
        return r;
}

struct request *request_find(struct gateway *g, const uint8_t id[16])
{
        struct request *r = g->bucket[bucket_of(id)];

        while (r != NULL && memcmp(r->id, id, 16) != 0)
                r = r->next_in_bucket;
        return r;
}

bool request_seqs(struct request *r)
{
        r->per_prompt = r->opt.best_of > r->opt.n ? r->opt.best_of : r->opt.n;
        r->seqs = calloc((size_t)r->n_prompts * r->per_prompt, sizeof *r->seqs);
        if (r->seqs == NULL)
                return request_refuse(r, refusal_of(WT_EEXHAUSTED),
                                      "out of memory; try again later");
        r->n_open = r->n_seqs = r->n_prompts * r->per_prompt;
        for (uint32_t i = 0; i < r->n_seqs; i++) {
                struct sequence *s = &r->seqs[i];
                s->r = r;
                s->prompt = i / r->per_prompt;
                s->choice = i % r->per_prompt;
                s->index = r->per_prompt == r->opt.n ? i : UINT32_MAX;
                s->router = -1;
                folds_init(&s->folds, r->g->conf.tokenizer, &r->opt.stops);
        }
        return true;
}

static double mean_logprob(const struct sequence *s)
{
        double mean = s->made.len > 0 ? s->logprob / (double)s->made.len : 0;

        return isnan(mean) ? -INFINITY : mean;   /* so that no two ranks are the same */
}

/* With best_of, by the rank of a sequence among those of its prompt: highest mean log-probability
 * of a token first, ties to the lower choice. Without it, its own number from the start. */
void request_rank(struct request *r)
{
        if (r->per_prompt == r->opt.n)
                return;
        for (uint32_t i = 0; i < r->n_seqs; i++) {
                struct sequence *s = &r->seqs[i];
                const struct sequence *first = s - s->choice;
                double mine = mean_logprob(s);
                uint32_t rank = 0;

                for (uint32_t k = 0; k < r->per_prompt; k++) {
                        double other = mean_logprob(&first[k]);
                        rank += other > mine || (other == mine && k < s->choice);
                }
                s->index = rank < r->opt.n ? s->prompt * r->opt.n + rank : UINT32_MAX;
        }
}

static void sequence_fini(struct sequence *s)
{
        folds_fini(&s->folds);
        wt_ids_free(&s->made);
        wt_buf_free(&s->text);
        wt_buf_free(&s->said);
        wt_buf_free(&s->marks);
        wt_buf_free(&s->marks_top);
        wt_buf_free(&s->marks_offset);
        wt_buf_free(&s->marks_logprob);
}

static void request_unlink(struct request *r)
{
        struct gateway *g = r->g;
        struct request **at = &g->bucket[bucket_of(r->id)];

        while (*at != r)
                at = &(*at)->next_in_bucket;
        *at = r->next_in_bucket;
        if (r->prev != NULL)
                r->prev->next = r->next;
        else
                g->open = r->next;
        if (r->next != NULL)
                r->next->prev = r->prev;
        g->n_open--;
        wt_metric_set(&g->metrics[M_OPEN], g->n_open);
}

/* outcome: "ok", "refused", "failed", "client_closed". The memory stays until the end of the
 * turn, so that whoever refused may still look at the request on the way out. */
void request_end(struct request *r, const char *outcome)
{
        struct gateway *g = r->g;

        for (uint32_t i = 0; i < r->n_seqs; i++)
                if (r->seqs[i].finish == NULL)
                        routers_cancel(&r->seqs[i]);
        tokenize_leave(r);
        admit_end(r);
        request_rank(r);
        gateway_record(r, outcome);
        request_unlink(r);
        if (strcmp(outcome, "refused") == 0)
                wt_metric_add(&g->metrics[M_REFUSED], 1);
        else if (strcmp(outcome, "failed") == 0)
                wt_metric_add(&g->metrics[M_FAILED], 1);
        else if (strcmp(outcome, "client_closed") == 0)
                wt_metric_add(&g->metrics[M_GONE], 1);
        wt_metric_see(&g->metrics[M_DURATION],
                      (double)(wt_now_us(g->conf.clock) - r->start_us) / 1e6);

        hold_settle(r);
}

static void request_free(struct request *r)
{
        for (uint32_t i = 0; i < r->n_seqs; i++)
                sequence_fini(&r->seqs[i]);
        free(r->seqs);
        wt_buf_free(&r->hold.headers);
        wt_buf_free(&r->hold.bytes);
        for (uint32_t i = 0; i < r->n_prompts; i++) {
                wt_ids_free(&r->prompt[i]);
                wt_buf_free(&r->prompt_text[i]);
        }
        for (uint32_t i = 0; i < r->opt.stops.n; i++)
                free(r->opt.stops.text[i]);
        free(r->opt.stops.text);
        free(r->opt.stops.len);
        messages_free(r->messages);
        wt_buf_free(&r->listed);
        wt_json_free(r->body);
        wt_wipe(&r->seal, sizeof r->seal);
        free(r);
}

void requests_reap(struct gateway *g)
{
        for (struct request **at = &g->over; *at != NULL;) {
                struct request *r = *at;

                if (r->encoding) {               /* tokenize_done comes first */
                        at = &r->next;
                        continue;
                }
                *at = r->next;
                request_free(r);
        }
}
