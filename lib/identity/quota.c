/* quota.c - the gateway's side: charges against balances, tickets that wait for the store. */
#include "identity/quota.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "identity/quota_books.h"

static struct account **bucket_of(wt_quota *q, const char *scope, int limit, int64_t window)
{
        uint64_t h = 1469598103934665603ull;     /* FNV-1a */

        for (const char *p = scope; *p != '\0'; p++)
                h = (h ^ (uint8_t)*p) * 1099511628211ull;
        h = (h ^ (uint64_t)limit) * 1099511628211ull;
        h = (h ^ (uint64_t)window) * 1099511628211ull;
        return &q->bucket[(h ^ h >> 32) % N_ACCOUNTS];
}

static struct account *find(wt_quota *q, const char *scope, int limit, int64_t window)
{
        struct account *a = *bucket_of(q, scope, limit, window);

        while (a != NULL && !(a->limit == (enum wt_limit)limit && a->window == window &&
                              strcmp(a->scope, scope) == 0))
                a = a->next;
        return a;
}

/* A window begins where the last one stopped: at its pace, so that not each minute of a busy key
 * begins with a handful of charges at a time. */
static struct account *open_account(wt_quota *q, const struct wt_scope *scope, int limit,
                                    int64_t window)
{
        const struct account *last = find(q, scope->name, limit, window - 1);
        struct account **at = bucket_of(q, scope->name, limit, window);
        struct account *a = calloc(1, sizeof *a);

        if (a == NULL)
                wt_out_of_memory("a quota account", sizeof *a);
        snprintf(a->scope, sizeof a->scope, "%s", scope->name);
        a->limit = (enum wt_limit)limit;
        a->window = window;
        a->left = scope->limits.most[limit];
        if (last != NULL)
                a->pace = last->pace > last->lately ? last->pace : last->lately;
        a->next = *at;
        *at = a;
        return a;
}

/* The account of a limit of t, made when absent; NULL: no such limit. */
static struct account *account_of(wt_quota *q, const struct wt_ticket *t, uint32_t s, int l)
{
        const struct wt_scope *scope = &t->scope[s];
        uint64_t left;
        int64_t window;
        struct account *a;

        if (scope->limits.most[l] < 0)
                return NULL;
        window = wt_quota_window((enum wt_limit)l, t->time_us, &left);
        if ((a = find(q, scope->name, l, window)) == NULL)
                a = open_account(q, scope, l, window);
        a->most = scope->limits.most[l];         /* an operator may have moved it */
        return a;
}

/* Calls f for every limit of t until one says false. */
#define EACH(q, t, a, s, l)                                                                      \
        for (uint32_t s = 0; s < (t)->n_scopes; s++)                                             \
                for (int l = 0; l < WT_N_LIMITS; l++)                                            \
                        for (struct account *a = account_of(q, t, s, l); a != NULL; a = NULL)

void quota_lose(wt_quota *q)
{
        for (int b = 0; b < N_ACCOUNTS; b++)
                for (struct account *a = q->bucket[b]; a != NULL; a = a->next)
                        a->balance = a->charged = 0;
        q->lease++;
        q->lost = true;
}

/* Lock held. Was the store away, or this process stopped, for as long as a lease lasts? Others may
 * have what lies here. */
static void look_at_lease(wt_quota *q)
{
        if (!q->lost && wt_now_us(&wt_clock_real) >= q->valid_us)
                quota_lose(q);
}

static bool take(wt_quota *q, struct wt_ticket *t)
{
        bool enough = true;

        EACH(q, t, a, s, l)
                enough &= a->balance >= t->charge.n[l];
        if (!enough)
                return false;
        EACH(q, t, a, s, l) {
                a->balance -= t->charge.n[l];
                a->charged += t->charge.n[l];
                if (l != WT_CONCURRENCY)
                        a->lately += t->charge.n[l];
                else if (a->charged > a->lately)
                        a->lately = a->charged;
        }
        t->state = WT_TICKET_HELD;
        t->lease = q->lease;
        t->err = WT_OK;
        return true;
}

static wt_err over(struct wt_ticket *t, const struct account *a, uint32_t s, int l)
{
        t->state = WT_TICKET_OVER;
        t->err = WT_EEXHAUSTED;
        t->why_scope = s;
        t->why = (enum wt_limit)l;
        t->why_left = a->left + a->balance > 0 ? a->left + a->balance : 0;
        wt_quota_window(t->why, t->time_us, &t->retry_s);
        return wt_fail(WT_EEXHAUSTED, "%s of %s: the limit is %lld, %lld are left and this needs "
                       "%lld", wt_limit_name(t->why), a->scope, (long long)a->most,
                       (long long)t->why_left, (long long)t->charge.n[l]);
}

