/* calls.c - the life of the calls of one layer: ends, failures, second tries. A call is a pure
 * function (law 2), so sending its picks again, anywhere, is always safe and gives the same
 * bits. */
#include <string.h>
#include "path.h"

struct call *router_call_find(struct router *r, uint64_t id)
{
        if (r->batch.phase != STEP_AWAY)
                return NULL;
        for (struct share *s = r->batch.shares; s != NULL; s = s->next)
                for (struct call *c = s->calls; c != NULL; c = c->next)
                        if (c->state == CALL_OUT && c->id == id)
                                return c;
        return NULL;
}

struct owed *router_owed_find(struct worker *w, uint64_t id)
{
        for (uint32_t i = 0; i < w->n_owed; i++)
                if (w->owed[i].id == id)
                        return &w->owed[i];
        return NULL;
}

/* The worker has ended a call, in whatever way: its credit is free again, and it works. */
void router_owed_end(struct worker *w, struct owed *o)
{
        w->rows_out -= o->rows;
        w->bytes_out -= o->bytes;
        *o = w->owed[--w->n_owed];
        w->late = false;
}

static void send_cancel(struct router *r, struct worker *w, uint64_t id)
{
        wt_msg *m = router_message(r, w->peer, WT_M_EXPERT_CANCEL);
        struct wt_expert_cancel *body = WT_ARENA_NEW(&m->arena, struct wt_expert_cancel);

        body->call_id = id;
        m->env.body = body;
        m->env.epoch = w->epoch;
        router_post_worker(r, w, m);
}

/* The answer is not wanted any more. */
static void drop(struct router *r, struct call *c)
{
        struct worker *w = c->worker >= 0 ? &r->worker[c->worker] : NULL;

        if (c->state == CALL_OUT && w->epoch == c->epoch && w->state != PEER_GONE && !w->cut)
                send_cancel(r, w, c->id);
        for (uint32_t i = 0; i < c->parts; i++) {
                wt_msg_free(c->part[i]);
                c->part[i] = NULL;
        }
        c->state = CALL_DROPPED;
}

static void drop_attempt(struct router *r, struct share *s, uint32_t attempt)
{
        for (struct call *c = s->calls; c != NULL; c = c->next)
                if (c->attempt == attempt && c->state != CALL_DROPPED)
                        drop(r, c);
        s->n_open[attempt] = 0;
}

void router_calls_drop(struct router *r)
{
        for (struct share *s = r->batch.shares; s != NULL; s = s->next)
                for (uint32_t a = 0; a < 2; a++)
                        drop_attempt(r, s, a);
        r->batch.shares = NULL;
        r->batch.n_open = 0;
}

/* Attempt a has nothing open any more: the share is done. */
static void settle(struct router *r, struct share *s, uint32_t a)
{
        if (s->done || s->n_open[a] > 0)
                return;
        s->done = true;
        s->winner = a;
        drop_attempt(r, s, 1 - a);
        r->n.hedges_won += a == 1;
        r->batch.n_open--;
}

void router_call_home(struct router *r, struct call *c)
{
        struct share *s = c->share;

        c->state = CALL_HOME;
        s->n_open[c->attempt]--;
        settle(r, s, c->attempt);
}

/* c's picks in new calls of the same attempt, to workers outside the set `not`. */
static void again(struct router *r, struct call *c, const uint32_t *not)
{
        struct share *s = c->share;

        drop(r, c);
        s->n_open[c->attempt]--;
        router_place(r, c->pick, c->n_picks, not);
        router_dispatch(r, c->pick, c->n_picks, s, c->attempt);
        settle(r, s, c->attempt);                /* when all its rows are dead, nothing went out */
}

static void resend(struct router *r, struct call *c)
{
        r->n.resends++;
        again(r, c, c->share->refused);
}

/* The sequences whose rows are in c end; the rest of the step goes on. */
static void fail_rows(struct router *r, struct call *c, wt_err code, const char *words)
{
        struct batch *b = &r->batch;

        for (uint32_t i = 0; i < c->n_rows; i++)
                if (!b->dead[c->row[i]])
                        router_end(r, b->seq[b->run_of[c->row[i]]], WT_FAILED, code, words);
        drop(r, c);
        c->share->n_open[c->attempt]--;
        settle(r, c->share, c->attempt);
}

/* The worker answered with an error: its picks go to others, as long as others hold them. */
void router_call_failed(struct router *r, struct call *c, wt_err code, const char *words)
{
        struct share *s = c->share;
        uint32_t other = 1 - c->attempt;

        s->refused[c->worker / 32] |= 1u << (c->worker % 32);
        if (s->n_open[other] > 0)
                drop_attempt(r, s, c->attempt);
        else if (router_place(r, c->pick, c->n_picks, s->refused) > 0 &&
                 router_place(r, c->pick, c->n_picks, NULL) == 0)
                fail_rows(r, c, code, words);    /* everybody who holds them has refused */
        else
                resend(r, c);
}

/* Nobody lives who holds them: the sequences whose rows are in c leave the step, so that those that
 * do not need the missing expert go on without them. */
static void put_back(struct router *r, struct call *c)
{
        for (uint32_t i = 0; i < c->n_rows; i++)
                router_put_back(r, c, c->row[i]);
        drop(r, c);
        c->share->n_open[c->attempt]--;
        settle(r, c->share, c->attempt);
}

/* Calls are compared with calls of their size: class 1 + log2 of the rows. */
uint32_t router_size_class(uint32_t n_rows)
{
        uint32_t class = 32 - (uint32_t)__builtin_clz(n_rows | 1);

        return class < N_USUAL ? class : N_USUAL - 1;
}

