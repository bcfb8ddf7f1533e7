/* admit.c - before anything of a request leaves for a router it is charged to its key, team and
 * tenant (identity/quota.h), and waits for its turn when the house is full (identity/fair.h). A
 * limit is answered with 429: which one, what is left, and when it will be more. */
#include "path.h"
#include <stdio.h>
#include <string.h>
#include "base/log.h"

static uint64_t prompt_tokens(const struct request *r)
{
        uint64_t n = 0;

        for (uint32_t i = 0; i < r->n_prompts; i++)
                n += r->prompt[i].len;
        return n;
}

static void charge(const struct request *r, uint64_t prompt, uint64_t made, struct wt_charge *c)
{
        int64_t cost = request_cost(r, prompt, made);

        *c = (struct wt_charge){ 0 };
        c->n[WT_REQUESTS_PER_MINUTE] = c->n[WT_CONCURRENCY] = 1;
        c->n[WT_TOKENS_PER_MINUTE] = c->n[WT_TOKENS_PER_DAY] = c->n[WT_TOKENS_PER_MONTH] =
                (int64_t)(prompt + made);
        c->n[WT_COST_PER_DAY] = c->n[WT_COST_PER_MONTH] = cost;
}

int64_t request_cost(const struct request *r, uint64_t prompt, uint64_t made)
{
        return (int64_t)prompt * r->price.prompt_nano + (int64_t)made * r->price.completion_nano;
}

static const char *limit_words(enum wt_limit l)
{
        static const char *const words[WT_N_LIMITS] = {
                [WT_REQUESTS_PER_MINUTE] = "requests per minute",
                [WT_TOKENS_PER_MINUTE] = "tokens per minute",
                [WT_CONCURRENCY] = "requests at one time",
                [WT_TOKENS_PER_DAY] = "tokens per day",
                [WT_TOKENS_PER_MONTH] = "tokens per month",
                [WT_COST_PER_DAY] = "cost per day",
                [WT_COST_PER_MONTH] = "cost per month",
        };

        return words[l];
}

/* In the words of that kind of limit: tokens are what a client can ask for less of. */
static bool spent(struct request *r, struct refusal why, const char *limit, const char *left,
                  const char *needs)
{
        const struct wt_ticket *t = &r->ticket;
        const char *whose = t->scope[t->why_scope].name, *what = limit_words(t->why);
        unsigned long long again = r->retry_s;

        if (t->why == WT_CONCURRENCY)
                return request_refuse(r, why, "the limit of %s of %s is reached: %s are open; wait "
                        "until one of them has ended, or try again in %llu s", what, whose, limit,
                        again);
        if (t->why == WT_REQUESTS_PER_MINUTE)
                return request_refuse(r, why, "the limit of %s of %s is reached: all %s of this "
                        "minute are used up; try again in %llu s", what, whose, limit, again);
        if (t->why == WT_COST_PER_DAY || t->why == WT_COST_PER_MONTH)
                return request_refuse(r, why, "the limit of %s of %s is reached: %s of %s are left "
                        "and this request may cost %s (prompt and max_tokens); ask for fewer "
                        "tokens, or again in %llu s", what, whose, left, limit, needs, again);
        return request_refuse(r, why, "the limit of %s of %s is reached: %s of %s are left and "
                "this request needs %s (prompt and max_tokens); ask for fewer, or again in %llu s",
                what, whose, left, limit, needs, again);
}

/* A minute's limit is worth another try; a budget is not, nor a charge that no window holds. */
static bool over_limit(struct request *r)
{
        const struct wt_ticket *t = &r->ticket;
        const struct wt_scope *s = &t->scope[t->why_scope];
        int64_t most = s->limits.most[t->why], need = t->charge.n[t->why];
        bool budget = t->why > WT_CONCURRENCY, never = need > most;
        char needs[32], limit[32], left[32];
        struct refusal why = { 429, budget ? "insufficient_quota" : "rate_limit_error",
                               budget ? "insufficient_quota" : "rate_limit_exceeded", NULL };

        wt_metric_add(&r->g->metrics[M_LIMITED], 1);
        r->no_retry = never || budget;
        r->retry_s = never ? 0 : t->why == WT_CONCURRENCY ? 1 : t->retry_s;
        wt_limit_text(t->why, need, needs);
        wt_limit_text(t->why, most, limit);
        wt_limit_text(t->why, t->why_left, left);
        if (never && (t->why == WT_REQUESTS_PER_MINUTE || t->why == WT_CONCURRENCY))
                return request_refuse(r, why, "the limit of %s of %s is %s, so that nothing may be "
                        "asked; ask an admin for a higher one", limit_words(t->why), s->name,
                        limit);
        if (never)
                return request_refuse(r, why, "this request needs %s of %s of %s, and the limit "
                        "is %s; ask for fewer tokens (max_tokens) or for a higher limit", needs,
                        limit_words(t->why), s->name, limit);
        return spent(r, why, limit, left, needs);
}