/* What a ticket lacks is asked for. It shares a round that is not on its way yet, and asks again
 * when its round was answered and others took what came. */
static void ask_store(wt_quota *q, struct wt_ticket *t)
{
        EACH(q, t, a, s, l) {
                if (a->balance >= t->charge.n[l] || t->round[s][l] > a->round_done)
                        continue;
                if (a->round_asked == a->round_sent)
                        a->round_asked++;
                t->round[s][l] = a->round_asked;
                q->asked = true;
        }
        if (q->asked)
                pthread_cond_signal(&q->work);
}

void quota_sum(wt_quota *q)
{
        for (int b = 0; b < N_ACCOUNTS; b++)
                for (struct account *a = q->bucket[b]; a != NULL; a = a->next)
                        a->want = 0;
        for (struct wt_ticket *t = q->waiting; t != NULL; t = t->next)
                EACH(q, t, a, s, l)
                        a->want += t->charge.n[l];
}

/* Over the limit by an answer that is younger than the ticket. What other gateways hold too much of
 * they give back within a turn of their thread, so where they hold some it is asked once more. */
static bool is_over(const struct account *a, struct wt_ticket *t, int l)
{
        if (a->left + a->balance >= t->charge.n[l])
                return false;
        if (!a->elsewhere || t->asked_again)
                return true;
        t->asked_again = true;
        return false;
}

/* A ticket that waited: taken, over a limit, or (false) still to wait. */
static bool decide(wt_quota *q, struct wt_ticket *t)
{
        if (take(q, t))
                return true;
        EACH(q, t, a, s, l) {
                if (a->balance >= t->charge.n[l] || t->round[s][l] == 0 ||
                    a->round_done < t->round[s][l])
                        continue;
                if (a->round_err != WT_OK) {
                        t->state = WT_TICKET_OVER;
                        t->err = WT_EUNAVAILABLE;
                        t->retry_s = 1;
                        return true;
                }
                if (is_over(a, t, l)) {
                        over(t, a, s, l);
                        return true;
                }
        }
        return false;
}

static void touch(wt_quota *q, const struct wt_ticket *t)
{
        uint64_t now = wt_now_us(&wt_clock_real);

        EACH(q, t, a, s, l) {
                a->busy_us = now;
                if (t->charge.n[l] > a->largest)
                        a->largest = t->charge.n[l];
        }
}

static void unlink_ticket(wt_quota *q, struct wt_ticket *t)
{
        if (t->prev != NULL)
                t->prev->next = t->next;
        else
                q->waiting = t->next;
        if (t->next != NULL)
                t->next->prev = t->prev;
        else
                q->waiting_tail = t->prev != NULL ? &t->prev->next : &q->waiting;
        t->next = t->prev = NULL;
}

static void enqueue(wt_quota *q, struct wt_ticket *t)
{
        t->state = WT_TICKET_WAITS;
        t->next = NULL;
        t->prev = q->waiting == NULL ? NULL
                : (struct wt_ticket *)((char *)q->waiting_tail - offsetof(struct wt_ticket, next));
        *q->waiting_tail = t;
        q->waiting_tail = &t->next;
}

wt_err wt_quota_ask(wt_quota *q, struct wt_ticket *t)
{
        wt_err err = WT_EAGAIN;

        pthread_mutex_lock(&q->lock);
        look_at_lease(q);
        touch(q, t);
        EACH(q, t, a, s, l)
                if (err == WT_EAGAIN && t->charge.n[l] > a->most)
                        err = over(t, a, s, l);
        if (err == WT_EAGAIN && take(q, t)) {
                err = WT_OK;
        } else if (err == WT_EAGAIN) {
                ask_store(q, t);
                enqueue(q, t);
        }
        pthread_mutex_unlock(&q->lock);
        return err;
}

void wt_quota_withdraw(wt_quota *q, struct wt_ticket *t)
{
        if (t->state != WT_TICKET_WAITS)
                return;
        pthread_mutex_lock(&q->lock);
        unlink_ticket(q, t);
        t->state = WT_TICKET_NONE;
        pthread_mutex_unlock(&q->lock);
}

void wt_quota_settle(wt_quota *q, struct wt_ticket *t, const struct wt_charge *used)
{
        if (t->state != WT_TICKET_HELD)
                return;
        pthread_mutex_lock(&q->lock);
        look_at_lease(q);
        if (t->lease != q->lease) {              /* the store has what it did not use */
                t->state = WT_TICKET_OVER;
                pthread_mutex_unlock(&q->lock);
                return;
        }
        EACH(q, t, a, s, l) {
                int64_t u = l == WT_CONCURRENCY ? 0 : used->n[l];

                a->charged -= t->charge.n[l];
                a->balance += t->charge.n[l] - u;
        }
        t->state = WT_TICKET_OVER;
        pthread_mutex_unlock(&q->lock);
}