/* Late is what takes four times as long as usual here, and longer than hedge_after. */
static bool late(const struct router *r, const struct call *c)
{
        uint64_t limit = 4ull * r->worker[c->worker].usual_us[router_size_class(c->n_rows)];

        return r->now - c->since >
                (limit > r->conf.hedge_after_us ? limit : r->conf.hedge_after_us);
}

/* A call that takes so long was lost, or its worker hangs: expert_wait for a small one, more for
 * many rows, and never less than eight times what is usual. */
uint64_t router_patience(const struct router *r, const struct worker *w, uint32_t n_rows)
{
        uint64_t usual = 8ull * w->usual_us[router_size_class(n_rows)];
        uint64_t wait = r->conf.expert_wait_us + r->conf.expert_wait_us / 256 * n_rows;

        return usual > wait ? usual : wait;
}

/* The workers that c's picks should not go to: those that refused, and c's own. */
static void all_but(const struct call *c, uint32_t not[WORKER_WORDS])
{
        memcpy(not, c->share->refused, sizeof c->share->refused);
        not[c->worker / 32] |= 1u << (c->worker % 32);
}

/* Not answered for long: the same picks a second time, beside the first call, which still counts
 * if it answers first. To other holders; when there are none and half the patience is gone, to
 * the same one: a part may have been lost, and a first call that is only slow is not disturbed. */
static void hedge(struct router *r, struct call *c, bool anybody)
{
        struct share *s = c->share;
        uint32_t not[WORKER_WORDS];
        struct worker *w = &r->worker[c->worker];

        if (!w->late) {
                w->late = true;
                router_worker_ping(r, w);
        }
        if (s->hedged)
                return;
        all_but(c, not);
        if (router_place(r, s->pick, s->n_picks, not) > 0 &&
            (!anybody || router_place(r, s->pick, s->n_picks, s->refused) > 0))
                return;
        s->hedged = true;
        r->n.hedges++;
        router_dispatch(r, s->pick, s->n_picks, s, 1);
        settle(r, s, 1);                         /* when all rows are dead */
}

static void watch_out(struct router *r, struct call *c)
{
        const struct worker *w = &r->worker[c->worker];
        bool overdue = r->now - c->since > router_patience(r, w, c->n_rows) / 2;

        if (w->state == PEER_GONE || w->cut || w->epoch != c->epoch) {
                r->n.calls_lost++;
                resend(r, c);
        } else if (overdue && c->attempt == 1) {
                resend(r, c);                    /* the second try may be lost as well */
        } else if (late(r, c)) {
                hedge(r, c, overdue);
        }
}

/* Is something of this attempt open, and all of it at a worker? One that lacks a holder as well is
 * nothing to wait for. */
static bool may_come_home(const struct share *s, uint32_t attempt)
{
        for (const struct call *c = s->calls; c != NULL; c = c->next)
                if (c->attempt == attempt && c->state == CALL_QUEUED && c->worker < 0)
                        return false;
        return s->n_open[attempt] > 0;
}

/* It waits for credit, or for a holder. */
static void watch_queued(struct router *r, struct call *c)
{
        const struct worker *w = c->worker >= 0 ? &r->worker[c->worker] : NULL;
        struct call *before = c->share->calls;
        uint32_t not[WORKER_WORDS];
        uint64_t since = c->since;

        if (w != NULL && w->state == PEER_LIVE && !w->cut) {
                if (router_call_send(r, c) || !w->late)
                        return;
                all_but(c, not);                 /* it hangs: does somebody else hold them? */
                if (router_place(r, c->pick, c->n_picks, not) == 0)
                        again(r, c, not);
        } else if (r->membership || w != NULL) {
                again(r, c, c->share->refused);
                for (struct call *n = c->share->calls; n != before; n = n->next)
                        if (n->worker < 0)
                                n->since = since;        /* one wait, looked at often */
        } else if (!may_come_home(c->share, 1 - c->attempt)) {
                put_back(r, c);
        }
}

/* A worker that owes a call beyond all patience and says nothing is gone; one that speaks has
 * lost the call, or its cancel. */
static void watch_owed(struct router *r, struct worker *w)
{
        for (uint32_t i = w->n_owed; i-- > 0;) {
                if (r->now - w->owed[i].sent <= router_patience(r, w, w->owed[i].rows))
                        continue;
                if (w->heard <= w->owed[i].sent) {
                        router_worker_gone(r, w, "it is silent");
                        return;
                }
                send_cancel(r, w, w->owed[i].id);
                router_owed_end(w, &w->owed[i]);
        }
}

void router_watch(struct router *r)
{
        for (uint32_t i = 0; i < r->n_workers; i++)
                if (r->worker[i].state == PEER_LIVE || r->worker[i].state == PEER_DRAINS)
                        watch_owed(r, &r->worker[i]);
        router_peers_idle(r);
        if (r->membership) {
                r->n.missing = router_missing(r);
                r->plan_version++;
                router_push_states(r);
                router_unblock(r);
        }
        router_blocked(r);
        for (struct share *s = r->batch.shares; s != NULL; s = s->next) {
                for (struct call *c = s->calls; c != NULL && !s->done; c = c->next) {
                        if (c->state == CALL_OUT)
                                watch_out(r, c);
                        else if (c->state == CALL_QUEUED)
                                watch_queued(r, c);
                }
        }
        r->membership = false;
}
