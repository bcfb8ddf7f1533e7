/* fair.h - whose turn it is when the house is full: deficit round robin between tenants (Shreedhar
 * and Varghese 1995). Each tenant has a queue; a round gives it weight x QUANTUM of credit, and its
 * head goes when the credit covers its cost (tokens). A tenant with many requests, or long ones,
 * slows itself and nobody else. Pure; one thread. */
#ifndef WITAN_IDENTITY_FAIR_H
#define WITAN_IDENTITY_FAIR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WT_FAIR_QUANTUM = 256 };

/* A place in a queue; the caller's memory, zeroed, not moved while it is queued. */
struct wt_place {
        struct wt_place *next, *prev;
        struct wt_queue *queue;                  /* NULL: it stands nowhere */
        uint64_t cost;
};
struct wt_fair { struct wt_queue *turn; size_t n; };     /* all-zero: empty. turn: a ring */

/* weight: at least 1. */
void wt_fair_put(struct wt_fair *f, struct wt_place *p, const char *tenant, uint32_t weight,
                 uint64_t cost);
struct wt_place *wt_fair_peek(struct wt_fair *f);        /* whose turn it is; NULL: nobody waits */
struct wt_place *wt_fair_take(struct wt_fair *f);        /* the same one, out of its queue */
void wt_fair_remove(struct wt_fair *f, struct wt_place *p);      /* fine when it stands nowhere */
size_t wt_fair_waiting(const struct wt_fair *f, const char *tenant);
#endif