static bool no_books(struct request *r)
{
        wt_log(WT_WARN, "GATEWAY-NO-BOOKS", "request=%s", r->id_text);
        r->retry_s = 1;
        return request_refuse(r, refusal_of(WT_EUNAVAILABLE), "the store of limits does not "
                              "answer, and this key has limits; try again later");
}

/* ---- turns -------------------------------------------------------------------------------- */

/* Sequences that may be at the routers at one time: what they multiply in a step, twice, so that
 * none of them runs dry; beyond that they wait here, where turns are fair. */
static uint32_t room(const struct gateway *g)
{
        uint32_t n = 0;

        if (g->conf.admit_at_once > 0)
                return g->conf.admit_at_once;
        for (uint32_t i = 0; i < g->conf.n_routers; i++)
                if (g->routers[i].welcome && !g->routers[i].draining)
                        n += 2 * g->routers[i].max_seqs;
        return n > 0 ? n : UINT32_MAX;           /* none is there: routers_tick ends the wait */
}

static uint32_t width(const struct request *r)
{
        uint32_t per = r->opt.best_of > r->opt.n ? r->opt.best_of : r->opt.n;

        return r->n_prompts * per;
}

static void start(struct request *r)
{
        r->running = width(r);
        r->g->running += r->running;
        request_go(r);
}

/* More sequences than the routers ever take, running and waiting: another try would not help. */
static bool too_wide(struct request *r)
{
        const struct gateway *g = r->g;
        uint32_t most = 0;

        for (uint32_t i = 0; i < g->conf.n_routers; i++)
                if (g->routers[i].welcome)
                        most += g->routers[i].max_seqs + g->routers[i].max_waiting;
        if (most == 0 || width(r) <= most)
                return false;
        request_refuse(r, BAD(NULL), "this request asks for %u answers at one time (prompts x n or "
                       "best_of); the routers take %u; ask for fewer", width(r), most);
        return true;
}

/* True: now. Otherwise it waits, or was refused. A request wider than the house goes when the house
 * is empty. */
static bool turn(struct request *r)
{
        struct gateway *g = r->g;

        if (g->fair.n == 0 && (g->running == 0 || g->running + width(r) <= room(g)))
                return true;
        if (g->fair.n >= g->conf.admit_waiting) {
                r->retry_s = 5;
                return request_refuse(r, refusal_of(WT_EEXHAUSTED), "%zu requests wait already, as "
                        "many as this gateway lets wait; try again later", g->fair.n);
        }
        wt_fair_put(&g->fair, &r->place, r->who.tenant.id, r->who.tenant.weight,
                    prompt_tokens(r) + (uint64_t)r->opt.max_tokens * width(r));
        r->place_us = wt_now_us(g->conf.clock);
        wt_metric_set(&g->metrics[M_WAITING], (double)g->fair.n);
        return false;
}

void admit_turns(struct gateway *g)
{
        struct wt_place *p;

        while ((p = wt_fair_peek(&g->fair)) != NULL) {
                struct request *r =
                        (struct request *)((char *)p - offsetof(struct request, place));

                if (g->running > 0 && g->running + width(r) > room(g))
                        break;                   /* nobody overtakes it */
                wt_fair_take(&g->fair);
                start(r);
        }
        wt_metric_set(&g->metrics[M_WAITING], (double)g->fair.n);
}

void admit_expire(struct request *r)
{
        struct gateway *g = r->g;

        if (r->place.queue == NULL ||
            wt_now_us(g->conf.clock) - r->place_us <= g->conf.admit_wait_us)
                return;
        r->retry_s = 5;
        request_refuse(r, refusal_of(WT_EEXHAUSTED), "it was not this request's turn within %llu "
                       "s: too many wait; try again later",
                       (unsigned long long)(g->conf.admit_wait_us / 1000000));
}

