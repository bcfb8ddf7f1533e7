/* seq.c - sequences: those that wait, those that run, and the pages they hold. Pages for prompt and
 * answer are reserved when a sequence is admitted, so no step ever finds the pool empty. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "inside.h"

enum { EXPIRE_US = 10000 };                      /* how often deadlines are looked at */

bool router_kv_take(struct kv *kv, uint32_t n, uint32_t *pages)
{
        if (n > kv->n_free)
                return false;
        for (uint32_t i = 0; i < n; i++)
                pages[i] = kv->free[--kv->n_free];
        return true;
}

void router_kv_give(struct kv *kv, const uint32_t *pages, uint32_t n)
{
        WT_ASSERT(kv->n_free + n <= kv->n_pages);
        for (uint32_t i = n; i-- > 0;)           /* the lowest ends on top again */
                kv->free[kv->n_free++] = pages[i];
}

static bool is(const struct seq *s, const uint8_t request[16], uint32_t choice,
               uint32_t prompt_index)
{
        return !s->over && memcmp(s->request, request, 16) == 0 && s->choice == choice &&
               s->prompt_index == prompt_index;
}

struct seq *router_seq_find(struct router *r, const uint8_t request[16], uint32_t choice,
                            uint32_t prompt_index)
{
        for (uint32_t i = 0; i < r->n_running; i++)
                if (is(r->running[i], request, choice, prompt_index))
                        return r->running[i];
        for (struct seq *s = r->waiting; s != NULL; s = s->next)
                if (is(s, request, choice, prompt_index))
                        return s;
        return NULL;
}

/* First come, first served: one that does not fit yet is not passed by smaller ones, so it cannot
 * starve. */
void router_fill(struct router *r)
{
        struct seq *s;

        while ((s = r->waiting) != NULL) {
                if (r->n_running == r->conf.max_seqs ||
                    !router_kv_take(&r->kv, s->n_pages, s->pages))
                        return;
                if ((r->waiting = s->next) == NULL)
                        r->waiting_tail = &r->waiting;
                r->n_waiting--;
                s->next = NULL;
                s->at_admit = r->now;
                r->running[r->n_running++] = s;
        }
}

/* Takes s out of those that wait; false: it runs. */
static bool unqueue(struct router *r, struct seq *s)
{
        for (struct seq **at = &r->waiting; *at != NULL; at = &(*at)->next) {
                if (*at != s)
                        continue;
                if ((*at = s->next) == NULL)
                        r->waiting_tail = at;
                r->n_waiting--;
                return true;
        }
        return false;
}

void router_forget(struct router *r, struct seq *s)
{
        struct batch *b = &r->batch;

        if (s->over)
                return;
        if (unqueue(r, s)) {
                free(s);
                return;
        }
        s->over = true;
        for (uint32_t i = 0; i < b->n_runs; i++)
                if (b->seq[i] == s)
                        memset(b->dead + b->runs[i].row, 1, b->runs[i].n_rows);
}

void router_end(struct router *r, struct seq *s, enum wt_finish finish, wt_err code,
                const char *words)
{
        struct wt_event_msg e = {
                .request = WT_BYTES(s->request, 16), .attempt = s->attempt, .choice = s->choice,
                .prompt_index = s->prompt_index, .position = s->n_ids, .finish = finish,
                .status = (uint32_t)wt_code_outside(code), .message = WT_STR(words),
                .queue_us = (s->at_admit ? s->at_admit : r->now) - s->at_submit,
        };

        if (s->over)
                return;
        if (s->at_admit != 0)
                e.prefill_us = (s->at_first ? s->at_first : r->now) - s->at_admit;
        if (s->at_first != 0)
                e.decode_us = r->now - s->at_first;
        r->n.cancelled += finish == WT_CANCELLED;
        r->n.failed += finish == WT_FAILED;
        r->n.handed_back += finish == WT_HANDED_BACK;
        if (finish == WT_FAILED)
                wt_log(WT_WARN, "ROUTER-SEQUENCE-FAILED", "trace=%s code=\"%s\" words=\"%s\"",
                       s->trace, wt_code_name(code), words);
        router_tell(r, r->gateway[s->gateway].peer, &e);
        router_forget(r, s);
}

void router_put_back(struct router *r, const struct call *c, uint32_t row)
{
        struct batch *b = &r->batch;
        uint32_t run = b->run_of[row];
        struct seq *s = b->seq[run];

        if (b->back[run] || s->over)
                return;
        b->back[run] = 1;
        memset(b->dead + b->runs[run].row, 1, b->runs[run].n_rows);
        s->blocked = true;
        s->waits_layer = b->layer;
        s->waits_expert = (uint32_t)b->pick[c->pick[0]];
        if (s->waits_since == 0)
                s->waits_since = c->since;
        r->n.put_back++;
}

void router_unblock(struct router *r)
{
        for (uint32_t i = 0; i < r->n_running; i++)
                r->running[i]->blocked = false;
}

void router_blocked(struct router *r)
{
        char words[200];

        for (uint32_t i = 0; i < r->n_running; i++) {
                struct seq *s = r->running[i];

                if (s->over || !s->blocked || r->now - s->waits_since <= r->conf.expert_wait_us)
                        continue;
                snprintf(words, sizeof words, "no live worker holds expert %u of layer %u; waited "
                         "%llu ms: start a worker that holds it, or raise expert_wait",
                         s->waits_expert, s->waits_layer,
                         (unsigned long long)(r->now - s->waits_since) / 1000);
                router_end(r, s, WT_FAILED, WT_EUNAVAILABLE, words);
        }
}

void router_expire(struct router *r)
{
        static const char words[] = "the deadline of this request has passed";

        if (r->now < r->expire_at)
                return;
        r->expire_at = r->now + EXPIRE_US;
        for (uint32_t i = 0; i < r->n_running; i++)
                if (r->running[i]->deadline != 0 && r->now >= r->running[i]->deadline)
                        router_end(r, r->running[i], WT_FAILED, WT_EDEADLINE, words);
        for (struct seq *s = r->waiting, *next; s != NULL; s = next) {
                next = s->next;
                if (s->deadline != 0 && r->now >= s->deadline)
                        router_end(r, s, WT_FAILED, WT_EDEADLINE, words);
        }
}

void router_reap(struct router *r)
{
        uint32_t kept = 0, first = r->next_decode;       /* as numbered before */

        for (uint32_t i = 0; i < r->n_running; i++) {
                struct seq *s = r->running[i];

                if (!s->over) {
                        r->running[kept++] = s;
                        continue;
                }
                r->next_decode -= i < first;
                router_kv_give(&r->kv, s->pages, s->n_pages);
                free(s);
        }
        r->n_running = kept;
}

void router_seqs_close(struct router *r)
{
        for (uint32_t i = 0; i < r->n_running; i++)
                free(r->running[i]);
        for (struct seq *s = r->waiting, *next; s != NULL; s = next) {
                next = s->next;
                free(s);
        }
        free(r->running);
}
