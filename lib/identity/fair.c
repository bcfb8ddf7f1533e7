#include "identity/fair.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"

/* Exists while somebody waits in it: credit does not outlive the queue. */
struct wt_queue {
        char tenant[65];
        uint32_t weight;
        uint64_t credit;
        size_t n;
        bool fed;                                /* has had its credit of this round */
        struct wt_place *head, *tail;
        struct wt_queue *next, *prev;            /* the ring */
};

static struct wt_queue *find(const struct wt_fair *f, const char *tenant)
{
        struct wt_queue *q = f->turn;

        if (q == NULL)
                return NULL;
        do {
                if (strcmp(q->tenant, tenant) == 0)
                        return q;
                q = q->next;
        } while (q != f->turn);
        return NULL;
}

/* Behind all others: just before whose turn it is. */
static struct wt_queue *enter(struct wt_fair *f, const char *tenant)
{
        struct wt_queue *q = calloc(1, sizeof *q);

        if (q == NULL)
                wt_out_of_memory("a tenant's queue", sizeof *q);
        snprintf(q->tenant, sizeof q->tenant, "%s", tenant);
        if (f->turn == NULL) {
                f->turn = q->next = q->prev = q;
        } else {
                q->next = f->turn;
                q->prev = f->turn->prev;
                q->prev->next = q->next->prev = q;
        }
        return q;
}

static void leave(struct wt_fair *f, struct wt_queue *q)
{
        if (f->turn == q)
                f->turn = q->next == q ? NULL : q->next;
        q->next->prev = q->prev;
        q->prev->next = q->next;
        free(q);
}

void wt_fair_put(struct wt_fair *f, struct wt_place *p, const char *tenant, uint32_t weight,
                 uint64_t cost)
{
        struct wt_queue *q = find(f, tenant);

        WT_ASSERT(p->queue == NULL);
        if (q == NULL)
                q = enter(f, tenant);
        q->weight = weight > 0 ? weight : 1;
        p->queue = q;
        p->cost = cost;
        p->next = NULL;
        p->prev = q->tail;
        if (q->tail != NULL)
                q->tail->next = p;
        else
                q->head = p;
        q->tail = p;
        q->n++;
        f->n++;
}

void wt_fair_remove(struct wt_fair *f, struct wt_place *p)
{
        struct wt_queue *q = p->queue;

        if (q == NULL)
                return;
        if (p->prev != NULL)
                p->prev->next = p->next;
        else
                q->head = p->next;
        if (p->next != NULL)
                p->next->prev = p->prev;
        else
                q->tail = p->prev;
        p->queue = NULL;
        p->next = p->prev = NULL;
        f->n--;
        if (--q->n == 0)
                leave(f, q);
}

struct wt_place *wt_fair_peek(struct wt_fair *f)
{
        struct wt_queue *q;

        while ((q = f->turn) != NULL) {
                if (!q->fed) {
                        q->fed = true;
                        q->credit += (uint64_t)q->weight * WT_FAIR_QUANTUM;
                }
                if (q->head->cost <= q->credit)
                        return q->head;
                q->fed = false;
                f->turn = q->next;
        }
        return NULL;
}

struct wt_place *wt_fair_take(struct wt_fair *f)
{
        struct wt_place *p = wt_fair_peek(f);

        if (p != NULL) {
                p->queue->credit -= p->cost;
                wt_fair_remove(f, p);
        }
        return p;
}

size_t wt_fair_waiting(const struct wt_fair *f, const char *tenant)
{
        const struct wt_queue *q = find(f, tenant);

        return q != NULL ? q->n : 0;
}