int wt_quota_fd(const wt_quota *q)
{
        return q->fd;
}

static struct wt_ticket *decide_all(wt_quota *q)
{
        struct wt_ticket *t, *next, *done = NULL, **tail = &done;

        for (t = q->waiting; t != NULL; t = next) {
                next = t->next;
                if (!decide(q, t)) {
                        ask_store(q, t);
                        continue;
                }
                unlink_ticket(q, t);
                *tail = t;
                tail = &t->next;
        }
        return done;
}

void wt_quota_turn(wt_quota *q)
{
        struct wt_ticket *t;
        uint64_t n;

        while (read(q->fd, &n, sizeof n) == sizeof n)
                ;
        pthread_mutex_lock(&q->lock);
        look_at_lease(q);
        t = decide_all(q);
        pthread_mutex_unlock(&q->lock);
        while (t != NULL) {
                struct wt_ticket *next = t->next;

                t->next = NULL;
                q->conf.decided(q->conf.arg, t);
                t = next;
        }
}

bool wt_quota_left(wt_quota *q, const struct wt_ticket *t, enum wt_limit l, int64_t *limit,
                   int64_t *left, uint64_t *reset_s)
{
        bool found = false;

        pthread_mutex_lock(&q->lock);
        for (uint32_t s = 0; s < t->n_scopes; s++) {
                const struct account *a = account_of(q, t, s, (int)l);
                int64_t rest;

                if (a == NULL)
                        continue;
                rest = a->left + a->balance > 0 ? a->left + a->balance : 0;
                if (!found || rest < *left) {
                        *left = rest;
                        *limit = a->most;
                }
                found = true;
        }
        pthread_mutex_unlock(&q->lock);
        if (found)
                wt_quota_window(l, t->time_us, reset_s);
        return found;
}

static wt_err open_store(wt_quota *q)
{
        wt_err err = wt_store_open(&q->store, q->conf.store_url, q->conf.timeout_ms);
        bool anew;

        if (err == WT_OK && (err = wt_quota_migrate(q->store)) == WT_OK) {
                q->valid_us = wt_now_us(&wt_clock_real) + q->conf.lease_ms * 1000;
                err = quota_run(q, NULL, 0, true, &anew);        /* what is left of this name's */
        }
        if (err != WT_OK)
                return err;
        q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        return q->fd >= 0 ? WT_OK : wt_fail(WT_EEXHAUSTED, "no descriptor for the quotas; raise "
                                            "the limit of open files");
}

wt_err wt_quota_open(wt_quota **out, const struct wt_quota_conf *conf)
{
        wt_quota *q = calloc(1, sizeof *q);
        pthread_condattr_t attr;
        wt_err err;

        if (q == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the quotas");
        q->conf = *conf;
        q->conf.lease_ms = conf->lease_ms > 0 ? conf->lease_ms : 30000;
        snprintf(q->gateway, sizeof q->gateway, "%s", conf->gateway);
        q->waiting_tail = &q->waiting;
        q->fd = -1;
        pthread_mutex_init(&q->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&q->work, &attr);
        pthread_condattr_destroy(&attr);
        err = open_store(q);
        if (err == WT_OK && pthread_create(&q->thread, NULL, quota_thread, q) != 0)
                err = wt_fail(WT_EEXHAUSTED, "no thread for the quotas; raise the limit of tasks");
        if (err != WT_OK) {
                wt_store_close(q->store);
                if (q->fd >= 0)
                        close(q->fd);
                free(q);
                return err;
        }
        *out = q;
        return WT_OK;
}

void wt_quota_close(wt_quota *q)
{
        if (q == NULL)
                return;
        pthread_mutex_lock(&q->lock);
        q->stop = true;
        pthread_cond_signal(&q->work);
        pthread_mutex_unlock(&q->lock);
        pthread_join(q->thread, NULL);
        quota_give_all(q->store, q->gateway);    /* away: the lease ends by itself */
        wt_store_close(q->store);
        for (int b = 0; b < N_ACCOUNTS; b++)
                while (q->bucket[b] != NULL) {
                        struct account *a = q->bucket[b];

                        q->bucket[b] = a->next;
                        free(a);
                }
        pthread_cond_destroy(&q->work);
        pthread_mutex_destroy(&q->lock);
        close(q->fd);
        free(q);
}