/* ---- charges ------------------------------------------------------------------------------ */

void gateway_admit(struct request *r)
{
        struct gateway *g = r->g;
        wt_err err = WT_OK;

        if (too_wide(r))
                return;
        if (g->conf.quota != NULL) {
                uint64_t most = (uint64_t)r->opt.max_tokens * width(r);

                wt_identity_price(g->conf.identity, g->conf.model, r->who.tenant.id, &r->price);
                r->ticket.n_scopes = wt_scopes_of(&r->who, r->ticket.scope);
                r->ticket.time_us = (uint64_t)r->created * 1000000;
                r->ticket.user = r;
                charge(r, prompt_tokens(r), most, &r->ticket.charge);
                if (r->ticket.n_scopes > 0)
                        err = wt_quota_ask(g->conf.quota, &r->ticket);
        }
        if (err == WT_EAGAIN)
                return;                          /* gateway_decided */
        if (err != WT_OK)
                over_limit(r);
        else if (turn(r))
                start(r);
}

bool gateway_charge(struct request *r)
{
        struct gateway *g = r->g;
        wt_err err = WT_OK;

        if (g->conf.quota == NULL)
                return true;
        r->ticket.n_scopes = wt_scopes_of(&r->who, r->ticket.scope);
        r->ticket.time_us = (uint64_t)r->created * 1000000;
        r->ticket.user = r;
        charge(r, 0, 0, &r->ticket.charge);
        if (r->ticket.n_scopes > 0)
                err = wt_quota_ask(g->conf.quota, &r->ticket);
        if (err == WT_EAGAIN)
                return false;                    /* gateway_decided */
        return err == WT_OK ? gateway_intend(r) : over_limit(r);
}

void gateway_decided(void *arg, struct wt_ticket *t)
{
        struct request *r = t->user;

        (void)arg;
        if (t->err == WT_EEXHAUSTED)
                over_limit(r);
        else if (t->err != WT_OK)
                no_books(r);
        else if (r->door->answer != NULL) {
                if (gateway_intend(r))
                        request_charged(r);
        } else if (turn(r))
                start(r);
}

void admit_end(struct request *r)
{
        struct gateway *g = r->g;
        struct wt_charge used = { 0 };

        wt_fair_remove(&g->fair, &r->place);
        g->running -= r->running;
        r->running = 0;
        if (r->ticket.state == WT_TICKET_WAITS)
                wt_quota_withdraw(g->conf.quota, &r->ticket);
        if (r->ticket.state != WT_TICKET_HELD)
                return;
        /* The ledger books what has an intent: one that was refused before, in the queue for
         * instance, has used nothing, and what was kept of its charge nobody would ever book. */
        if (r->tally.intended)
                charge(r, prompt_tokens(r), r->n_made, &used);
        wt_quota_settle(g->conf.quota, &r->ticket, &used);
}

/* Tokens: of the limits by minute, day and month the one of which least is left. */
void admit_headers(const struct request *r, struct wt_buf *out)
{
        static const struct { enum wt_limit l[3]; uint32_t n; const char *name; } rows[] = {
                { { WT_REQUESTS_PER_MINUTE }, 1, "requests" },
                { { WT_TOKENS_PER_MINUTE, WT_TOKENS_PER_DAY, WT_TOKENS_PER_MONTH }, 3, "tokens" },
        };
        struct wt_quota *q = r->g->conf.quota;

        for (size_t i = 0; q != NULL && i < sizeof rows / sizeof *rows; i++) {
                int64_t limit = 0, left = 0, a, b;
                uint64_t reset = 0, c;
                bool any = false;

                for (uint32_t k = 0; k < rows[i].n; k++)
                        if (wt_quota_left(q, &r->ticket, rows[i].l[k], &a, &b, &c) &&
                            (!any || b < left)) {
                                any = true;
                                limit = a;
                                left = b;
                                reset = c;
                        }
                if (any)
                        wt_buf_fmt(out, "x-ratelimit-limit-%s: %lld\r\n"
                                   "x-ratelimit-remaining-%s: %lld\r\n"
                                   "x-ratelimit-reset-%s: %llus\r\n", rows[i].name,
                                   (long long)limit, rows[i].name, (long long)left, rows[i].name,
                                   (unsigned long long)reset);
        }
}
