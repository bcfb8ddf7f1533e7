/* quota_thread.c - the thread that goes to the store: collects what accounts want or have too much
 * of, runs all of it in one transaction, and puts the results into the books. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "identity/quota_books.h"

enum { TURN_MS = 200, IDLE_US = 1000 * 1000, FORGET_US = 120 * 1000 * 1000,
       AGAIN_US = 450 * 1000, AT_ONCE = 256 };  /* AGAIN: two turns, and the store's time */

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* At its pace the limit is far: an account of ours may lease by turns, not by charges. */
static bool is_far(const struct account *a, int64_t pace)
{
        return pace > 0 && a->left / 16 >= pace;
}

/* What a busy account may have lying about: two turns' worth, or a few charges; near the limit
 * one. */
static int64_t keep_of(struct account *a, uint64_t now)
{
        if (now - a->busy_us > IDLE_US)
                a->largest = 0;
        if (a->left < 16 * a->largest)
                return a->largest;
        return larger(8 * a->largest, is_far(a, a->pace) ? 2 * a->pace : 0);
}

/* What is asked for beyond a need: grows with what was charged already in this turn, so that a
 * burst does not wait for the store at each handful. */
static int64_t block_of(const struct account *a)
{
        int64_t pace = larger(a->pace, a->lately);

        return larger(8 * a->largest, is_far(a, pace) ? 2 * pace : 0);
}

/* Is there a round to go? One that found a part at other gateways gives them the time to bring it
 * back. */
static bool goes(const struct account *a, uint64_t now)
{
        return a->round_asked != a->round_done &&
               !(a->elsewhere && now - a->answered_us < AGAIN_US);
}

/* Nobody waits yet, but at this pace somebody would before the next turn. */
static bool runs_low(const struct account *a)
{
        return is_far(a, a->pace) && a->round_asked == a->round_done && a->balance < a->pace;
}

/* Lock held: a turn is over. */
static void count_pace(wt_quota *q)
{
        for (int b = 0; b < N_ACCOUNTS; b++)
                for (struct account *a = q->bucket[b]; a != NULL; a = a->next) {
                        a->pace = a->lately;
                        a->lately = a->limit == WT_CONCURRENCY ? a->charged : 0;
                }
}

/* Lock held. Needs first; then what runs low, and what lies about. */
static uint32_t collect(wt_quota *q, struct errand *e, uint64_t now)
{
        uint32_t n = 0;

        quota_sum(q);
        for (int pass = 0; pass < 2; pass++)
                for (int b = 0; b < N_ACCOUNTS; b++)
                        for (struct account *a = q->bucket[b]; a != NULL && n < AT_ONCE;
                             a = a->next) {
                                int64_t keep = keep_of(a, now);
                                bool low = runs_low(a);

                                if (pass == 0 ? !goes(a, now)
                                              : a->want > 0 || (!low && a->balance <= keep))
                                        continue;
                                e[n] = (struct errand){ .account = a, .limit = a->limit,
                                        .window = a->window, .most = a->most,
                                        .need = (low ? a->pace : a->want) - a->balance,
                                        .block = block_of(a), .round = a->round_asked };
                                a->round_sent = a->round_asked;
                                memcpy(e[n].scope, a->scope, sizeof a->scope);
                                if (pass == 1 && !low) {
                                        e[n].give = a->balance - keep;
                                        a->balance = keep;
                                }
                                n++;
                        }
        return n;
}

/* Lock held. After a failure it is not known whether the transaction happened: what was to be given
 * back is taken as given (the lease keeps it until it ends), what was asked for as not got. */
static void apply(struct errand *e, uint32_t n, wt_err err)
{
        uint64_t now = wt_now_us(&wt_clock_real);

        for (uint32_t i = 0; i < n; i++) {
                struct account *a = e[i].account;

                if (e[i].give > 0)
                        continue;
                if (err == WT_OK) {
                        a->balance += e[i].got;
                        a->left = e[i].left;
                        a->elsewhere = e[i].elsewhere;
                }
                if (a->round_done == e[i].round)
                        continue;                /* nobody waited for it */
                a->answered_us = now;
                a->round_done = e[i].round;
                a->round_err = err;
        }
}

/* Lock held: accounts that nobody has come to for long, of windows that ended and others. */
static void forget(wt_quota *q, uint64_t now)
{
        for (int b = 0; b < N_ACCOUNTS; b++)
                for (struct account **at = &q->bucket[b]; *at != NULL;) {
                        struct account *a = *at;

                        if (now - a->busy_us > FORGET_US && a->charged == 0 && a->balance == 0 &&
                            a->round_asked == a->round_done) {
                                *at = a->next;
                                free(a);
                        } else {
                                at = &a->next;
                        }
                }
}

static void wait_for_work(wt_quota *q)
{
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TURN_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        while (!q->asked && !q->stop)
                if (pthread_cond_timedwait(&q->work, &q->lock, &until) == ETIMEDOUT)
                        break;
        q->asked = false;
}

/* Lock held. A new lease began in the store, at now or later. */
static void begin_lease(wt_quota *q, uint64_t now)
{
        quota_lose(q);
        q->lost = false;
        q->valid_us = now + q->conf.lease_ms * 1000;
}

static void turn(wt_quota *q, struct errand *e)
{
        static const uint64_t one = 1;
        uint64_t now = wt_now_us(&wt_clock_real), lease = q->lease;
        uint32_t n = collect(q, e, now);
        bool lost = q->lost, anew = false;
        wt_err err;

        if (n == 0)
                return;
        pthread_mutex_unlock(&q->lock);
        err = quota_run(q, e, n, lost, &anew);
        pthread_mutex_lock(&q->lock);
        if (err == WT_OK && anew)
                begin_lease(q, now);
        if (err == WT_OK && q->lease != lease) {
                q->asked = true;                 /* what was asked for before is asked for again */
                return;
        }
        apply(e, n, err);
        if (write(q->fd, &one, sizeof one) != sizeof one)
                WT_ASSERT(errno == EAGAIN);      /* it is readable already */
        q->asked |= n == AT_ONCE;
}

/* Lock held, but not while the store works. */
static void upkeep(wt_quota *q, uint64_t *renewed)
{
        uint64_t now = wt_now_us(&wt_clock_real), lease = q->lease;
        bool lost = q->lost, anew = false;
        wt_err err;

        if (now - *renewed < q->conf.lease_ms * 1000 / 4)
                return;
        forget(q, now);
        pthread_mutex_unlock(&q->lock);
        err = quota_renew(q, lost, &anew);
        pthread_mutex_lock(&q->lock);
        if (err != WT_OK)
                return;
        *renewed = now;
        if (anew)
                begin_lease(q, now);
        else if (q->lease == lease)
                q->valid_us = now + q->conf.lease_ms * 1000;
}

void *quota_thread(void *arg)
{
        wt_quota *q = arg;
        struct errand *e = calloc(AT_ONCE, sizeof *e);
        uint64_t renewed = wt_now_us(&wt_clock_real), counted = renewed, now;

        if (e == NULL)
                wt_out_of_memory("quota errands", AT_ONCE * sizeof *e);
        pthread_mutex_lock(&q->lock);
        while (!q->stop) {
                wait_for_work(q);
                now = wt_now_us(&wt_clock_real);
                if (now - counted >= TURN_MS * 1000) {
                        count_pace(q);
                        counted = now;
                }
                turn(q, e);
                upkeep(q, &renewed);
        }
        pthread_mutex_unlock(&q->lock);
        free(e);
        return NULL;
}
